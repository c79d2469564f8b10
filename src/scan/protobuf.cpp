#include "scan/protobuf.h"

#include <algorithm>

namespace hauberk::scan {

bool WireMessage::number(std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at_.position() >= end_ || !at_.need(1)) return false;
    const std::uint8_t b = *at_.data();
    at_.advance(1);
    if (shift == 63 && b > 1) return false;
    value |= std::uint64_t{b & 0x7fu} << shift;
    if ((b & 0x80) == 0) return true;
  }
  return false;
}

bool WireMessage::next(WireField& field) {
  if (broken_) return false;
  if (field_end_ > at_.position() && !at_.skip(field_end_ - at_.position())) return fail();
  if (at_.position() == end_) return false;
  std::uint64_t tag = 0;
  if (at_.position() > end_ || !number(tag) || tag >> 3 == 0 || tag >> 32 != 0) return fail();
  field.number = static_cast<std::uint32_t>(tag >> 3);
  field.kind = static_cast<WireField::Kind>(tag & 7);
  field_end_ = 0;
  std::uint64_t length = 0;
  switch (tag & 7) {
    case WireField::varint:
      return number(field.value) || fail();
    case WireField::fixed64:
      length = 8;
      break;
    case WireField::fixed32:
      length = 4;
      break;
    case WireField::bytes:
      if (!number(length)) return fail();
      break;
    default:
      return fail();
  }
  if (length > end_ - at_.position()) return fail();
  field.begin = at_.position();
  field.end = field_end_ = field.begin + length;
  return true;
}

std::string wire_text(Cursor& at, const WireField& field, std::size_t limit) {
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(field.end - field.begin, limit));
  if (at.position() != field.begin || !at.need(length)) return {};
  std::string text(reinterpret_cast<const char*>(at.data()), length);
  at.advance(length);
  return text;
}

}  // namespace hauberk::scan
