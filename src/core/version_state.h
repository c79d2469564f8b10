// The one table of what may become of a version. Nothing else in the house changes a state.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"

namespace hauberk {

enum class VersionState { quarantined, scanned, approved, staging, production, retired, revoked };
std::string_view name(VersionState state);
std::optional<VersionState> parse_version_state(std::string_view text);

struct Transition {
  VersionState from;
  VersionState to;
  std::string_view action;  // the grant that it needs
  std::string_view needs;   // for people: what must be there first
};
std::span<const Transition> transitions();
// The transition from one state to the other, or an Error (precondition) that says which steps lead there.
Result<Transition> find_transition(VersionState from, VersionState to);

}  // namespace hauberk
