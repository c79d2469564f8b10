// Sources: Hydra's instantiate (_target_), Hugging Face's dynamic modules (auto_map, custom_pipelines), index files of
// sharded weights, skops' persistence (skops/io), jsonpickle's tags, TorchServe's manifest, MXNet's symbols, MLflow's
// MLmodel, MONAI's bundle configurations, DVC's files.
#include "scan/config_rules.h"

#include <algorithm>
#include <utility>

#include "scan/ascii.h"
#include "scan/import_names.h"
#include "scan/jinja.h"
#include "scan/program_text.h"

namespace hauberk::scan {
namespace {

constexpr std::size_t config_keys_hashed = 4'000'000;

// Members that are kept until their object ends.
constexpr std::string_view config_members[] = {"__loader__", "__module__", "__class__",   "op",        "type",
                                               "path",       "md5",        "key",         "value",     "hash",
                                               "name",       "class_name", "module",      "handler",   "serializedFile",
                                               "func",       "function",   "module_path", "modelName", "etag"};

bool config_member(std::string_view key) {
  return std::find(std::begin(config_members), std::end(config_members), key) != std::end(config_members);
}

bool config_word(std::string_view list, std::string_view word) {
  return !word.empty() && word.find(' ') == std::string_view::npos &&
         list.find(" " + std::string(word) + " ") != std::string_view::npos;
}

constexpr std::string_view skops_loaders =
    " BytearrayNode BytesNode CachedNode ConstructorFromReduceNode DTypeNode DefaultDictNode DictNode FunctionNode"
    " JsonNode ListNode LossNode MaskedArrayNode MethodNode NdArrayNode ObjectNode OperatorFuncNode PartialNode"
    " QuantileForestNode RandomGeneratorNode RandomStateNode SetNode SGDNode SliceNode SparseMatrixNode TreeNode "
    "TupleNode"
    " TypeNode TimeZoneNode ZoneInfoNode PandasDataFrameNode PandasSeriesNode ";
constexpr std::string_view torchserve_handlers =
    " image_classifier image_segmenter object_detector text_classifier text_handler vision_handler base_handler"
    " default_handler dali_image_classifier densenet_handler ";
constexpr std::string_view diffusers_libraries =
    " diffusers transformers onnxruntime optimum null stable_diffusion flax pipelines schedulers models"
    " peft sentence_transformers gguf ";

// All texts of one member.
std::vector<std::string_view> config_texts(const std::vector<std::pair<std::string, std::string>>& texts,
                                           std::string_view key) {
  std::vector<std::string_view> out;
  for (const auto& [name, value] : texts)
    if (name == key) out.emplace_back(value);
  return out;
}

}  // namespace

bool leads_out(std::string_view path) {
  std::string plain(path);
  std::replace(plain.begin(), plain.end(), '\\', '/');
  if (plain.starts_with('/') || plain.starts_with('~') || plain.find("://") != std::string::npos) return true;
  if (plain.size() > 1 && plain[1] == ':') return true;
  return ("/" + plain + "/").find("/../") != std::string::npos || plain.find('\0') != std::string::npos;
}

// ---- the events ----

std::string ConfigRules::pointer() const {
  std::string out;
  for (const auto& frame : frames_) {
    out += "/" + (frame.object ? frame.key : std::to_string(frame.items == 0 ? 0 : frame.items - 1));
    if (out.size() > 200) break;
  }
  return printable(out, 200);
}
std::string_view ConfigRules::own_key() const {
  for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame)
    if (frame->object) return frame->key;
  return {};
}
bool ConfigRules::within(std::string_view key) const {
  return std::any_of(frames_.begin(), frames_.end(), [&](const Frame& f) { return f.object && f.key == key; });
}
// Whether the objects on the way here are at these members; lists do not count.
bool ConfigRules::at(std::initializer_list<std::string_view> path) const {
  auto expected = path.begin();
  for (const auto& frame : frames_) {
    if (!frame.object) continue;
    if (expected == path.end() || frame.key != *expected) return false;
    ++expected;
  }
  return expected == path.end();
}

// The words of a tokenizer: any text may be one, and nothing reads them as anything else.
bool ConfigRules::is_vocabulary() const {
  return frames_.size() > 2 && frames_[0].object && frames_[0].key == "model" && frames_[1].object &&
         (frames_[1].key == "vocab" || frames_[1].key == "merges");
}

