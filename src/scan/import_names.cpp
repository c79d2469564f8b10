#include "scan/import_names.h"

#include <algorithm>

#include "scan/ascii.h"
#include "scan/callables.h"

namespace hauberk::scan {
namespace {

// Packages that configurations of models name.
constexpr std::string_view import_libraries =
    " accelerate anemoi bert_score catboost datasets deepspeed detectron2 diffusers einops espnet espnet2 evaluate "
    "fairseq"
    " fairseq2 flair flax gluonts hydra jax keras kornia ldm lightgbm lightning lightning_fabric lightning_utilities"
    " megatron mlflow monai nemo nemo_text_processing numpy omegaconf onnxruntime open_clip optax optimum peft"
    " pytorch_lightning pytorch_metric_learning safetensors scipy segmentation_models_pytorch sentence_transformers sgm"
    " sklearn skops speechbrain spacy stable_baselines3 tensorflow tokenizers torch torch_geometric torchaudio"
    " torchmetrics torchtext torchtune torchvision timm transformer_engine transformers trl uni2ts xformers xgboost ";
// Modules through which one reaches the rest of Python, wherever another module imported them.
constexpr std::string_view import_carriers =
    " os sys subprocess builtins importlib ctypes shutil socket runpy pty posix nt _os _sys pickle _pickle dill"
    " cloudpickle marshal inspect pkgutil tempfile webbrowser __builtins__ ";
// The same for libraries, by their names and by those that everybody gives them; no library calls a part of its own so.
constexpr std::string_view import_aliases =
    " torch np numpy tf tensorflow jnp pd pandas plt transformers torchvision hydra joblib requests urllib urllib3"
    " huggingface_hub hf_hub fsspec yaml warnings contextlib functools glob zipfile tarfile platform traceback "
    "threading"
    " weakref linecache zipimport site code codeop ";
// Parts of libraries that are named after the library that they work with.
constexpr std::string_view import_namesakes[] = {"einops.layers.",
                                                 "gluonts.",
                                                 "safetensors.",
                                                 "mlflow.",
                                                 "jax.",
                                                 "jax._src.",
                                                 "optimum.",
                                                 "skops.",
                                                 "tensorflow.experimental.",
                                                 "tensorflow.keras.",
                                                 "transformers.integrations.",
                                                 "accelerate.utils.",
                                                 "sklearn.externals.array_api_compat.",
                                                 "scipy._lib.array_api_compat.",
                                                 "keras.ops.",
                                                 "keras.src.ops.",
                                                 "keras._tf_keras.keras.ops.",
                                                 "keras.backend.",
                                                 "keras.src.export.",
                                                 "keras.src.backend.",
                                                 "keras.src.backend.jax.",
                                                 "keras.src.backend.numpy.",
                                                 "keras.src.backend.openvino.",
                                                 "keras.src.backend.tensorflow.",
                                                 "keras.src.backend.torch."};
// Classes whose constructor opens a file or starts a process.
constexpr std::string_view import_acting_classes =
    " GFile FastGFile FileIO BufferedInputStream Popen SubprocessHandler Process Pool Thread Timer Unpickler CDLL PyDLL"
    " InteractiveConsole InteractiveInterpreter LightningCLI ";
// Modules of which the functions, named directly, make layers, models, transforms and numbers.
constexpr std::string_view import_factories[] = {"torch.nn.functional",
                                                 "torch.nn.init",
                                                 "torch.nn.utils",
                                                 "torch.nn.utils.parametrizations",
                                                 "torch.nn.utils.parametrize",
                                                 "torchvision.transforms.functional",
                                                 "torchvision.transforms.v2.functional",
                                                 "torchmetrics.functional",
                                                 "numpy.random"};

bool import_word(std::string_view list, std::string_view word) {
  return !word.empty() && word.find(' ') == std::string_view::npos &&
         list.find(" " + std::string(word) + " ") != std::string_view::npos;
}

bool import_identifier(std::string_view part) {
  if (part.empty() || (part[0] >= '0' && part[0] <= '9')) return false;
  return std::all_of(part.begin(), part.end(), [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

template <class Visit>
void import_each_part(std::string_view dotted, Visit visit) {
  for (bool first = true;; first = false) {
    const auto dot = dotted.find('.');
    visit(dotted.substr(0, dot), first);
    if (dot == std::string_view::npos) return;
    dotted.remove_prefix(dot + 1);
  }
}

// Through another module or a dunder out of the library that is named first.
bool leaves_library(std::string_view dotted) {
  bool leaves = false;
  // How others call their own modules is not known.
  const bool known = import_word(import_libraries, dotted.substr(0, dotted.find('.')));
  import_each_part(dotted, [&](std::string_view part, bool first) {
    leaves = leaves || (!first && import_word(import_carriers, part)) ||
             (part.size() > 4 && part.starts_with("__") && part.ends_with("__"));
    if (first || !known || !import_word(import_aliases, part)) return;
    const auto before = dotted.substr(0, static_cast<std::size_t>(part.data() - dotted.data()));
    leaves = leaves ||
             std::find(std::begin(import_namesakes), std::end(import_namesakes), before) == std::end(import_namesakes);
  });
  return leaves;
}

// Functions that read what their argument names, whatever module they are of.
bool import_loads(std::string_view name) {
  while (name.starts_with('_')) name.remove_prefix(1);
  return starts_with_one_of(name, {"load", "save", "download", "fetch", "restore", "exec", "eval", "run", "open",
                                   "read", "write", "import", "get_file", "from_file", "call"}) ||
         name.find("_from_") != std::string_view::npos || name.ends_with("_url") || name.ends_with("_file");
}

// Functions that make what they say and nothing else.
bool is_import_factory(std::string_view module, std::string_view name) {
  if (name.starts_with('_') || import_loads(name)) return false;
  const std::string dotted = std::string(module) + "." + std::string(name);
  for (const std::string_view one : {"torch.manual_seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all",
                                     "timm.create_model", "timm.models.create_model", "numpy.random.seed"})
    if (dotted == one) return true;
  if (std::find(std::begin(import_factories), std::end(import_factories), module) != std::end(import_factories))
    return true;
  // Models are functions of the modules that these packages are made of.
  const bool models =
      module == "torchvision.models" || module.starts_with("torchvision.models.") || module.starts_with("timm.models.");
  bool plain = true;
  import_each_part(module, [&](std::string_view part, bool) {
    plain = plain && !part.starts_with('_') && part != "utils" && part != "helpers" && part != "hub";
  });
  return models && plain;
}

bool import_class_like(std::string_view name) {
  const auto first = name.find_first_not_of('_');
  return first != std::string_view::npos && name[first] >= 'A' && name[first] <= 'Z';
}

ImportJudgement import_refused(const Judgement& judgement) {
  const bool acts = judgement.risk == Risk::execution || judgement.risk == Risk::access;
  return {acts ? Severity::critical : Severity::high,
          judgement.effect.empty() ? std::string("run what the author chose") : std::string(judgement.effect)};
}

}  // namespace

bool is_dotted_name(std::string_view text) {
  bool valid = text.size() <= 300 && text.find('.') != std::string_view::npos;
  if (valid) import_each_part(text, [&](std::string_view part, bool) { valid = valid && import_identifier(part); });
  return valid;
}

ImportJudgement judge_import_call(std::string_view dotted) {
  // Two points or a colon before the name are other spellings of the same import.
  std::string plain(dotted);
  std::replace(plain.begin(), plain.end(), ':', '.');
  const std::string_view name = plain;
  if (name.find("${") != std::string_view::npos)
    return {Severity::medium, "call something whose name is put together when the configuration is read"};
  if (name.starts_with("__builtin__.")) return judge_import_call("builtins." + plain.substr(12));
  if (!is_dotted_name(name)) return {Severity::medium, "call something under a name that is no import"};
  if (leaves_library(name)) return {Severity::critical, "reach Python's own modules through another one"};
  const auto dot = name.rfind('.');
  const auto module = name.substr(0, dot), last = name.substr(dot + 1);
  const auto judgement = judge(module, last);
  if (judgement.risk >= Risk::code) return import_refused(judgement);
  const std::string_view top = name.substr(0, name.find('.'));
  if (import_word(import_acting_classes, last))
    return {Severity::high, "make an object that opens a file or starts a process when it is made"};
  if (judgement.risk == Risk::harmless || judgement.risk == Risk::class_only) return {};
  if (judgement.risk == Risk::by_arguments)
    return {Severity::low, "call a function that is harmless or not, depending on its arguments"};
  if (!import_word(import_libraries, top))
    return {Severity::medium, "import and call code that is not of a known library"};
  // A module may be called like the one class in it.
  const auto within = module.substr(module.rfind('.') + 1);
  const bool in_class = import_class_like(within) && within != last;
  if (import_class_like(last) && !in_class) return {};
  if (!in_class && is_import_factory(module, last)) return {};
  if (import_loads(last)) return {Severity::medium, "call a function that reads or writes what its arguments name"};
  return {Severity::low, "call a function or method of a known library with arguments of the author's choice"};
}

ImportJudgement judge_import_type(std::string_view module, std::string_view name) {
  const std::string dotted = std::string(module) + "." + std::string(name);
  if (!is_dotted_name(dotted)) return {Severity::medium, "import something under a name that is no import"};
  if (leaves_library(dotted)) return {Severity::critical, "reach Python's own modules through another one"};
  const auto judgement = judge(module, name);
  if (judgement.risk >= Risk::code) return import_refused(judgement);
  if (judgement.risk != Risk::unknown || judgement.in_known_library) return {};
  const std::string_view top = module.substr(0, module.find('.'));
  if (top == "sklearn" || top == "numpy" || top == "scipy") return {};
  return {Severity::medium, "import code that is not of a known library"};
}

}  // namespace hauberk::scan
