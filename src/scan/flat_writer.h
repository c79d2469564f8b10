// Flatbuffers for tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hauberk::scan {

// Flatbuffers written forward: a table of offsets, patched as what they refer to is written.
class FlatWriter {
 public:
  explicit FlatWriter(std::string_view kind = "TFL3") : out_(4, '\0') { out_ += kind; }
  void four(std::size_t at, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) out_[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i));
  }
  // A table with fields of four bytes; the answer is where it is, field i lies 4 + 4 i behind.
  std::size_t table(std::size_t fields) {
    align();
    const auto vtable = out_.size();
    two(4 + 2 * fields), two(4 + 4 * fields);
    for (std::size_t i = 0; i < fields; ++i) two(4 + 4 * i);
    align();
    const auto at = out_.size();
    out_.resize(at + 4 + 4 * fields);
    four(at, static_cast<std::uint32_t>(at - vtable));
    return at;
  }
  static std::size_t field(std::size_t table, std::size_t number) { return table + 4 + 4 * number; }
  void refer(std::size_t place, std::size_t target) { four(place, static_cast<std::uint32_t>(target - place)); }
  std::size_t vector(std::size_t count) {
    align();
    const auto at = out_.size();
    out_.resize(at + 4 + 4 * count);
    four(at, static_cast<std::uint32_t>(count));
    return at;
  }
  std::size_t bytes(const std::string& content) {
    align();
    const auto at = out_.size();
    out_.resize(at + 4);
    four(at, static_cast<std::uint32_t>(content.size()));
    out_ += content + '\0';
    return at;
  }
  std::string done() {
    align();
    return out_;
  }

 private:
  void align() { out_.resize((out_.size() + 3) / 4 * 4); }
  void two(std::size_t value) { out_ += static_cast<char>(value), out_ += static_cast<char>(value >> 8); }
  std::string out_;
};

}  // namespace hauberk::scan