void ConfigRules::judge_tagged_key() {
  if (tagged_key_.empty()) return;
  const auto key = std::exchange(tagged_key_, {});
  inspect_jinja(key, inspection_, TemplateTrust::possible, pointer(), tagged_offset_);
}

void ConfigRules::value() {
  if (!frames_.empty() && !frames_.back().object) ++frames_.back().items;
}

void ConfigRules::begin(bool object, std::uint64_t offset) {
  judge_tagged_key();
  value();
  if (object && !frames_.empty() && frames_.back().object && frames_.back().key == "config")
    frames_.back().has_config = true;
  frames_.push_back({.object = object, .offset = offset});
}

void ConfigRules::end() {
  const Frame frame = std::move(frames_.back());
  frames_.pop_back();
  if (!frame.object) return;
  judge_object(frame);
  // What a node of skops wraps is judged together with the node.
  if (!frames_.empty() && frames_.back().object && frames_.back().key == "content" &&
      config_texts(frame.texts, "__loader__").empty())
    for (const auto& [key, text] : frame.texts) frames_.back().texts.emplace_back("content." + key, text);
  auto keys = std::move(const_cast<Frame&>(frame).keys);
  std::sort(keys.begin(), keys.end());
  hashed_ -= keys.size();
  if (certain_ && std::adjacent_find(keys.begin(), keys.end()) != keys.end() && twice_++ < 3)
    inspection_.find("config.duplicate-key", Severity::low, frame.offset,
                     "a key occurs twice in one object: readers differ in which one they take", {}, pointer());
}

void ConfigRules::key(std::string_view key, std::uint64_t offset) {
  auto& frame = frames_.back();
  frame.key = key.substr(0, 400);
  if (frames_.size() == 1 && root_keys_.size() < 200) root_keys_.push_back(frame.key);
  if (hashed_ < config_keys_hashed && key != "<<") {
    frame.keys.push_back(std::hash<std::string_view>{}(key));
    ++hashed_;
  }
  // Vocabularies map words to numbers.
  if (!has_jinja_tags(key) || is_vocabulary()) return;
  tagged_key_ = key;
  tagged_offset_ = offset;
}

void ConfigRules::plain(std::string_view spelled, std::uint64_t offset) {
  if (spelled.empty() || std::string_view("0123456789-").find(spelled[0]) == std::string_view::npos) judge_tagged_key();
  tagged_key_.clear();
  value();
  if (frames_.empty() || !frames_.back().object) return;
  const auto& key = frames_.back().key;
  const bool yes = spelled == "true" || spelled == "True" || spelled == "yes" || spelled == "on" || spelled == "1";
  if (yes && (key == "trust_remote_code" || key == "enable_unsafe_deserialization"))
    inspection_.find("config.trusts-code", Severity::medium, offset,
                     "the configuration asks its reader to run code that comes along (" + key + ")", {}, pointer());
}

void ConfigRules::text(std::string_view value_text, bool whole, std::uint64_t offset) {
  judge_tagged_key();
  value();
  if ((has_jinja_tags(value_text) && !is_vocabulary()) || within("chat_template"))
    judge_template(value_text, whole, offset);
  if (frames_.empty()) return;
  if (frames_.size() == 2 && frames_[0].object && !frames_[1].object && frames_[1].items == 1 &&
      libraries_.size() < 100)
    libraries_.emplace_back(frames_[0].key, value_text.substr(0, 200));
  if (frames_.back().object && value_text.size() <= 400 && config_member(frames_.back().key)) {
    if (frames_.back().texts.size() < 512)
      frames_.back().texts.emplace_back(frames_.back().key, value_text);
    else
      inspection_.inconclusive("scan.budget-exhausted", "an object says the same things over and over");
  }
  judge_text(value_text, offset);
  if (whole && programs_.size() < 5)
    if (const auto program = program_in(value_text))
      programs_.push_back({program->does, pointer(), program->severity, offset});
}

// ---- texts at their places ----

