#include "app/scan_paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace hauberk::app {

Result<ScanTargets> collect_targets(Files& files, std::span<const std::string> paths) {
  ScanTargets targets;
  std::vector<std::string> open(paths.rbegin(), paths.rend());  // a stack: what was named first comes first
  std::size_t named = paths.size();
  while (!open.empty()) {
    const std::string path = std::move(open.back());
    open.pop_back();
    const bool is_named = open.size() < named;
    named = std::min(named, open.size());
    const auto info = files.info(path);
    if (!info && is_named && info.error().code == Errc::not_found) return std::unexpected(info.error());
    if (!info || !info->directory) {
      targets.bytes += info ? info->size : 0;
      targets.files.push_back(path);
      continue;
    }
    auto names = files.list(path);
    if (!names) {
      targets.unread.push_back(scan::unscanned(path, "the folder cannot be read: " + names.error().message));
      continue;
    }
    for (auto entry = names->rbegin(); entry != names->rend(); ++entry) open.push_back(join_path(path, *entry));
  }
  return targets;
}

int scan_exit_code(std::span<const scan::Report> reports) {
  using enum scan::ScanVerdict;
  const auto has = [&](scan::ScanVerdict verdict) {
    return std::ranges::find(reports, verdict, &scan::Report::verdict) != reports.end();
  };
  if (has(malicious) || has(review)) return 1;
  return reports.empty() || !std::ranges::all_of(
                                reports, [](const scan::Report& report) { return scan::passes_gate(report.verdict); })
             ? 3
             : 0;
}

std::string summary_of(std::span<const scan::Report> reports) {
  using enum scan::ScanVerdict;
  std::string text;
  for (const auto verdict : {malicious, review, malformed, inconclusive, clean}) {
    const auto count = std::ranges::count(reports, verdict, &scan::Report::verdict);
    if (count > 0) text += fmt::format("{} {} {}", text.empty() ? "" : ",", count, scan::name(verdict));
  }
  return fmt::format("{} file{}:{}", reports.size(), reports.size() == 1 ? "" : "s",
                     text.empty() ? " nothing to scan" : text);
}

}  // namespace hauberk::app
