#include "app/scan_cache.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/json.h"
#include "scan/reader.h"
#include "scan/scanner.h"

namespace hauberk::app {
namespace {

constexpr std::uint64_t cached_report_limit = 16u << 20;

std::string_view last_part(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// What the system says of a file as long as nobody touches it.
std::optional<std::string> identity_of(const std::string& path) {
  struct stat info = {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return fmt::format("{}:{}:{}:{}.{}:{}.{}", info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

std::string hashed(std::string_view text) {
  crypto::Sha256 sha;
  sha.update(as_bytes(text));
  return sha.finish().hex();
}

}  // namespace

Result<ScanCache> ScanCache::open(Files& files, std::string folder) {
  CHECK(files.make_directories(folder));
  return ScanCache(files, std::move(folder));
}

std::string ScanCache::entry_of(const Digest& digest, const std::string& path) const {
  return join_path(
      folder_, hashed(fmt::format("{}\n{}\n{}", scan::rules_version, last_part(path), digest.hex())) + ".report.json");
}

std::optional<Digest> ScanCache::digest_of(const std::string& path) {
  const auto identity = identity_of(path);
  if (!identity) return std::nullopt;
  const auto place = join_path(folder_, hashed(*identity) + ".digest");
  if (const auto kept = read_file(files_, place, 256))
    if (const auto digest = Digest::parse(as_text(*kept))) return *digest;
  const auto reader = scan::FileReader::open(path);
  if (!reader) return std::nullopt;
  const auto digest = scan::digest_of(**reader);
  if (!digest || identity_of(path) != identity) return std::nullopt;
  (void)write_file_atomically(files_, place, as_bytes(digest->hex()));
  return *digest;
}

std::optional<scan::Report> ScanCache::find(const std::string& path) {
  const auto digest = digest_of(path);
  if (!digest) return std::nullopt;
  const auto kept = read_file(files_, entry_of(*digest, path), cached_report_limit);
  if (!kept) return std::nullopt;
  const auto value = json::parse(as_text(*kept));
  if (!value) return std::nullopt;
  auto report = scan::report_from_json(*value);
  if (!report || report->rules_version != scan::rules_version || report->sha256 != *digest) return std::nullopt;
  for (auto& finding : report->findings)
    if (finding.where.file.starts_with(report->path)) finding.where.file.replace(0, report->path.size(), path);
  report->path = path;
  return std::move(*report);
}

void ScanCache::keep(const scan::Report& report) {
  if (report.unfinished || report.verdict == scan::ScanVerdict::inconclusive || !report.sha256) return;
  // Only if the digest that the scan saw is that of the file as it is now.
  if (digest_of(report.path) != report.sha256) return;
  (void)write_file_atomically(files_, entry_of(*report.sha256, report.path),
                              as_bytes(json::write(scan::to_json(report))));
}

}  // namespace hauberk::app
