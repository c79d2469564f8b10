#include "crypto/gcm_sha256_kernel.h"

#include "crypto/sha256_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

namespace hauberk::crypto {
namespace {

#define HAUBERK_GCM __attribute__((target("aes,pclmul,sha,avx"), always_inline)) inline

constexpr std::size_t chunk_size = 64;

HAUBERK_GCM __m128i load(const void* bytes) { return _mm_loadu_si128(static_cast<const __m128i*>(bytes)); }
HAUBERK_GCM void store(void* bytes, __m128i value) { _mm_storeu_si128(static_cast<__m128i*>(bytes), value); }
HAUBERK_GCM __m128i reversed(__m128i bytes) {
  return _mm_shuffle_epi8(bytes, _mm_set_epi64x(0x0001020304050607LL, 0x08090a0b0c0d0e0fLL));
}

// ---- GHASH is computed as POLYVAL of reversed bytes (RFC 8452, appendix A): the same field, without a shift at each
// product. A product has 256 bits: `low`, `high`, and `middle` across both; several are added before one reduction.

struct Product {
  __m128i low = _mm_setzero_si128(), middle = _mm_setzero_si128(), high = _mm_setzero_si128();
};

HAUBERK_GCM void add_product(Product& sum, __m128i a, __m128i b) {
  sum.low = _mm_xor_si128(sum.low, _mm_clmulepi64_si128(a, b, 0x00));
  sum.middle =
      _mm_xor_si128(sum.middle, _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10)));
  sum.high = _mm_xor_si128(sum.high, _mm_clmulepi64_si128(a, b, 0x11));
}

HAUBERK_GCM __m128i reduced(const Product& product) {
  const __m128i polynomial = _mm_set_epi64x(static_cast<long long>(0xc200000000000000ULL), 1);
  __m128i low = _mm_xor_si128(product.low, _mm_slli_si128(product.middle, 8));
  const __m128i high = _mm_xor_si128(product.high, _mm_srli_si128(product.middle, 8));
  low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, polynomial, 0x10));
  low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, polynomial, 0x10));
  return _mm_xor_si128(high, low);
}

HAUBERK_GCM __m128i times(__m128i a, __m128i b) {
  Product product;
  add_product(product, a, b);
  return reduced(product);
}

// Block `i` of the four of a chunk: the first with what came before, times the fourth power.
HAUBERK_GCM void add_block(Product& sum, const GcmSha256Keys& keys, const __m128i* cipher, std::size_t i,
                           __m128i before) {
  const __m128i block = reversed(cipher[i]);
  add_product(sum, i == 0 ? _mm_xor_si128(block, before) : block, load(keys.powers[3 - i]));
}

// ---- AES-256

HAUBERK_GCM __m128i encrypt(const GcmSha256Keys& keys, __m128i block) {
  block = _mm_xor_si128(block, load(keys.round[0]));
  for (std::size_t i = 1; i < 14; ++i) block = _mm_aesenc_si128(block, load(keys.round[i]));
  return _mm_aesenclast_si128(block, load(keys.round[14]));
}

// FIPS 197, 5.2: each word is the one eight before it, added to the last one, which is turned where `assisted` says so.
HAUBERK_GCM __m128i next_round(__m128i before, __m128i assisted) {
  before = _mm_xor_si128(before, _mm_slli_si128(before, 4));
  before = _mm_xor_si128(before, _mm_slli_si128(before, 8));
  return _mm_xor_si128(before, assisted);
}
template <int constant>
HAUBERK_GCM void two_rounds(GcmSha256Keys& keys, std::size_t i) {
  const __m128i even = next_round(
      load(keys.round[i - 2]), _mm_shuffle_epi32(_mm_aeskeygenassist_si128(load(keys.round[i - 1]), constant), 0xff));
  store(keys.round[i], even);
  if (i == 14) return;
  store(keys.round[i + 1],
        next_round(load(keys.round[i - 1]), _mm_shuffle_epi32(_mm_aeskeygenassist_si128(even, 0), 0xaa)));
}

__attribute__((target("aes,pclmul,sha,avx"))) void expand(const std::uint8_t* key, GcmSha256Keys& keys) {
  store(keys.round[0], load(key));
  store(keys.round[1], load(key + 16));
  two_rounds<0x01>(keys, 2);
  two_rounds<0x02>(keys, 4);
  two_rounds<0x04>(keys, 6);
  two_rounds<0x08>(keys, 8);
  two_rounds<0x10>(keys, 10);
  two_rounds<0x20>(keys, 12);
  two_rounds<0x40>(keys, 14);
  // The hash key, multiplied by x.
  const __m128i hash_key = reversed(encrypt(keys, _mm_setzero_si128()));
  auto low = static_cast<std::uint64_t>(_mm_extract_epi64(hash_key, 0));
  auto high = static_cast<std::uint64_t>(_mm_extract_epi64(hash_key, 1));
  const std::uint64_t carry = high >> 63;
  high = (high << 1 | low >> 63) ^ ((0 - carry) & 0xc200000000000000ULL);
  low = low << 1 ^ carry;
  const __m128i first = _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
  __m128i power = first;
  for (auto& one : keys.powers) {
    store(one, power);
    power = times(power, first);
  }
}

