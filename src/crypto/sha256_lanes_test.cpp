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
