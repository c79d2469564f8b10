// The one place where an upstream's credential is read: into the header of a request to that upstream.
#pragma once

#include <string>

#include "base/secret.h"

namespace hauberk::gateway {

struct UpstreamCredential {
  static void append_header(std::string& head, const Secret* credential) {
    if (credential == nullptr) return;
    head += "Authorization: Bearer ";
    head += credential->reveal_text(SecretAccess());
    head += "\r\n";
  }
};

}  // namespace hauberk::gateway
