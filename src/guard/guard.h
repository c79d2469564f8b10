// Guard: a pure function of (Exchange, its configuration, its counters, now). It does no I/O, changes nothing of the
// exchange and never fails: its answer is a Verdict, with what it found out beside it, which the chain applies and
// records. Thread safety: inspect() may be called from any thread; counters are shared by all of them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/exchange.h"
#include "core/token_table.h"

namespace hauberk::guard {

// What must be known of an exchange before a guard can run; the chain stops at the first guard that needs more.
enum class Needs { head, deployment, input };

struct GuardContext {
  Instant now{};                       // wall clock, for expiry
  Tick tick{};                         // monotonic, for rates
  const TokenTable* tokens = nullptr;  // of this environment
};

struct Answer {
  Verdict verdict;
  std::optional<Principal> principal;                             // authn: who it is
  std::vector<std::pair<std::string_view, std::string>> headers;  // rate limit: what the caller is told
};

class Guard {
 public:
  virtual ~Guard() = default;
  virtual std::string_view name() const = 0;  // static text
  virtual Needs needs() const = 0;
  virtual Answer inspect(const Exchange& exchange, const GuardContext& context) const = 0;
};

inline Answer pass(std::string_view guard) { return {.verdict = {.guard = guard}}; }
inline Answer block(std::string_view guard, Errc code, std::string_view reason, std::string message) {
  return {.verdict = {.guard = guard,
                      .action = VerdictAction::block,
                      .reason = reason,
                      .code = code,
                      .message = std::move(message)}};
}

}  // namespace hauberk::guard
