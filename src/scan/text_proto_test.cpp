#include "scan/text_proto.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hauberk::scan {
namespace {

struct TextProtoResult {
  std::string format;
  ScanVerdict verdict;
  std::vector<Finding> findings;
  bool has(std::string_view rule) const {
    return std::any_of(findings.begin(), findings.end(), [&](const Finding& f) { return f.rule == rule; });
  }
};

TextProtoResult text_proto_scan(const std::string& text, const ScanLimits& limits = {}) {
  Gathering gathering{.budget = Budget(limits, {})};
  Inspection inspection(gathering, "m.pbtxt");
  MemoryReader reader(as_bytes(text));
  TextProtoResult result{inspect_text_proto(reader, inspection), ScanVerdict::clean, {}};
  result.verdict = gathering.verdict();
  result.findings = gathering.findings;
  return result;
}

std::string text_graph(const std::string& nodes) {
  return "# a model\nsaved_model_schema_version: 1\nmeta_graphs {\n  meta_info_def { tags: \"serve\" }\n  graph_def "
         "{\n" +
         nodes + "  }\n}\n";
}
std::string text_constant(const std::string& value) {
  return "node { name: \"c\" op: \"Const\" attr { key: \"value\" value { tensor { dtype: DT_STRING string_val: " +
         value + " } } } }\n";
}

TEST(TextProto, is_told_from_other_texts_by_its_first_messages) {
  for (const std::string text : {"node { name: 'x' }", "# words\nname: \"net\"\nlayer {", "meta_graphs <\n",
                                 "saved_model_schema_version: 1", "ir_version: 8\ngraph {", "versions { producer: 1 }"})
    EXPECT_TRUE(may_be_text_proto(text)) << text;
  for (const std::string text : {"# A model\n\nIt does nodes { }", "name: x\nmodel: y\n", "{\"node\": {}}", "",
                                 "[PAD]\n[UNK]", "import os\n", "config { a: 1 }", "a b c"})
    EXPECT_FALSE(may_be_text_proto(text)) << text;
  EXPECT_TRUE(may_be_text_proto("# " + std::string(65'000, 'x')));
}

TEST(TextProto, operators_are_judged_as_in_binary_graphs) {
  struct Case {
    std::string nodes;
    ScanVerdict verdict;
  };
  const std::string save = "node { name: \"s\" op: \"SaveV2\" input: \"c\" input: \"x\" }\n";
  const Case cases[] = {
      {"node { name: \"x\" op: \"Placeholder\" }\n", ScanVerdict::clean},
      {"node { name: \"x\" op: \"ReadFile\" }\n", ScanVerdict::malicious},
      {"node: < name: 'x', op: 'Read' \"File\" >;\n", ScanVerdict::malicious},
      {"node { op: \"\\x50y\\106unc\" }\n", ScanVerdict::malicious},
      {"node { op: \"MyOwn\" }\n", ScanVerdict::review},
      {"library { function { signature { name: \"f\" } node_def { op: \"PyFunc\" } } }\n", ScanVerdict::malicious},
      {text_constant("\"model\"") + save, ScanVerdict::clean},
      {text_constant("\"/etc/\" 'x'") + save, ScanVerdict::malicious},
      {text_constant("[\"a\", \"../../x\"]") + save, ScanVerdict::malicious},
      {"node { name: \"c\" op: \"Const\" attr { key: \"value\" value { tensor { tensor_content: \"\\006/etc/x\" } } } "
       "}\n" +
           save,
       ScanVerdict::malicious},
      {"node { op: \"DecodeProtoV2\" attr { value { s: \"/etc/x\" } key: \"descriptor_source\" } }\n",
       ScanVerdict::malicious},
  };
  for (const auto& c : cases) {
    const auto result = text_proto_scan(text_graph(c.nodes));
    EXPECT_EQ(result.verdict, c.verdict) << c.nodes;
    EXPECT_EQ(result.format, "tensorflow-text");
  }
}

TEST(TextProto, models_of_onnx_are_judged_as_in_binary) {
  const auto model = [](const std::string& key, const std::string& value, const std::string& op = "Relu") {
    return text_proto_scan("ir_version: 8\ngraph { node { op_type: \"" + op +
                           "\" } initializer { name: \"w\" external_data { key: \"" + key + "\" value: \"" + value +
                           "\" } } }\nopset_import { version: 18 }\n");
  };
  EXPECT_EQ(model("location", "w.bin").format, "onnx-text");
  EXPECT_EQ(model("location", "w.bin").verdict, ScanVerdict::review);
  EXPECT_EQ(model("location", "../w.bin").verdict, ScanVerdict::malicious);
  EXPECT_EQ(model("offset", "-1").verdict, ScanVerdict::malformed);
  EXPECT_EQ(model("location", "w.bin", "PythonOp").verdict, ScanVerdict::malicious);
}

TEST(TextProto, layers_of_caffe_that_are_python_are_told) {
  const auto net = [](const std::string& layer) {
    return text_proto_scan("name: \"net\"\nlayer {\n" + layer + "\n}\n");
  };
  EXPECT_EQ(net("type: \"Convolution\"").verdict, ScanVerdict::clean);
  EXPECT_EQ(net("type: \"Convolution\"").format, "caffe-prototxt");
  EXPECT_EQ(net("type: \"Python\" python_param { module: 'mine' layer: 'L' }").verdict, ScanVerdict::review);
  EXPECT_TRUE(net("type: \"Python\" python_param { module: 'mine' layer: 'L' }").has("caffe.python-layer"));
  EXPECT_EQ(net("type: \"Python\" python_param { module: 'os' layer: 'system' }").verdict, ScanVerdict::malicious);
}

TEST(TextProto, what_is_damaged_is_told_and_what_is_none_is_left_alone) {
  EXPECT_EQ(text_proto_scan(text_graph("node { op: \"Relu\" } ]")).verdict, ScanVerdict::malformed);
  EXPECT_EQ(text_proto_scan("node { op: \"Relu\"").verdict, ScanVerdict::malformed);
  EXPECT_EQ(text_proto_scan("node { op: \"ReadFile\" } node {").verdict, ScanVerdict::malicious);
  EXPECT_EQ(text_proto_scan("node { calculator: \"Mine\" }").format, "");
  EXPECT_EQ(text_proto_scan("just words").verdict, ScanVerdict::clean);
  std::string deep = "node { op: \"Relu\" }\n";
  for (int i = 0; i < 300; ++i) deep += "a {";
  EXPECT_EQ(text_proto_scan(deep).verdict, ScanVerdict::inconclusive);
  EXPECT_EQ(text_proto_scan(text_graph("node { op: \"Relu\" }"), {.entries = 3}).verdict, ScanVerdict::inconclusive);
}

}  // namespace
}  // namespace hauberk::scan