// Each of SHA-256's 16 steps has a sixteenth of the cipher beside it: a round of AES for four blocks, and the products
// of the chunk before.
__attribute__((target("aes,pclmul,sha,avx"))) void seal(const GcmSha256Keys& keys, const std::uint8_t* nonce,
                                                        const std::uint8_t* associated, std::size_t associated_size,
                                                        const std::uint8_t* plaintext, std::size_t chunks,
                                                        std::uint8_t* ciphertext, std::uint8_t* tag,
                                                        std::uint32_t* state) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  alignas(16) std::uint8_t block[16] = {};
  std::memcpy(block, nonce, 12);
  // With its bytes reversed the counter is the lowest word.
  const __m128i one = _mm_set_epi32(0, 0, 0, 1);
  __m128i counter = _mm_add_epi32(reversed(load(block)), one);
  const __m128i tag_mask = encrypt(keys, reversed(counter));
  counter = _mm_add_epi32(counter, one);
  std::memset(block, 0, sizeof block);
  if (associated_size != 0) std::memcpy(block, associated, associated_size);
  __m128i hash = associated_size == 0 ? _mm_setzero_si128() : times(reversed(load(block)), load(keys.powers[0]));

  const __m128i cdab = _mm_shuffle_epi32(load(state), 0xb1), efgh = _mm_shuffle_epi32(load(state + 4), 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);

  __m128i cipher[4] = {};
  for (std::size_t done = 0; done < chunks; ++done, plaintext += chunk_size, ciphertext += chunk_size) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i words[4], stream[4];
    Product product;
#pragma clang loop unroll(full)
    for (auto& one_block : stream) {
      one_block = _mm_xor_si128(reversed(counter), load(keys.round[0]));
      counter = _mm_add_epi32(counter, one);
    }
#pragma clang loop unroll(full)
    for (std::size_t step = 0; step < 16; ++step) {
      const std::size_t now = step & 3, next = (step + 1) & 3, previous = (step + 3) & 3;
      if (step < 4) words[step] = _mm_shuffle_epi8(load(plaintext + 16 * step), big_endian);
      const __m128i input = _mm_add_epi32(words[now], load(sha256_round_constants + 4 * step));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, input);
      if (step >= 3 && step < 15) {
        const __m128i shifted = _mm_alignr_epi8(words[now], words[previous], 4);
        words[next] = _mm_sha256msg2_epu32(_mm_add_epi32(words[next], shifted), words[now]);
      }
      const __m128i round_key = load(keys.round[step < 14 ? step + 1 : 0]);
#pragma clang loop unroll(full)
      for (auto& one_block : stream) {
        if (step < 13) one_block = _mm_aesenc_si128(one_block, round_key);
        if (step == 13) one_block = _mm_aesenclast_si128(one_block, round_key);
      }
      if (done != 0 && step < 8 && step % 2 == 0) add_block(product, keys, cipher, step / 2, hash);
      if (done != 0 && step == 9) hash = reduced(product);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(input, 0x0e));
      if (step >= 1 && step < 13) words[previous] = _mm_sha256msg1_epu32(words[previous], words[now]);
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < 4; ++i) {
      cipher[i] = _mm_xor_si128(stream[i], load(plaintext + 16 * i));
      store(ciphertext + 16 * i, cipher[i]);
    }
  }
  if (chunks != 0) {
    Product product;
    for (std::size_t i = 0; i < 4; ++i) add_block(product, keys, cipher, i, hash);
    hash = reduced(product);
  }
  const __m128i lengths =
      _mm_set_epi64x(static_cast<long long>(8 * associated_size), static_cast<long long>(8 * chunk_size * chunks));
  hash = times(_mm_xor_si128(hash, lengths), load(keys.powers[0]));
  store(tag, _mm_xor_si128(tag_mask, reversed(hash)));

  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  store(state, _mm_blend_epi16(feba, dchg, 0xf0));
  store(state + 4, _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace

bool has_gcm_sha256() {
  static const bool has = sha256_instructions().sha_ni && __builtin_cpu_supports("aes") &&
                          __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("avx");
  return has;
}

void expand_gcm_sha256(const std::uint8_t* key, GcmSha256Keys& keys) { expand(key, keys); }

void seal_gcm_sha256(const GcmSha256Keys& keys, const std::uint8_t* nonce, const std::uint8_t* associated,
                     std::size_t associated_size, const std::uint8_t* plaintext, std::size_t chunks,
                     std::uint8_t* ciphertext, std::uint8_t* tag, std::uint32_t* state) {
  seal(keys, nonce, associated, associated_size, plaintext, chunks, ciphertext, tag, state);
}

}  // namespace hauberk::crypto

#else

#include <cstdlib>

namespace hauberk::crypto {

bool has_gcm_sha256() { return false; }
void expand_gcm_sha256(const std::uint8_t*, GcmSha256Keys&) { std::abort(); }
void seal_gcm_sha256(const GcmSha256Keys&, const std::uint8_t*, const std::uint8_t*, std::size_t, const std::uint8_t*,
                     std::size_t, std::uint8_t*, std::uint8_t*, std::uint32_t*) {
  std::abort();
}

}  // namespace hauberk::crypto

#endif
