#include "scan/callables.h"

#include <algorithm>
#include <array>
#include <string>

namespace hauberk::scan {
namespace {

// Modules that other modules import, by the names under which they show up as attributes. A dotted name that passes
// through one of them leaves the package that it pretends to be of. Sorted.
constexpr std::array modules_within = {
    std::string_view("_os"),
    std::string_view("_pickle"),
    std::string_view("_sys"),
    std::string_view("_thread"),
    std::string_view("atexit"),
    std::string_view("builtins"),
    std::string_view("cPickle"),
    std::string_view("cloudpickle"),
    std::string_view("code"),
    std::string_view("commands"),
    std::string_view("ctypes"),
    std::string_view("dill"),
    std::string_view("gc"),
    std::string_view("importlib"),
    std::string_view("inspect"),
    std::string_view("marshal"),
    std::string_view("multiprocessing"),
    std::string_view("nt"),
    std::string_view("ntpath"),
    std::string_view("os"),
    std::string_view("pickle"),
    std::string_view("pkgutil"),
    std::string_view("posix"),
    std::string_view("posixpath"),
    std::string_view("pty"),
    std::string_view("pydoc"),
    std::string_view("requests"),
    std::string_view("runpy"),
    std::string_view("shutil"),
    std::string_view("socket"),
    std::string_view("subprocess"),
    std::string_view("sys"),
    std::string_view("sysconfig"),
    std::string_view("tempfile"),
    std::string_view("threading"),
    std::string_view("urllib"),
    std::string_view("webbrowser"),
};
static_assert(std::is_sorted(modules_within.begin(), modules_within.end()));
// Words that functions of a library may have for a name as well.
constexpr std::array words_within = {std::string_view("code"), std::string_view("commands"),
                                     std::string_view("inspect"), std::string_view("requests")};

// Modules that are harmless to mention and not to fetch from, by the names that others give them. Sorted.
struct ModuleAlias {
  std::string_view name, module;
};
constexpr std::array module_aliases = {
    ModuleAlias{"F", "torch.nn.functional"},
    ModuleAlias{"K", "keras.backend"},
    ModuleAlias{"_collections_abc", "collections.abc"},
    ModuleAlias{"_importlib", "importlib"},
    ModuleAlias{"_warnings", "warnings"},
    ModuleAlias{"argparse", "argparse"},
    ModuleAlias{"ast", "ast"},
    ModuleAlias{"asyncio", "asyncio"},
    ModuleAlias{"bz2", "bz2"},
    ModuleAlias{"codecs", "codecs"},
    ModuleAlias{"collections", "collections"},
    ModuleAlias{"concurrent", "concurrent"},
    ModuleAlias{"contextlib", "contextlib"},
    ModuleAlias{"copyreg", "copyreg"},
    ModuleAlias{"csv", "csv"},
    ModuleAlias{"dataclasses", "dataclasses"},
    ModuleAlias{"fileinput", "fileinput"},
    ModuleAlias{"functools", "functools"},
    ModuleAlias{"gzip", "gzip"},
    ModuleAlias{"hashlib", "hashlib"},
    ModuleAlias{"heapq", "heapq"},
    ModuleAlias{"io", "io"},
    ModuleAlias{"itertools", "itertools"},
    ModuleAlias{"joblib", "joblib"},
    ModuleAlias{"json", "json"},
    ModuleAlias{"linecache", "linecache"},
    ModuleAlias{"logging", "logging"},
    ModuleAlias{"lzma", "lzma"},
    ModuleAlias{"math", "math"},
    ModuleAlias{"mmap", "mmap"},
    ModuleAlias{"mp", "multiprocessing"},
    ModuleAlias{"nn", "torch.nn"},
    ModuleAlias{"np", "numpy"},
    ModuleAlias{"npt", "numpy.typing"},
    ModuleAlias{"numbers", "numbers"},
    ModuleAlias{"numpy", "numpy"},
    ModuleAlias{"operator", "operator"},
    ModuleAlias{"pandas", "pandas"},
    ModuleAlias{"pathlib", "pathlib"},
    ModuleAlias{"pd", "pandas"},
    ModuleAlias{"platform", "platform"},
    ModuleAlias{"plt", "matplotlib.pyplot"},
    ModuleAlias{"re", "re"},
    ModuleAlias{"scipy", "scipy"},
    ModuleAlias{"sklearn", "sklearn"},
    ModuleAlias{"struct", "struct"},
    ModuleAlias{"tarfile", "tarfile"},
    ModuleAlias{"textwrap", "textwrap"},
    ModuleAlias{"tf", "tensorflow"},
    ModuleAlias{"timeit", "timeit"},
    ModuleAlias{"tokenize", "tokenize"},
    ModuleAlias{"torch", "torch"},
    ModuleAlias{"traceback", "traceback"},
    ModuleAlias{"types", "types"},
    ModuleAlias{"typing", "typing"},
    ModuleAlias{"unittest", "unittest"},
    ModuleAlias{"warnings", "warnings"},
    ModuleAlias{"weakref", "weakref"},
    ModuleAlias{"zipfile", "zipfile"},
    ModuleAlias{"zlib", "zlib"},
};
static_assert(std::is_sorted(module_aliases.begin(), module_aliases.end(),
                             [](const ModuleAlias& a, const ModuleAlias& b) { return a.name < b.name; }));

// Classes that act when they are made, wherever they are imported from. Those that run code or write files have no
// place in data; of the others, libraries have classes of the same name. Sorted.
struct ActingClass {
  std::string_view name;
  Risk risk;
  std::string_view effect;
};
constexpr std::array acting_classes = {
    ActingClass{"BZ2File", Risk::access, "read or write files"},
    ActingClass{"CDLL", Risk::execution, "run native code"},
    ActingClass{"Client", Risk::unknown, {}},
    ActingClass{"CodeType", Risk::execution, "make code"},
    ActingClass{"Extension", Risk::unknown, {}},
    ActingClass{"FileIO", Risk::access, "read or write files"},
    ActingClass{"FunctionType", Risk::execution, "make a function"},
    ActingClass{"GFile", Risk::access, "read or write files"},
    ActingClass{"GzipFile", Risk::access, "read or write files"},
    ActingClass{"InteractiveConsole", Risk::execution, "run code"},
    ActingClass{"InteractiveInterpreter", Risk::execution, "run code"},
    ActingClass{"LZMAFile", Risk::access, "read or write files"},
    ActingClass{"LambdaType", Risk::execution, "make a function"},
    ActingClass{"Listener", Risk::unknown, {}},
    ActingClass{"MemoryMappedFile", Risk::access, "read or write files"},
    ActingClass{"MethodType", Risk::execution, "bind a function to an object"},
    ActingClass{"ModuleType", Risk::execution, "make a module"},
    ActingClass{"NamedTemporaryFile", Risk::access, "read or write files"},
    ActingClass{"OSFile", Risk::access, "read or write files"},
    ActingClass{"Path", Risk::unknown, {}},
    ActingClass{"Pool", Risk::unknown, {}},
    ActingClass{"Popen", Risk::execution, "run a command of the system"},
    ActingClass{"Process", Risk::unknown, {}},
    ActingClass{"ProcessPoolExecutor", Risk::unknown, {}},
    ActingClass{"PyDLL", Risk::execution, "run native code"},
    ActingClass{"TarFile", Risk::access, "read or write files"},
    ActingClass{"TemporaryDirectory", Risk::access, "read or write files"},
    ActingClass{"Thread", Risk::unknown, {}},
    ActingClass{"ThreadPool", Risk::unknown, {}},
    ActingClass{"ThreadPoolExecutor", Risk::unknown, {}},
    ActingClass{"Timer", Risk::unknown, {}},
    ActingClass{"Unpickler", Risk::execution, "load another serialised object"},
    ActingClass{"ZipFile", Risk::access, "read or write files"},
    ActingClass{"_FunctionWrapper", Risk::unknown, {}},
};
static_assert(std::is_sorted(acting_classes.begin(), acting_classes.end(),
                             [](const ActingClass& a, const ActingClass& b) { return a.name < b.name; }));

// Classes of SciPy and scikit-learn that are written like functions. Sorted.
constexpr std::array lower_case_classes = {
    std::string_view("bsr_array"),
    std::string_view("bsr_matrix"),
    std::string_view("cKDTree"),
    std::string_view("coo_array"),
    std::string_view("coo_matrix"),
    std::string_view("csc_array"),
    std::string_view("csc_matrix"),
    std::string_view("csr_array"),
    std::string_view("csr_matrix"),
    std::string_view("dia_array"),
    std::string_view("dia_matrix"),
    std::string_view("dok_array"),
    std::string_view("dok_matrix"),
    std::string_view("gaussian_kde"),
    std::string_view("interp1d"),
    std::string_view("interp2d"),
    std::string_view("lil_array"),
    std::string_view("lil_matrix"),
    std::string_view("make_column_selector"),
    std::string_view("poly1d"),
    std::string_view("spmatrix"),
};

// Methods that read, write, run or send, in whatever class.
bool is_acting_method(std::string_view name) {
  constexpr std::array words = {
      std::string_view("chmod"),       std::string_view("connect"),      std::string_view("dump"),
      std::string_view("eval"),        std::string_view("exec"),         std::string_view("execute"),
      std::string_view("fromfile"),    std::string_view("from_file"),    std::string_view("from_pretrained"),
      std::string_view("from_url"),    std::string_view("fromregex"),    std::string_view("hardlink_to"),
      std::string_view("link_to"),     std::string_view("load"),         std::string_view("loads"),
      std::string_view("mkdir"),       std::string_view("open"),         std::string_view("popen"),
      std::string_view("push_to_hub"), std::string_view("query"),        std::string_view("rmdir"),
      std::string_view("save"),        std::string_view("spawn"),        std::string_view("symlink_to"),
      std::string_view("system"),      std::string_view("to_clipboard"), std::string_view("to_csv"),
      std::string_view("to_excel"),    std::string_view("to_feather"),   std::string_view("to_file"),
      std::string_view("to_hdf"),      std::string_view("to_json"),      std::string_view("to_parquet"),
      std::string_view("to_pickle"),   std::string_view("to_sql"),       std::string_view("tofile"),
      std::string_view("touch"),       std::string_view("unlink"),
  };
  return std::find(words.begin(), words.end(), name) != words.end() || name.starts_with("read_") ||
         name.starts_with("write_") || name.starts_with("load_") || name.starts_with("save_") ||
         name.starts_with("dump_");
}

template <class List>
bool contains(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_module_within(std::string_view name) {
  return std::binary_search(modules_within.begin(), modules_within.end(), name);
}

const ModuleAlias* find_alias(std::string_view name) {
  const auto found = std::lower_bound(module_aliases.begin(), module_aliases.end(), name,
                                      [](const ModuleAlias& alias, std::string_view key) { return alias.name < key; });
  return found != module_aliases.end() && found->name == name ? found : nullptr;
}

const ActingClass* find_acting(std::string_view name) {
  const auto found = std::lower_bound(acting_classes.begin(), acting_classes.end(), name,
                                      [](const ActingClass& one, std::string_view key) { return one.name < key; });
  return found != acting_classes.end() && found->name == name ? found : nullptr;
}

bool is_dunder(std::string_view part) { return part.size() > 4 && part.starts_with("__") && part.ends_with("__"); }

bool looks_like_class(std::string_view name) {
  const auto first = name.find_first_not_of('_');
  if (first != std::string_view::npos && name[first] >= 'A' && name[first] <= 'Z') return true;
  return contains(lower_case_classes, name);
}

// The distributions of scipy.stats: norm_gen, rv_continuous_frozen.
bool is_distribution(std::string_view module, std::string_view name) {
  return (module.starts_with("scipy.stats") || module.starts_with("statsmodels.distributions")) &&
         (name.starts_with("rv_") || name.ends_with("_gen") || name.ends_with("_frozen"));
}

// Classes whose constructors open something, by the way they are called.
bool opens_something(std::string_view name) {
  return name.ends_with("Writer") || name.ends_with("Server") || name.ends_with("Loader");
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
  const bool class_like = !name.empty() && ((looks_like_class(name) && !find_acting(name)) ||
                                            name.starts_with("__pyx_unpickle_") || is_distribution(module, name));
  for (std::string_view prefix = module; !prefix.empty();) {
    if (class_like)
      if (const auto* rule = find_pattern(std::string(prefix) + ".#")) return rule;
    if (const auto* rule = find_pattern(std::string(prefix) + ".*")) return rule;
    const auto dot = prefix.rfind('.');
    prefix = dot == std::string_view::npos ? std::string_view{} : prefix.substr(0, dot);
  }
  return nullptr;
}

// Whether the classes of the module, or of one above it, are known.
bool is_known_library(std::string_view module) {
  for (std::string_view prefix = module; !prefix.empty();) {
    if (find_pattern(std::string(prefix) + ".#")) return true;
    const auto dot = prefix.rfind('.');
    prefix = dot == std::string_view::npos ? std::string_view{} : prefix.substr(0, dot);
  }
  return false;
}

Judgement judge_plain(std::string_view module, std::string_view name) {
  if (const auto* rule = find_pattern(std::string(module) + "." + std::string(name))) return from(*rule);
  if (const auto* rule = find_module_rule(module, name)) {
    auto judgement = from(*rule);
    if (judgement.risk == Risk::class_only && judgement.check == Check::none && opens_something(name))
      judgement.check = Check::acting;
    return judgement;
  }
  Judgement unknown{.in_known_library = is_known_library(module)};
  if (const auto* acting = find_acting(name); acting && unknown.in_known_library && acting->risk != Risk::unknown)
    return {acting->risk, acting->effect};
  return unknown;
}

constexpr Judgement internal{Risk::execution, "reach into Python's internals", Check::none, true};
constexpr Judgement whole_module{Risk::code, "hand out a whole module", Check::none, true};

}  // namespace

bool is_internal_name(std::string_view name) {
  constexpr std::array internal_names = {
      std::string_view("f_back"),   std::string_view("f_builtins"),   std::string_view("f_globals"),
      std::string_view("f_locals"), std::string_view("func_globals"), std::string_view("func_code"),
      std::string_view("gi_frame"), std::string_view("cr_frame"),     std::string_view("mro"),
      std::string_view("tb_frame"), std::string_view("_module"),
  };
  return any_part(name, [&](std::string_view part) {
    return is_dunder(part) || contains(internal_names, part) || is_module_within(part);
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

// A name that another module gives to the one it imports: what it can do is what that module can.
Judgement judge_undotted(std::string_view module, std::string_view name) {
  // The namespace of a module: dill names it for functions; who writes into it is caught at the writing.
  if (name == "__dict__" && judge_plain(module, name).risk == Risk::unknown)
    return {.risk = Risk::code, .effect = "hand out the namespace of a module"};
  const Judgement whole = judge_plain(module, name);
  if (whole.risk == Risk::execution || whole.risk == Risk::access) return whole;
  if (is_dunder(name)) return internal;
  if (is_module_within(name)) return contains(words_within, name) ? whole_module : internal;
  return find_alias(name) ? whole_module : whole;
}

// A dotted name: fine for a class within a class, data or a function of its library as a method of a known class, and
// an attack through a module.
Judgement judge_dotted(std::string_view module, std::string_view name) {
  if (any_part(name, [](std::string_view part) { return is_dunder(part) || is_module_within(part); })) return internal;
  const auto dot = name.find('.');
  const auto first = name.substr(0, dot), rest = name.substr(dot + 1);
  for (std::string_view left = name; !left.empty();) {
    const auto next = left.find('.');
    const auto* alias = find_alias(left.substr(0, next));
    left = next == std::string_view::npos ? std::string_view{} : left.substr(next + 1);
    // A member of an enumeration may well be called torch.
    if (!alias || (left.empty() && looks_like_class(first))) continue;
    const Judgement beyond = left.empty() ? Judgement{} : judge(alias->module, left);
    return beyond.risk == Risk::execution || beyond.risk == Risk::access
               ? Judgement{beyond.risk, beyond.effect, beyond.check, true}
               : whole_module;
  }
  const Judgement base = judge(module, first);
  if (base.risk == Risk::execution || base.risk == Risk::access) return base;
  const bool one_attribute = rest.find('.') == std::string_view::npos;
  if (!looks_like_class(first) && !is_distribution(module, first) && base.risk != Risk::harmless) {
    if (one_attribute && base.in_known_library && !is_acting_method(rest)) return {};
    return {Risk::execution, "reach an attribute through a module or function", Check::none, true};
  }
  // Keras pickles a model as a method of its class and the archive that it would have saved.
  if (rest == "_unpickle_model" && base.risk == Risk::class_only && module.find("keras") != std::string_view::npos)
    return {Risk::by_arguments, "load an archive of Keras without its safe mode", Check::keras_archive};
  const bool classes = !any_part(name, [](std::string_view part) { return !looks_like_class(part); });
  if (classes && base.risk == Risk::class_only) return base;
  // A method of a harmless class is what its module's rule says: Path names a file, Path.write_text writes one.
  const auto* rule = find_module_rule(module, "");
  if (rule && rule->risk >= Risk::code) return from(*rule);
  if (is_acting_method(name.substr(name.rfind('.') + 1)))
    return {Risk::access, "read or write files, or run something"};
  const bool known = base.risk == Risk::harmless || base.risk == Risk::class_only;
  return {.in_known_library = known && one_attribute};
}

}  // namespace

Judgement judge(std::string_view module, std::string_view name) {
  if (!is_module_name(module)) return {};
  // What torch.relu and its like are methods of.
  constexpr std::string_view functions = "_VariableFunctionsClass.";
  if (module == "torch._C" && name.starts_with(functions)) return judge("torch", name.substr(functions.size()));
  if (const auto* rule = find_pattern(std::string(module) + "." + std::string(name))) return from(*rule);
  return name.find('.') == std::string_view::npos ? judge_undotted(module, name) : judge_dotted(module, name);
}

Judgement judge(const PickleGlobal& global) { return judge(global.module, global.name); }

}  // namespace hauberk::scan
