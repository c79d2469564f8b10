#include "scan/tensorflow.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scan/scanner.h"

namespace hauberk::scan {
namespace {

std::string wire_number(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out + static_cast<char>(value);
}
std::string wire_bytes(int number, const std::string& content) {
  return wire_number(static_cast<std::uint64_t>(number) << 3 | 2) + wire_number(content.size()) + content;
}
std::string wire_varint(int number, std::uint64_t value) {
  return wire_number(static_cast<std::uint64_t>(number) << 3) + wire_number(value);
}

std::string tf_attribute(const std::string& key, const std::string& value) {
  return wire_bytes(5, wire_bytes(1, key) + wire_bytes(2, value));
}
std::string tf_text(const std::string& key, const std::string& text) { return tf_attribute(key, wire_bytes(2, text)); }
std::string tf_node(const std::string& name, const std::string& op, const std::string& more = {}) {
  return wire_bytes(1, name) + wire_bytes(2, op) + more;
}
std::string tf_constant(const std::string& name, const std::string& text) {
  return tf_node(name, "Const", tf_attribute("value", wire_bytes(8, wire_varint(1, 7) + wire_bytes(8, text))));
}
std::string tf_graph(std::initializer_list<std::string> nodes) {
  std::string out;
  for (const auto& node : nodes) out += wire_bytes(1, node);
  return out + wire_bytes(4, wire_varint(1, 1205));
}
std::string tf_function(const std::string& name, std::initializer_list<std::string> nodes) {
  std::string out = wire_bytes(1, wire_bytes(1, name));
  for (const auto& node : nodes) out += wire_bytes(3, node);
  return wire_bytes(2, wire_bytes(1, out));
}
std::string saved_model(const std::string& graph, const std::string& more = {}) {
  return wire_varint(1, 1) + wire_bytes(2, wire_bytes(1, wire_bytes(4, "serve")) + wire_bytes(2, graph) + more);
}

Report tf_scan(const std::string& data, std::string_view name = "saved_model.pb") {
  MemoryReader reader(as_bytes(data));
  return scan(reader, name);
}
bool tf_has(const Report& report, std::string_view rule) {
  return std::ranges::any_of(report.findings, [&](const Finding& f) { return f.rule == rule; });
}

const std::string plain = tf_node("x", "Placeholder");

TEST(Tensorflow, is_recognised_by_its_nodes_in_every_wrapping) {
  EXPECT_EQ(tf_scan(saved_model(tf_graph({plain}))).format, "tensorflow-savedmodel");
  EXPECT_EQ(tf_scan(wire_bytes(2, wire_bytes(2, tf_graph({plain})))).format, "tensorflow-savedmodel");  // no version
  EXPECT_EQ(tf_scan(tf_graph({plain}), "frozen.pb").format, "tensorflow-graph");
  EXPECT_EQ(tf_scan(wire_bytes(1, wire_bytes(4, "train")) + wire_bytes(2, tf_graph({plain})), "m.meta").format,
            "tensorflow-metagraph");
  const std::string model = wire_varint(1, 8) + wire_bytes(2, "pytorch") + wire_bytes(7, wire_bytes(2, "graph"));
  EXPECT_EQ(tf_scan(model, "m.onnx").format, "onnx");
}

TEST(Tensorflow, operators_are_judged_by_what_they_do) {
  struct Case {
    std::string node;
    ScanVerdict verdict;
  };
  const Case cases[] = {
      {plain, ScanVerdict::clean},
      {tf_node("m", "MatMul"), ScanVerdict::clean},
      {tf_node("s", "SaveV2", wire_bytes(3, "prefix")), ScanVerdict::clean},
      {tf_node("w", "WriteFile"), ScanVerdict::malicious},
      {tf_node("r", "ReadFile"), ScanVerdict::malicious},
      {tf_node("p", "EagerPyFunc"), ScanVerdict::malicious},
      {tf_node("m", "MatchingFiles"), ScanVerdict::review},
      {tf_node("c", "SomebodysOwnOp"), ScanVerdict::review},
      {tf_node("p", "PrintV2", tf_text("output_stream", "stderr")), ScanVerdict::clean},
      {tf_node("p", "PrintV2", tf_text("output_stream", "file:///tmp/x")), ScanVerdict::malicious},
      {tf_node("d", "DebugIdentityV2", tf_attribute("debug_urls", wire_bytes(1, wire_bytes(2, "grpc://x:1")))),
       ScanVerdict::malicious},
      {tf_node("d", "DecodeProtoV2", tf_text("descriptor_source", "local://")), ScanVerdict::clean},
      {tf_node("d", "DecodeProtoV2", tf_text("descriptor_source", "/etc/passwd")), ScanVerdict::malicious},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(tf_scan(saved_model(tf_graph({plain, c.node}))).verdict, c.verdict) << c.node;
    // Functions of the library run like the graph itself.
    EXPECT_EQ(tf_scan(saved_model(tf_graph({plain}) + tf_function("f", {c.node}))).verdict, c.verdict) << c.node;
  }
}

TEST(Tensorflow, functions_of_its_own_are_no_custom_operators) {
  EXPECT_EQ(
      tf_scan(saved_model(tf_graph({tf_node("call", "my_function")}) + tf_function("my_function", {plain}))).verdict,
      ScanVerdict::clean);
}

TEST(Tensorflow, savers_may_not_write_where_a_constant_leads_them) {
  const auto save = tf_node("save", "SaveV2", wire_bytes(3, "prefix:0"));
  EXPECT_EQ(tf_scan(saved_model(tf_graph({save, tf_constant("prefix", "model")}))).verdict, ScanVerdict::clean);
  for (const std::string path : {"/etc/cron.d/x", "../../x", "gs://bucket/x"})
    EXPECT_EQ(tf_scan(saved_model(tf_graph({save, tf_constant("prefix", path)}))).verdict, ScanVerdict::malicious);
  EXPECT_EQ(tf_scan(saved_model(tf_graph({plain, tf_constant("words", "/m/0abc")}))).verdict, ScanVerdict::clean);
}

TEST(Tensorflow, assets_stay_in_the_folder) {
  const auto asset = [](const std::string& name) { return wire_bytes(6, wire_bytes(2, name)); };
  EXPECT_EQ(tf_scan(saved_model(tf_graph({plain}), asset("vocab.txt"))).verdict, ScanVerdict::clean);
  const auto report = tf_scan(saved_model(tf_graph({plain}), asset("../../../etc/passwd")));
  EXPECT_EQ(report.verdict, ScanVerdict::malicious);
  EXPECT_TRUE(tf_has(report, "tensorflow.asset-path"));
}

TEST(Tensorflow, configurations_of_keras_within_are_judged) {
  const std::string lambda =
      R"json({"class_name": "Lambda", "config": {"function": "lambda x: __import__('os').system('id')"}})json";
  const auto user = wire_bytes(4, wire_bytes(1, "_tf_keras_layer") + wire_bytes(3, lambda));
  EXPECT_EQ(tf_scan(saved_model(tf_graph({plain}), wire_bytes(7, wire_bytes(1, user)))).verdict,
            ScanVerdict::malicious);
  const auto object =
      wire_varint(2, 1) + wire_bytes(3, "root") + wire_bytes(4, "_tf_keras_layer") + wire_bytes(5, lambda);
  const auto report = tf_scan(wire_bytes(1, object), "keras_metadata.pb");
  EXPECT_EQ(report.format, "keras-metadata");
  EXPECT_EQ(report.verdict, ScanVerdict::malicious);
}

TEST(Tensorflow, what_is_cut_off_is_never_clean) {
  const auto graph = tf_graph({plain, tf_node("second", "MatMul"), tf_node("third", "Relu")});
  EXPECT_EQ(tf_scan(graph).verdict, ScanVerdict::clean);
  for (const std::size_t less : {1u, 8u, 12u}) {
    EXPECT_EQ(tf_scan(graph.substr(0, graph.size() - less)).verdict, ScanVerdict::malformed) << less;
    const auto model = saved_model(graph);
    EXPECT_NE(tf_scan(model.substr(0, model.size() - less)).verdict, ScanVerdict::clean) << less;
  }
}

TEST(Tensorflow, what_lies_beside_a_graph_is_known) {
  std::string index(100, 'x');
  index += std::string("\0\x10\x10\x20", 4) + std::string(36, '\0') + "\x57\xfb\x80\x8b\x24\x75\x47\xdb";
  EXPECT_EQ(tf_scan(index, "variables.index").format, "tensorflow-checkpoint");
  EXPECT_EQ(tf_scan(index, "variables.index").verdict, ScanVerdict::clean);
  index[101] = '\xff', index[102] = '\x7f';
  EXPECT_EQ(tf_scan(index, "variables.index").verdict, ScanVerdict::malformed);
  const std::string noise("\0\1\2\3\4\5\6\7", 8);
  EXPECT_EQ(tf_scan(noise, "v/variables.data-00000-of-00001").verdict, ScanVerdict::clean);
  EXPECT_EQ(tf_scan(noise, "v/variables.data-0000a-of-00001").verdict, ScanVerdict::inconclusive);
  EXPECT_EQ(tf_scan("\x80\x02"
                    "cos\nsystem\nU\x02idR.",
                    "v/variables.data-00000-of-00001")
                .verdict,
            ScanVerdict::malicious);
}

}  // namespace
}  // namespace hauberk::scan
