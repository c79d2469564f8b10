#include "scan/keras_config.h"

#include <algorithm>
#include <optional>

#include "scan/byte_code.h"
#include "scan/callables.h"
#include "scan/config_rules.h"
#include "scan/import_names.h"

namespace hauberk::scan {
namespace {

// Members whose texts rules ask for.
constexpr std::string_view keras_keys[] = {"class_name",
                                           "module",
                                           "registered_name",
                                           "config",
                                           "function",
                                           "function_type",
                                           "code",
                                           "value",
                                           "fn",
                                           "fn_name",
                                           "fn_module",
                                           "func",
                                           "url",
                                           "origin",
                                           "vocabulary",
                                           "path",
                                           "filepath",
                                           "filename",
                                           "symbol",
                                           "output_shape",
                                           "mask",
                                           "output_shape_type",
                                           "mask_type",
                                           "args"};

bool keras_library(std::string_view module) {
  for (const std::string_view library : {"keras", "keras_hub", "keras_cv", "keras_nlp", "keras_rs", "tf_keras",
                                         "tensorflow.keras", "tensorflow.python.keras", "keras_core"})
    if (module == library ||
        (module.starts_with(library) && module.size() > library.size() && module[library.size()] == '.'))
      return true;
  return false;
}

// What Keras itself offers that loads other models, fetches files or lowers the guard; no model is made of these.
std::optional<std::string_view> keras_gadget(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> gadgets[] = {
      {"enable_unsafe_deserialization", "would switch off Keras's protection against code in models"},
      {"get_file", "would fetch a file and unpack it"},
      {"load_model", "would load another model"},
      {"load_weights", "would load other weights"},
      {"deserialize_keras_object", "would make objects of another configuration"},
      {"model_from_json", "would make another model"},
      {"model_from_config", "would make another model"},
      {"load_img", "would read a file"},
      {"save_img", "would write a file"},
      {"save_model", "would write a file"},
      {"save_weights", "would write a file"},
      {"extract_archive", "would unpack an archive"},
      {"unpack_x_y", ""}};
  for (const auto& [gadget, effect] : gadgets)
    if (name == gadget && !effect.empty()) return effect;
  return std::nullopt;
}

// Operations of TensorFlow that layers made of operations may name: some reach files or Python.
bool reaches_out(std::string_view symbol) {
  for (const std::string_view part : {"io.", "py_function", "numpy_function", "raw_ops.", "load_op_library",
                                      "load_library", "saved_model.", "train.", "summary.", "data.", "eager_py_func",
                                      "print", "debugging.", "profiler.", "compat.", "experimental.", "distribute."})
    if (symbol.starts_with(part) || symbol.find("." + std::string(part)) != std::string_view::npos) return true;
  return false;
}

}  // namespace

std::string_view KerasRules::own_key() const {
  // Tuples are objects with "items": {"class_name": "__tuple__", "items": [...]}.
  for (auto i = frames_.size(); i-- > 0;)
    if (frames_[i].object && frames_[i].key != "items") return frames_[i].key;
  return {};
}

std::string KerasRules::pointer() const {
  std::string out;
  for (const auto& frame : frames_)
    if (!frame.key.empty()) out += "/" + frame.key;
  return out;
}

void KerasRules::begin(bool object, std::uint64_t offset) {
  if (!frames_.empty() && frames_.back().object && frames_.back().key == "config") frames_.back().has_config = true;
  frames_.push_back({.object = object, .offset = offset});
}

void KerasRules::key(std::string_view key, std::uint64_t) { frames_.back().key = key.substr(0, 200); }

void KerasRules::text(std::string_view value, bool whole, std::uint64_t) {
  const auto key = own_key();
  if (frames_.empty() || std::find(std::begin(keras_keys), std::end(keras_keys), key) == std::end(keras_keys)) return;
  auto& frame = frames_.back();
  if (frame.object && key == "config") frame.has_config = true;
  // Vocabularies are long lists of words; a file is named by one text.
  if (frame.texts.size() < 64 && (frame.object || key != "vocabulary"))
    frame.texts.push_back({std::string(key), std::string(value), whole});
}

void KerasRules::plain(std::string_view, std::uint64_t) {
  if (!frames_.empty() && frames_.back().object && frames_.back().key == "config") frames_.back().has_config = true;
}

void KerasRules::end() {
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  if (frame.object) judge_object(frame);
  if (frames_.empty()) return;
  Frame& parent = frames_.back();
  if (frame.object)
    for (auto& text : frame.texts)
      if (frame.key == "items" && text.key == parent.key && parent.texts.size() < 64)
        parent.texts.push_back(std::move(text));
  if (frame.object && parent.object && parent.key == "config") parent.config = std::move(frame.texts);
  if (!frame.object && parent.texts.size() + frame.texts.size() <= 64)
    std::move(frame.texts.begin(), frame.texts.end(), std::back_inserter(parent.texts));
}

void KerasRules::find(std::string_view rule, Severity severity, const Frame& frame, std::string message,
                      std::string_view excerpt) {
  inspection_.find(rule, severity, frame.offset, std::move(message), printable(excerpt), pointer());
}

void KerasRules::judge_object(const Frame& frame) {
  std::vector<std::string_view> classes, modules;
  for (const auto& text : frame.texts) {
    if (text.key == "class_name") classes.push_back(text.value);
    if (text.key == "module") modules.push_back(text.value);
  }
  if (classes.empty() || !frame.has_config) return;
  seen_ = true;
  // Keys may occur twice; readers differ in which they take.
  for (const auto name : classes) {
    for (const auto module : modules) judge_class(frame, module, name);
    if (name == "function")
      for (const auto& text : frame.texts)
        if (text.key == "config" || text.key == "registered_name")
          for (const auto module : modules) judge_class(frame, module, text.value);
    if (name == "__lambda__") judge_lambda(frame);
    if (name == "Lambda" || name.ends_with(">Lambda")) judge_functions(frame);
    if (name == "TFOpLambda" || name == "SlicingOpLambda" || name == "TensorFlowOpLayer" || name == "ClassMethod")
      for (const auto& text : frame.config)
        if ((text.key == "function" || text.key == "symbol") && reaches_out(text.value))
          find("keras.function", Severity::critical, frame,
               "the layer would call TensorFlow's " + printable(text.value, 80) + ", which reaches files or Python",
               text.value);
    if (name == "TorchModuleWrapper") judge_torch(frame);
  }
  for (const auto& text : frame.texts)
    if (text.key == "registered_name")
      if (const auto mark = text.value.find('>');
          mark != std::string::npos || text.value.find('.') != std::string::npos) {
        const auto package = text.value.substr(0, mark);
        if (package != "keras" && package != "keras_hub" && package != "keras_nlp" && package != "keras_cv")
          find("keras.custom-object", Severity::low, frame,
               "needs a class that is not Keras's own: " + printable(text.value, 80), text.value);
      }
  judge_files(frame);
}

// An object of module.name is made, or a function of that name is handed on and may be called.
void KerasRules::judge_class(const Frame& frame, std::string_view module, std::string_view name) {
  if (module.empty()) return;
  const std::string whole = std::string(module) + "." + std::string(name);
  if (const auto effect = keras_library(module) ? keras_gadget(name) : std::nullopt)
    return find("keras.import", Severity::critical, frame, std::string(*effect) + ": " + printable(whole, 80), whole);
  const auto judgement = judge_import_call(whole);
  // What the name is called may be made up; the module that is imported is not.
  const auto by_module = judge_import_call(std::string(module) + ".x");
  const auto severity =
      std::max(judgement.severity.value_or(Severity::info), by_module.severity.value_or(Severity::info));
  if (severity >= Severity::critical && !keras_library(module))
    return find("keras.import", Severity::critical, frame,
                "the model would import " + printable(whole, 80) + ", which " +
                    (judgement.severity == severity ? judgement.effect : by_module.effect),
                whole);
  if (keras_library(module)) {
    if (judgement.severity.value_or(Severity::info) >= Severity::critical)
      find("keras.import", Severity::critical, frame,
           "the model would import " + printable(whole, 80) + ", which " + judgement.effect, whole);
    return;
  }
  if (module == "builtins") return;
  find("keras.custom-object", Severity::medium, frame, "the model would import " + printable(whole, 80), whole);
}

// Functions come as Python's byte code or, in very old files, as text.
void KerasRules::judge_code(const Frame& frame, const Text& code) {
  if (!code.whole)
    return find("keras.lambda", Severity::critical, frame,
                "a function with more code than is read: it runs as the model does");
  const auto judged = judge_embedded_code(code.value);
  find("keras.lambda", judged.severity, frame, "a function comes along as code: " + judged.effect, judged.excerpt);
}

void KerasRules::judge_lambda(const Frame& frame) {
  bool any = false;
  for (const auto& text : frame.config)
    if ((text.key == "code" || text.key == "value") && !any) any = true, judge_code(frame, text);
  if (!any) find("keras.lambda", Severity::critical, frame, "a function comes along as code that cannot be judged");
}

void KerasRules::judge_functions(const Frame& frame) {
  bool by_name = false, code = false;
  for (const auto& text : frame.config)
    if (text.key == "function_type" && text.value == "function") by_name = true;
  for (const auto& text : frame.config) {
    if (text.key != "function" && text.key != "output_shape" && text.key != "mask") continue;
    if (text.value.empty()) continue;
    const bool name =
        !text.value.empty() && text.value.size() < 200 &&
        std::all_of(
            text.value.begin(), text.value.end(),
            [](char c) {
              return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
            });
    if (name && (by_name || text.key != "function")) {
      find("keras.lambda", Severity::medium, frame, "the layer calls the function " + printable(text.value, 80),
           text.value);
    } else if (!code) {
      code = true;
      judge_code(frame, text);
    }
  }
  for (const auto& text : frame.config) {
    if (text.key == "module") judge_class(frame, text.value, "x");
    if (text.key == "fn_module" && !keras_library(text.value)) judge_class(frame, text.value, "x");
  }
}

void KerasRules::judge_files(const Frame& frame) {
  std::string_view address;
  for (const auto& text : frame.config)
    if (text.value.find("://") != std::string::npos) address = text.value;
  for (const auto& text : frame.config) {
    if (text.key == "vocabulary" || text.key == "filepath" || text.key == "path" || text.key == "filename") {
      if (leads_out(text.value))
        find("keras.path", Severity::critical, frame,
             "would read the file " + printable(text.value, 80) + " outside the model (CVE-2025-12058)", text.value);
      else if (text.key == "vocabulary" && !text.value.empty())
        find("keras.path", Severity::medium, frame, "would read its words from the file " + printable(text.value, 80),
             text.value);
    }
    const bool function = text.key == "fn" || text.key == "fn_name" || text.key == "func" || text.key == "function";
    if (function && keras_gadget(text.value)) {
      const bool named_there = std::any_of(frame.texts.begin(), frame.texts.end(), [](const Text& other) {
        return other.key == "module" && keras_library(other.value) && other.value != "keras.layers";
      });
      find("keras.import", named_there || !address.empty() ? Severity::critical : Severity::low, frame,
           std::string(*keras_gadget(text.value)) + ": " + printable(text.value, 60) +
               (address.empty() ? "" : " " + printable(address, 120)),
           text.value);
    }
  }
}

void KerasRules::judge_torch(const Frame& frame) {
  find("keras.torch-module", Severity::medium, frame,
       "holds a pickled PyTorch module, which Keras 3.11.0 to 3.11.2 loads even in safe mode (CVE-2025-49655)");
  for (const auto& text : frame.config) {
    if (text.key != "module") continue;
    const auto bytes = text.whole ? from_base64(text.value) : std::nullopt;
    Inspection inside = inspection_.child("torch-module");
    if (!bytes) {
      inside.inconclusive("scan.not-scanned", "the pickled module cannot be decoded");
      continue;
    }
    MemoryReader content(*bytes);
    inspect_any(content, inside);
  }
}

void inspect_keras_config(std::string_view json, bool, Inspection& inspection) {
  KerasRules rules(inspection);
  MemoryReader data(as_bytes(json));
  const auto outcome = stream_json(data, rules, inspection.budget());
  if (outcome.end == JsonOutcome::malformed)
    inspection.malformed("json.malformed", outcome.offset, "not valid JSON: " + std::string(outcome.what));
  else if (outcome.end == JsonOutcome::too_deep)
    inspection.inconclusive("scan.budget-exhausted", "the JSON is nested deeper than the scan follows");
  else if (outcome.end != JsonOutcome::complete)
    inspection.out_of_budget();
}

}  // namespace hauberk::scan
