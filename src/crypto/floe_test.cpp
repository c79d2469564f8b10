#include "crypto/floe.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace hauberk::crypto {
namespace {

// Opens a whole stream. Errc::corrupt as soon as a part does not fit.
Result<Bytes> open_all(const Secret& key, std::string_view associated, ByteView file, FloeParameters parameters) {
  const auto header = file.first(std::min(file.size(), floe_header_size));
  auto opener = TRY(FloeOpener::open(key, as_bytes(associated), header, file.size(), parameters));
  Bytes plain(opener.plaintext_size());
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < opener.segments(); ++i) {
    CHECK(opener.segment(i, file.subspan(opener.offset_of(i), opener.size_of(i)), plain.data() + at));
    at += opener.size_of(i) - floe_segment_overhead;
  }
  return plain;
}

Bytes seal_all(const Secret& key, std::string_view associated, ByteView plain, FloeParameters parameters) {
  SeededRandom random(7);
  FloeSealer sealer(key, as_bytes(associated), random, parameters);
  Bytes file = to_bytes(sealer.header());
  const std::size_t segment = parameters.plaintext_segment();
  while (plain.size() > segment) {
    file.resize(file.size() + parameters.encrypted_segment);
    sealer.inner(plain.first(segment), file.data() + file.size() - parameters.encrypted_segment);
    plain = plain.subspan(segment);
  }
  const std::size_t at = file.size();
  file.resize(at + plain.size() + floe_segment_overhead);
  sealer.last(plain, file.data() + at);
  return file;
}

constexpr FloeParameters small{.encrypted_segment = 64, .segments_per_key_log2 = 2};

Secret zero_key() { return Secret(Bytes(32)); }

Bytes read_hex(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
  return from_hex(text).value_or(Bytes());
}

TEST(Floe, opens_the_published_known_answers_of_other_implementations) {
  const std::filesystem::path folder =
      std::filesystem::path(HAUBERK_SOURCE_DIR) / "../shared/data/registry/open/floe/kats";
  if (!std::filesystem::is_directory(folder))
    GTEST_SKIP() << "the FLOE vectors are not beside the checkout (" << folder << ")";
  const std::pair<std::string, FloeParameters> sets[] = {
      {"cpp_GCM256_IV256_4K", {.encrypted_segment = 4096}},
      {"cpp_GCM256_IV256_64", {.encrypted_segment = 64}},
      {"cpp_rotation", {.encrypted_segment = 40, .segments_per_key_log2 = 2}},
      {"go_GCM256_IV256_4K", {.encrypted_segment = 4096}},
      {"go_GCM256_IV256_64", {.encrypted_segment = 64}},
      {"go_rotation", {.encrypted_segment = 40, .segments_per_key_log2 = 2}}};
  for (const auto& [name, parameters] : sets) {
    const auto cipher = read_hex(folder / (name + "_ct.txt"));
    ASSERT_FALSE(cipher.empty()) << name;
    const auto plain = open_all(zero_key(), "This is AAD", cipher, parameters);
    ASSERT_TRUE(plain) << name << ": " << plain.error().text();
    EXPECT_EQ(*plain, read_hex(folder / (name + "_pt.txt"))) << name;
  }
}

TEST(Floe, round_trips_every_length_around_the_segment_boundaries) {
  SeededRandom random(1);
  for (std::size_t length = 0; length <= 5 * small.plaintext_segment() + 1; ++length) {
    const auto plain = random.bytes(length);
    const auto opened = open_all(zero_key(), "aad", seal_all(zero_key(), "aad", plain, small), small);
    ASSERT_TRUE(opened) << length;
    EXPECT_EQ(*opened, plain) << length;
  }
}

TEST(Floe, every_changed_bit_is_noticed) {
  SeededRandom random(2);
  const auto file = seal_all(zero_key(), "aad", random.bytes(100), small);
  for (std::size_t at = 0; at < file.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      auto changed = file;
      changed[at] ^= static_cast<std::uint8_t>(1 << bit);
      const auto opened = open_all(zero_key(), "aad", changed, small);
      ASSERT_FALSE(opened) << at << "." << bit;
      EXPECT_EQ(opened.error().code, Errc::corrupt);
    }
}

TEST(Floe, cut_extended_and_reordered_files_do_not_open) {
  SeededRandom random(3);
  const auto file = seal_all(zero_key(), "aad", random.bytes(6 * small.plaintext_segment()), small);
  for (std::size_t length = 0; length < file.size(); ++length)
    EXPECT_FALSE(open_all(zero_key(), "aad", ByteView(file).first(length), small)) << length;
  auto longer = file;
  longer.insert(longer.end(), file.end() - small.encrypted_segment, file.end());
  EXPECT_FALSE(open_all(zero_key(), "aad", longer, small));
  auto swapped = file;
  std::swap_ranges(swapped.begin() + floe_header_size, swapped.begin() + floe_header_size + small.encrypted_segment,
                   swapped.begin() + floe_header_size + small.encrypted_segment);
  EXPECT_FALSE(open_all(zero_key(), "aad", swapped, small));
}

TEST(Floe, key_associated_data_and_parameters_are_bound) {
  const auto file = seal_all(zero_key(), "aad", as_bytes("content"), small);
  EXPECT_TRUE(open_all(zero_key(), "aad", file, small));
  EXPECT_FALSE(open_all(Secret(Bytes(32, 1)), "aad", file, small));
  EXPECT_FALSE(open_all(zero_key(), "aae", file, small));
  EXPECT_FALSE(open_all(zero_key(), "aad", file, {.encrypted_segment = 65'568}));
}

TEST(Floe, two_files_of_the_same_content_share_no_bytes_of_meaning) {
  SystemRandom random;
  FloeSealer a(zero_key(), {}, random), b(zero_key(), {}, random);
  EXPECT_NE(to_bytes(a.header()), to_bytes(b.header()));
}

}  // namespace
}  // namespace hauberk::crypto
