// The wire format of protocol buffers, walked forward through one Cursor: fields of a message one by one, sub-messages
// by walking on to their end, everything else skipped, groups too. Numbers of more than ten bytes, lengths that pass
// the end of the enclosing message and groups without an end end the walk, as they end it for every parser. Source:
// protobuf.dev/programming-guides/encoding.
#pragma once

#include <string>

#include "scan/reader.h"

namespace hauberk::scan {

struct WireField {
  enum Kind : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };
  std::uint32_t number = 0;
  Kind kind = varint;
  std::uint64_t value = 0;  // of a varint
  std::uint64_t begin = 0;  // of bytes: where they lie
  std::uint64_t end = 0;
};

class WireMessage {
 public:
  WireMessage(Cursor& at, std::uint64_t end) : at_(at), end_(end) {}
  // The next field; what the caller has not consumed of the last one is skipped. False at the end, or if broken().
  bool next(WireField& field);
  bool broken() const { return broken_; }

 private:
  bool number(std::uint64_t& value);
  bool value(std::uint64_t kind, WireField& field);
  bool skip_group(std::uint32_t number_of_group);
  bool fail() { return !(broken_ = true); }
  Cursor& at_;
  std::uint64_t end_;
  std::uint64_t field_end_ = 0;
  bool broken_ = false;
};

// The text of a bytes field, at most `limit` bytes of it. The cursor must stand at its beginning and moves on.
std::string wire_text(Cursor& at, const WireField& field, std::size_t limit = 4096);

}  // namespace hauberk::scan
