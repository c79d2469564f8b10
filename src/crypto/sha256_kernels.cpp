#include "crypto/sha256_kernels.h"

namespace hauberk::crypto {

alignas(64) const std::uint32_t sha256_round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

}  // namespace hauberk::crypto

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

namespace hauberk::crypto {
namespace {

constexpr std::size_t block_size = 64;
// The processor's own prefetching stops at each page; a prefetch past the end of the data does no harm.
constexpr std::size_t read_ahead = 512;

// ---- SHA-NI. The instructions want the eight words of state as (a, b, e, f) and (c, d, g, h). Each of the 16 steps
// does four rounds and prepares four words of the message schedule; that the lanes' steps alternate is all the gain.

template <std::size_t N>
__attribute__((target("sha,sse4.1"))) void sha_ni(std::uint32_t* const* states, const std::uint8_t* const* data,
                                                  std::size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  __m128i abef[N], cdgh[N];
#pragma clang loop unroll(full)
  for (std::size_t lane = 0; lane < N; ++lane) {
    const auto* words = reinterpret_cast<const __m128i*>(states[lane]);
    const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);
    const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);
    abef[lane] = _mm_alignr_epi8(cdab, efgh, 8);
    cdgh[lane] = _mm_blend_epi16(efgh, cdab, 0xf0);
  }
  for (std::size_t offset = 0; offset < blocks * block_size; offset += block_size) {
    __m128i abef_before[N], cdgh_before[N], message[N][4];
#pragma clang loop unroll(full)
    for (std::size_t lane = 0; lane < N; ++lane) {
      abef_before[lane] = abef[lane];
      cdgh_before[lane] = cdgh[lane];
    }
#pragma clang loop unroll(full)
    for (std::size_t step = 0; step < 16; ++step) {
      const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(sha256_round_constants) + step);
      const std::size_t now = step & 3, next = (step + 1) & 3, previous = (step + 3) & 3;
#pragma clang loop unroll(full)
      for (std::size_t lane = 0; lane < N; ++lane) {
        auto& words = message[lane];
        if (step < 4)
          words[step] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data[lane] + offset) + step),
                                         big_endian);
        const __m128i input = _mm_add_epi32(words[now], constants);
        cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], input);
        if (step >= 3 && step < 15) {
          const __m128i shifted = _mm_alignr_epi8(words[now], words[previous], 4);
          words[next] = _mm_sha256msg2_epu32(_mm_add_epi32(words[next], shifted), words[now]);
        }
        abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], _mm_shuffle_epi32(input, 0x0e));
        if (step >= 1 && step < 13) words[previous] = _mm_sha256msg1_epu32(words[previous], words[now]);
      }
    }
#pragma clang loop unroll(full)
    for (std::size_t lane = 0; lane < N; ++lane) {
      abef[lane] = _mm_add_epi32(abef[lane], abef_before[lane]);
      cdgh[lane] = _mm_add_epi32(cdgh[lane], cdgh_before[lane]);
    }
  }
#pragma clang loop unroll(full)
  for (std::size_t lane = 0; lane < N; ++lane) {
    auto* words = reinterpret_cast<__m128i*>(states[lane]);
    const __m128i feba = _mm_shuffle_epi32(abef[lane], 0x1b), dchg = _mm_shuffle_epi32(cdgh[lane], 0xb1);
    _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
  }
}

// ---- AVX-512. One vector holds the same word of all messages. Rotations are one instruction, and so is every
// three-argument function (vpternlog); the rest is the text of the standard.

#define HAUBERK_AVX512 __attribute__((target("avx512f,avx512vl,avx512bw"), always_inline))

