#include "crypto/sha256_lanes.h"

#include <cstdlib>
#include <cstring>

#include "crypto/sha256_kernels.h"

namespace hauberk::crypto {
namespace {

constexpr std::array<std::uint32_t, 8> initial_state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// Lanes of one call, padded with idle ones that repeat the first where a kernel is wider.
struct Group {
  std::array<std::uint32_t*, most_sha256_lanes> states;
  std::array<const std::uint8_t*, most_sha256_lanes> data;
  std::array<std::array<std::uint32_t, 8>, most_sha256_lanes> idle;

  void pad(std::size_t from, std::size_t to) {
    for (; from < to; ++from) {
      idle[from] = initial_state;
      states[from] = idle[from].data();
      data[from] = data[0];
    }
  }
};

void compress_sha_ni(Group& group, std::size_t count, std::size_t blocks) {
  for (std::size_t done = 0; done < count;) {
    const auto* states = group.states.data() + done;
    const auto* data = group.data.data() + done;
    const auto left = count - done;
    if (left == 1) {
      compress_sha_ni_1(states, data, blocks);
      done += 1;
    } else if (left == 2 || left == 4) {
      compress_sha_ni_2(states, data, blocks);
      done += 2;
    } else {
      compress_sha_ni_3(states, data, blocks);
      done += 3;
    }
  }
}

// Which of the kernels takes how many: measured on Xeon (Sapphire and Emerald Rapids), where sixteen lanes do 3.1 GB/s,
// eight 2.3, the SHA instructions 1.8 with two lanes and more, 1.4 with one; and on EPYC (Zen 5), where sixteen lanes
// do 5.0 GB/s, eight 2.6, the SHA instructions 3.5 with three lanes and 2.0 with one.
void compress_avx512(Group& group, std::size_t count, std::size_t blocks) {
  static const bool three = sha256_instructions().sha_takes_three;
  if (count >= (three ? 12 : 11)) {
    group.pad(count, 16);
    return compress_avx512_16(group.states.data(), group.data.data(), blocks);
  }
  if (three) return compress_sha_ni(group, count, blocks);
  std::size_t done = 0;
  if (count >= 6) {
    group.pad(count, 8);
    compress_avx512_8(group.states.data(), group.data.data(), blocks);
    done = 8;
  }
  for (; done < count; done += 2) {
    const auto* states = group.states.data() + done;
    const auto* data = group.data.data() + done;
    count - done == 1 ? compress_sha_ni_1(states, data, blocks) : compress_sha_ni_2(states, data, blocks);
  }
}

}  // namespace

std::string_view name(Sha256Kernel kernel) {
  switch (kernel) {
    case Sha256Kernel::portable:
      return "portable";
    case Sha256Kernel::sha_ni:
      return "SHA-NI";
    case Sha256Kernel::avx512:
      return "AVX-512";
  }
  return "portable";
}

Sha256Kernel best_sha256_kernel() {
  static const Sha256Kernel best = [] {
    const auto has = sha256_instructions();
    if (!has.sha_ni) return Sha256Kernel::portable;
    return has.avx512 && has.avx512_is_faster ? Sha256Kernel::avx512 : Sha256Kernel::sha_ni;
  }();
  return best;
}

std::size_t useful_lanes(Sha256Kernel kernel) {
  switch (kernel) {
    case Sha256Kernel::portable:
      return 1;
    case Sha256Kernel::sha_ni:
      return 3;
    case Sha256Kernel::avx512:
      return 16;
  }
  return 1;
}

Sha256Lane::Sha256Lane(Sha256Kernel kernel) : kernel_(kernel) {
  if (kernel == Sha256Kernel::portable) portable_ = std::make_unique<Sha256>();
  start();
}

void Sha256Lane::start() {
  state_ = initial_state;
  blocks_ = 0;
}

Digest Sha256Lane::finish(ByteView rest) {
  if (portable_) {
    portable_->update(rest);
    return portable_->finish();
  }
  const std::size_t whole = rest.size() / sha256_block, left = rest.size() % sha256_block;
  const std::uint64_t bits = (blocks_ * sha256_block + rest.size()) * 8;
  std::array<std::uint8_t, 2 * sha256_block> last{};
  if (left != 0) std::memcpy(last.data(), rest.data() + whole * sha256_block, left);
  last[left] = 0x80;
  const std::size_t padded = left < sha256_block - 8 ? 1 : 2;
  store_be(last.data() + padded * sha256_block - 8, bits);
  std::uint32_t* const state = state_.data();
  const std::uint8_t* const pieces[] = {rest.data(), last.data()};
  compress_sha_ni_1(&state, pieces, whole);
  compress_sha_ni_1(&state, pieces + 1, padded);
  Digest digest;
  for (std::size_t i = 0; i < state_.size(); ++i) store_be(digest.bytes.data() + 4 * i, state_[i]);
  start();
  return digest;
}

void update_together(std::span<Sha256Lane* const> lanes, std::span<const ByteView> pieces) {
  if (lanes.empty()) return;
  if (lanes.size() > most_sha256_lanes || lanes.size() != pieces.size()) std::abort();
  const auto kernel = lanes.front()->kernel_;
  if (kernel == Sha256Kernel::portable) {
    for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i]->portable_->update(pieces[i]);
    return;
  }
  Group group;
  const std::size_t blocks = pieces.front().size() / sha256_block;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    group.states[i] = lanes[i]->state_.data();
    group.data[i] = pieces[i].data();
    lanes[i]->blocks_ += blocks;
  }
  kernel == Sha256Kernel::avx512 ? compress_avx512(group, lanes.size(), blocks)
                                 : compress_sha_ni(group, lanes.size(), blocks);
}

}  // namespace hauberk::crypto
