// Bytes and their usual spellings: hex, base64, little- and big-endian integers. Pure functions; decoding is strict
// (no white space, no missing or wrong padding) because two spellings of one value are a way around a check.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hauberk {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Bytes to_bytes(ByteView bytes) { return {bytes.begin(), bytes.end()}; }
inline Bytes to_bytes(std::string_view text) { return to_bytes(as_bytes(text)); }

std::string hex(ByteView bytes);                             // lower case
std::optional<Bytes> from_hex(std::string_view text);        // either case, even length
std::string base64(ByteView bytes);                          // RFC 4648 section 4, padded
std::optional<Bytes> from_base64(std::string_view text);     // the same, canonical
std::string base64url(ByteView bytes);                       // RFC 4648 section 5, no padding
std::optional<Bytes> from_base64url(std::string_view text);  // the same, canonical
std::uint32_t crc32(ByteView bytes);                         // IEEE 802.3, as zlib

// Compares in time that depends on the lengths only. Unequal lengths are unequal.
bool equal_constant_time(ByteView a, ByteView b);

template <class T>
T load_le(const std::uint8_t* p) {
  T value{};
  __builtin_memcpy(&value, p, sizeof(T));
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  return value;
}
template <class T>
T load_be(const std::uint8_t* p) {
  T value{};
  __builtin_memcpy(&value, p, sizeof(T));
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  return value;
}
template <class T>
void store_le(std::uint8_t* p, T value) {
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  __builtin_memcpy(p, &value, sizeof(T));
}
template <class T>
void store_be(std::uint8_t* p, T value) {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  __builtin_memcpy(p, &value, sizeof(T));
}

}  // namespace hauberk
