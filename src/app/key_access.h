// KeyAccess: what the keys of all environments share: the keepers that the settings know, and the passphrase of key
// files. Nothing is read or asked before a key needs it. Thread safety: any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adapters/keys_file.h"
#include "adapters/keys_file_address.h"
#include "config/settings.h"

namespace hauberk::app {

class KeyAccess {
 public:
  // `before`: passphrases that may still be on some files while it is being changed.
  KeyAccess(const config::Settings& settings, Files& files, const Clock& clock, Random& random,
            std::vector<SecretRef> before);
  // The keys below `data` of one environment: where they are, and where the settings want them.
  adapters::KeyFolder folder(const std::string& data, Environment environment) const;
  adapters::AddressKeyFile address_key(const std::string& data) const;

 private:
  const config::KeySettings settings_;
  Files& files_;
  const Clock& clock_;
  Random& random_;
  crypto::KeyKeepers keepers_;
  std::shared_ptr<adapters::KeyPassphrase> passphrase_;
};

}  // namespace hauberk::app
