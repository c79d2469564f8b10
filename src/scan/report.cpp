#include "scan/report.h"

#include <algorithm>
#include <array>

#include "scan/scanner.h"

namespace hauberk::scan {
namespace {

constexpr std::array verdict_names = {"clean", "review", "malicious", "malformed", "inconclusive"};

int badness(ScanVerdict verdict) {
  switch (verdict) {
    case ScanVerdict::clean:
      return 0;
    case ScanVerdict::review:
      return 1;
    case ScanVerdict::inconclusive:
      return 2;
    case ScanVerdict::malformed:
      return 3;
    case ScanVerdict::malicious:
      return 4;
  }
  return 2;
}

}  // namespace

std::string_view name(ScanVerdict verdict) { return verdict_names[static_cast<std::size_t>(verdict)]; }

std::optional<ScanVerdict> parse_verdict(std::string_view text) {
  const auto found = std::find(verdict_names.begin(), verdict_names.end(), text);
  if (found == verdict_names.end()) return std::nullopt;
  return static_cast<ScanVerdict>(found - verdict_names.begin());
}

bool passes_gate(ScanVerdict verdict) { return verdict == ScanVerdict::clean; }

ScanVerdict worse(ScanVerdict a, ScanVerdict b) { return badness(a) >= badness(b) ? a : b; }

ScanVerdict overall(std::span<const Report> reports) {
  if (reports.empty()) return ScanVerdict::inconclusive;
  ScanVerdict verdict = ScanVerdict::clean;
  for (const auto& report : reports) verdict = worse(verdict, report.verdict);
  return verdict;
}

json::Value to_json(const Report& report) {
  json::Value findings = json::Value::array(), notes = json::Value::array();
  for (const auto& finding : report.findings) findings.push(to_json(finding));
  for (const auto& note : report.notes) notes.push(note);
  json::Value value;
  value.set("path", report.path).set("format", report.format).set("size", report.size);
  if (report.sha256) value.set("sha256", report.sha256->hex());
  value.set("verdict", name(report.verdict)).set("findings", std::move(findings)).set("notes", std::move(notes));
  value.set("rules_version", report.rules_version);
  if (report.malformed) value.set("malformed", true);
  if (report.unfinished) value.set("unfinished", true);
  return value;
}

namespace {
bool flag(const json::Value& value, std::string_view name) {
  const auto* member = value.find(name);
  return member != nullptr && member->as_bool() != nullptr && *member->as_bool();
}
}  // namespace

Result<Report> report_from_json(const json::Value& value) {
  const auto verdict = parse_verdict(value.text_or("verdict", ""));
  const auto* findings = value.find("findings");
  const auto* notes = value.find("notes");
  const auto size = value.int_or("size", -1);
  if (!verdict || size < 0 || !findings || !findings->as_array() || !notes || !notes->as_array())
    return fail(Errc::invalid, "not a scan report");
  Report report{.path = std::string(value.text_or("path", "")),
                .format = std::string(value.text_or("format", "")),
                .size = static_cast<std::uint64_t>(size),
                .verdict = *verdict};
  if (const auto digest = value.text_or("sha256", ""); !digest.empty()) report.sha256 = TRY(Digest::parse(digest));
  for (const auto& finding : *findings->as_array()) report.findings.push_back(TRY(finding_from_json(finding)));
  for (const auto& note : *notes->as_array()) {
    if (!note.is_string()) return fail(Errc::invalid, "not a scan report: a note is no text");
    report.notes.push_back(*note.as_string());
  }
  report.rules_version = value.text_or("rules_version", "");
  report.malformed = flag(value, "malformed");
  report.unfinished = flag(value, "unfinished");
  return report;
}

void settle_verdict(Report& report) {
  auto worst = Severity::info;
  for (const auto& finding : report.findings) worst = std::max(worst, finding.severity);
  report.verdict = worst == Severity::critical ? ScanVerdict::malicious
                   : report.malformed          ? ScanVerdict::malformed
                   : report.unfinished         ? ScanVerdict::inconclusive
                   : worst == Severity::info   ? ScanVerdict::clean
                                               : ScanVerdict::review;
}

void settle_companions(Report& report, const std::function<bool(const std::string& name)>& is_beside) {
  for (auto& finding : report.findings)
    if (finding.rule == "onnx.external-data" && finding.severity == Severity::low && !finding.excerpt.empty() &&
        finding.excerpt.find_first_of("/\\") == std::string::npos && is_beside(finding.excerpt))
      finding.severity = Severity::info;
  if (report.verdict == ScanVerdict::review) settle_verdict(report);
}

Report unscanned(std::string path, std::string reason) {
  Report report{.path = std::move(path), .format = "unknown", .verdict = ScanVerdict::inconclusive, .unfinished = true};
  report.findings.push_back(
      {.rule = "scan.not-scanned", .severity = Severity::medium, .where = {.file = report.path}, .message = reason});
  report.notes.push_back("nothing of the file was looked at: " + std::move(reason));
  report.rules_version = rules_version;
  return report;
}

}  // namespace hauberk::scan
