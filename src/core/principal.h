// Principal: who asks. Environments are separate namespaces with their own keys, tokens and policies; a principal
// belongs to one, and what it may do is a list of grants (scopes), deny by default.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/artifact_kind.h"

namespace hauberk {

// Of things that have no kind: keys, roles, the store, tokens, the ledger.
inline constexpr std::nullopt_t no_kind = std::nullopt;

enum class Environment { dev, staging, production };
std::string_view name(Environment environment);
std::string_view short_name(Environment environment);  // "dev", "stg", "prd": part of tokens
Result<Environment> parse_environment(std::string_view text);
inline constexpr Environment all_environments[] = {Environment::dev, Environment::staging, Environment::production};

// A grant "action:pattern" or "action:kind/pattern": actions are infer, read, import, sign, approve, promote, rollback,
// revoke, token, ledger, admin (all of them); the pattern is a name with '*' wildcards, e.g. "infer:fraud-*",
// "admin:*"; without ":" it is "*". Without a kind it covers every kind but those with grants of their own (training
// logs, intermediate outputs), "read:run_log/*" covers that kind, "read:*/*" all; "admin" without a kind covers all.
// What has no kind (no_kind) is covered by grants without a kind and by those of all kinds alone.
struct Scope {
  std::string action;
  std::string pattern = "*";
  std::string kind = {};  // empty, "*" or the name of an ArtifactKind
  static Result<Scope> parse(std::string_view text);
  std::string text() const;
  bool covers(std::optional<ArtifactKind> wanted) const;
  bool allows(std::string_view wanted_action, std::string_view name,
              std::optional<ArtifactKind> kind = ArtifactKind::model) const;
  bool operator==(const Scope&) const = default;
};

// A role is a name for a list of grants, from one table. Nobody but an admin both imports and approves.
struct Role {
  std::string_view name;     // "validator"
  std::string_view summary;  // one line
  std::vector<std::string_view> actions;
};
const std::vector<Role>& roles();

// A role of one's own, in one environment. Its name is none of the table's.
struct CustomRole {
  Environment environment = Environment::dev;
  std::string name;
  std::vector<Scope> grants;
  std::string summary;
  std::string seal = {};  // registry/grants.h
  bool operator==(const CustomRole&) const = default;
};

// The grants of "validator", or of "validator:fraud-*" for the names of that pattern alone. The ledger is an
// environment's and not narrowed by names of models; a role of one's own whose grants have patterns is not narrowed at
// all, nor is one of a kind for another kind (invalid).
Result<std::vector<Scope>> grants_of_role(std::string_view text, const std::vector<CustomRole>& custom = {});

// Whether people take them for one: upper and lower case (of ASCII) make no difference.
bool same_subject(std::string_view a, std::string_view b);

enum class CredentialKind { none, api_token, local_user };

struct Principal {
  std::string subject;  // "alice", "ci-bot"; "os:root" for somebody at the machine's shell
  std::string tenant = "default";
  std::string token_id;  // public part of an API token; empty otherwise
  CredentialKind credential = CredentialKind::none;
  std::vector<Scope> scopes;
  bool service = false;                   // a service account: a program, whose approval says nothing
  std::vector<std::string> made_by = {};  // who made the token, as TokenRecord::made_by

  bool allowed(std::string_view action, std::string_view name,
               std::optional<ArtifactKind> kind = ArtifactKind::model) const;
  // The first that allows it, or null.
  const Scope* grant_for(std::string_view action, std::string_view name,
                         std::optional<ArtifactKind> kind = ArtifactKind::model) const;
  bool allowed_of_any_kind(std::string_view action, std::string_view name) const;
  bool operator==(const Principal&) const = default;
};

}  // namespace hauberk
