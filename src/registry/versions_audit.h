// VersionsAudit: versions, their states and the evidence on them, as the ledgers of all environments tell it, and where
// the catalogue says something else: a revoked version put back, evidence against it removed, a version that nobody
// imported. States only go one way, so that the order between the ledgers does not matter. An intent whose end is not
// told may have been done: either is accepted; the end is that of the same run (its trace). Events of release 0.1 have
// no trace and do not name their evidence. Pure; one thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "core/catalog.h"

namespace hauberk::registry {

// What the reason of an intent says of the evidence that comes with it: "evidence:ID,ID", the ids' first 16 digits.
std::string named_in_reason(const std::vector<Evidence>& evidence);

class VersionsAudit {
 public:
  // A record of the registry chain of any environment; those of one environment in order, as they are stored.
  void add(const json::Value& record);

  struct Found {
    std::vector<Version> versions;
    std::map<Digest, std::vector<std::string>> evidence;  // envelopes by artifact
  };
  // One sentence for each difference, sorted.
  std::vector<std::string> differences(const Found& catalogue) const;

 private:
  struct Known {
    std::string artifact, importer;                  // "sha256:…"
    VersionState state = VersionState::quarantined;  // the furthest that is told
    std::set<VersionState> open;                     // of intents without an end
    std::vector<std::string> evidence;               // ids that must be there
  };
  struct Intent {
    std::string trace, operation, target, artifact;
    std::optional<VersionState> next;
    std::vector<std::string> evidence;
  };
  void finish(const json::Value& record);
  void settle(const Intent& intent);

  std::map<std::string, Known> versions_;                     // by NAME@NUMBER
  std::map<std::string, std::vector<std::string>> evidence_;  // by artifact, that must be there
  std::vector<Intent> open_;                                  // no end told yet
};

}  // namespace hauberk::registry
