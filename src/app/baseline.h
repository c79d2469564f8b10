// Baseline: findings that somebody has looked at and accepts, each with a reason and a last day. It silences those
// findings and nothing else: a file that is malformed or was not looked at to the end stays so, and what is new in a
// file that was accepted is told. Format (JSON): {"version": 1, "accept": [{"rule": "pickle.unknown-import", "file":
// "models/**/*.pkl", "reason": "our own class", "expires": "2027-03-01", "sha256": "…"}]}; sha256 may be left out.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/time.h"
#include "scan/report.h"

namespace hauberk::app {

struct Acceptance {
  std::string rule;
  std::string file;  // a pattern of paths
  std::string reason;
  Instant expires;  // the end of the day
  std::optional<Digest> sha256;
};

struct Baseline {
  std::vector<Acceptance> accepted;
  bool needs_digests() const;
};

// invalid, with the JSON pointer of what is wrong; a reason and a day must be there.
Result<Baseline> read_baseline(Files& files, const std::string& path);

struct BaselineUse {
  std::size_t accepted = 0;          // findings
  std::vector<std::string> expired;  // rule and file of entries that no longer count and would have
};
BaselineUse apply_baseline(const Baseline& baseline, std::span<scan::Report> reports, Instant now);

// A baseline that accepts all findings of the reports.
std::string write_baseline(std::span<const scan::Report> reports, std::string_view reason, Instant expires);

}  // namespace hauberk::app