void ConfigRules::judge_text(std::string_view value_text, std::uint64_t offset) {
  const auto key = own_key();
  if (key == "_target_" || key == "class_path" || key == "target" || key == "loader_module" || key == "_obj_")
    judge_import(value_text, offset);
  if (key.starts_with("py/")) judge_jsonpickle(key, value_text, offset);
  if (key == "#" && within("program") && value_text.ends_with(".py_func"))
    inspection_.find("paddle.operator", Severity::critical, offset, "an operator of Paddle's that calls Python",
                     printable(value_text), pointer());
  if (within("auto_map") || within("custom_pipelines") || within("auto_mapping")) judge_remote_code(value_text, offset);
  // sentence-transformers imports and calls these.
  if ((key == "activation_function" || key == "activation_fn" || key == "sbert_ce_default_activation_function") &&
      is_dotted_name(value_text))
    if (const auto judgement = judge_import_call(value_text); judgement.severity)
      find_import("config.import", value_text, *judgement.severity, judgement.effect, offset);
  if (frames_.size() == 2 && frames_[0].key == "types" && is_dotted_name(value_text) && types_.size() < 100)
    types_.push_back({std::string(value_text), pointer(), offset});
  judge_paths(value_text, offset);
  judge_flavor(key, value_text, offset);
  judge_hub_names(key, value_text, offset);
  judge_requirement(key, value_text, offset);
  if (key == "trust_remote_code" && (lower_ascii(value_text) == "true" || lower_ascii(value_text) == "yes"))
    plain("true", offset);
  if (value_text.size() > 1 && value_text[0] == '$' && expression_.empty() &&
      std::string_view("@ (_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ[").find(value_text[1]) !=
          std::string_view::npos) {
    expression_ = value_text.substr(0, 200);
    expression_offset_ = offset;
  }
}

void ConfigRules::find_import(std::string_view rule, std::string_view name, Severity severity,
                              const std::string& effect, std::uint64_t offset) {
  inspection_.find(rule, severity, offset, "reading the configuration would " + effect + ": " + printable(name, 80),
                   printable(name), pointer());
}

void ConfigRules::judge_import(std::string_view value_text, std::uint64_t offset) {
  const auto key = own_key();
  if (key == "loader_module") {
    if (!within("python_function") || value_text == "mlflow" || value_text.starts_with("mlflow.")) return;
    find_import("config.import", value_text, Severity::medium, "import a module that is not MLflow's own", offset);
    return;
  }
  // "target" and "class_path" are words for other things as well.
  const bool certain = key == "_target_" || key == "_obj_";
  targets_ = targets_ || certain;
  if (!certain && !is_dotted_name(value_text)) return;
  const auto judgement = judge_import_call(value_text);
  if (!judgement.severity || (!certain && *judgement.severity < Severity::critical)) return;
  find_import("config.import", value_text, *judgement.severity, judgement.effect, offset);
}

void ConfigRules::judge_remote_code(std::string_view value_text, std::uint64_t offset) {
  const auto key = own_key();
  if (within("auto_mapping")) {
    if (key != "parent_library") return;
    const auto judgement = judge_import_type(value_text, "X");
    if (judgement.severity && !value_text.starts_with("transformers"))
      find_import("config.import", value_text, *judgement.severity, judgement.effect, offset);
    return;
  }
  if (within("custom_pipelines") && key != "impl") return;
  const bool foreign = value_text.find("--") != std::string_view::npos;
  inspection_.find("hf.remote-code", foreign ? Severity::high : Severity::medium, offset,
                   foreign ? "the model asks for Python code out of another repository"
                           : "the model asks for Python code that comes beside it",
                   printable(value_text), pointer());
}

// jsonpickle makes objects, and calls functions, by these tags.
void ConfigRules::judge_jsonpickle(std::string_view key, std::string_view value_text, std::uint64_t offset) {
  if (key == "py/repr")
    return inspection_.find("config.import", Severity::critical, offset,
                            "a reader of jsonpickle would evaluate this text", printable(value_text), pointer());
  if (key != "py/object" && key != "py/type" && key != "py/class" && key != "py/function" && key != "py/mod" &&
      key != "py/reduce" && key != "py/newobj" && key != "py/newargs" && key != "py/initargs")
    return;
  const auto judgement = judge_import_call(value_text);
  const bool names = key == "py/object" || key == "py/type" || key == "py/class" || key == "py/function";
  if (judgement.severity && (names || *judgement.severity == Severity::critical))
    find_import("config.import", value_text, *judgement.severity, judgement.effect, offset);
}

