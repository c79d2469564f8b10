// The scanner: says what would happen if a model file were loaded, without loading it. The content alone decides what a
// file is; its name only adds a finding where it claims something else. Pure: it sees bytes and an injected deadline.
// Cost: one pass over the parts that a loader would interpret; tensor data is skipped, not read. One Budget covers the
// file and everything inside it; using it up makes the verdict inconclusive, never clean.
#pragma once

#include <functional>
#include <string_view>

#include "scan/reader.h"
#include "scan/report.h"

namespace hauberk::scan {

// Changes whenever the rules or the table of callables do: evidence of another version is stale.
inline constexpr std::string_view rules_version = "2026.11.1";

struct ScanLimits {
  std::uint64_t bytes_out = 8ull << 30;    // bytes out of decompression, all together
  std::uint64_t ratio = 250;               // bytes out for one byte in, once more than 64 MiB came out
  std::uint32_t depth = 8;                 // archives and pickles inside each other
  std::uint64_t entries = 200'000;         // members of archives, tensors, nodes' attributes: anything listed
  std::uint64_t opcodes = 2'000'000'000;   // pickle opcodes
  std::uint64_t memory = 128u << 20;       // what one pickle's stack, memo and tuples may hold
  std::size_t findings = 200;              // more are counted, not kept
};

struct ScanOptions {
  ScanLimits limits;
  bool hash = false;                  // also compute the SHA-256 (reads everything)
  std::function<bool()> out_of_time;  // asked now and then; empty: no deadline
};

// Never fails: what goes wrong is a finding or a note, and the verdict says so.
Report scan(Reader& reader, std::string_view path, const ScanOptions& options = {});

}  // namespace hauberk::scan
