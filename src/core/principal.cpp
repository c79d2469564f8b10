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
         std::string_view("-_.*@:").contains(c);
}

}  // namespace

bool same_subject(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

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
  if (const auto slash = scope.pattern.find('/'); slash != std::string::npos) {
    scope.kind = scope.pattern.substr(0, slash);
    scope.pattern.erase(0, slash + 1);
    if (scope.kind != "*") CHECK(parse_artifact_kind(scope.kind));
  }
  if (scope.pattern.empty() || scope.pattern.size() > max_pattern_bytes ||
      !std::ranges::all_of(scope.pattern, is_pattern_character))
    return fail(Errc::invalid, "the pattern of a scope has 1 to 128 letters, digits, '-', '_', '.', '@', ':' or '*'",
                "scope");
  return scope;
}

std::string Scope::text() const { return kind.empty() ? action + ":" + pattern : action + ":" + kind + "/" + pattern; }

bool Scope::covers(std::optional<ArtifactKind> wanted) const {
  if (!wanted) return kind.empty() || kind == "*";
  if (kind.empty()) return action == "admin" || !has_own_grants(*wanted);
  return kind == "*" || kind == hauberk::name(*wanted);
}

bool Scope::allows(std::string_view wanted_action, std::string_view name,
                   std::optional<ArtifactKind> wanted_kind) const {
  return (action == wanted_action || action == "admin") && covers(wanted_kind) && matches(pattern, name);
}

const std::vector<Role>& roles() {
  static const std::vector<Role> table = {
      {"viewer", "reads models and their evidence", {"read"}},
      {"data-scientist", "brings models in and tries them", {"read", "import", "infer"}},
      {"validator", "tries models and approves them", {"read", "infer", "approve"}},
      {"deployer", "signs, promotes and rolls back what was approved", {"read", "sign", "promote", "rollback"}},
      {"operator",
       "keeps the service up: rolls back, revokes, reads the record",
       {"read", "rollback", "revoke", "ledger"}},
      {"auditor", "reads everything and changes nothing", {"read", "ledger"}},
      {"admin", "may do everything", {"admin"}},
  };
  return table;
}

Result<std::vector<Scope>> grants_of_role(std::string_view text, const std::vector<CustomRole>& custom) {
  const auto colon = text.find(':');
  const auto wanted = text.substr(0, colon);
  std::vector<Scope> grants;
  if (const auto role = std::ranges::find(roles(), wanted, &Role::name); role != roles().end()) {
    for (const auto action : role->actions) grants.push_back({std::string(action)});
  } else if (const auto own = std::ranges::find(custom, wanted, &CustomRole::name); own != custom.end()) {
    grants = own->grants;
  } else {
    std::string known;
    for (const auto& one : roles()) known.append(known.empty() ? "" : ", ").append(one.name);
    for (const auto& one : custom) known.append(", ").append(one.name);
    return fail(Errc::invalid, "unknown role; expected one of " + known, "role");
  }
  if (colon == std::string_view::npos) return grants;
  for (auto& grant : grants) {
    if (grant.action == "ledger") continue;
    if (grant.pattern != "*")
      return fail(Errc::invalid, "the grants of this role have patterns of their own: it cannot be narrowed", "role");
    auto narrowed = TRY(Scope::parse(std::string(grant.action).append(text.substr(colon))));
    if (narrowed.kind.empty()) narrowed.kind = grant.kind;
    if (!grant.kind.empty() && grant.kind != "*" && narrowed.kind != grant.kind)
      return fail(Errc::invalid, "a grant of this role is of another kind: it cannot be narrowed to this one", "role");
    grant = std::move(narrowed);
  }
  return grants;
}

const Scope* Principal::grant_for(std::string_view action, std::string_view name,
                                  std::optional<ArtifactKind> kind) const {
  const auto found = std::ranges::find_if(scopes, [&](const Scope& scope) { return scope.allows(action, name, kind); });
  return found != scopes.end() ? &*found : nullptr;
}

bool Principal::allowed(std::string_view action, std::string_view name, std::optional<ArtifactKind> kind) const {
  return grant_for(action, name, kind) != nullptr;
}

bool Principal::allowed_of_any_kind(std::string_view action, std::string_view name) const {
  return std::ranges::any_of(all_artifact_kinds, [&](ArtifactKind kind) { return allowed(action, name, kind); });
}

}  // namespace hauberk
