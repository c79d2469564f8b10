#include "registry/tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/token_table.h"
#include "crypto/token.h"
#include "registry/grants.h"

namespace hauberk::registry {
namespace {

constexpr std::size_t most_scopes = 32;
constexpr std::size_t most_makers = 8;

// Subjects stand in logs, events and evidence, and are the names that "token:<pattern>" grants match.
Status check_subject(std::string_view subject) {
  const auto fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.@").contains(c);
  };
  if (!subject.empty() && subject.size() <= 64 && std::ranges::all_of(subject, fine)) return {};
  return fail(Errc::invalid, "a subject has 1 to 64 letters, digits, '-', '_', '.' or '@'", "subject");
}

// "alice" and "Alice" are one person to whoever reads them.
Status check_one_spelling(std::string_view subject, std::string_view other) {
  if (subject == other || !same_subject(subject, other)) return {};
  return fail(Errc::invalid, fmt::format("{} is there already, which people would take for the same", other),
              "subject");
}

// Whoever could grant more than they have would have it. A pattern is covered if the creator's matches its very text: a
// literal never matches '*', so only the creator's own '*' can stand for one.
Status check_no_escalation(const std::vector<Scope>& scopes, const Principal& principal) {
  for (const auto& scope : scopes)
    if (const auto granted =
            [&](std::optional<ArtifactKind> kind) {
              return !scope.covers(kind) || principal.allowed(scope.action, scope.pattern, kind);
            };
        !granted(no_kind) || !std::ranges::all_of(all_artifact_kinds, granted))
      return fail(Errc::no_grant,
                  fmt::format("{} cannot grant {}: it goes beyond the own grants", principal.subject, scope.text()),
                  "scope");
  return {};
}

Status check_binding(const Binding& binding) {
  CHECK(check_subject(binding.subject));
  CHECK(Scope::parse("read:" + binding.pattern));
  return {};
}

bool may_see_tokens(const Principal& principal) {
  return std::ranges::any_of(principal.scopes, [](const Scope& scope) {
    return scope.covers(no_kind) && (scope.action == "token" || scope.action == "admin");
  });
}

// What the roles of the subject grant now.
std::vector<Scope> inherited(std::string_view subject, const Grants& grants) {
  std::vector<Scope> all;
  for (const auto& binding : grants.bindings)
    if (binding.subject == subject)
      if (auto some = grants_of_role(binding.text(), grants.roles)) std::ranges::move(*some, std::back_inserter(all));
  return all;
}

Result<Grants> grants_at(const Ports& ports, Environment environment) {
  return sealed_grants(ports.catalog, environment, *TRY(ports.keys.need(environment)));
}

}  // namespace

std::string described(const std::vector<Scope>& scopes) {
  std::string text;
  for (const auto& scope : scopes) text += (text.empty() ? "" : " ") + scope.text();
  return text;
}

std::string described(const TokenRecord& token) {
  return fmt::format("for {}{}, {}{}: {}", token.subject, token.service ? " (service account)" : "",
                     token.expires ? "until " + rfc3339(*token.expires) : "without end",
                     token.inherit ? ", inherits" : "", described(token.scopes));
}

Digest digest_of(const TokenRecord& token) { return bound_digest(token); }

Result<std::vector<TokenRecord>> effective_tokens(Catalog& catalog, Environment environment,
                                                  crypto::KeyProvider& keys) {
  auto records = TRY(catalog.tokens(environment));
  if (std::ranges::none_of(records, &TokenRecord::inherit)) return records;
  const auto grants = TRY(sealed_grants(catalog, environment, keys));
  for (auto& record : records)
    if (record.inherit) record.inherited = inherited(record.subject, grants);
  return records;
}

Result<CreatedToken> create_token(const Ports& ports, Random& random, const TokenRequest& request,
                                  const Principal& principal) {
  CHECK(check_subject(request.subject));
  CHECK(require_grant(principal, "token", request.subject, no_kind));
  if ((request.scopes.empty() && !request.inherit) || request.scopes.size() > most_scopes)
    return fail(Errc::invalid, fmt::format("a token has 1 to {} scopes; without any it could do nothing", most_scopes),
                "scope");
  CHECK(check_no_escalation(request.scopes, principal));
  // What it will have is not known: its subject may get any role later, from somebody who thinks of the subject's own
  // tokens and not of one that whoever made it has kept.
  if (request.inherit) {
    CHECK(require_grant(principal, "admin", "role", no_kind));
    CHECK(check_no_escalation(inherited(request.subject, TRY(grants_at(ports, request.environment))), principal));
  }
  for (const auto& other : TRY(ports.catalog.tokens(request.environment))) {
    if (other.subject == request.subject && other.service != request.service && !other.revoked)
      return fail(Errc::invalid,
                  fmt::format("{} has tokens as a {}: a subject is one or the other", request.subject,
                              other.service ? "service account" : "person"),
                  "subject");
    CHECK(check_one_spelling(request.subject, other.subject));
  }
  for (const auto& binding : TRY(ports.catalog.bindings(request.environment)))
    CHECK(check_one_spelling(request.subject, binding.subject));
  if (principal.made_by.size() >= most_makers)
    return fail(Errc::no_grant,
                fmt::format("the token of {} was made with one that was made with one …: {} deep is the end",
                            principal.subject, most_makers),
                "token");
  if (request.lifetime && request.lifetime->count() <= 0)
    return fail(Errc::invalid, "the lifetime must be above zero", "expires");

  auto* keys = TRY(ports.keys.need(request.environment));
  auto token = crypto::make_token(short_name(request.environment), random);
  const auto now = ports.clock.now();
  TokenRecord record{token.id, request.environment, request.subject, request.scopes, {}, now, {}, {}};
  record.service = request.service;
  record.inherit = request.inherit;
  record.made_by = principal.made_by;
  record.made_by.insert(record.made_by.begin(), principal.subject);
  if (request.lifetime) record.expires = now + *request.lifetime;
  record.mac = TRY(token_record_mac(*keys, record, token.text));  // last: it binds all the others
  record.mark = TRY(record_mark(*keys, record));                  // of that, too
  CHECK(ports.catalog.add_token(record));
  return CreatedToken{std::move(record), std::move(token.text)};
}

