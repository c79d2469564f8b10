#include "hauberk_scan.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <string>

#include "app/isolate.h"
#include "app/scan_worker.h"
#include "core/rule_catalog.h"
#include "core/version.h"
#include "scan/scanner.h"

using namespace hauberk;

struct hauberk_scan_result {
  scan::Report report;
  std::string error, format, sha256, json;
};

namespace {

hauberk_scan_options filled(const hauberk_scan_options* given) {
  hauberk_scan_options options{};
  if (given != nullptr) std::memcpy(&options, given, std::min<std::size_t>(given->size, sizeof options));
  return options;
}

// Beside the library, which knows where it was loaded from.
std::string worker_beside() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&hauberk_scan_abi), &info) == 0 || info.dli_fname == nullptr) return {};
  const std::string path = info.dli_fname;
  const auto slash = path.rfind('/');
  return (slash == std::string::npos ? std::string() : path.substr(0, slash + 1)) + "hauberk-scan-worker";
}

Result<scan::Report> in_process(scan::Reader& reader, const char* name, const hauberk_scan_options& options) {
  scan::ScanOptions wanted;
  wanted.hash = (options.flags & HAUBERK_SCAN_HASH) != 0;
  wanted.out_of_time = app::time_budget(reader.size(), options.time_limit_ms != 0
                                                           ? Duration(std::chrono::milliseconds(options.time_limit_ms))
                                                           : app::IsolationOptions{}.time_limit);
  return scan::scan(reader, name, wanted);
}

Result<scan::Report> scanned(scan::Reader& reader, const char* name, const hauberk_scan_options& options) {
  if ((options.flags & HAUBERK_SCAN_IN_PROCESS) != 0) return in_process(reader, name, options);
  app::IsolationOptions isolation;
  isolation.hash = (options.flags & HAUBERK_SCAN_HASH) != 0;
  if ((options.flags & HAUBERK_SCAN_BEST_EFFORT) != 0) isolation.require.clear();
  if (options.time_limit_ms != 0) isolation.time_limit = std::chrono::milliseconds(options.time_limit_ms);
  if (options.memory != 0) isolation.memory = options.memory;
  const std::string worker = options.worker != nullptr ? options.worker : worker_beside();
  if (::access(worker.c_str(), X_OK) != 0)
    return fail(Errc::unavailable, "the program that scans is missing: name hauberk-scan-worker in the options",
                worker);
  isolation.worker = {worker, "scan-worker"};
  app::IsolatedScanner scanner(std::move(isolation));
  return scanner.scan_reader(name, reader.size(),
                             [&](std::uint64_t offset, MutableBytes out) { return reader.read_at(offset, out); });
}

// Nothing that is thrown may cross into C.
template <class Scan>
hauberk_scan_result* result_of(Scan scan) {
  auto* result = new (std::nothrow) hauberk_scan_result;
  if (result == nullptr) return nullptr;
  try {
    Result<scan::Report> report = scan();
    if (!report) {
      result->error = report.error().text();
      return result;
    }
    result->report = std::move(*report);
    result->format = result->report.format;
    if (result->report.sha256) result->sha256 = result->report.sha256->hex();
    result->json = json::write(scan::to_json(result->report));
  } catch (const std::exception& thrown) {
    result->error = thrown.what();
  }
  return result;
}

}  // namespace

extern "C" {

int hauberk_scan_abi(void) { return HAUBERK_SCAN_ABI; }
const char* hauberk_scan_version(void) {
  static const std::string version(program_version);
  return version.c_str();
}
const char* hauberk_scan_rules_version(void) {
  static const std::string version(scan::rules_version);
  return version.c_str();
}

hauberk_scan_result* hauberk_scan_path(const char* path, const hauberk_scan_options* options) {
  return result_of([&]() -> Result<scan::Report> {
    if (path == nullptr) return fail(Errc::invalid, "no path was given");
    const auto reader = TRY(scan::FileReader::open(path));
    return scanned(*reader, path, filled(options));
  });
}

hauberk_scan_result* hauberk_scan_descriptor(int descriptor, const char* name, const hauberk_scan_options* options) {
  return result_of([&]() -> Result<scan::Report> {
    const auto reader = TRY(scan::FileReader::from_descriptor(descriptor));
    return scanned(*reader, name != nullptr ? name : "data", filled(options));
  });
}

hauberk_scan_result* hauberk_scan_memory(const void* data, size_t size, const char* name,
                                         const hauberk_scan_options* options) {
  return result_of([&]() -> Result<scan::Report> {
    if (data == nullptr && size != 0) return fail(Errc::invalid, "no data was given");
    scan::MemoryReader reader({static_cast<const std::uint8_t*>(data), size});
    return scanned(reader, name != nullptr ? name : "data", filled(options));
  });
}

void hauberk_scan_free(hauberk_scan_result* result) { delete result; }

int hauberk_scan_verdict(const hauberk_scan_result* result) {
  if (result == nullptr || !result->error.empty()) return HAUBERK_SCAN_ERROR;
  switch (result->report.verdict) {
    case scan::ScanVerdict::clean:
      return HAUBERK_SCAN_CLEAN;
    case scan::ScanVerdict::review:
      return HAUBERK_SCAN_REVIEW;
    case scan::ScanVerdict::malicious:
      return HAUBERK_SCAN_MALICIOUS;
    case scan::ScanVerdict::malformed:
      return HAUBERK_SCAN_MALFORMED;
    case scan::ScanVerdict::inconclusive:
      break;
  }
  return HAUBERK_SCAN_INCONCLUSIVE;
}

const char* hauberk_scan_error(const hauberk_scan_result* result) {
  return result == nullptr ? "out of memory" : result->error.c_str();
}
const char* hauberk_scan_format(const hauberk_scan_result* result) {
  return result == nullptr ? "" : result->format.c_str();
}
const char* hauberk_scan_sha256(const hauberk_scan_result* result) {
  return result == nullptr ? "" : result->sha256.c_str();
}
const char* hauberk_scan_json(const hauberk_scan_result* result) {
  return result == nullptr ? "" : result->json.c_str();
}
size_t hauberk_scan_finding_count(const hauberk_scan_result* result) {
  return result == nullptr ? 0 : result->report.findings.size();
}

int hauberk_scan_get_finding(const hauberk_scan_result* result, size_t index, hauberk_scan_finding* out) {
  if (result == nullptr || out == nullptr || index >= result->report.findings.size()) return -1;
  const auto& finding = result->report.findings[index];
  const auto* rule = find_rule(finding.rule);
  *out = {.rule = finding.rule.c_str(),
          .severity = name(finding.severity).data(),
          .file = finding.where.file.c_str(),
          .offset = finding.where.offset.value_or(0),
          .pointer = finding.where.pointer.c_str(),
          .message = finding.message.c_str(),
          .excerpt = finding.excerpt.c_str(),
          .fix = rule != nullptr ? rule->fix.data() : ""};
  return 0;
}

}  // extern "C"
