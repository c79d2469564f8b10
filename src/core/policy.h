// Policy(evidence, context) -> Decision: a pure function. A policy says which evidence must lie on a digest, with which
// values, how old at most, and how many distinct people other than the importer must have approved.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/evidence.h"
#include "core/principal.h"

namespace hauberk {

enum class Comparison { equal, not_equal, less, less_equal, greater, greater_equal, one_of };

struct Condition {
  std::string pointer;  // JSON pointer into the predicate, e.g. "/verdict"
  Comparison comparison = Comparison::equal;
  json::Value value;
  bool operator==(const Condition&) const = default;
};

struct Requirement {
  std::string predicate_type;
  std::vector<Condition> conditions;
  std::optional<Duration> max_age;
  bool operator==(const Requirement&) const = default;
};

// Somebody else whose statements count here: whose key it is, and what he may say.
struct Attestor {
  std::string public_pem;
  std::vector<std::string> may;  // predicate types, never ours
  bool operator==(const Attestor&) const = default;
};

struct Policy {
  std::vector<Requirement> required;
  std::uint32_t approvals = 0;        // by distinct subjects
  bool self_approval = false;         // whether the importer's own approval counts
  std::vector<Attestor> attestors{};  // of dev's policy; see registry/attest.h
  bool operator==(const Policy&) const = default;
};

struct Decision {
  bool allow = false;
  std::vector<std::string> reasons;  // why, one sentence each
  std::vector<std::string> missing;  // what must still be brought, one sentence each
};

// Who stands behind a statement: the issuer and whoever made the token that they used (and the token it was made with).
struct Party {
  std::string subject;
  std::vector<std::string> made_by;
};
Party party_of(const Statement& statement);  // by its "issuer" and "issuer_made_by"
// Whether one of them may stand behind the other: they are the same, or one made the other's token. Whoever acts at the
// machine's shell ("os:…") makes the first tokens of everybody and holds the keys anyway: that alone joins nobody.
bool may_be_one(const Party& a, const Party& b);

// Where several pieces of evidence of one type lie on the digest, the newest decides: a later REVIEW outweighs an older
// CLEAN. `digest` must be a subject of what counts. `importer` is the subject who imported; whoever
// imported the same content under another name is one, too.
// Revocation evidence on the digest denies always. What cannot be read (no time, no such member) never speaks for
// anything.
Decision evaluate(const Policy& policy, const Digest& digest, std::span<const Evidence> evidence,
                  std::string_view importer, Instant now);

// The policy file: {"required": [{"evidence": "scan", "where": {"/verdict": {"one_of": ["CLEAN"]}}, "max_age": "30d"}],
// "approvals": 1, "self_approval": false, "attestors": [{"key": "-----BEGIN PUBLIC KEY-----…", "may":
// ["https://slsa.dev/provenance/v1"]}]}. A bare value means equal. "evidence" is a short name of ours (scan, import,
// …) or a full https:// predicate type. Error.context is the JSON pointer of what is wrong; unknown members are
// refused.
json::Value to_json(const Policy& policy);
Result<Policy> policy_from_json(const json::Value& value);

}  // namespace hauberk