Result<std::vector<TokenRecord>> list_tokens(const Ports& ports, Environment environment, const Principal& principal) {
  if (!may_see_tokens(principal)) return std::unexpected(require_grant(principal, "token", "*", no_kind).error());
  auto records = TRY(effective_tokens(ports.catalog, environment, *TRY(ports.keys.need(environment))));
  std::erase_if(records,
                [&](const TokenRecord& record) { return !principal.allowed("token", record.subject, no_kind); });
  return records;
}

Result<std::vector<TokenRecord>> tokens_of(const Ports& ports, Environment environment, std::string_view who,
                                           const Principal& principal) {
  const bool reads_ledger = principal.allowed("ledger", name(environment), no_kind);
  if (!reads_ledger) CHECK(list_tokens(ports, environment, principal));  // refuses who may see no token at all
  auto records = TRY(effective_tokens(ports.catalog, environment, *TRY(ports.keys.need(environment))));
  std::erase_if(records, [&](const TokenRecord& record) { return record.subject != who && record.id != who; });
  // Of an id that is not there nobody learns more than of one that is somebody else's.
  const std::string_view subject = records.empty() ? who : std::string_view(records.front().subject);
  if (!reads_ledger && !principal.allowed("token", subject, no_kind))
    return std::unexpected(require_grant(principal, "token", who, no_kind).error());
  return records;
}

Result<TokenRecord> revoke_token(const Ports& ports, Environment environment, std::string_view id,
                                 const Principal& principal) {
  const auto records = TRY(list_tokens(ports, environment, principal));
  const auto found = std::ranges::find(records, id, &TokenRecord::id);
  // Who may not end every token learns nothing of those that are not there, either.
  if (found == records.end()) CHECK(require_grant(principal, "token", "*", no_kind));
  if (found == records.end())
    return fail(
        Errc::not_found,
        fmt::format("there is no such token in {}; `hauberk token list` shows what there is", name(environment)),
        std::string(id));
  auto record = *found;
  CHECK(ports.catalog.revoke_token(environment, id, ports.clock.now(), spent_mac(record.mac)));
  if (!record.revoked) record.revoked = ports.clock.now();
  return record;
}

Status define_role(const Ports& ports, const CustomRole& role, const Principal& principal) {
  CHECK(require_grant(principal, "admin", "role", no_kind));
  CHECK(check_name(role.name));
  if (std::ranges::find(hauberk::roles(), role.name, &Role::name) != hauberk::roles().end())
    return fail(Errc::invalid, "this role is built in; give yours another name", role.name);
  if (role.grants.empty() || role.grants.size() > most_scopes)
    return fail(Errc::invalid, fmt::format("a role has 1 to {} grants", most_scopes), role.name);
  if (role.summary.size() > 200) return fail(Errc::invalid, "the summary is longer than 200 bytes", role.name);
  CHECK(check_no_escalation(role.grants, principal));
  auto sealed = role;
  CHECK(seal(sealed, *TRY(ports.keys.need(role.environment))));
  return ports.catalog.put_role(sealed);
}

Status forget_role(const Ports& ports, Environment environment, std::string_view name, const Principal& principal) {
  CHECK(require_grant(principal, "admin", "role", no_kind));
  return ports.catalog.remove_role(environment, name);
}

Status bind_role(const Ports& ports, const Binding& binding, const Principal& principal) {
  CHECK(check_binding(binding));
  CHECK(require_grant(principal, "token", binding.subject, no_kind));
  for (const auto& other : TRY(ports.catalog.tokens(binding.environment)))
    CHECK(check_one_spelling(binding.subject, other.subject));
  const auto grants = TRY(grants_at(ports, binding.environment));
  CHECK(check_no_escalation(TRY(grants_of_role(binding.text(), grants.roles)), principal));
  const auto is_this = [&](const Binding& one) { return one.same_as(binding); };
  if (std::ranges::none_of(grants.bindings, is_this) &&
      std::ranges::any_of(TRY(ports.catalog.bindings(binding.environment)), is_this))
    CHECK(ports.catalog.unbind(binding));  // there, but not signed here
  auto sealed = binding;
  CHECK(seal(sealed, *TRY(ports.keys.need(binding.environment))));
  return ports.catalog.bind(sealed);
}

Status unbind_role(const Ports& ports, const Binding& binding, const Principal& principal) {
  CHECK(check_binding(binding));
  CHECK(require_grant(principal, "token", binding.subject, no_kind));
  return ports.catalog.unbind(binding);
}

Result<std::vector<Binding>> list_bindings(const Ports& ports, Environment environment, const Principal& principal) {
  if (!may_see_tokens(principal)) return std::unexpected(require_grant(principal, "token", "*", no_kind).error());
  auto bindings = TRY(grants_at(ports, environment)).bindings;
  std::erase_if(bindings,
                [&](const Binding& binding) { return !principal.allowed("token", binding.subject, no_kind); });
  return bindings;
}

}  // namespace hauberk::registry
