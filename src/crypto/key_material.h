// The right of the primitives to look at keys. Included by .cpp files of crypto only; see base/secret.h.
#pragma once

#include "base/secret.h"

namespace hauberk::crypto {

struct KeyMaterial {
  static ByteView of(const Secret& secret) { return secret.reveal(SecretAccess()); }
  static Secret copy(const Secret& secret) { return secret.clone(SecretAccess()); }
};

}  // namespace hauberk::crypto
