// What Keras's own functions and classes do when a configuration names them. Keras imports any module of its own
// packages and hands out what lies in it, so "it is Keras's" says little: layers, losses and the like make data; what
// loads, saves, fetches, plots or exports does not. Pure functions. Source: the modules of Keras 2 and 3, KerasHub.
#pragma once

#include <optional>
#include <string_view>

#include "core/finding.h"

namespace hauberk::scan {

struct KerasEffect {
  Severity severity = Severity::critical;
  std::string_view effect;  // "would …"
};

// A module of Keras or of the libraries that Keras trusts as itself.
bool keras_library(std::string_view module);
// Names that are known for what they do, wherever they are found.
std::optional<KerasEffect> keras_gadget(std::string_view name);
// Naming `name` of a module of Keras: nothing where that makes data or a layer.
std::optional<KerasEffect> keras_effect(std::string_view module, std::string_view name);

}  // namespace hauberk::scan
