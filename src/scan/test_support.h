// What the tests of inspectors share: a scan of bytes in memory, what it found, and the wire format of protocol
// buffers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "scan/scanner.h"

namespace hauberk::scan {

inline Report scan_bytes(std::string_view data, std::string_view name, const ScanOptions& options = {}) {
  MemoryReader reader(as_bytes(data));
  return scan(reader, name, options);
}

inline bool has_rule(const Report& report, std::string_view rule) {
  return std::ranges::any_of(report.findings, [&](const Finding& finding) { return finding.rule == rule; });
}

inline std::string wire_number(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out + static_cast<char>(value);
}
inline std::string wire_bytes(std::uint64_t field, const std::string& content) {
  return wire_number(field << 3 | 2) + wire_number(content.size()) + content;
}
inline std::string wire_varint(std::uint64_t field, std::uint64_t value) {
  return wire_number(field << 3) + wire_number(value);
}

}  // namespace hauberk::scan