struct Eight {
  static constexpr std::size_t lanes = 8;
  using V = __m256i;
  HAUBERK_AVX512 static V all(std::uint32_t word) { return _mm256_set1_epi32(static_cast<int>(word)); }
  HAUBERK_AVX512 static V add(V a, V b) { return _mm256_add_epi32(a, b); }
  template <int n>
  HAUBERK_AVX512 static V rotate(V a) {
    return _mm256_ror_epi32(a, n);
  }
  template <int n>
  HAUBERK_AVX512 static V shift(V a) {
    return _mm256_srli_epi32(a, n);
  }
  template <int table>
  HAUBERK_AVX512 static V logic(V a, V b, V c) {
    return _mm256_ternarylogic_epi32(a, b, c, table);
  }
  HAUBERK_AVX512 static V load(const std::uint32_t* words) {
    return _mm256_loadu_si256(reinterpret_cast<const V*>(words));
  }
  HAUBERK_AVX512 static void store(std::uint32_t* words, V a) { _mm256_storeu_si256(reinterpret_cast<V*>(words), a); }
  HAUBERK_AVX512 static void transpose(V* rows) {
    V pairs[8], quads[8];
    for (int i = 0; i < 8; i += 2) {
      pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
      pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
      for (int k = 0; k < 2; ++k) {
        quads[i + 2 * k] = _mm256_unpacklo_epi64(pairs[i + k], pairs[i + k + 2]);
        quads[i + 2 * k + 1] = _mm256_unpackhi_epi64(pairs[i + k], pairs[i + k + 2]);
      }
    for (int i = 0; i < 4; ++i) {
      rows[i] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x20);
      rows[i + 4] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x31);
    }
  }
  HAUBERK_AVX512 static void load_block(V* words, const std::uint8_t* const* data, std::size_t offset) {
    const V big_endian =
        _mm256_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL, 0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    for (std::size_t lane = 0; lane < 8; ++lane) _mm_prefetch(data[lane] + offset + read_ahead, _MM_HINT_T0);
    for (std::size_t half = 0; half < 2; ++half) {
      for (std::size_t lane = 0; lane < 8; ++lane)
        words[8 * half + lane] =
            _mm256_shuffle_epi8(_mm256_loadu_si256(reinterpret_cast<const V*>(data[lane] + offset) + half), big_endian);
      transpose(words + 8 * half);
    }
  }
};

struct Sixteen {
  static constexpr std::size_t lanes = 16;
  using V = __m512i;
  HAUBERK_AVX512 static V all(std::uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
  HAUBERK_AVX512 static V add(V a, V b) { return _mm512_add_epi32(a, b); }
  template <int n>
  HAUBERK_AVX512 static V rotate(V a) {
    return _mm512_ror_epi32(a, n);
  }
  template <int n>
  HAUBERK_AVX512 static V shift(V a) {
    return _mm512_srli_epi32(a, n);
  }
  template <int table>
  HAUBERK_AVX512 static V logic(V a, V b, V c) {
    return _mm512_ternarylogic_epi32(a, b, c, table);
  }
  HAUBERK_AVX512 static V load(const std::uint32_t* words) { return _mm512_loadu_si512(words); }
  HAUBERK_AVX512 static void store(std::uint32_t* words, V a) { _mm512_storeu_si512(words, a); }
  HAUBERK_AVX512 static void transpose(V* rows) {
    V pairs[16], quads[16];
    for (int i = 0; i < 16; i += 2) {
      pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
      pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
      for (int k = 0; k < 2; ++k) {
        quads[i + 2 * k] = _mm512_unpacklo_epi64(pairs[i + k], pairs[i + k + 2]);
        quads[i + 2 * k + 1] = _mm512_unpackhi_epi64(pairs[i + k], pairs[i + k + 2]);
      }
    for (int i = 0; i < 4; ++i) {
      const V even = _mm512_shuffle_i32x4(quads[i], quads[i + 4], 0x88);
      const V odd = _mm512_shuffle_i32x4(quads[i], quads[i + 4], 0xdd);
      const V even_below = _mm512_shuffle_i32x4(quads[i + 8], quads[i + 12], 0x88);
      const V odd_below = _mm512_shuffle_i32x4(quads[i + 8], quads[i + 12], 0xdd);
      rows[i] = _mm512_shuffle_i32x4(even, even_below, 0x88);
      rows[i + 4] = _mm512_shuffle_i32x4(odd, odd_below, 0x88);
      rows[i + 8] = _mm512_shuffle_i32x4(even, even_below, 0xdd);
      rows[i + 12] = _mm512_shuffle_i32x4(odd, odd_below, 0xdd);
    }
  }
  HAUBERK_AVX512 static void load_block(V* words, const std::uint8_t* const* data, std::size_t offset) {
    const V big_endian = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL));
    for (std::size_t lane = 0; lane < 16; ++lane) _mm_prefetch(data[lane] + offset + read_ahead, _MM_HINT_T0);
    for (std::size_t lane = 0; lane < 16; ++lane)
      words[lane] = _mm512_shuffle_epi8(_mm512_loadu_si512(data[lane] + offset), big_endian);
    transpose(words);
  }
};

// Truth tables of vpternlog.
constexpr int exclusive_or = 0x96, choice = 0xca, majority = 0xe8;

