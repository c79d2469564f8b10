// Budget: what one file and everything inside it may cost. All inspectors of a scan spend from the same one, so that a
// small file cannot multiply its cost by nesting. Once a limit is passed the budget stays exhausted and names the
// limit; whoever finds it exhausted stops, and the verdict becomes inconclusive. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace hauberk::scan {

struct ScanLimits {
  std::uint64_t bytes_out = 8ull << 30;       // bytes out of decompression, all together
  std::uint64_t bytes_out_base = 128u << 20;  // of which a file may have this much,
  std::uint64_t bytes_out_ratio = 64;         // and for each of its bytes this many more
  std::uint64_t ratio = 250;                  // bytes out for one byte in, once more than 64 MiB came out of one stream
  std::uint32_t depth = 8;                    // archives and pickles inside each other
  std::uint64_t entries = 2'000'000;          // members of archives, tensors, nodes' attributes: anything listed
  std::uint64_t opcodes = 2'000'000'000;      // pickle opcodes
  std::uint64_t memory = 128u << 20;          // what one pickle's stack, memo and tuples may hold
  std::size_t findings = 200;                 // more are counted, not kept
};

// Asked now and then: the name of the limit of time that is used up ("time", "processor time"); empty while none is.
using OutOfTime = std::function<std::string_view()>;

class Budget {
 public:
  Budget(const ScanLimits& limits, OutOfTime out_of_time) : limits_(limits), out_of_time_(std::move(out_of_time)) {}

  // False once a limit is passed. They also ask for the time now and then.
  bool spend_bytes_out(std::uint64_t count) {
    return spend(bytes_out_, count, limits_.bytes_out, "decompressed bytes");
  }
  bool spend_entries(std::uint64_t count = 1) { return spend(entries_, count, limits_.entries, "entries"); }
  bool spend_opcodes(std::uint64_t count) { return spend(opcodes_, count, limits_.opcodes, "pickle opcodes"); }
  bool check_time();
  bool exhaust(std::string_view limit);  // a static name; always false

  bool exhausted() const { return !exhausted_.empty(); }
  std::string_view exhausted_limit() const { return exhausted_; }  // empty while there is some left
  const ScanLimits& limits() const { return limits_; }

 private:
  bool spend(std::uint64_t& used, std::uint64_t count, std::uint64_t limit, std::string_view what);
  ScanLimits limits_;
  OutOfTime out_of_time_;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t opcodes_ = 0;
  std::string_view exhausted_;
};

}  // namespace hauberk::scan
