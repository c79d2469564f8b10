// The right of clients of services to look at secrets: on their way into a request, and in the answers that hold one.
// Included by .cpp files of net and adapters that speak with such a service; see base/secret.h.
#pragma once

#include "base/secret.h"

namespace hauberk::net {

struct ServiceSecret {
  static ByteView bytes(const Secret& secret) { return secret.reveal(SecretAccess()); }
  static std::string_view text(const Secret& secret) { return secret.reveal_text(SecretAccess()); }
  static Secret copy(const Secret& secret) { return secret.clone(SecretAccess()); }
};

}  // namespace hauberk::net
