// Keras's configurations: what makes layers is fine, what loads, fetches, writes or runs is not.
#include <gtest/gtest.h>

#include <algorithm>

#include "scan/keras_names.h"
#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

Report keras_scan(const std::string& json) { return scan_bytes(json, "config.json"); }
// A Lambda layer of Keras 3 that calls a function by its name.
std::string keras_function(const std::string& module, const std::string& name) {
  return R"json({"module": "keras.layers", "class_name": "Dense", "config": {"activation": {"module": ")json" + module +
         R"json(", "class_name": "function", "config": ")json" + name + R"json("}}})json";
}
std::string keras_object(const std::string& module, const std::string& name, const std::string& config = "{}") {
  return R"json({"module": ")json" + module + R"json(", "class_name": ")json" + name + R"json(", "config": )json" +
         config + "}";
}

TEST(KerasNames, functions_of_layers_are_fine_and_those_that_reach_out_are_not) {
  struct Case {
    const char *module, *name;
    ScanVerdict verdict;
  };
  static const Case cases[] = {
      {"keras.activations", "relu", ScanVerdict::clean},
      {"keras.src.losses.losses", "mean_squared_error", ScanVerdict::clean},
      {"keras.ops", "softmax", ScanVerdict::clean},
      {"keras.src.ops.numpy", "mean", ScanVerdict::clean},
      {"keras.metrics", "binary_accuracy", ScanVerdict::clean},
      {"keras.initializers", "glorot_uniform", ScanVerdict::clean},
      {"tensorflow.keras.backend", "l2_normalize", ScanVerdict::clean},
      {"keras.applications.resnet50", "preprocess_input", ScanVerdict::clean},
      {"keras.utils", "to_categorical", ScanVerdict::clean},
      {"keras.src.legacy.backend", "mean", ScanVerdict::clean},
      {"keras_nlp.src.utils.keras_utils", "gelu_approximate", ScanVerdict::clean},
      {"keras.src.legacy.saving.legacy_h5_format", "load_model_from_hdf5", ScanVerdict::malicious},
      {"keras.utils", "plot_model", ScanVerdict::malicious},
      {"keras.src.utils.file_utils", "urlretrieve", ScanVerdict::malicious},
      {"keras.src.utils.python_utils", "func_load", ScanVerdict::malicious},
      {"keras.src.utils.file_utils.os", "system", ScanVerdict::malicious},
      {"keras.datasets.mnist", "load_data", ScanVerdict::malicious},
      {"keras.src.datasets.cifar", "load_batch", ScanVerdict::malicious},
      {"keras.utils", "image_dataset_from_directory", ScanVerdict::review},
      {"keras.applications", "ResNet50", ScanVerdict::review},
      {"keras.src.models.cloning", "clone_and_build_model", ScanVerdict::review},
      {"keras.config", "set_floatx", ScanVerdict::review},
      {"keras_hub.src.utils.preset_utils", "load_json", ScanVerdict::review},
  };
  for (const auto& c : cases)
    EXPECT_EQ(keras_scan(keras_function(c.module, c.name)).verdict, c.verdict) << c.module << " " << c.name;
}

TEST(KerasNames, classes_are_judged_by_where_they_come_from) {
  struct Case {
    const char *module, *name;
    ScanVerdict verdict;
  };
  static const Case cases[] = {
      {"keras.layers", "Dense", ScanVerdict::clean},
      {"keras.src.models.functional", "Functional", ScanVerdict::clean},
      {"keras", "Sequential", ScanVerdict::clean},
      {"keras.optimizers", "Adam", ScanVerdict::clean},
      {"keras.optimizers.legacy", "SGD", ScanVerdict::clean},
      {"keras.src.ops.numpy", "Multiply", ScanVerdict::clean},
      {"keras.src.trainers.compile_utils", "CompileMetrics", ScanVerdict::clean},
      {"keras.utils", "FeatureSpace", ScanVerdict::clean},
      {"keras.src.utils.module_utils", "LazyModule", ScanVerdict::review},
      {"keras.callbacks", "RemoteMonitor", ScanVerdict::review},
      {"keras.saving", "KerasFileEditor", ScanVerdict::review},
  };
  for (const auto& c : cases)
    EXPECT_EQ(keras_scan(keras_object(c.module, c.name)).verdict, c.verdict) << c.module << " " << c.name;
  EXPECT_FALSE(keras_effect("my.keras", "load_model"));
}

