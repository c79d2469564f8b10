// Report: what a scan of one file says. MALFORMED and INCONCLUSIVE never pass a gate: a file that no loader should
// accept and a file that was not looked at to the end are not "clean". A plain value with a JSON round trip.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "core/finding.h"
#include "crypto/digest.h"

namespace hauberk::scan {

enum class ScanVerdict {
  clean,         // looked at to the end, nothing found
  review,        // a person should decide
  malicious,     // loading it would do harm
  malformed,     // not what its format demands
  inconclusive,  // not looked at to the end, or of a format that is not understood
};

std::string_view name(ScanVerdict verdict);  // "clean"
std::optional<ScanVerdict> parse_verdict(std::string_view text);
bool passes_gate(ScanVerdict verdict);            // clean only
ScanVerdict worse(ScanVerdict a, ScanVerdict b);  // clean < review < inconclusive < malformed < malicious

struct Report {
  std::string path;
  std::string format;  // "torch-zip", "pickle", "onnx", …; "unknown"
  std::uint64_t size = 0;
  std::optional<Digest> sha256;
  ScanVerdict verdict = ScanVerdict::inconclusive;
  std::vector<Finding> findings;
  std::vector<std::string> notes;  // what was not looked at, and why
  bool malformed = false;          // whatever else the verdict says
  bool unfinished = false;         // not looked at to the end, or not all of the findings are listed
  std::string rules_version;
  bool operator==(const Report&) const = default;
};

json::Value to_json(const Report& report);
Result<Report> report_from_json(const json::Value& value);

// The verdict over several files: the worst; only all clean is clean, and no file at all is inconclusive.
ScanVerdict overall(std::span<const Report> reports);

// The verdict anew, after the severity of findings was changed.
void settle_verdict(Report& report);

// A model may keep its weights in files beside it. Where those are there, and so are scanned or imported with it, that
// alone is no reason to stop: the finding becomes one to know of. `is_beside` gets names without any path.
void settle_companions(Report& report, const std::function<bool(const std::string& name)>& is_beside);

// The report of a file that could not be scanned at all (unreadable, or the isolated child died): inconclusive.
Report unscanned(std::string path, std::string reason);

}  // namespace hauberk::scan
