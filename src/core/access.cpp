#include "core/access.h"

#include <algorithm>

namespace hauberk {

bool Access::allows(const Principal& principal, std::string_view name) const {
  if (for_anybody()) return true;
  if (known_) return principal.credential != CredentialKind::none;
  return std::ranges::any_of(actions(), [&](std::string_view action) { return principal.allowed(action, name); });
}

bool Access::thinkable(const Principal& principal) const {
  if (for_anybody()) return true;
  if (known_) return principal.credential != CredentialKind::none;
  return std::ranges::any_of(principal.scopes, [&](const Scope& scope) {
    return scope.action == "admin" || std::ranges::find(actions(), scope.action) != actions().end();
  });
}

std::string Access::text() const {
  if (for_anybody()) return "nothing";
  if (known_) return "any token";
  std::string text(actions_[0]);
  if (count_ == 2) text.append(" or ").append(actions_[1]);
  return text;
}

}  // namespace hauberk
