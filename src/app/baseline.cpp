#include "app/baseline.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "app/path_pattern.h"
#include "base/json.h"

namespace hauberk::app {
namespace {

constexpr std::uint64_t baseline_limit = 16u << 20;

Result<Acceptance> acceptance_from(const json::Value& value, std::size_t number) {
  const auto wrong = [&](std::string_view member, std::string_view what) {
    return fail(Errc::invalid, fmt::format("/accept/{}/{}: {}", number, member, what));
  };
  const auto* members = value.as_object();
  if (members == nullptr) return wrong("", "an object is expected");
  for (const auto& [key, unused] : *members)
    if (key != "rule" && key != "file" && key != "reason" && key != "expires" && key != "sha256")
      return wrong(key, "there is no such member");
  Acceptance entry{.rule = std::string(value.text_or("rule", "")),
                   .file = std::string(value.text_or("file", "")),
                   .reason = std::string(value.text_or("reason", "")),
                   .expires = {},
                   .sha256 = {}};
  if (entry.rule.empty()) return wrong("rule", "name the rule, as in a finding");
  if (entry.file.empty()) return wrong("file", "name the file, or a pattern such as models/**/*.pkl");
  if (entry.reason.empty()) return wrong("reason", "say why it is accepted");
  const auto last = parse_rfc3339(std::string(value.text_or("expires", "")) + "T23:59:59Z");
  if (!last) return wrong("expires", "give the last day, as in 2027-03-01");
  entry.expires = *last;
  if (const auto digest = value.text_or("sha256", ""); !digest.empty()) {
    const auto parsed = Digest::parse(digest);
    if (!parsed) return wrong("sha256", "64 hexadecimal digits are expected");
    entry.sha256 = *parsed;
  }
  return entry;
}

bool concerns(const Acceptance& entry, const scan::Report& report, const Finding& finding) {
  return entry.rule == finding.rule && matches_pattern(entry.file, report.path) &&
         (!entry.sha256 || entry.sha256 == report.sha256);
}

}  // namespace

bool Baseline::needs_digests() const {
  return std::ranges::any_of(accepted, [](const Acceptance& entry) { return entry.sha256.has_value(); });
}

Result<Baseline> read_baseline(Files& files, const std::string& path) {
  const auto bytes = TRY(read_file(files, path, baseline_limit));
  const auto value = json::parse(as_text(bytes));
  if (!value) return fail(Errc::invalid, "the baseline is no JSON: " + value.error().message, path);
  const auto* entries = value->find("accept");
  if (value->int_or("version", 0) != 1 || entries == nullptr || entries->as_array() == nullptr)
    return fail(Errc::invalid, R"(a baseline looks like {"version": 1, "accept": [...]})", path);
  Baseline baseline;
  for (const auto& entry : *entries->as_array()) {
    auto read = acceptance_from(entry, baseline.accepted.size());
    if (!read) return std::unexpected(std::move(read).error().in(path));
    baseline.accepted.push_back(std::move(*read));
  }
  return baseline;
}

BaselineUse apply_baseline(const Baseline& baseline, std::span<scan::Report> reports, Instant now) {
  BaselineUse use;
  std::set<std::string> expired;
  for (auto& report : reports) {
    bool changed = false;
    for (auto& finding : report.findings) {
      if (finding.severity == Severity::info) continue;
      for (const auto& entry : baseline.accepted) {
        if (!concerns(entry, report, finding)) continue;
        if (entry.expires < now) {
          expired.insert(
              fmt::format("{} in {} since {}", entry.rule, entry.file, rfc3339(entry.expires).substr(0, 10)));
          continue;
        }
        finding.severity = Severity::info;
        finding.message += fmt::format(" (accepted until {}: {})", rfc3339(entry.expires).substr(0, 10), entry.reason);
        ++use.accepted;
        changed = true;
        break;
      }
    }
    if (changed) scan::settle_verdict(report);
  }
  use.expired.assign(expired.begin(), expired.end());
  return use;
}

std::string write_baseline(std::span<const scan::Report> reports, std::string_view reason, Instant expires) {
  json::Value entries = json::Value::array();
  for (const auto& report : reports) {
    std::set<std::string> rules;
    for (const auto& finding : report.findings)
      if (finding.severity != Severity::info) rules.insert(finding.rule);
    for (const auto& rule : rules) {
      json::Value entry;
      entry.set("rule", rule).set("file", report.path).set("reason", reason);
      entry.set("expires", rfc3339(expires).substr(0, 10));
      if (report.sha256) entry.set("sha256", report.sha256->hex());
      entries.push(std::move(entry));
    }
  }
  json::Value value;
  value.set("version", 1).set("accept", std::move(entries));
  return json::write_pretty(value) + "\n";
}

}  // namespace hauberk::app
