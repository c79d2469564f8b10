#include "scan/keras_config.h"

#include <algorithm>
#include <optional>

#include "scan/byte_code.h"
#include "scan/callables.h"
#include "scan/config_rules.h"
#include "scan/import_names.h"
#include "scan/keras_names.h"

namespace hauberk::scan {
namespace {

// Members whose texts rules ask for.
constexpr std::string_view keras_keys[] = {"class_name",
                                           "module",
                                           "registered_name",
                                           "spec_name",
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
                                           "merges",
                                           "proto",
                                           "path",
                                           "filepath",
                                           "file_path",
                                           "filename",
                                           "fname",
                                           "symbol",
                                           "output_shape",
                                           "mask",
                                           "output_shape_type",
                                           "mask_type",
                                           "args"};
static_assert(std::size(keras_keys) <= keras_keys_limit);

constexpr std::size_t texts_of_a_key = 64;
// Of these only the first matter; all others decide what is imported, called or opened.
constexpr std::string_view minor_keys[] = {"args", "url", "origin"};

bool is_path_key(std::string_view key) {
  return key == "vocabulary" || key == "merges" || key == "proto" || key == "path" || key == "filepath" ||
         key == "file_path" || key == "filename" || key == "fname";
}

// Tokenizers keep the content of their file in its place, as base64.
bool is_base64_like(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  return text.size() >= 16 && std::all_of(text.begin(), text.end(), [](char c) {
           return c == '+' || c == '/' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
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

// Each key has room of its own, so that none can drive out another.
void KerasRules::add(Frame& frame, Text text) {
  const auto key = std::find(std::begin(keras_keys), std::end(keras_keys), text.key);
  if (key == std::end(keras_keys)) return;
  if (auto& count = frame.counts[static_cast<std::size_t>(key - std::begin(keras_keys))]; count < texts_of_a_key) {
    ++count;
    frame.texts.push_back(std::move(text));
  } else if (std::find(std::begin(minor_keys), std::end(minor_keys), text.key) == std::end(minor_keys)) {
    frame.overflows = true;
  }
}

void KerasRules::text(std::string_view value, bool whole, std::uint64_t) {
  const auto key = own_key();
  if (frames_.empty() || std::find(std::begin(keras_keys), std::end(keras_keys), key) == std::end(keras_keys)) return;
  auto& frame = frames_.back();
  if (frame.object && key == "config") frame.has_config = true;
  // Vocabularies are long lists of words; a file is named by one text.
  if (frame.object || (key != "vocabulary" && key != "merges"))
    add(frame, {std::string(key), std::string(value), whole});
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
      if (frame.key == "items" && text.key == parent.key) add(parent, std::move(text));
  if (frame.object && parent.object && parent.key == "config") {
    // A key that occurs twice: readers differ in which they take.
    if (parent.config.size() <= keras_keys_limit * texts_of_a_key)
      std::move(frame.texts.begin(), frame.texts.end(), std::back_inserter(parent.config));
    else
      parent.overflows = true;
    parent.overflows = parent.overflows || frame.overflows;
  }
  if (frame.object) return;
  for (auto& text : frame.texts) add(parent, std::move(text));
  parent.overflows = parent.overflows || frame.overflows;
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
  if (frame.overflows)
    inspection_.inconclusive("scan.budget-exhausted", "an object of Keras has more texts than the scan keeps");
  // Keys may occur twice; readers differ in which they take.
  for (const auto name : classes) {
    for (const auto module : modules) judge_class(frame, module, name);
    if (name == "function")
      for (const auto& text : frame.texts)
        if (text.key == "config" || text.key == "registered_name")
          for (const auto module : modules) judge_class(frame, module, text.value);
    // A type of tensors is named by a key of its own, and called with the configuration.
    if (name == "__typespec__")
      for (const auto& text : frame.texts)
        if (text.key == "spec_name")
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
    if (name == "TFSMLayer" || name.ends_with(">TFSMLayer")) judge_saved_model(frame);
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
  const bool library = keras_library(module);
  // The name of the function, or of the type, is judged instead.
  if ((library && name == "function") || name == "__typespec__") return;
  if (name.ends_with("Spec") && (module == "tensorflow" || module.starts_with("tensorflow.python."))) return;
  const std::string whole = std::string(module) + "." + std::string(name);
  const auto effect = keras_effect(module, name);
  if (effect && effect->severity >= Severity::critical)
    return find("keras.import", Severity::critical, frame,
                "would " + std::string(effect->effect) + ": " + printable(whole, 80), whole);
  const auto judgement = judge_import_call(whole);
  // What the name is called may be made up; the module that is imported is not.
  const auto by_module = judge_import_call(std::string(module) + ".x");
  const auto severity = std::max(judgement.severity.value_or(Severity::info),
                                 library ? Severity::info : by_module.severity.value_or(Severity::info));
  if (severity >= Severity::critical)
    return find("keras.import", Severity::critical, frame,
                "the model would import " + printable(whole, 80) + ", which " +
                    (judgement.severity == severity ? judgement.effect : by_module.effect),
                whole);
  if (effect)
    return find("keras.import", effect->severity, frame,
                "would " + std::string(effect->effect) + ": " + printable(whole, 80), whole);
  if (library || module == "builtins") return;
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

// Behind the code stand the defaults of its arguments, which are short; no function's byte code is.
constexpr std::size_t code_size = 40;

void KerasRules::judge_lambda(const Frame& frame) {
  bool any = false;
  for (const auto& text : frame.config)
    if ((text.key == "code" || text.key == "value") && (!any || text.value.size() >= code_size))
      any = true, judge_code(frame, text);
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
    } else if (!code || text.value.size() >= code_size) {
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
    if (is_path_key(text.key)) {
      const bool words = text.key == "vocabulary" || text.key == "merges" || text.key == "proto";
      if (leads_out(text.value) && text.value.size() <= 4096)
        find("keras.path", Severity::critical, frame,
             "would read the file " + printable(text.value, 80) + " outside the model (CVE-2025-12058)", text.value);
      else if (words && !text.value.empty() && !(text.key == "proto" && is_base64_like(text.value)))
        find("keras.path", Severity::medium, frame, "would read its words from the file " + printable(text.value, 80),
             text.value);
    }
    const bool function = text.key == "fn" || text.key == "fn_name" || text.key == "func" || text.key == "function";
    if (const auto gadget = function ? keras_gadget(text.value) : std::nullopt) {
      const bool named_there = std::any_of(frame.texts.begin(), frame.texts.end(), [](const Text& other) {
        return other.key == "module" && keras_library(other.value) && other.value != "keras.layers";
      });
      find("keras.import", named_there || !address.empty() ? Severity::critical : Severity::low, frame,
           "would " + std::string(gadget->effect) + ": " + printable(text.value, 60) +
               (address.empty() ? "" : " " + printable(address, 120)),
           text.value);
    }
  }
}

// A SavedModel is a program: whatever operators its graph has run with the layer.
void KerasRules::judge_saved_model(const Frame& frame) {
  std::string_view path;
  for (const auto& text : frame.config)
    if (text.key == "filepath" && (path.empty() || leads_out(text.value))) path = text.value;
  find("keras.path", leads_out(path) ? Severity::critical : Severity::high, frame,
       "the layer would load and run the SavedModel " + printable(path, 80), path);
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
