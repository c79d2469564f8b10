// Every kernel that this processor offers, against the library's SHA-256: all lane counts, all lengths around blocks.
#include "crypto/sha256_lanes.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/sha256_kernels.h"

namespace hauberk::crypto {
namespace {

std::vector<Sha256Kernel> kernels_here() {
  std::vector<Sha256Kernel> kernels{Sha256Kernel::portable};
  const auto has = sha256_instructions();
  if (has.sha_ni) kernels.push_back(Sha256Kernel::sha_ni);
  if (has.sha_ni && has.avx512) kernels.push_back(Sha256Kernel::avx512);
  return kernels;
}

TEST(Sha256Lanes, agree_with_the_library_at_every_number_of_lanes) {
  SeededRandom random(1);
  for (const auto kernel : kernels_here())
    for (std::size_t count = 1; count <= most_sha256_lanes; ++count) {
      std::vector<Bytes> messages;
      std::vector<Sha256Lane> lanes;
      std::vector<Sha256Lane*> pointers;
      for (std::size_t i = 0; i < count; ++i) {
        messages.push_back(random.bytes(5 * sha256_block + 7 * i));
        lanes.emplace_back(kernel);
      }
      for (auto& lane : lanes) pointers.push_back(&lane);
      // Two calls, so that the state survives between them.
      for (const auto& [begin, blocks] : {std::pair<std::size_t, std::size_t>{0, 2}, {2, 3}}) {
        std::vector<ByteView> pieces;
        for (const auto& message : messages)
          pieces.push_back(ByteView(message).subspan(begin * sha256_block, blocks * sha256_block));
        update_together(pointers, pieces);
      }
      for (std::size_t i = 0; i < count; ++i)
        EXPECT_EQ(lanes[i].finish(ByteView(messages[i]).subspan(5 * sha256_block)), sha256(messages[i]))
            << name(kernel) << ", lane " << i << " of " << count;
    }
}

// Which of them a number of lanes goes to depends on the processor's maker: here each is asked itself.
TEST(Sha256Lanes, every_kernel_compresses_each_of_its_lanes) {
  using Compress = void (*)(std::uint32_t* const*, const std::uint8_t* const*, std::size_t);
  std::vector<std::pair<std::size_t, Compress>> kernels;
  const auto has = sha256_instructions();
  if (has.sha_ni) kernels = {{1, compress_sha_ni_1}, {2, compress_sha_ni_2}, {3, compress_sha_ni_3}};
  if (has.avx512) kernels.insert(kernels.end(), {{8, compress_avx512_8}, {16, compress_avx512_16}});
  if (kernels.empty()) GTEST_SKIP() << "this processor has no instructions for SHA-256";
  SeededRandom random(3);
  for (const auto& [width, compress] : kernels) {
    std::vector<std::array<std::uint32_t, 8>> states(
        width, {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19});
    std::vector<Bytes> messages, padded;
    std::vector<std::uint32_t*> state_pointers;
    std::vector<const std::uint8_t*> data;
    constexpr std::size_t size = 2 * sha256_block + 11;
    for (std::size_t i = 0; i < width; ++i) {
      messages.push_back(random.bytes(size));
      auto& whole = padded.emplace_back(messages.back());
      whole.push_back(0x80);
      whole.resize(3 * sha256_block);
      store_be<std::uint64_t>(whole.data() + whole.size() - 8, size * 8);
    }
    for (std::size_t i = 0; i < width; ++i) {
      state_pointers.push_back(states[i].data());
      data.push_back(padded[i].data());
    }
    compress(state_pointers.data(), data.data(), 3);
    for (std::size_t i = 0; i < width; ++i) {
      Digest digest;
      for (std::size_t word = 0; word < 8; ++word) store_be(digest.bytes.data() + 4 * word, states[i][word]);
      EXPECT_EQ(digest, sha256(messages[i])) << "lane " << i << " of " << width;
    }
  }
}

TEST(Sha256Lanes, pad_every_length_as_the_standard_says) {
  SeededRandom random(2);
  const auto message = random.bytes(200);
  for (const auto kernel : kernels_here()) {
    Sha256Lane lane(kernel);
    for (std::size_t size = 0; size <= message.size(); ++size)
      EXPECT_EQ(lane.finish(ByteView(message).first(size)), sha256(ByteView(message).first(size)))
          << name(kernel) << ", " << size << " bytes";
  }
}

}  // namespace
}  // namespace hauberk::crypto
