// Keys from passphrases, by scrypt (RFC 7914). The parameters lie beside what is sealed with the key, so that they can
// grow; they are bounded when they are read, because whoever can write them could ask for all memory there is. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace hauberk::crypto {

struct ScryptParameters {
  unsigned log2_n = 17;  // 128 MiB and about 0.3 s
  unsigned r = 8;
  unsigned p = 1;
  Bytes salt;  // 16 bytes

  // "scrypt 17 8 1 SALT" with the salt in base64. corrupt: anything else, or out of bounds.
  static Result<ScryptParameters> parse(std::string_view text);
  std::string text() const;
};

// 32 bytes. invalid: an empty passphrase; exhausted: no memory.
Result<Secret> derive_key(const Secret& passphrase, const ScryptParameters& parameters);

}  // namespace hauberk::crypto
