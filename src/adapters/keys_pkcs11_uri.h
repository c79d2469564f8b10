// The names of a key in a URI of RFC 7512. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hauberk::adapters {

struct Pkcs11Uri {
  std::string token;   // label
  std::string serial;  // of the token
  std::string object;  // label
  Bytes id;
  std::string module_path;

  // What follows "pkcs11:". invalid: an attribute that is not known, doubled, or a PIN in it; nothing of it is
  // repeated.
  static Result<Pkcs11Uri> parse(std::string_view place);
};

}  // namespace hauberk::adapters
