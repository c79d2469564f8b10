#include "base/bytes.h"

#include <gtest/gtest.h>

namespace hauberk {
namespace {

TEST(Bytes, base64_follows_rfc_4648) {
  const std::pair<std::string_view, std::string_view> cases[] = {{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : cases) {
    EXPECT_EQ(base64(as_bytes(plain)), coded);
    EXPECT_EQ(from_base64(coded), to_bytes(plain)) << coded;
  }
}

TEST(Bytes, base64_refuses_a_second_spelling_of_a_value) {
  for (const std::string_view bad : {"Zg=", "Zg", "Zh==", "Zm9=", "Z===", "Zm 9v", "Zg==\n", "Zm-v", "===="})
    EXPECT_FALSE(from_base64(bad)) << bad;
  for (const std::string_view bad : {"Zh", "Zg==", "Z", "Zm+v"}) EXPECT_FALSE(from_base64url(bad)) << bad;
  EXPECT_EQ(from_base64url("Zm-_"), (Bytes{0x66, 0x6f, 0xbf}));
}

TEST(Bytes, hex_round_trips_and_refuses_odd_or_foreign_text) {
  EXPECT_EQ(hex(Bytes{0x00, 0xab, 0xff}), "00abff");
  EXPECT_EQ(from_hex("00ABff"), (Bytes{0x00, 0xab, 0xff}));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Bytes, crc32_has_the_published_check_value) { EXPECT_EQ(crc32(as_bytes("123456789")), 0xCBF43926u); }

TEST(Bytes, constant_time_comparison_compares) {
  EXPECT_TRUE(equal_constant_time(as_bytes("same"), as_bytes("same")));
  EXPECT_FALSE(equal_constant_time(as_bytes("same"), as_bytes("samf")));
  EXPECT_FALSE(equal_constant_time(as_bytes("same"), as_bytes("sam")));
}

TEST(Bytes, integers_load_in_both_byte_orders) {
  const Bytes b{1, 2, 3, 4};
  EXPECT_EQ(load_le<std::uint32_t>(b.data()), 0x04030201u);
  EXPECT_EQ(load_be<std::uint32_t>(b.data()), 0x01020304u);
}

}  // namespace
}  // namespace hauberk
