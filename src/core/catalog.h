// Catalog: the port to what the registry knows: versions and their states, evidence, wrapped keys, deployments and
// their history, tokens. Each method is one transaction: it happens whole or not at all, also when the process is
// killed. Implementation: adapters/catalog_sqlite (a database in memory serves as the fake). Thread safety: any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/artifact.h"
#include "core/deployment.h"
#include "core/evidence.h"
#include "core/principal.h"
#include "core/revocations.h"
#include "core/version_state.h"

namespace hauberk {

struct Version {
  std::string name;
  std::uint32_t number = 0;
  VersionState state = VersionState::quarantined;
  Manifest manifest;
  std::string imported_by;
  Instant imported{};
  std::string origin;  // as given at import: a file name, no path of the machine
  std::string ref() const { return name + "@" + std::to_string(number); }
};

struct WrappedKey {
  Digest blob;
  Environment environment = Environment::dev;
  std::string key_id;
  Bytes wrapped;
};

struct TokenRecord {
  std::string id;  // public part, 12 characters
  Environment environment = Environment::dev;
  std::string subject;
  std::vector<Scope> scopes;
  Bytes mac;  // token_record_mac() of core/token_table.h
  Instant created{};
  std::optional<Instant> expires;
  std::optional<Instant> revoked;
  bool service = false;  // of a service account
  bool inherit = false;  // beside its scopes it has what the roles of its subject grant, as they are when it is used
  std::vector<std::string> made_by = {};  // who made it, and who made the token that they made it with, and so on
  Bytes mark = {};                        // record_mark() of core/token_table.h; empty: of release 0.1
  std::vector<Scope> inherited = {};      // not stored: what it has by the roles of its subject just now
  std::vector<Scope> all_scopes() const;
};

// The subject has the role, over the names of the pattern, in that environment.
struct Binding {
  Environment environment = Environment::dev;
  std::string subject;
  std::string role;
  std::string pattern = "*";
  std::string seal = {};                      // registry/grants.h
  bool same_as(const Binding& other) const {  // whatever their seals
    return environment == other.environment && subject == other.subject && role == other.role &&
           pattern == other.pattern;
  }
  std::string text() const { return pattern == "*" ? role : role + ":" + pattern; }
  bool operator==(const Binding&) const = default;
};

// One change of a version's state with the evidence that speaks for it, the keys that it needs and, where it concerns
// an environment, the deployment entry that it makes current.
struct StateChange {
  VersionRef version;
  VersionState expected;  // precondition error if the state is another by now
  VersionState next;
  std::vector<Evidence> evidence;
  std::vector<WrappedKey> keys;
  std::optional<Environment> environment;  // with deployment: where
  std::string deployment;                  // name; empty = none
  std::optional<DeploymentEntry> entry;    // id is given by the catalogue
};

class Catalog {
 public:
  virtual ~Catalog() = default;

  // Gives the next number of that name; the state must be quarantined. exists: the same artifact digest is already a
  // version of that name. Of the keys, those that are there already are kept: their blob was there first.
  virtual Result<Version> add_version(Version version, std::vector<WrappedKey> keys,
                                      std::vector<Evidence> evidence) = 0;
  virtual Result<Version> version(const VersionRef& ref) = 0;                // number 0 = the newest
  virtual Result<std::vector<Version>> versions(std::string_view name) = 0;  // all names if empty; ascending
  // Only along the table of core/version_state.
  virtual Status change_state(const StateChange& change) = 0;
  virtual Status add_evidence(const Digest& artifact, const std::vector<Evidence>& evidence) = 0;
  virtual Result<std::vector<std::string>> evidence(
      const Digest& artifact) = 0;  // envelopes, oldest first; verify before use

  virtual Result<std::optional<WrappedKey>> wrapped_key(const Digest& blob, Environment environment) = 0;
  // Replaces what is there.
  virtual Status put_wrapped_keys(const std::vector<WrappedKey>& keys) = 0;

  virtual Result<std::vector<Deployment>> deployments(Environment environment) = 0;
  virtual Result<Deployment> deployment(Environment environment, std::string_view name) = 0;
  // Appends an entry and makes it current; returns its id.
  virtual Result<std::uint64_t> deploy(Environment environment, std::string_view name,
                                       const DeploymentEntry& entry) = 0;
  // Moves the pointer, with the evidence of why. precondition if `expected_current` is not current any more, or if the
  // version of that entry is revoked by now.
  virtual Status point_at(Environment environment, std::string_view name, std::uint64_t expected_current,
                          std::uint64_t entry, const std::vector<Evidence>& evidence, const Digest& artifact) = 0;

  virtual Status add_token(const TokenRecord& token) = 0;
  // Its HMAC becomes `spent`, so that it is not back if that it was revoked is taken out of the record.
  virtual Status revoke_token(Environment environment, std::string_view id, Instant when, const Digest& spent) = 0;
  virtual Result<std::vector<TokenRecord>> tokens(Environment environment) = 0;  // as they were made, none inherited

  virtual Status put_role(const CustomRole& role) = 0;  // replaces one of that name
  // precondition: somebody has it; not_found.
  virtual Status remove_role(Environment environment, std::string_view name) = 0;
  virtual Result<std::vector<CustomRole>> roles(Environment environment) = 0;
  virtual Status bind(const Binding& binding) = 0;    // exists
  virtual Status unbind(const Binding& binding) = 0;  // not_found
  virtual Result<std::vector<Binding>> bindings(Environment environment) = 0;

  // Revocations of signatures are never taken back; exists, unless this one is of an earlier time than those that are.
  virtual Status add_revocation(const Revocation& revocation, std::string_view subject) = 0;
  virtual Result<std::vector<Revocation>> revocations(Environment environment) = 0;  // oldest first

  // Changes whenever anything above changed, by whichever process: cheap to poll.
  virtual Result<std::uint64_t> change_counter() = 0;
};

}  // namespace hauberk
