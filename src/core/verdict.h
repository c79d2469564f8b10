// Verdict: a guard's answer about one exchange. Never an Error. `none` of the actions is hidden: what a guard in shadow
// mode would have done is recorded with `enforced = false`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "core/finding.h"

namespace hauberk {

enum class VerdictAction { pass, flag, rewrite, throttle, block };
std::string_view name(VerdictAction action);

struct Verdict {
  std::string_view guard;  // "authn", "rate_limit", …: a static name
  VerdictAction action = VerdictAction::pass;
  bool enforced = true;      // false in shadow mode
  std::string_view reason;   // a static, bounded code for metrics and events: "no_token", "unknown_tensor"
  Errc code = Errc::denied;  // how a surface should answer, where it blocks or throttles
  std::string message;       // for the caller: what to change; no internals, no payload
  std::optional<Duration> retry_after;
};

}  // namespace hauberk
