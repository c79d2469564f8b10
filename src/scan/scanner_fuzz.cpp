#include <cstdint>
#include <cstdlib>

#include "scan/scanner.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk;
  scan::MemoryReader reader({data, size});
  const scan::ScanOptions options{
      .limits = {.bytes_out = 16u << 20, .entries = 20'000, .opcodes = 1u << 20, .memory = 16u << 20}};
  const auto report = scan::scan(reader, "fuzzed.bin", options);
  // What a scan says must survive the way through the isolated child, and a bad verdict must name its reason.
  const auto text = json::write(scan::to_json(report));
  const auto value = json::parse(text);
  if (!value) std::abort();
  const auto again = scan::report_from_json(*value);
  if (!again || again->verdict != report.verdict || again->findings.size() != report.findings.size()) std::abort();
  if (report.verdict != scan::ScanVerdict::clean && report.findings.empty()) std::abort();
  return 0;
}
