// The compression function of SHA-256 (FIPS 180-4, 6.2.2) by instructions of x86-64, for several messages at a time:
// `states` are eight words each, `data` holds `blocks` blocks of 64 bytes each. Only to be called where offered.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hauberk::crypto {

struct Sha256Instructions {
  bool sha_ni = false, avx512 = false;
  // Processors differ: whether sixteen lanes of AVX-512 beat the SHA instructions (not where registers of 512 bits are
  // worked on in halves), and whether the SHA instructions take three lanes at full speed.
  bool avx512_is_faster = false, sha_takes_three = false;
};
extern const std::uint32_t sha256_round_constants[64];
Sha256Instructions sha256_instructions();  // of this processor and its operating system

void compress_sha_ni_1(std::uint32_t* const* states, const std::uint8_t* const* data, std::size_t blocks);
void compress_sha_ni_2(std::uint32_t* const* states, const std::uint8_t* const* data, std::size_t blocks);
void compress_sha_ni_3(std::uint32_t* const* states, const std::uint8_t* const* data, std::size_t blocks);
void compress_avx512_8(std::uint32_t* const* states, const std::uint8_t* const* data, std::size_t blocks);
void compress_avx512_16(std::uint32_t* const* states, const std::uint8_t* const* data, std::size_t blocks);

}  // namespace hauberk::crypto