template <class S>
__attribute__((target("avx512f,avx512vl,avx512bw"))) void avx512(std::uint32_t* const* states,
                                                                 const std::uint8_t* const* data, std::size_t blocks) {
  using V = typename S::V;
  alignas(64) std::uint32_t turned[8][S::lanes];
  V state[8];
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t lane = 0; lane < S::lanes; ++lane) turned[i][lane] = states[lane][i];
    state[i] = S::load(turned[i]);
  }
  for (std::size_t offset = 0; offset < blocks * block_size; offset += block_size) {
    V words[16], v[8];
    S::load_block(words, data, offset);
    for (std::size_t i = 0; i < 8; ++i) v[i] = state[i];
#pragma clang loop unroll(full)
    for (std::size_t round = 0; round < 64; ++round) {
      // Instead of moving a to b, b to c and so on, the names move.
      const V a = v[(64 - round) & 7], b = v[(65 - round) & 7], c = v[(66 - round) & 7];
      const V e = v[(68 - round) & 7], f = v[(69 - round) & 7], g = v[(70 - round) & 7];
      V& d = v[(67 - round) & 7];
      V& h = v[(71 - round) & 7];
      V& word = words[round & 15];
      if (round >= 16) {
        const V early = words[(round + 1) & 15], late = words[(round + 14) & 15];
        const V small_0 = S::template logic<exclusive_or>(S::template rotate<7>(early), S::template rotate<18>(early),
                                                          S::template shift<3>(early));
        const V small_1 = S::template logic<exclusive_or>(S::template rotate<17>(late), S::template rotate<19>(late),
                                                          S::template shift<10>(late));
        word = S::add(S::add(word, small_0), S::add(words[(round + 9) & 15], small_1));
      }
      const V large_1 = S::template logic<exclusive_or>(S::template rotate<6>(e), S::template rotate<11>(e),
                                                        S::template rotate<25>(e));
      const V large_0 = S::template logic<exclusive_or>(S::template rotate<2>(a), S::template rotate<13>(a),
                                                        S::template rotate<22>(a));
      const V input = S::add(h, S::add(word, S::all(sha256_round_constants[round])));
      const V first = S::add(input, S::add(S::template logic<choice>(e, f, g), large_1));
      d = S::add(d, first);
      h = S::add(first, S::add(S::template logic<majority>(a, b, c), large_0));
    }
    for (std::size_t i = 0; i < 8; ++i) state[i] = S::add(state[i], v[i]);
  }
  for (std::size_t i = 0; i < 8; ++i) {
    S::store(turned[i], state[i]);
    for (std::size_t lane = 0; lane < S::lanes; ++lane) states[lane][i] = turned[i][lane];
  }
}

}  // namespace

Sha256Instructions sha256_instructions() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool sha = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & bit_SHA) != 0;
  const bool intel = __builtin_cpu_is("intel"), amd = __builtin_cpu_is("amd");
  unsigned signature = 0;
  (void)__get_cpuid(1, &signature, &ebx, &ecx, &edx);
  const unsigned family = (signature >> 8 & 0xf) + (signature >> 20 & 0xff);  // as makers add it up from 0xf on
  constexpr unsigned zen5 = 0x1a;
  // These ask the operating system, too, whether it saves the long registers.
  return {.sha_ni = sha && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3"),
          .avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512bw"),
          .avx512_is_faster = intel || (amd && family >= zen5),
          .sha_takes_three = amd};
}

void compress_sha_ni_1(std::uint32_t* const* states, const std::uint8_t* const* data, std::size_t blocks) {
  sha_ni<1>(states, data, blocks);
}
void compress_sha_ni_2(std::uint32_t* const* states, const std::uint8_t* const* data, std::size_t blocks) {
  sha_ni<2>(states, data, blocks);
}
void compress_sha_ni_3(std::uint32_t* const* states, const std::uint8_t* const* data, std::size_t blocks) {
  sha_ni<3>(states, data, blocks);
}
void compress_avx512_8(std::uint32_t* const* states, const std::uint8_t* const* data, std::size_t blocks) {
  avx512<Eight>(states, data, blocks);
}
void compress_avx512_16(std::uint32_t* const* states, const std::uint8_t* const* data, std::size_t blocks) {
  avx512<Sixteen>(states, data, blocks);
}

}  // namespace hauberk::crypto

#else

#include <cstdlib>

namespace hauberk::crypto {

Sha256Instructions sha256_instructions() { return {}; }
void compress_sha_ni_1(std::uint32_t* const*, const std::uint8_t* const*, std::size_t) { std::abort(); }
void compress_sha_ni_2(std::uint32_t* const*, const std::uint8_t* const*, std::size_t) { std::abort(); }
void compress_sha_ni_3(std::uint32_t* const*, const std::uint8_t* const*, std::size_t) { std::abort(); }
void compress_avx512_8(std::uint32_t* const*, const std::uint8_t* const*, std::size_t) { std::abort(); }
void compress_avx512_16(std::uint32_t* const*, const std::uint8_t* const*, std::size_t) { std::abort(); }

}  // namespace hauberk::crypto

#endif
