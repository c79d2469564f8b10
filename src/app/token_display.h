// The one place where a new token's text is read, to be shown once to the person who asked for it.
#pragma once

#include <string>

#include "base/secret.h"

namespace hauberk::app {

struct TokenDisplay {
  static std::string text(const Secret& token) { return std::string(token.reveal_text(SecretAccess())); }
};

}  // namespace hauberk::app