void ConfigRules::judge_template(std::string_view value_text, bool whole, std::uint64_t offset) {
  bool certain = false;
  for (const auto& frame : frames_)
    if (frame.object && lower_ascii(frame.key).find("chat_template") != std::string::npos) certain = true;
  if (certain && own_key() == "name" && !has_jinja_tags(value_text)) return;
  templates_ = templates_ || certain;
  if (!whole) {
    if (certain) inspection_.inconclusive("scan.budget-exhausted", "a template is larger than the scan reads");
    return;
  }
  inspect_jinja(value_text, inspection_, certain ? TemplateTrust::certain : TemplateTrust::possible, pointer(), offset);
}

void ConfigRules::judge_paths(std::string_view value_text, std::uint64_t offset) {
  const auto root = frames_.front().object ? std::string_view(frames_.front().key) : std::string_view{};
  if (!leads_out(value_text)) return;
  if (root == "weight_map" && frames_.size() >= 2)
    inspection_.find("hf.shard-path", Severity::critical, offset,
                     "loading the weights would read a file outside the model's folder", printable(value_text),
                     pointer());
  const auto key = own_key();
  const auto refuse = [&](Severity severity, std::string_view message) {
    inspection_.find("config.path", severity, offset, std::string(message), printable(value_text), pointer());
  };
  // Indices of retrieval and the vocabulary of Transformer-XL are pickles.
  if (frames_.size() == 1 && (key == "index_path" || key == "passages_path" || key == "pretrained_vocab_file"))
    refuse(Severity::high, "a pickle from outside the model's folder would be loaded");
  if (frames_.size() == 1 && (key == "vocab_file" || key == "merges_file"))
    refuse(Severity::medium, "the tokenizer would read a file outside the model's folder");
  if (root == "itemInfoEntries" && key == "path" && frames_.size() == 3)
    refuse(Severity::high, "the package would load a file outside its folder");
}

// MLflow's loaders join these to the model's folder; what is there is loaded as Python, as a pickle or as data.
void ConfigRules::judge_flavor(std::string_view key, std::string_view value_text, std::uint64_t offset) {
  if (!within("flavors") || !leads_out_of_folder(value_text)) return;
  const bool names_file = key == "model_code_path" || key == "python_model" || key == "code" || key == "data" ||
                          key == "model_path" || key == "pickled_model" || (key == "path" && within("artifacts"));
  if (names_file)
    inspection_.find("config.path", Severity::medium, offset, "the model would load a file outside its folder",
                     printable(value_text), pointer());
}

// Names of repositories of whose code transformers makes kernels of attention, or a way to generate.
void ConfigRules::judge_hub_names(std::string_view key, std::string_view value_text, std::uint64_t offset) {
  const bool kernel = key == "attn_implementation" || key == "_attn_implementation" ||
                      key == "_attn_implementation_internal" || key == "experts_implementation";
  if ((kernel && value_text.find('/') != std::string_view::npos) || (key == "custom_generate" && !value_text.empty()))
    inspection_.find("hf.remote-code", Severity::high, offset, "the model asks for code out of another repository",
                     printable(value_text), pointer());
}

// The dependencies of conda.yaml and python_env.yaml: what makes pip fetch from elsewhere than its index.
void ConfigRules::judge_requirement(std::string_view key, std::string_view value_text, std::uint64_t offset) {
  if (key != "pip" && key != "dependencies" && key != "build_dependencies") return;
  if (frames_.empty() || frames_.back().object || (key == "pip" && !within("dependencies"))) return;
  const auto lower = lower_ascii(value_text);
  bool elsewhere = lower.find("git+") != std::string::npos || lower.find("://") != std::string::npos ||
                   lower.find("@ file:") != std::string::npos;
  for (const std::string_view option :
       {"-i ", "--index-url", "--extra-index-url", "-f ", "--find-links", "--trusted-host", "-e ", "--editable"})
    elsewhere = elsewhere || lower.starts_with(option);
  if (elsewhere && requirements_++ < 5)
    inspection_.find("text.requirement", Severity::medium, offset,
                     "installing the requirements would fetch code from a place of the author's choice",
                     printable(value_text), pointer());
}