TEST(KerasConfig, no_text_drives_out_another) {
  std::string many = "[";
  for (int i = 0; i < 200; ++i) many += (i == 0 ? "\"a\"" : ", \"a\"");
  many += "]";
  const auto report = keras_scan(R"json({"args": )json" + many +
                                 R"json(, "class_name": "function", "config": "system", "module": "os"})json");
  EXPECT_EQ(report.verdict, ScanVerdict::malicious);
  // What decides is never cut short in silence; what does not is.
  EXPECT_EQ(keras_scan(R"json({"class_name": "Dense", "config": {}, "module": )json" + many + "}").verdict,
            ScanVerdict::inconclusive);
  EXPECT_EQ(keras_scan(R"json({"class_name": "Dense", "config": {}, "args": )json" + many + "}").verdict,
            ScanVerdict::clean);
}

TEST(KerasConfig, every_code_of_a_lambda_is_judged) {
  const std::string fine = "lambda x: x + 1", bad = "lambda x: __import__('os').system('id; id; id; id; id')";
  const auto lambda = [](const std::string& function, const std::string& shape) {
    return keras_scan(R"json({"class_name": "Lambda", "config": {"function": ")json" + function +
                      R"json(", "output_shape": ")json" + shape + R"json(", "output_shape_type": "lambda"}})json")
        .verdict;
  };
  EXPECT_EQ(lambda(fine, fine), ScanVerdict::review);
  EXPECT_EQ(lambda(fine, bad), ScanVerdict::malicious);
  EXPECT_EQ(lambda(bad, fine), ScanVerdict::malicious);
}

TEST(KerasConfig, types_of_tensors_are_judged_by_their_name) {
  const auto verdict = [](const std::string& module, const std::string& name) {
    return keras_scan(R"json({"class_name": "__typespec__", "module": ")json" + module +
                      R"json(", "spec_name": ")json" + name + R"json(", "config": [[null, 2], "float32"]})json")
        .verdict;
  };
  EXPECT_EQ(verdict("tensorflow.python.framework.tensor", "TensorSpec"), ScanVerdict::clean);
  EXPECT_EQ(verdict("os", "system"), ScanVerdict::malicious);
  EXPECT_EQ(verdict("keras.models", "load_model"), ScanVerdict::malicious);
  EXPECT_EQ(verdict("somebody", "TensorSpec"), ScanVerdict::review);
}

TEST(KerasConfig, files_that_layers_read_are_told) {
  const auto verdict = [](const char* name, const std::string& config) {
    return keras_scan(keras_object("keras_hub.tokenizers", name, config)).verdict;
  };
  EXPECT_EQ(verdict("BytePairTokenizer", R"({"vocabulary": null, "merges": "/etc/passwd"})"), ScanVerdict::malicious);
  EXPECT_EQ(verdict("BytePairTokenizer", R"({"vocabulary": null, "merges": ["/ e", "t c"]})"), ScanVerdict::clean);
  EXPECT_EQ(verdict("BytePairTokenizer", R"({"merges": "merges.txt"})"), ScanVerdict::review);
  EXPECT_EQ(verdict("SentencePieceTokenizer", R"({"proto": "../../key"})"), ScanVerdict::malicious);
  EXPECT_EQ(verdict("SentencePieceTokenizer", R"({"proto": "Cg4KBTx1bms+FQAAAAAYAgoKCgM8cz4V"})"), ScanVerdict::clean);
  EXPECT_EQ(verdict("TFSMLayer", R"({"filepath": "saved"})"), ScanVerdict::review);
  EXPECT_EQ(verdict("TFSMLayer", R"({"filepath": "/tmp/saved"})"), ScanVerdict::malicious);
  EXPECT_EQ(verdict("TFSMLayer", "{}"), ScanVerdict::review);
}

}  // namespace
}  // namespace hauberk::scan
