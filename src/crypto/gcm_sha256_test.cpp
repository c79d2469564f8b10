// Sealing and hashing in one pass, against the library's cipher and hash.
#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/aead.h"
#include "crypto/gcm_sha256_kernel.h"

namespace hauberk::crypto {
namespace {

class GcmSha256 : public testing::Test {
 protected:
  // Both ways are the same to the callers of Gcm; only with the instructions the first differs from the second.
  void expect_same(ByteView plaintext, ByteView associated, Sha256Lane lane = Sha256Lane()) {
    Gcm gcm(Secret(random_.bytes(gcm_key_size)));
    const auto nonce = random_.bytes(gcm_nonce_size);
    Bytes one_pass(plaintext.size() + gcm_tag_size), two_passes(one_pass.size()), opened(plaintext.size());
    gcm.seal_and_hash(nonce, associated, plaintext, one_pass.data(), lane);
    gcm.seal(nonce, associated, plaintext, two_passes.data());
    EXPECT_EQ(hex(one_pass), hex(two_passes));
    EXPECT_EQ(lane.finish(as_bytes("end")).hex(), sha256(to_bytes(std::string(as_text(plaintext)) + "end")).hex());
    EXPECT_TRUE(gcm.open(nonce, associated, ByteView(one_pass).first(plaintext.size()),
                         ByteView(one_pass).last(gcm_tag_size), opened.data()));
    EXPECT_EQ(hex(opened), hex(plaintext));
  }
  SeededRandom random_{7};
};

TEST_F(GcmSha256, is_what_two_passes_are) {
  for (const std::size_t chunks : {0, 1, 2, 3, 4, 5, 7, 64, 1024})
    for (std::size_t associated = 0; associated <= 16; ++associated)
      expect_same(random_.bytes(chunks * sha256_block), random_.bytes(associated));
}

// Half of all hash keys carry when they are multiplied by x, and half of all sums in the reduction.
TEST_F(GcmSha256, is_that_for_any_key) {
  for (int i = 0; i < 500; ++i) expect_same(random_.bytes(3 * sha256_block), random_.bytes(9));
}

TEST_F(GcmSha256, takes_what_its_instructions_do_not) {
  expect_same(random_.bytes(sha256_block), random_.bytes(17));
  expect_same(random_.bytes(2 * sha256_block), random_.bytes(9), Sha256Lane(Sha256Kernel::portable));
  EXPECT_DEATH(expect_same(random_.bytes(sha256_block + 1), {}), "");
}

TEST_F(GcmSha256, works_in_place_and_goes_on_with_a_hash) {
  const auto all = random_.bytes(6 * sha256_block);
  Gcm gcm(Secret(random_.bytes(gcm_key_size)));
  const auto nonce = random_.bytes(gcm_nonce_size);
  Sha256Lane lane;
  auto* const pointer = &lane;
  const auto part = [&](std::size_t from, std::size_t chunks) {
    return ByteView(all).subspan(from * sha256_block, chunks * sha256_block);
  };
  const auto first = part(0, 1);
  update_together({&pointer, 1}, {&first, 1});
  Bytes place = to_bytes(part(1, 4)), expected(place.size() + gcm_tag_size);
  gcm.seal(nonce, {}, place, expected.data());
  place.resize(expected.size());
  gcm.seal_and_hash(nonce, {}, ByteView(place).first(4 * sha256_block), place.data(), lane);
  EXPECT_EQ(hex(place), hex(expected));
  EXPECT_EQ(lane.finish(part(5, 1)), sha256(all));
}

TEST_F(GcmSha256, is_the_standard_s) {
  if (!has_gcm_sha256()) GTEST_SKIP() << "this processor has not all of AES-NI, PCLMULQDQ, AVX and SHA-NI";
  GcmSha256Keys keys;
  const Bytes zeros(sha256_block);
  expand_gcm_sha256(zeros.data(), keys);
  Bytes out(sha256_block);
  std::array<std::uint8_t, gcm_tag_size> tag{};
  std::array<std::uint32_t, 8> state{};
  seal_gcm_sha256(keys, zeros.data(), nullptr, 0, zeros.data(), 1, out.data(), tag.data(), state.data());
  // The GCM specification's test case 14 is the first of these four blocks.
  EXPECT_EQ(hex(ByteView(out).first(16)), "cea7403d4d606b6e074ec5d3baf39d18");
  EXPECT_NE(tag, decltype(tag){});
}

}  // namespace
}  // namespace hauberk::crypto
