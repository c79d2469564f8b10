#include "core/principal.h"

#include <algorithm>

namespace hauberk {
namespace {

constexpr std::string_view actions[] = {"infer",    "read",   "import", "sign",   "approve", "promote",
                                        "rollback", "revoke", "token",  "ledger", "admin"};
constexpr std::size_t max_pattern_bytes = 128;

// '*' stands for any run of characters. Linear in the text for one '*' and never worse than the product: on a mismatch
// only the last '*' is widened, which is enough because an earlier one could not do better.
bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool is_pattern_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.*@/:").contains(c);
}

}  // namespace

std::string_view name(Environment environment) {
  switch (environment) {
    case Environment::dev:
      return "dev";
    case Environment::staging:
      return "staging";
    case Environment::production:
      return "production";
  }
  return "dev";
}

std::string_view short_name(Environment environment) {
  switch (environment) {
    case Environment::dev:
      return "dev";
    case Environment::staging:
      return "stg";
    case Environment::production:
      return "prd";
  }
  return "dev";
}

Result<Environment> parse_environment(std::string_view text) {
  for (const auto environment : all_environments)
    if (text == name(environment)) return environment;
  return fail(Errc::invalid, "unknown environment; expected dev, staging or production", "environment");
}

Result<Scope> Scope::parse(std::string_view text) {
  const auto colon = text.find(':');
  Scope scope{std::string(text.substr(0, colon)), "*"};
  if (std::ranges::find(actions, scope.action) == std::end(actions))
    return fail(
        Errc::invalid,
        "unknown action in a scope; expected infer, read, import, sign, approve, promote, rollback, revoke, token, "
        "ledger or admin",
        "scope");
  if (colon == std::string_view::npos) return scope;
  scope.pattern = text.substr(colon + 1);
  if (scope.pattern.empty() || scope.pattern.size() > max_pattern_bytes ||
      !std::ranges::all_of(scope.pattern, is_pattern_character))
    return fail(Errc::invalid,
                "the pattern of a scope has 1 to 128 letters, digits, '-', '_', '.', '@', '/', ':' or '*'", "scope");
  return scope;
}

bool Scope::allows(std::string_view wanted_action, std::string_view name) const {
  return (action == wanted_action || action == "admin") && matches(pattern, name);
}

bool Principal::allowed(std::string_view action, std::string_view name) const {
  return std::ranges::any_of(scopes, [&](const Scope& scope) { return scope.allows(action, name); });
}

}  // namespace hauberk
