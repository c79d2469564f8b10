// Result: how every fallible function of the house answers. Our code does not throw; adapters catch what libraries
// throw. A code says what the *caller* should do; the message says what happened and what to do, for an administrator,
// and never holds a payload or a secret. A policy denial or a blocked request is a value of its own type, not an Error.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace hauberk {

enum class Errc {
  invalid,          // the request is wrong: change it
  not_found,        // the thing named does not exist
  exists,           // it exists already
  denied,           // refused by a rule other than a grant: a policy, a signature, a permission
  no_grant,         // the principal has no grant for this
  unauthenticated,  // nobody, or nobody known, asks
  exhausted,        // a limit, a quota or the disk is used up: wait or make room
  precondition,     // the state must be changed first
  unavailable,      // a dependency is down: the same call may go through later
  deadline,         // it took too long
  corrupt,          // stored or received bytes are not what they should be
  unsupported,      // understood, but not to be had here
  internal,         // our fault
};

struct [[nodiscard]] Error {
  Errc code = Errc::internal;
  std::string message;  // what happened, and what to do about it
  std::string context;  // where: a file, a version, a phase; may be empty

  // The error with `where` put before the present context: "where: context".
  Error in(std::string_view where) &&;
  // "context: message", as people read it.
  std::string text() const;
  bool operator==(const Error&) const = default;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// "invalid", "not_found", …
std::string_view name(Errc code);
// The one mapping to HTTP status codes: 400, 404, 409, 403, 403, 401, 429, 412, 503, 504, 500, 501, 500.
int http_status(Errc code);
// The one mapping to exit codes: 1 denied/no_grant/unauthenticated/precondition, 2 wrong use, 3 could not do or check.
int exit_code(Errc code);

inline std::unexpected<Error> fail(Errc code, std::string message, std::string context = {}) {
  return std::unexpected<Error>(Error{code, std::move(message), std::move(context)});
}

}  // namespace hauberk

// TRY(expression): the value, or return the error to the caller. A statement expression; not for use with co_await.
#define TRY(...) HAUBERK_TRY(HAUBERK_JOIN(try_result_, __COUNTER__), __VA_ARGS__)
// The same for a Status.
#define CHECK(...) HAUBERK_CHECK(HAUBERK_JOIN(check_result_, __COUNTER__), __VA_ARGS__)

#define HAUBERK_JOIN(a, b) HAUBERK_JOIN_EXPANDED(a, b)
#define HAUBERK_JOIN_EXPANDED(a, b) a##b
// The name differs at each use, so that one TRY may stand inside of another.
#define HAUBERK_TRY(result, ...)                                    \
  ({                                                                \
    auto result = (__VA_ARGS__);                                    \
    if (!result) return std::unexpected(std::move(result).error()); \
    *std::move(result);                                             \
  })
#define HAUBERK_CHECK(result, ...)                                                               \
  do {                                                                                           \
    if (auto result = (__VA_ARGS__); !result) return std::unexpected(std::move(result).error()); \
  } while (0)