// ---- objects as a whole ----

void ConfigRules::judge_object(const Frame& frame) {
  if (!config_texts(frame.texts, "__loader__").empty()) judge_skops(frame);
  if (frame.has_config && !config_texts(frame.texts, "class_name").empty()) keras_ = true;
  if (own_key() == "model" && frames_.size() == 1) judge_handler(frame);
  if (own_key() == "externalData" || own_key() == "external_data") judge_external_data(frame);
  if (frames_.size() == 2 && own_key() == "nodes")
    for (const auto op : config_texts(frame.texts, "op"))
      if (op == "Custom" || op == "_Native" || op == "_NDArray" || op == "_CustomFunction" || op == "_TVMOp")
        custom_operator_ = true;
  if (frames_.size() == 1 && !frames_.front().object) judge_module_list(frame);
  if (within("outs") || within("deps"))
    for (const auto path : config_texts(frame.texts, "path"))
      if (leads_out(path) && !(config_texts(frame.texts, "md5").empty() && config_texts(frame.texts, "hash").empty()))
        inspection_.find("config.path", Severity::medium, frame.offset,
                         "a file outside the folder would be read or written", printable(path), pointer());
}

// ONNX as JSON: [{"key": "location", "value": "weights.bin"}, …].
void ConfigRules::judge_external_data(const Frame& frame) {
  const auto keys = config_texts(frame.texts, "key");
  if (std::find(keys.begin(), keys.end(), "location") == keys.end()) return;
  for (const auto path : config_texts(frame.texts, "value"))
    if (leads_out(path))
      inspection_.find("onnx.external-data-path", Severity::critical, frame.offset,
                       "loading the weights would read a file outside the model's folder", printable(path), pointer());
}

// modules.json of sentence-transformers: a list of {idx, name, path, type}.
void ConfigRules::judge_module_list(const Frame& frame) {
  for (const auto path : config_texts(frame.texts, "path"))
    if (leads_out(path) && !config_texts(frame.texts, "type").empty())
      inspection_.find("config.path", Severity::high, frame.offset,
                       "a part of the model would be loaded from outside its folder", printable(path), pointer());
  if (config_texts(frame.texts, "path").empty()) return;
  for (const auto type : config_texts(frame.texts, "type")) {
    if (!is_dotted_name(type)) continue;
    const auto judgement = judge_import_call(type);
    if (judgement.severity) find_import("config.import", type, *judgement.severity, judgement.effect, frame.offset);
  }
}

void ConfigRules::judge_handler(const Frame& frame) {
  if (config_texts(frame.texts, "modelName").empty() && config_texts(frame.texts, "serializedFile").empty()) return;
  for (const auto handler : config_texts(frame.texts, "handler"))
    if (!config_word(torchserve_handlers, handler))
      inspection_.find("torchserve.handler", leads_out(handler) ? Severity::critical : Severity::medium, frame.offset,
                       "TorchServe would run the Python code of the handler " + printable(handler, 80),
                       printable(handler), pointer());
}

