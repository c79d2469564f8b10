// The scanner: says what would happen if a model file were loaded, without loading it. The content alone decides what a
// file is; its name only adds a finding where it claims something else. Pure: it sees bytes and an injected deadline.
// Cost: one pass over the parts that a loader would interpret; tensor data is skipped, not read. One Budget covers the
// file and everything inside it; using it up makes the verdict inconclusive, never clean.
#pragma once

#include <functional>
#include <string_view>

#include "scan/budget.h"
#include "scan/reader.h"
#include "scan/report.h"

namespace hauberk::scan {

// Changes whenever the rules or the table of callables do: evidence of another version is stale.
inline constexpr std::string_view rules_version = "2026.11.4";

struct ScanOptions {
  ScanLimits limits;
  bool hash = false;         // also compute the SHA-256 (reads everything)
  bool image_layer = false;  // a layer of a container image: what is looked for in it is models
  OutOfTime out_of_time;     // empty: no deadline
};

// Never fails: what goes wrong is a finding or a note, and the verdict says so.
Report scan(Reader& reader, std::string_view path, const ScanOptions& options = {});

}  // namespace hauberk::scan
