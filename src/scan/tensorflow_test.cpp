#include "scan/tensorflow.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

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

Report tf_scan(const std::string& data, std::string_view name = "saved_model.pb") { return scan_bytes(data, name); }
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
  EXPECT_TRUE(has_rule(report, "tensorflow.asset-path"));
}

TEST(Tensorflow, assets_of_old_models_stay_there_too) {
  const auto asset = [](const std::string& name) {
    const auto file = wire_bytes(1, wire_bytes(1, "c:0")) + wire_bytes(2, name);
    const auto list = wire_bytes(5, wire_bytes(1, wire_bytes(1, "type/AssetFileDef") + wire_bytes(2, file)));
    return wire_bytes(4, wire_bytes(1, "saved_model_assets") + wire_bytes(2, list));
  };
  const auto table = tf_graph({tf_constant("c", "/home/author/vocab.txt"),
                               tf_node("n", "InitializeTableFromTextFile", wire_bytes(3, "x") + wire_bytes(3, "c"))});
  EXPECT_EQ(tf_scan(saved_model(table, asset("vocab.txt"))).verdict, ScanVerdict::clean);
  EXPECT_EQ(tf_scan(saved_model(table, asset("../vocab.txt"))).verdict, ScanVerdict::malicious);
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

std::string table_block(const std::string& key, const std::string& value) {
  std::string out = wire_number(0) + wire_number(key.size()) + wire_number(value.size()) + key + value;
  out += std::string("\0\0\0\0\1\0\0\0", 8);  // one restart, at the beginning
  return out + std::string(5, '\0');          // not compressed; nobody checks the sum here
}
// A checkpoint's index: one block of data, an empty one of what describes it, and the index of blocks.
std::string checkpoint_index(const std::string& in_front = {}) {
  const auto data = table_block("", wire_varint(1, 1));
  const auto handle = [](std::size_t at, const std::string& block) {
    return wire_number(at) + wire_number(block.size() - 5);
  };
  const std::string meta = std::string("\0\0\0\0\1\0\0\0", 8) + std::string(5, '\0');
  const auto data_at = in_front.size(), meta_at = data_at + data.size(), index_at = meta_at + meta.size();
  const auto index = table_block("x", handle(data_at, data));
  std::string footer = handle(meta_at, meta) + handle(index_at, index);
  footer.resize(40);
  return in_front + data + meta + index + footer + "\x57\xfb\x80\x8b\x24\x75\x47\xdb";
}

TEST(Tensorflow, what_lies_beside_a_graph_is_known) {
  const auto index = checkpoint_index();
  EXPECT_EQ(tf_scan(index, "variables.index").format, "tensorflow-checkpoint");
  EXPECT_EQ(tf_scan(index, "variables.index").verdict, ScanVerdict::clean);
  for (std::size_t cut = 1; cut < index.size(); ++cut)
    EXPECT_NE(tf_scan(index.substr(0, cut), "variables.index").verdict, ScanVerdict::clean) << cut;
  const std::string noise("\0\1\2\3\4\5\6\7", 8);
  EXPECT_EQ(tf_scan(noise, "v/variables.data-00000-of-00001").verdict, ScanVerdict::clean);
  EXPECT_EQ(tf_scan(noise, "v/variables.data-0000a-of-00001").verdict, ScanVerdict::inconclusive);
  EXPECT_EQ(tf_scan("\x80\x02"
                    "cos\nsystem\nU\x02idR.",
                    "v/variables.data-00000-of-00001")
                .verdict,
            ScanVerdict::malicious);
}

TEST(Tensorflow, compressed_checkpoints_are_known_and_hide_nothing) {
  // What TensorFlow 2 writes: the first block is one literal of Snappy's.
  auto index = checkpoint_index();
  EXPECT_EQ(tf_scan(index, "v.index").format, "tensorflow-checkpoint");
  const auto plain_block = table_block("", wire_varint(1, 1));
  const auto content = plain_block.substr(0, plain_block.size() - 5);
  const auto packed = wire_number(content.size()) + static_cast<char>((content.size() - 1) << 2) + content;
  const auto compressed = [&](const std::string& block) {
    const auto handle = [](std::size_t at, std::size_t size) { return wire_number(at) + wire_number(size); };
    const std::string meta = std::string("\0\0\0\0\1\0\0\0", 8) + std::string(5, '\0');
    const auto data = block + std::string("\1\0\0\0\0", 5);
    const auto blocks = table_block("x", handle(0, block.size()));
    std::string footer = handle(data.size(), meta.size() - 5) + handle(data.size() + meta.size(), blocks.size() - 5);
    footer.resize(40);
    return data + meta + blocks + footer + "\x57\xfb\x80\x8b\x24\x75\x47\xdb";
  };
  EXPECT_EQ(tf_scan(compressed(packed), "v.index").format, "tensorflow-checkpoint");
  EXPECT_EQ(tf_scan(compressed(packed), "v.index").verdict, ScanVerdict::clean);
  EXPECT_EQ(tf_scan(compressed(packed.substr(0, packed.size() - 1)), "v.index").verdict, ScanVerdict::inconclusive);
}

TEST(Tensorflow, no_end_of_a_file_makes_a_checkpoint_of_a_graph) {
  const auto model = saved_model(tf_graph({tf_node("r", "ReadFile")}));
  const std::string magic = std::string(40, '\0') + "\x57\xfb\x80\x8b\x24\x75\x47\xdb";
  EXPECT_EQ(tf_scan(model + wire_bytes(100, magic)).verdict, ScanVerdict::malicious);
  // Nor does a whole checkpoint in a field that no loader looks at.
  const auto whole = checkpoint_index();
  const auto head = wire_bytes(100, whole).substr(0, wire_bytes(100, whole).size() - whole.size());
  EXPECT_EQ(tf_scan(checkpoint_index(model + head)).verdict, ScanVerdict::malicious);
  EXPECT_FALSE(tf_scan(std::string("\x80\x02N.") + magic, "m.bin").format.starts_with("tensorflow"));
}

TEST(Tensorflow, fields_that_loaders_do_not_know_hide_nothing) {
  const auto graph = tf_graph({tf_node("r", "ReadFile")});
  const auto info = wire_bytes(1, wire_bytes(4, "serve"));
  const std::string group = wire_number(99 << 3 | 3) + wire_varint(1, 2) + wire_number(99 << 3 | 4);
  const std::string models[] = {
      wire_varint(1, 1) + wire_bytes(2, wire_bytes(15, "") + info + wire_bytes(2, graph)) + wire_bytes(7, ""),
      wire_bytes(100, "x") + wire_varint(1, 1) + wire_bytes(2, info + wire_bytes(2, graph)),
      wire_varint(1, 1) + group + wire_bytes(2, info + group + wire_bytes(2, group + graph)),
      saved_model(wire_bytes(50, "x") + graph),
      wire_bytes(1, wire_bytes(9, "x") + tf_node("r", "ReadFile")),
      wire_bytes(1, wire_bytes(2, "ReadFile")),
      wire_bytes(2, wire_bytes(1, wire_bytes(3, tf_node("r", "ReadFile")))),
  };
  for (const auto& model : models) EXPECT_EQ(tf_scan(model).verdict, ScanVerdict::malicious) << model;
  // Read as a graph it does harm, as a saved model it does not.
  EXPECT_EQ(tf_scan(graph + wire_bytes(2, info + wire_bytes(2, tf_graph({plain})))).verdict, ScanVerdict::malicious);
}

std::string tf_inputs(std::initializer_list<const char*> names) {
  std::string out;
  for (const auto* name : names) out += wire_bytes(3, name);
  return out;
}
std::string tf_content(const std::string& name, const std::string& content) {
  return tf_node(name, "Const", tf_attribute("value", wire_bytes(8, wire_varint(1, 7) + wire_bytes(4, content))));
}

TEST(Tensorflow, constants_are_followed_to_the_files_they_name) {
  const auto save = [](const char* input) { return tf_node("s", "SaveV2", tf_inputs({input, "x", "x"})); };
  const auto path = tf_constant("c", "/home/u/.bashrc");
  const std::string long_path = "/etc/" + std::string(300, 'a');
  struct Case {
    const char* name;
    std::string graph;
    ScanVerdict verdict;
  };
  const Case cases[] = {
      {"handed on", tf_graph({path, tf_node("i", "Identity", tf_inputs({"c"})), save("i:0")}), ScanVerdict::malicious},
      {"joined",
       tf_graph({tf_constant("a", "/home"), tf_constant("b", "u/.bashrc"),
                 tf_node("i", "StringJoin", tf_inputs({"a", "b"}) + tf_text("separator", "/")), save("i")}),
       ScanVerdict::malicious},
      {"joined upwards",
       tf_graph({tf_node("p", "Placeholder"), tf_constant("b", "/../../x"),
                 tf_node("i", "StringJoin", tf_inputs({"p", "b"})), save("i")}),
       ScanVerdict::malicious},
      {"as savers do",
       tf_graph({tf_node("p", "Placeholder"), tf_constant("b", "_temp/part"), tf_constant("d", "model"),
                 tf_node("w", "PlaceholderWithDefault", tf_inputs({"d"})),
                 tf_node("i", "StringJoin", tf_inputs({"w", "b"})),
                 tf_node("h", "ShardedFilename", tf_inputs({"i", "n", "n"})), save("h")}),
       ScanVerdict::clean},
      {"sharded", tf_graph({path, tf_node("h", "ShardedFilename", tf_inputs({"c", "n", "n"})), save("h")}),
       ScanVerdict::malicious},
      {"encoded", tf_graph({tf_content("c", wire_number(long_path.size()) + long_path), save("c")}),
       ScanVerdict::malicious},
      {"the second of two", tf_graph({tf_content("c", "\x01\x04" + std::string("a/etc")), save("c")}),
       ScanVerdict::malicious},
      {"through a variable",
       tf_graph({path, tf_node("v", "VarHandleOp"), tf_node("a", "AssignVariableOp", tf_inputs({"v", "c"})),
                 tf_node("r", "ReadVariableOp", tf_inputs({"v"})), save("r")}),
       ScanVerdict::malicious},
      {"through a queue",
       tf_graph({path, tf_node("q", "FIFOQueueV2"), tf_node("e", "QueueEnqueueV2", tf_inputs({"q", "c"})),
                 tf_node("r", "ReaderReadV2", tf_inputs({"w", "q"}))}),
       ScanVerdict::malicious},
      {"computed", tf_graph({tf_node("u", "UnicodeEncode", tf_inputs({"c"})), save("u")}), ScanVerdict::review},
      {"in circles",
       tf_graph({tf_node("a", "Identity", tf_inputs({"b"})), tf_node("b", "Identity", tf_inputs({"a"})), save("a")}),
       ScanVerdict::clean},
  };
  for (const auto& c : cases) EXPECT_EQ(tf_scan(saved_model(c.graph)).verdict, c.verdict) << c.name;
}

TEST(Tensorflow, more_ways_than_can_be_followed_are_told) {
  std::string graph = tf_graph({tf_constant("n0", "a"), tf_constant("m0", "b")});
  for (int i = 1; i <= 30; ++i) {
    const auto before = std::to_string(i - 1), now = std::to_string(i);
    for (const std::string name : {"n", "m"})
      graph +=
          wire_bytes(1, tf_node(name + now, "StringJoin", wire_bytes(3, "n" + before) + wire_bytes(3, "m" + before)));
  }
  EXPECT_EQ(tf_scan(saved_model(graph)).verdict, ScanVerdict::clean);
  graph += wire_bytes(1, tf_node("s", "SaveV2", tf_inputs({"n30", "x", "x"})));
  EXPECT_EQ(tf_scan(saved_model(graph)).verdict, ScanVerdict::inconclusive);
}

TEST(Tensorflow, constants_are_followed_into_functions) {
  const auto call = tf_node("call", "StatefulPartitionedCall",
                            tf_inputs({"p", "c"}) + tf_attribute("f", wire_bytes(10, wire_bytes(1, "saver"))));
  const auto function = [](const char* used) {
    const auto argument = [](const char* name) { return wire_bytes(2, wire_bytes(1, name)); };
    return wire_bytes(
        2, wire_bytes(1, wire_bytes(3, tf_node("s", "SaveV2", tf_inputs({used, "x", "x"}))) +
                             wire_bytes(1, wire_bytes(1, "saver") + argument("first") + argument("second"))));
  };
  const auto graph = tf_graph({tf_node("p", "Placeholder"), tf_constant("c", "/etc/x"), call});
  EXPECT_EQ(tf_scan(saved_model(graph + function("first"))).verdict, ScanVerdict::clean);
  EXPECT_EQ(tf_scan(saved_model(graph + function("second"))).verdict, ScanVerdict::malicious);
}

TEST(Tensorflow, every_operator_that_opens_files_is_known) {
  const std::pair<const char*, int> first[] = {{"CSVDataset", 0},         {"CSVDatasetV2", 0},
                                               {"LMDBDataset", 0},        {"MatchingFilesDataset", 0},
                                               {"DatasetToTFRecord", 1},  {"InitializeTableFromTextFileV2", 1},
                                               {"LoadAndRemapMatrix", 0}, {"GenerateVocabRemapping", 1},
                                               {"ReaderReadUpToV2", 1},   {"TextLineDataset", 0}};
  for (const auto& [op, input] : first) {
    const auto inputs = input == 0 ? tf_inputs({"c", "x", "x"}) : tf_inputs({"x", "c", "x"});
    EXPECT_EQ(tf_scan(saved_model(tf_graph({tf_constant("c", "/etc/x"), tf_node("n", op, inputs)}))).verdict,
              ScanVerdict::malicious)
        << op;
  }
  // The loader puts the path of the asset in the place of a constant.
  const auto table = tf_graph({tf_constant("c", "/home/author/vocab.txt"),
                               tf_node("n", "InitializeTableFromTextFileV2", tf_inputs({"x", "c"}))});
  const auto asset = wire_bytes(6, wire_bytes(1, wire_bytes(1, "c:0")) + wire_bytes(2, "vocab.txt"));
  EXPECT_EQ(tf_scan(saved_model(table)).verdict, ScanVerdict::malicious);
  EXPECT_EQ(tf_scan(saved_model(table, asset)).verdict, ScanVerdict::clean);
}

TEST(Tensorflow, configurations_of_any_size_are_judged) {
  const std::string lambda =
      R"json({"class_name": "Lambda", "config": {"function": "lambda x: __import__('os').system('id')"}})json";
  for (const std::size_t blanks : {0u, 100u, 70'000u, 300'000u}) {
    const auto object = wire_bytes(4, "_tf_keras_layer") + wire_bytes(5, std::string(blanks, ' ') + lambda);
    EXPECT_EQ(tf_scan(wire_bytes(1, object), "keras_metadata.pb").verdict, ScanVerdict::malicious) << blanks;
  }
}

}  // namespace
}  // namespace hauberk::scan
