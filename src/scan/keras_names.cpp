#include "scan/keras_names.h"

#include <algorithm>
#include <utility>

namespace hauberk::scan {
namespace {

constexpr std::string_view keras_packages[] = {"keras",     "keras_hub",        "keras_cv",
                                               "keras_nlp", "keras_rs",         "keras_core",
                                               "tf_keras",  "tensorflow.keras", "tensorflow.python.keras"};

bool in_words(std::string_view list, std::string_view word) {
  for (auto at = list.find(word); !word.empty() && at != std::string_view::npos; at = list.find(word, at + 1)) {
    const auto end = at + word.size();
    if ((at == 0 || list[at - 1] == ' ') && (end == list.size() || list[end] == ' ')) return true;
  }
  return false;
}

std::string_view first_part(std::string_view dotted) { return dotted.substr(0, dotted.find('.')); }
std::string_view behind_first(std::string_view dotted) {
  const auto dot = dotted.find('.');
  return dot == std::string_view::npos ? std::string_view() : dotted.substr(dot + 1);
}

// What is left of a module without its package and the folders that only say which edition it is.
std::string_view within_package(std::string_view module) {
  std::string_view longest;
  for (const auto package : keras_packages)
    if ((module == package || (module.starts_with(package) && module[package.size()] == '.')) &&
        package.size() > longest.size())
      longest = package;
  module.remove_prefix(std::min(module.size(), longest.size() + 1));
  while (in_words("src api keras _tf_keras _v1 _v2 v1 v2", first_part(module))) module = behind_first(module);
  return module;
}

bool names_class(std::string_view name) {
  const auto first = name.find_first_not_of('_');
  return first != std::string_view::npos && name[first] >= 'A' && name[first] <= 'Z';
}

using Effect = std::optional<KerasEffect>;

Effect effect_of_class(std::string_view area, std::string_view rest, std::string_view name) {
  if (area == "callbacks") return KerasEffect{Severity::high, "run beside the training and reach files or the network"};
  if (area == "saving" && name != "CustomObjectScope")
    return KerasEffect{Severity::high, "read or write a model's file"};
  if (area == "legacy" && first_part(rest) == "saving")
    return KerasEffect{Severity::high, "read or write a model's file"};
  if (area == "export" && name != "TFSMLayer") return KerasEffect{Severity::high, "write a model's files"};
  if (area == "datasets") return KerasEffect{Severity::high, "fetch a data set"};
  if (area == "utils" && !in_words("FeatureSpace Feature Cross Progbar PyDataset Sequence CustomObjectScope Tracker "
                                   "TrackedList TrackedDict TrackedSet Config DefaultDict",
                                   name))
    return KerasEffect{Severity::medium, "make an object that no saved model holds"};
  return std::nullopt;
}

Effect effect_of_function(std::string_view area, std::string_view rest, std::string_view name) {
  if (area == "datasets") return KerasEffect{Severity::critical, "fetch a data set and unpack it"};
  if (in_words("deserialize get from_config", name))
    return KerasEffect{Severity::high, "make objects of another configuration"};
  if (in_words("activations losses metrics ops initializers regularizers constraints layers optimizers backend random "
               "quantizers dtype_policies tree",
               area))
    return std::nullopt;
  if (area == "legacy")
    return rest.empty() ? std::nullopt : effect_of_function(first_part(rest), behind_first(rest), name);
  if (area == "applications" && name == "preprocess_input") return std::nullopt;
  if (area == "models" && name == "clone_model") return std::nullopt;
  if (area == "preprocessing" &&
      in_words(
          "pad_sequences smart_resize img_to_array array_to_img hashing_trick one_hot text_to_word_sequence skipgrams "
          "make_sampling_table apply_affine_transform random_rotation random_shift random_shear random_zoom "
          "random_brightness random_channel_shift apply_brightness_shift apply_channel_shift",
          name))
    return std::nullopt;
  if (area == "utils" &&
      in_words("to_categorical normalize split_dataset pad_sequences img_to_array array_to_img pack_x_y_sample_weight "
               "unpack_x_y_sample_weight is_keras_tensor standardize_dtype serialize_keras_object get_source_inputs "
               "get_registered_name get_registered_object to_snake_case normalize_data_format",
               name))
    return std::nullopt;
  if (area.empty() && in_words("Input version device name_scope", name)) return std::nullopt;
  return KerasEffect{Severity::high, "call a function of Keras that is made for no layer"};
}

// KerasHub and its forerunners: models and tokenizers, and helpers that fetch presets.
Effect effect_of_hub_function(std::string_view inside, std::string_view name) {
  const bool helper =
      inside == "utils" || inside.starts_with("utils.") || inside.find(".utils.") != std::string_view::npos;
  if (!inside.empty() && !helper) return std::nullopt;
  if (helper && (inside.ends_with("keras_utils") || inside.ends_with("tensor_utils"))) return std::nullopt;
  if (in_words("gelu_approximate clone_initializer preprocess_input", name)) return std::nullopt;
  return KerasEffect{Severity::high, "call a function that is made for no layer"};
}

}  // namespace

bool keras_library(std::string_view module) {
  return std::any_of(std::begin(keras_packages), std::end(keras_packages), [&](std::string_view package) {
    return module == package || (module.starts_with(package) && module[package.size()] == '.');
  });
}

std::optional<KerasEffect> keras_gadget(std::string_view name) {
  static constexpr std::pair<std::string_view, KerasEffect> gadgets[] = {
      {"enable_unsafe_deserialization", {Severity::critical, "switch off Keras's protection against code in models"}},
      {"get_file", {Severity::critical, "fetch a file and unpack it"}},
      {"urlretrieve", {Severity::critical, "fetch a file"}},
      {"load_model", {Severity::critical, "load another model"}},
      {"load_weights", {Severity::critical, "load other weights"}},
      {"load_model_from_hdf5", {Severity::critical, "load another model, without Keras's protection"}},
      {"load_weights_from_hdf5_group", {Severity::critical, "load other weights"}},
      {"load_weights_from_hdf5_group_by_name", {Severity::critical, "load other weights"}},
      {"func_load", {Severity::critical, "make a function of byte code"}},
      {"deserialize_keras_object", {Severity::critical, "make objects of another configuration"}},
      {"model_from_json", {Severity::critical, "make another model"}},
      {"model_from_yaml", {Severity::critical, "make another model"}},
      {"model_from_config", {Severity::critical, "make another model"}},
      {"load_img", {Severity::critical, "read a file"}},
      {"save_img", {Severity::critical, "write a file"}},
      {"save_model", {Severity::critical, "write a file"}},
      {"save_weights", {Severity::critical, "write a file"}},
      {"save_model_to_hdf5", {Severity::critical, "write a file"}},
      {"save_weights_to_hdf5_group", {Severity::critical, "write a file"}},
      {"export_saved_model", {Severity::critical, "write a file"}},
      {"plot_model", {Severity::critical, "write a file and start a program"}},
      {"extract_archive", {Severity::critical, "unpack an archive"}},
      {"extract_open_archive", {Severity::critical, "unpack an archive"}},
      {"load_data", {Severity::critical, "fetch a data set and unpack it"}},
      {"load_preset", {Severity::critical, "fetch another model"}},
      {"upload_preset", {Severity::critical, "send files to another machine"}},
      {"image_dataset_from_directory", {Severity::high, "read files"}},
      {"text_dataset_from_directory", {Severity::high, "read files"}},
      {"audio_dataset_from_directory", {Severity::high, "read files"}},
      {"index_directory", {Severity::high, "read files"}},
      {"LazyModule", {Severity::high, "import a module of the author's choice"}},
      {"KerasFileEditor", {Severity::high, "read a model's file"}},
      {"RemoteMonitor", {Severity::high, "send what it sees to another machine"}}};
  for (const auto& [gadget, effect] : gadgets)
    if (name == gadget) return effect;
  return std::nullopt;
}

std::optional<KerasEffect> keras_effect(std::string_view module, std::string_view name) {
  if (!keras_library(module) || name.empty()) return std::nullopt;
  if (const auto known = keras_gadget(name)) return known;
  const auto inside = within_package(module);
  const auto area = first_part(inside), rest = behind_first(inside);
  // Models of keras.applications are functions under the names of classes.
  if (names_class(name) && area != "applications") return effect_of_class(area, rest, name);
  const auto package = first_part(module);
  if (package == "keras_hub" || package == "keras_nlp" || package == "keras_cv" || package == "keras_rs")
    return effect_of_hub_function(inside, name);
  return effect_of_function(area, rest, name);
}

}  // namespace hauberk::scan
