// HDF5 files written out by hand: a superblock, objects' headers of version 1, a heap of values.
#include <gtest/gtest.h>

#include <algorithm>

#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

std::string hdf5_number(std::uint64_t value, int width) {
  std::string out;
  for (int i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string hdf5_padded(std::string text) {
  text.resize((text.size() + 7) / 8 * 8);
  return text;
}
std::string hdf5_message(unsigned type, const std::string& data, unsigned flags = 0) {
  const auto padded = hdf5_padded(data);
  return hdf5_number(type, 2) + hdf5_number(padded.size(), 2) + hdf5_number(flags, 4) + padded;
}
std::string text_type(std::size_t size) { return std::string("\x13\0\0\0", 4) + hdf5_number(size, 4); }
const std::string variable_type = std::string("\x19\x01\0\0", 4) + hdf5_number(16, 4) + text_type(1);

std::string hdf5_space(std::size_t count) { return std::string("\1\1\0\0\0\0\0\0", 8) + hdf5_number(count, 8); }
const std::string one_value("\1\0\0\0\0\0\0\0", 8);

std::string hdf5_attribute(const std::string& name, const std::string& type, const std::string& space,
                           const std::string& data) {
  const auto whole = name + '\0';
  return hdf5_message(0x0c, std::string("\1\0", 2) + hdf5_number(whole.size(), 2) + hdf5_number(type.size(), 2) +
                                hdf5_number(space.size(), 2) + hdf5_padded(whole) + hdf5_padded(type) + space + data);
}
std::string hdf5_text(const std::string& name, const std::string& text) {
  return hdf5_attribute(name, text_type(text.size()), one_value, text);
}
std::string hdf5_header(const std::string& messages, int count) {
  return std::string("\1\0", 2) + hdf5_number(static_cast<std::uint64_t>(count), 2) + hdf5_number(1, 4) +
         hdf5_number(messages.size(), 4) + hdf5_number(0, 4) + messages;
}
constexpr std::uint64_t root_at = 96;

std::string hdf5_file(const std::string& root, int count, const std::string& more = {}) {
  const auto header = hdf5_header(root, count);
  const std::string none(8, '\xff');
  return std::string("\x89HDF\r\n\x1a\n") + std::string("\0\0\0\0\0\x08\x08\0\4\0\x10\0\0\0\0\0", 16) +
         hdf5_number(0, 8) + none + hdf5_number(root_at + header.size() + more.size(), 8) + none + hdf5_number(0, 8) +
         hdf5_number(root_at, 8) + std::string(24, '\0') + header + more;
}

Report hdf5_scan(const std::string& data, const ScanLimits& limits = {}) {
  return scan_bytes(data, "m.h5", {.limits = limits});
}
const std::string harmful_model =
    R"json({"class_name": "Lambda", "config": {"function": "lambda x: __import__('os').system('id')"}})json";
const std::string harmless_model = R"json({"class_name": "Dense", "config": {"units": 3}})json";

TEST(Hdf5, configurations_are_read_behind_any_number_of_blanks) {
  EXPECT_EQ(hdf5_scan(hdf5_file(hdf5_text("model_config", harmless_model), 1)).verdict, ScanVerdict::clean);
  for (const std::size_t blanks : {0u, 1u, 63u, 64u, 80u, 5000u}) {
    const auto report = hdf5_scan(hdf5_file(hdf5_text("model_config", std::string(blanks, ' ') + harmful_model), 1));
    EXPECT_EQ(report.verdict, ScanVerdict::malicious) << blanks;
  }
}

TEST(Hdf5, a_configuration_that_is_not_read_is_never_silent) {
  for (const std::string& text : {std::string("   "), std::string("x"), std::string("\"{}\""), std::string("{")})
    EXPECT_EQ(hdf5_scan(hdf5_file(hdf5_text("model_config", text), 1)).verdict, ScanVerdict::malformed) << text;
  // Numbers, where a text should be.
  const std::string number = std::string("\x10\0\0\0", 4) + hdf5_number(1, 4) + std::string("\0\0\x08\0", 4);
  EXPECT_EQ(hdf5_scan(hdf5_file(hdf5_attribute("model_config", number, one_value, "{"), 1)).verdict,
            ScanVerdict::malformed);
  EXPECT_EQ(hdf5_scan(hdf5_file(hdf5_attribute("epochs", number, one_value, "{"), 1)).verdict, ScanVerdict::clean);
}

TEST(Hdf5, headers_are_read_to_their_end_whatever_they_count) {
  const auto messages = hdf5_text("a", "x") + hdf5_text("model_config", harmful_model);
  for (const int count : {0, 1, 2, 3}) {
    const auto report = hdf5_scan(hdf5_file(messages, count));
    EXPECT_EQ(report.verdict, ScanVerdict::malicious) << count;
    EXPECT_EQ(has_rule(report, "hdf5.malformed"), count != 2) << count;
  }
}

TEST(Hdf5, values_are_read_where_their_shape_is_kept_elsewhere) {
  const std::string name("model_config\0", 13);
  const auto attribute = std::string("\3\2", 2) + hdf5_number(name.size(), 2) + hdf5_number(8, 2) + hdf5_number(10, 2) +
                         '\0' + name + text_type(harmful_model.size()) + std::string("\3\1\0\0\0\0\0\0\0\0", 10) +
                         harmful_model;
  EXPECT_EQ(hdf5_scan(hdf5_file(hdf5_message(0x0c, attribute), 1)).verdict, ScanVerdict::malicious);
}

TEST(Hdf5, flags_that_libhdf5_ignores_hide_no_link) {
  const std::string target("\0other.h5\0/x\0", 13);
  const std::string link = std::string("\1\x08\x40\1x", 5) + hdf5_number(target.size(), 2) + target;
  for (const unsigned flags : {0u, 2u})
    EXPECT_TRUE(has_rule(hdf5_scan(hdf5_file(hdf5_message(0x06, link, flags), 1)), "hdf5.external-link")) << flags;
}

TEST(Hdf5, attributes_that_are_pickles_are_judged_whatever_they_begin_with) {
  const std::string call = "cos\nsystem\n(S'id'\ntR.";
  for (const std::string& text : {call, "N0" + call, "]0" + call, "I1\n0" + call})
    EXPECT_EQ(hdf5_scan(hdf5_file(hdf5_text("x", text), 1)).verdict, ScanVerdict::malicious) << text;
  for (const std::string text : {"Number of samples.", "a note.", "N.", "2.16.1", "(unknown).", "c."})
    EXPECT_EQ(hdf5_scan(hdf5_file(hdf5_text("x", text), 1)).verdict, ScanVerdict::clean) << text;
}

// An attribute of many values, all in one collection of the global heap.
std::string hdf5_values(std::size_t count, const std::string& last) {
  const auto attribute_size = 8 + 8 + 16 + 16 + 16 * count;
  const auto heap_at = root_at + 16 + 8 + attribute_size;
  std::string references, heap;
  for (std::size_t i = 1; i <= count; ++i) {
    const auto text = i == count ? last : "v" + std::to_string(i);
    references += hdf5_number(text.size(), 4) + hdf5_number(heap_at, 8) + hdf5_number(i, 4);
    heap += hdf5_number(i, 2) + hdf5_number(1, 2) + hdf5_number(0, 4) + hdf5_number(text.size(), 8) + hdf5_padded(text);
  }
  heap = "GCOL" + hdf5_number(1, 4) + hdf5_number(16 + heap.size(), 8) + heap;
  return hdf5_file(hdf5_attribute("words", variable_type, hdf5_space(count), references), 1, heap);
}

TEST(Hdf5, an_attribute_of_many_values_costs_little) {
  const ScanLimits limits{.entries = 20'000};
  EXPECT_EQ(hdf5_scan(hdf5_values(4000, "v"), limits).verdict, ScanVerdict::clean);
  EXPECT_EQ(hdf5_scan(hdf5_values(4000, harmful_model), limits).verdict, ScanVerdict::malicious);
}

TEST(Hdf5, objects_are_found_however_deep_and_told_with_their_path) {
  // Groups of headers with one link each, to the header behind; the last has the configuration.
  const int depth = 300;
  std::string more;
  const auto link = [](std::uint64_t address) {
    return hdf5_message(0x06, std::string("\1\0\xc8", 3) + std::string(200, 'g') + hdf5_number(address, 8));
  };
  const auto size = hdf5_header(link(0), 1).size();
  for (int i = 1; i < depth; ++i) more += hdf5_header(link(root_at + size * (static_cast<std::uint64_t>(i) + 1)), 1);
  more += hdf5_header(hdf5_text("model_config", harmful_model), 1);
  const auto report = hdf5_scan(hdf5_file(link(root_at + size), 1, more));
  EXPECT_EQ(report.verdict, ScanVerdict::malicious);
  ASSERT_FALSE(report.findings.empty());
  EXPECT_NE(report.findings[0].where.file.find("!..."), std::string::npos);
}

}  // namespace
}  // namespace hauberk::scan
