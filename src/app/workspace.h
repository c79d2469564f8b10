// Workspace: an opened data folder: configuration, catalogue, blobs, the keys of each environment, policies, and who
// acts. Every verb but `scan` works on one. Made by one thread; the ports may be used by any.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "adapters/catalog_sqlite.h"
#include "adapters/ledger_file.h"
#include "app/command.h"
#include "app/key_access.h"
#include "base/file_lock.h"
#include "config/settings.h"
#include "core/event.h"
#include "registry/ports.h"

namespace hauberk::app {

// The configuration that the command line and the environment choose. `path` is empty for built-in defaults.
struct LoadedSettings {
  config::Settings settings;
  std::string path;
  std::string data;                             // the data folder in effect
  std::vector<SecretRef> passphrases_before{};  // that key files may still be sealed with, while it is changed
};
Result<LoadedSettings> load_settings(Context& context);

class Workspace {
 public:
  // not_found, with `hauberk init`, if there is no workspace in the folder.
  static Result<std::unique_ptr<Workspace>> open(Context& context);
  static Result<std::unique_ptr<Workspace>> open(Context& context, LoadedSettings loaded);
  // Makes keys, catalogue, policies; refuses a folder that holds a workspace already. What a killed run left is
  // completed.
  static Result<std::unique_ptr<Workspace>> create(Context& context, LoadedSettings loaded);

  registry::Ports ports();
  const registry::Policies& policies() const { return policies_; }
  const config::Settings& settings() const { return loaded_.settings; }
  const LoadedSettings& loaded() const { return loaded_; }
  const std::shared_ptr<crypto::KeyProvider>& keys(Environment environment) const {
    return keys_[static_cast<std::size_t>(environment)];
  }
  adapters::KeyFolder key_folder(Environment environment) const { return access_.folder(loaded_.data, environment); }
  // To be held by whoever changes keys (exclusive), from before they are read; by whoever wraps with them (shared).
  static Result<Descriptor> lock_keys(Context& context, LockMode mode);
  adapters::AddressKeyFile address_key() const { return access_.address_key(loaded_.data); }
  Catalog& catalog() { return *catalog_; }

  // Who acts in `environment`: the subject of HAUBERK_TOKEN, which must be a token of that environment, or else the
  // local user, who holds the key files and therefore every grant there is.
  Result<Principal> principal(Environment environment);

  // Everybody who reads the record needs the grant "ledger" in that environment. Errc::no_grant.
  Status require_ledger_reader(Environment environment);
  std::string ledger_folder(Environment environment, std::string_view chain) const;  // chain: "registry" or "gateway"
  // Nothing is changed before the ledger has it. The catalogue announces each of its changes itself; verbs announce
  // what they change elsewhere: an event "intent" with the outcome "begun", on the disk when this returns. What cannot
  // be recorded must not happen: an error is to end the verb.
  Status announce(Environment environment, Event event);
  Status announce(Environment environment, std::string operation, std::string target, std::string reason = {});
  // For long work, before it begins: whether what comes at its end can be recorded.
  Status require_recorder(Environment environment);
  // Tells what happened: writes the event to the registry's chain of the environment and waits until it is on the disk.
  Status record(Environment environment, Event event, const Principal& principal);

 private:
  Workspace(Context& context, LoadedSettings loaded);
  Result<Principal> authenticate(Environment environment);
  Status admit();
  Status open_parts();
  Result<bool> is_unfinished();
  Status open_catalog(adapters::CatalogMode mode);
  Status append(Environment environment, Event event, const Principal& principal, adapters::Seal seal);
  Status load_policies();

  Context& context_;
  LoadedSettings loaded_;
  Descriptor alone_;  // the lock of the keys, of who makes the workspace
  KeyAccess access_;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<Catalog> catalog_;
  std::array<std::shared_ptr<crypto::KeyProvider>, 3> keys_;
  registry::Policies policies_;
};

}  // namespace hauberk::app
