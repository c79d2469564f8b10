#include "scan/callables.h"

#include <algorithm>
#include <array>
#include <string>

namespace hauberk::scan {
namespace {

// Modules that other modules import, by the names under which they show up as attributes. A dotted name that passes
// through one of them leaves the package that it pretends to be of.
constexpr std::array modules_within = {
    std::string_view("_os"),         std::string_view("_pickle"),    std::string_view("_sys"),
    std::string_view("_thread"),     std::string_view("builtins"),   std::string_view("cPickle"),
    std::string_view("cloudpickle"), std::string_view("code"),       std::string_view("commands"),
    std::string_view("ctypes"),      std::string_view("dill"),       std::string_view("importlib"),
    std::string_view("inspect"),     std::string_view("marshal"),    std::string_view("multiprocessing"),
    std::string_view("nt"),          std::string_view("os"),         std::string_view("pickle"),
    std::string_view("pkgutil"),     std::string_view("posix"),      std::string_view("pty"),
    std::string_view("requests"),    std::string_view("runpy"),      std::string_view("shutil"),
    std::string_view("socket"),      std::string_view("subprocess"), std::string_view("sys"),
    std::string_view("tempfile"),    std::string_view("threading"),  std::string_view("urllib"),
    std::string_view("webbrowser"),
};

// Classes that act when they are made, wherever they are imported from.
constexpr std::array acting_classes = {
    std::string_view("Extension"),
    std::string_view("FileIO"),
    std::string_view("InteractiveConsole"),
    std::string_view("InteractiveInterpreter"),
    std::string_view("Path"),
    std::string_view("Pool"),
    std::string_view("Popen"),
    std::string_view("Process"),
    std::string_view("PyDLL"),
    std::string_view("CDLL"),
    std::string_view("Thread"),
    std::string_view("Timer"),
    std::string_view("Unpickler"),
};

template <std::size_t n>
bool contains(const std::array<std::string_view, n>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_dunder(std::string_view part) { return part.size() > 4 && part.starts_with("__") && part.ends_with("__"); }

bool looks_like_class(std::string_view name) {
  const auto first = name.find_first_not_of('_');
  return first != std::string_view::npos && name[first] >= 'A' && name[first] <= 'Z';
}

// Calls `visit(part)` for each dotted part until it answers true.
template <class Visit>
bool any_part(std::string_view dotted, Visit visit) {
  while (true) {
    const auto dot = dotted.find('.');
    if (visit(dotted.substr(0, dot))) return true;
    if (dot == std::string_view::npos) return false;
    dotted.remove_prefix(dot + 1);
  }
}

const CallableRule* find_pattern(std::string_view pattern) {
  const auto rules = callable_rules();
  const auto found =
      std::lower_bound(rules.begin(), rules.end(), pattern,
                       [](const CallableRule& rule, std::string_view key) { return rule.pattern < key; });
  return found != rules.end() && found->pattern == pattern ? &*found : nullptr;
}

Judgement from(const CallableRule& rule) { return {rule.risk, rule.effect, rule.check}; }

// The rule of the innermost module that has one, for a name without dots.
const CallableRule* find_module_rule(std::string_view module, std::string_view name) {
  const bool class_like = !name.empty() && ((looks_like_class(name) && !contains(acting_classes, name)) ||
                                            name.starts_with("__pyx_unpickle_"));
  for (std::string_view prefix = module; !prefix.empty();) {
    if (class_like)
      if (const auto* rule = find_pattern(std::string(prefix) + ".#")) return rule;
    if (const auto* rule = find_pattern(std::string(prefix) + ".*")) return rule;
    const auto dot = prefix.rfind('.');
    prefix = dot == std::string_view::npos ? std::string_view{} : prefix.substr(0, dot);
  }
  return nullptr;
}

Judgement judge_plain(std::string_view module, std::string_view name) {
  if (const auto* rule = find_pattern(std::string(module) + "." + std::string(name))) return from(*rule);
  const auto* rule = find_module_rule(module, name);
  if (!rule)
    return {.in_known_library = find_pattern(std::string(module.substr(0, module.find('.'))) + ".#") != nullptr};
  return from(*rule);
}

}  // namespace

bool is_internal_name(std::string_view name) {
  constexpr std::array internal = {
      std::string_view("f_back"),   std::string_view("f_builtins"),   std::string_view("f_globals"),
      std::string_view("f_locals"), std::string_view("func_globals"), std::string_view("func_code"),
      std::string_view("gi_frame"), std::string_view("cr_frame"),     std::string_view("mro"),
      std::string_view("tb_frame"), std::string_view("_module"),
  };
  return any_part(name, [&](std::string_view part) {
    return is_dunder(part) || contains(internal, part) || contains(modules_within, part);
  });
}

namespace {

// A module that an import could find: dotted, and no part empty, with blanks or with signs. Text that happens to read
// like a GLOBAL names no such module.
bool is_module_name(std::string_view module) {
  return !module.empty() && !any_part(module, [](std::string_view part) {
    return part.empty() || std::any_of(part.begin(), part.end(), [](char c) {
             const auto b = static_cast<unsigned char>(c);
             return b <= 0x20 || b == 0x7f ||
                    std::string_view("!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~").find(c) != std::string_view::npos;
           });
  });
}

}  // namespace

Judgement judge(std::string_view module, std::string_view name) {
  if (!is_module_name(module)) return {};
  if (const auto* rule = find_pattern(std::string(module) + "." + std::string(name))) return from(*rule);
  const Judgement internal{Risk::execution, "reach into Python's internals", Check::none, true};
  const auto dot = name.find('.');
  if (dot == std::string_view::npos) {
    // The namespace of a module: dill names it for functions; who writes into it is caught at the writing.
    if (name == "__dict__" && judge_plain(module, name).risk == Risk::unknown)
      return {.risk = Risk::code, .effect = "hand out the namespace of a module"};
    if (is_dunder(name)) {
      const Judgement whole = judge_plain(module, name);
      return whole.risk == Risk::execution || whole.risk == Risk::access ? whole : internal;
    }
    return judge_plain(module, name);
  }
  // A dotted name: fine for a class within a class, suspicious for a method, and an attack through a module.
  if (any_part(name, [](std::string_view part) { return is_dunder(part) || contains(modules_within, part); }))
    return internal;
  const Judgement base = judge(module, name.substr(0, dot));
  if (base.risk == Risk::execution || base.risk == Risk::access) return base;
  if (!looks_like_class(name.substr(0, dot)) && base.risk != Risk::harmless)
    return {Risk::execution, "reach an attribute through a module or function", Check::none, true};
  const bool classes = !any_part(name, [](std::string_view part) { return !looks_like_class(part); });
  if (classes && base.risk == Risk::class_only) return base;
  // A method of a harmless class is what its module's rule says: Path names a file, Path.write_text writes one.
  const auto* rule = find_module_rule(module, "");
  return rule && rule->risk >= Risk::code ? from(*rule) : Judgement{};
}

Judgement judge(const PickleGlobal& global) { return judge(global.module, global.name); }

}  // namespace hauberk::scan
