// Flatbuffers, read where they lie and with every offset checked. One thread at a time. Source: FlatBuffers' internals.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "scan/reader.h"

namespace hauberk::scan {

struct FlatTable {
  std::uint64_t at = 0, fields = 0;  // fields: the offsets in its table of fields
  std::uint16_t fields_size = 0;
};

struct FlatVector {
  std::uint64_t at = 0;  // of the first element
  std::uint32_t count = 0;
};

// All reads through here: what lies outside sets broken() and reads as zero.
class Flatbuffer {
 public:
  explicit Flatbuffer(Reader& data) : data_(data) {}
  bool broken() const { return broken_; }

  template <class T>
  T at(std::uint64_t offset) {
    std::uint8_t bytes[sizeof(T)] = {};
    if (offset > data_.size() || data_.size() - offset < sizeof(T)) return broken_ = true, T{};
    const auto got = data_.read_at(offset, bytes);
    if (!got || *got != sizeof(T)) return broken_ = true, T{};
    return load_le<T>(bytes);
  }
  FlatTable table(std::uint64_t offset) {
    FlatTable out{.at = offset};
    const auto back = at<std::int32_t>(offset);
    const auto fields = static_cast<std::int64_t>(offset) - back;
    if (fields < 0) broken_ = true;
    if (broken_) return out;
    out.fields = static_cast<std::uint64_t>(fields);
    out.fields_size = at<std::uint16_t>(out.fields);
    if (out.fields_size < 4 || out.fields_size % 2 != 0) broken_ = true;
    return out;
  }
  FlatTable root() { return table(at<std::uint32_t>(0)); }
  // Where a field lies; nothing if the table does not have it.
  std::optional<std::uint64_t> field(const FlatTable& table, unsigned number) {
    const auto slot = 4 + 2 * number;
    if (broken_ || slot + 2u > table.fields_size) return std::nullopt;
    const auto offset = at<std::uint16_t>(table.fields + slot);
    if (offset == 0 || broken_) return std::nullopt;
    return table.at + offset;
  }
  template <class T>
  T number(const FlatTable& table, unsigned field_number, T otherwise) {
    const auto place = field(table, field_number);
    return place ? at<T>(*place) : otherwise;
  }
  FlatVector vector(const FlatTable& table, unsigned field_number, std::uint64_t width) {
    const auto place = field(table, field_number);
    if (!place) return {};
    const auto start = *place + at<std::uint32_t>(*place);
    FlatVector out{.at = start + 4, .count = at<std::uint32_t>(start)};
    if (broken_ || out.at > data_.size() || out.count > (data_.size() - out.at) / width)
      return broken_ = true, FlatVector{};
    return out;
  }
  std::string text(const FlatTable& table, unsigned field_number) {
    const auto bytes = vector(table, field_number, 1);
    const auto part = read_part(data_, bytes.at, std::min<std::uint64_t>(bytes.count, 4096), 4096);
    return part ? std::string(as_text(*part)) : std::string();
  }
  // A table that a field refers to.
  std::optional<FlatTable> child(const FlatTable& parent, unsigned field_number) {
    const auto place = field(parent, field_number);
    if (!place) return std::nullopt;
    return table(*place + at<std::uint32_t>(*place));
  }
  FlatTable element(const FlatVector& vector, std::uint32_t i) {
    const auto place = vector.at + 4ull * i;
    return table(place + at<std::uint32_t>(place));
  }

 private:
  Reader& data_;
  bool broken_ = false;
};

}  // namespace hauberk::scan