void ConfigRules::judge_skops(const Frame& frame) {
  skops_ = true;
  const auto refuse = [&](Severity severity, std::string_view name, const std::string& effect) {
    inspection_.find("skops.node", severity, frame.offset, "loading would " + effect + ": " + printable(name, 80),
                     printable(name), pointer());
  };
  const auto modules = config_texts(frame.texts, "__module__"), classes = config_texts(frame.texts, "__class__");
  if (modules.empty() || classes.empty())
    return inspection_.malformed("skops.malformed", frame.offset, "a node does not say what it makes", pointer());
  for (const auto loader : config_texts(frame.texts, "__loader__")) {
    if (!config_word(skops_loaders, loader))
      inspection_.inconclusive("skops.unknown-node", "a node of an unknown kind: " + printable(loader, 60));
    if (loader == "OperatorFuncNode")
      for (const auto name : classes) {
        const bool usual = name == "methodcaller" || name == "attrgetter" || name == "itemgetter";
        const bool honest = std::all_of(modules.begin(), modules.end(), [](auto m) { return m == "operator"; });
        refuse(usual && honest ? Severity::medium : Severity::critical, name,
               "call a function of Python's operator module");
      }
    if (loader == "MethodNode") {
      refuse(Severity::medium, "a method", "fetch a method of an object under a name that the file gives");
      for (const auto name : config_texts(frame.texts, "content.func"))
        if (name.starts_with("_")) refuse(Severity::critical, name, "fetch an internal attribute of an object");
    }
  }
  for (const auto module : modules)
    for (const auto name : classes)
      if (const auto judgement = judge_import_type(module, name); judgement.severity)
        refuse(*judgement.severity, std::string(module) + "." + std::string(name), judgement.effect);
  // Older versions name functions and types in the content.
  for (const auto& [first, second] :
       {std::pair<std::string_view, std::string_view>{"content.module_path", "content.function"},
        {"content.__module__", "content.__class__"}})
    for (const auto module : config_texts(frame.texts, first))
      for (const auto name : config_texts(frame.texts, second))
        if (const auto judgement = judge_import_type(module, name); judgement.severity)
          refuse(*judgement.severity, std::string(module) + "." + std::string(name), judgement.effect);
}

// ---- the whole ----

void ConfigRules::finish() {
  // Tokenizers and documents of all kinds may hold programs as text; trees and layers have no place for one.
  if (const auto what = shape({}); what == "xgboost-json" || what == "mxnet-symbol" || what == "lightgbm-json" ||
                                   what == "catboost-json" || what == "keras-config")
    for (auto& program : programs_)
      inspection_.find("scan.program-text", program.severity, program.offset,
                       "a text in the model is a program that " + program.does, {}, std::move(program.pointer));
  const auto has = [&](std::string_view key) {
    return std::find(root_keys_.begin(), root_keys_.end(), key) != root_keys_.end();
  };
  if (has("structure"))
    for (const auto& type : types_)
      if (const auto judgement = judge_import_call(type.name); judgement.severity)
        inspection_.find("config.import", *judgement.severity, type.offset,
                         "reading the configuration would " + judgement.effect + ": " + printable(type.name, 80),
                         printable(type.name), type.pointer);
  if (custom_operator_ && (has("arg_nodes") || has("heads")))
    inspection_.find("mxnet.custom-operator", Severity::high, 0,
                     "the network calls an operator of a library or a Python program of its own");
  // model_index.json of diffusers: each part is a pair of a library, or a module of the model's own, and a class.
  if (has("_diffusers_version"))
    for (const auto& [key, library] : libraries_)
      if (!config_word(diffusers_libraries, library) && !library.empty())
        inspection_.find("hf.remote-code", Severity::medium, 0,
                         "the pipeline asks for Python code that comes beside it: " + printable(library, 60),
                         printable(library), "/" + printable(key, 100));
  if (!expression_.empty() && targets_) {
    bool acts = false;
    for (const std::string_view word : {"__import__", "os.system", "subprocess", "eval(", "exec(", "popen", "__"})
      acts = acts || expression_.find(word) != std::string::npos;
    inspection_.find("config.expression", acts ? Severity::high : Severity::medium, expression_offset_,
                     "a reader of MONAI's bundles would evaluate texts of this configuration as Python",
                     printable(expression_));
  }
}

std::string ConfigRules::shape(std::string_view otherwise) const {
  const auto has = [&](std::string_view key) {
    return std::find(root_keys_.begin(), root_keys_.end(), key) != root_keys_.end();
  };
  if (skops_) return "skops-schema";
  if (keras_) return "keras-config";
  if (has("weight_map")) return "hf-index";
  if (has("learner") && has("version")) return "xgboost-json";
  if (has("nodes") && (has("arg_nodes") || has("heads"))) return "mxnet-symbol";
  if (has("added_tokens") && has("model")) return "hf-tokenizer";
  if (has("tokenizer_class") || has("chat_template") || templates_) return "hf-tokenizer-config";
  if (has("model_type") || has("architectures") || has("auto_map")) return "hf-config";
  if (has("tree_info") && has("feature_names")) return "lightgbm-json";
  if (has("oblivious_trees") || has("features_info")) return "catboost-json";
  if (has("flavors")) return "mlflow-model";
  return std::string(otherwise);
}

}  // namespace hauberk::scan
