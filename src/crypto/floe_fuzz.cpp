// Whatever lies on the disk: a stream that was not sealed with the key does not open, and a sealed one of which one
// byte was changed does not give what was sealed. Small segments, so that many fit into an input.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "crypto/floe.h"

using namespace hauberk;
using namespace hauberk::crypto;

namespace {

constexpr FloeParameters small{.encrypted_segment = 64};

// The plaintext, or nothing where a part of it does not open.
std::optional<Bytes> open_all(const Secret& key, ByteView file) {
  auto opener =
      FloeOpener::open(key, as_bytes("fuzz"), file.first(std::min(file.size(), floe_header_size)), file.size(), small);
  if (!opener) return std::nullopt;
  Bytes out;
  for (std::uint64_t i = 0; i < opener->segments(); ++i) {
    const auto at = static_cast<std::size_t>(opener->offset_of(i));
    const auto length = opener->size_of(i);
    if (at + length > file.size()) std::abort();
    Bytes plain(length - floe_segment_overhead);
    if (!opener->segment(i, file.subspan(at, length), plain.data())) return std::nullopt;
    out.insert(out.end(), plain.begin(), plain.end());
  }
  if (out.size() != opener->plaintext_size()) std::abort();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Secret key(Bytes(32, 7));
  if (open_all(key, {data, size})) std::abort();  // nobody forges a tag
  if (size < 3) return 0;

  // The first two bytes say where to change a stream of the others, the third how.
  SeededRandom random(1);
  const ByteView plain(data + 3, size - 3);
  FloeSealer sealer(key, as_bytes("fuzz"), random, small);
  Bytes file = to_bytes(sealer.header());
  std::size_t at = 0;
  Bytes part(small.encrypted_segment);
  for (; plain.size() - at > small.plaintext_segment(); at += small.plaintext_segment()) {
    sealer.inner(plain.subspan(at, small.plaintext_segment()), part.data());
    file.insert(file.end(), part.begin(), part.end());
  }
  const auto last = sealer.last(plain.subspan(at), part.data());
  file.insert(file.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(last));

  const auto opened = open_all(key, file);
  if (!opened || !std::ranges::equal(*opened, plain)) std::abort();
  if (data[2] == 0) return 0;
  file[(data[0] * 256u + data[1]) % file.size()] ^= data[2];
  if (open_all(key, file)) std::abort();
  return 0;
}
