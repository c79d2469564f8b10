#include "scan/flat_models.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scan/flat_writer.h"
#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

// One custom operator with its options, one graph that runs it; its code stands behind as many of operators of TFLite.
std::string tflite(const std::string& custom, const std::string& options, std::uint32_t index = 0,
                   std::size_t behind = 0) {
  FlatWriter w;
  const auto model = w.table(3);
  w.four(0, static_cast<std::uint32_t>(model));
  const auto codes = w.vector(behind + 1);
  w.refer(FlatWriter::field(model, 1), codes);
  const auto stock = w.table(1);
  for (std::size_t i = 0; i < behind; ++i) w.refer(codes + 4 + 4 * i, stock);
  const auto code = w.table(4);
  w.refer(codes + 4 + 4 * behind, code);
  w.four(FlatWriter::field(code, 0), 32), w.four(FlatWriter::field(code, 3), 32);
  w.refer(FlatWriter::field(code, 1), w.bytes(custom));
  const auto graphs = w.vector(1);
  w.refer(FlatWriter::field(model, 2), graphs);
  // Fields that are left out would need a table of offsets of their own: empty vectors do.
  const auto graph = w.table(4);
  w.refer(graphs + 4, graph);
  for (std::size_t i = 0; i < 3; ++i) w.refer(FlatWriter::field(graph, i), w.vector(0));
  const auto operators = w.vector(1);
  w.refer(FlatWriter::field(graph, 3), operators);
  const auto op = w.table(6);
  w.refer(operators + 4, op);
  w.four(FlatWriter::field(op, 0), index);
  for (std::size_t i = 1; i < 5; ++i) w.refer(FlatWriter::field(op, i), w.vector(0));
  w.refer(FlatWriter::field(op, 5), w.bytes(options));
  return w.done();
}

std::string text_field(int number, const std::string& text) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(text.size()) + text;
}
// A flexbuffer: the vector of an operator's name and its node.
std::string flex_options(const std::string& op) {
  const std::string node = text_field(1, "n") + text_field(2, op);
  std::string out = std::string(1, static_cast<char>(op.size())) + op + '\0';
  const auto first = 1u, second = static_cast<unsigned>(out.size()) + 1;
  out += static_cast<char>(node.size());
  out += node + '\0';
  out += '\2';  // the vector's size
  const auto vector = static_cast<unsigned>(out.size());
  out += static_cast<char>(vector - first);
  out += static_cast<char>(vector + 1 - second);
  out += "\x14\x14";  // both are texts
  out += static_cast<char>(out.size() - vector);
  return out + "\x28\x01";  // a vector, whose place takes one byte
}

Report flat_scan(const std::string& data, std::string_view name = "m.tflite") { return scan_bytes(data, name); }

TEST(Tflite, custom_operators_are_told_and_stock_ones_are_not) {
  EXPECT_EQ(flat_scan(tflite("TFLite_Detection_PostProcess", "")).verdict, ScanVerdict::clean);
  EXPECT_EQ(flat_scan(tflite("Somebodys", "")).verdict, ScanVerdict::review);
  EXPECT_EQ(flat_scan(tflite("Somebodys", "")).format, "tflite");
}

TEST(Tflite, operators_of_tensorflow_are_judged_by_the_node_they_hold) {
  EXPECT_EQ(flat_scan(tflite("FlexErf", flex_options("Erf"))).verdict, ScanVerdict::clean);
  EXPECT_EQ(flat_scan(tflite("FlexReadFile", flex_options("ReadFile"))).verdict, ScanVerdict::malicious);
  EXPECT_EQ(flat_scan(tflite("FlexErf", flex_options("WriteFile"))).verdict, ScanVerdict::malicious);
  EXPECT_EQ(flat_scan(tflite("FlexErf", "nonsense")).verdict, ScanVerdict::inconclusive);
}

TEST(Tflite, operators_of_any_number_are_judged) {
  for (const std::uint32_t behind : {1u, 65'535u, 65'536u, 200'000u})
    EXPECT_EQ(flat_scan(tflite("FlexReadFile", flex_options("ReadFile"), behind, behind)).verdict,
              ScanVerdict::malicious)
        << behind;
}

TEST(Tflite, what_leads_out_of_the_file_is_malformed) {
  const auto whole = tflite("FlexErf", flex_options("Erf"));
  EXPECT_EQ(flat_scan(tflite("FlexErf", flex_options("Erf"), 7)).verdict, ScanVerdict::malformed);
  for (std::size_t cut = 12; cut < whole.size() - 40; cut += 4)
    EXPECT_NE(flat_scan(whole.substr(0, cut)).verdict, ScanVerdict::clean) << cut;
  for (std::size_t at = 8; at + 4 <= whole.size(); at += 4) {
    auto torn = whole;
    torn.replace(at, 4, "\xff\xff\xff\x7f");
    (void)flat_scan(torn);  // whatever it says, it ends
  }
}

TEST(Executorch, offsets_are_checked) {
  EXPECT_EQ(flat_scan(std::string("\xff\0\0\0ET12", 8) + std::string(60, '\0'), "m.pte").verdict,
            ScanVerdict::malformed);
}

}  // namespace
}  // namespace hauberk::scan
