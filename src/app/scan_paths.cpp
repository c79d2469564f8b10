#include "app/scan_paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/path_pattern.h"
#include "scan/container_image.h"

namespace hauberk::app {

namespace {

constexpr std::uint64_t ignore_file_limit = 1u << 20;
constexpr std::uint64_t image_manifest_limit = 4u << 20;

// Everything below the part of the pattern that is no pattern, as far as it matches.
Status expand(Files& files, const std::string& pattern, std::vector<std::string>& out) {
  const auto wild = pattern.find_first_of("*?[");
  const auto slash = pattern.rfind('/', wild);
  const std::string root = slash == std::string::npos ? "." : slash == 0 ? "/" : pattern.substr(0, slash);
  const auto before = out.size();
  std::vector<std::string> open{root};
  while (!open.empty()) {
    const std::string folder = std::move(open.back());
    open.pop_back();
    const auto names = files.list(folder);
    if (!names) continue;
    for (const auto& name : *names) {
      const std::string path = folder == "." && slash == std::string::npos ? name : join_path(folder, name);
      const auto info = files.info(path);
      // Without a slash the pattern speaks of this folder, not of all below it.
      const bool here = pattern.find('/') != std::string::npos || folder == root;
      if (here && matches_pattern(pattern, path))
        out.push_back(path);
      else if (info && info->directory)
        open.push_back(path);
    }
  }
  if (out.size() == before) return fail(Errc::not_found, "nothing matches", pattern);
  std::sort(out.begin() + static_cast<std::ptrdiff_t>(before), out.end());
  return {};
}

// The folder is an image layout: remembers its layers.
void add_layers(Files& files, const std::string& folder, ScanTargets& targets) {
  const auto layers = scan::image_layers([&](const std::string& name) -> std::optional<std::string> {
    const auto bytes = read_file(files, join_path(folder, name), image_manifest_limit);
    return bytes ? std::optional(std::string(as_text(*bytes))) : std::nullopt;
  });
  for (const auto& layer : layers) targets.image_layers.insert(join_path(folder, layer));
}

}  // namespace

Result<std::vector<std::string>> read_ignore_file(Files& files, const std::string& path) {
  const auto bytes = TRY(read_file(files, path, ignore_file_limit));
  std::vector<std::string> patterns;
  for (std::string_view rest = as_text(bytes); !rest.empty();) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '!') return fail(Errc::invalid, "patterns that take back others (!) are not understood", path);
    patterns.emplace_back(line);
  }
  return patterns;
}

Result<ScanTargets> collect_targets(Files& files, std::span<const std::string> paths,
                                    std::span<const std::string> exclude) {
  ScanTargets targets;
  std::vector<std::string> named;
  for (const auto& path : paths) {
    const auto info = files.info(path);
    if (!info && info.error().code == Errc::not_found) {
      if (!is_pattern(path)) return std::unexpected(info.error());
      CHECK(expand(files, path, named));
    } else {
      // What was named is followed, what lies within is not.
      named.push_back(info && !info->directory && files.info(path + "/.") ? path + "/." : path);
    }
  }
  std::vector<std::string> open(named.rbegin(), named.rend());  // a stack: what was named first comes first
  while (!open.empty()) {
    const std::string path = std::move(open.back());
    open.pop_back();
    if (std::ranges::any_of(exclude, [&](const std::string& pattern) { return matches_pattern(pattern, path); })) {
      ++targets.excluded;
      continue;
    }
    const auto info = files.info(path);
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
    if (std::ranges::find(*names, "oci-layout") != names->end()) add_layers(files, path, targets);
    for (auto entry = names->rbegin(); entry != names->rend(); ++entry) {
      const bool inner = *entry == ".git" || *entry == ".hg" || *entry == ".svn";
      (inner ? targets.inner : open).push_back(join_path(path, *entry));
    }
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
