// PickleJudge's view of BUILD: the state that objects are given, and the arrays that joblib keeps between the opcodes.
#include <algorithm>
#include <string_view>

#include "scan/pickle_formula.h"
#include "scan/pickle_judge.h"

namespace hauberk::scan {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t key_limit = 256;
constexpr std::size_t template_limit = 8192;
constexpr std::size_t formula_limit = 64u << 10;

bool is_word(char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// SciPy keeps the argument parsers of a distribution as text and executes it: three functions that pass their arguments
// on. Text of nothing but these, names and numbers calls nothing else.
bool is_argument_template(std::string_view text) {
  bool call_may_follow = true;  // at the start, and behind what is no name: a tuple
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (!is_word(c)) {
      if (c == '(' && !call_may_follow) return false;
      if (c != ' ' && c != '\n') call_may_follow = true;
      if (std::string_view(" \n(),:=.'").find(c) == std::string_view::npos) return false;
      if (c == '.' && !(at >= 4 && text.substr(at - 4, 4) == "self" && text.substr(at).starts_with("._argcheck_rvs(")))
        return false;
      ++at;
      continue;
    }
    const auto begin = at;
    while (at < text.size() && is_word(text[at])) ++at;
    const auto word = text.substr(begin, at - begin);
    if (word.find("__") != std::string_view::npos) return false;
    for (const std::string_view keyword : {"import", "from", "class", "lambda", "global", "nonlocal", "del", "raise",
                                           "with", "for", "while", "if", "yield", "await", "async", "try", "exec"})
      if (word == keyword) return false;
    call_may_follow = word == "_parse_args" || word == "_parse_args_rvs" || word == "_parse_args_stats" ||
                      word == "_argcheck_rvs" || word == "return";
  }
  return true;
}

// Attributes with such names change how Python treats an object; what libraries keep of this kind is data.
bool is_hook(std::string_view key) {
  if (key.size() < 5 || !key.starts_with("__") || !key.ends_with("__") || key.starts_with("__pydantic_")) return false;
  for (const std::string_view plain : {"__dict__", "__doc__", "__module__", "__name__", "__orig_class__",
                                       "__qualname__", "__weakref__", "__wrapped__"})
    if (key == plain) return false;
  return true;
}

}  // namespace

// The state of an instance, key by key: a dict, or a pair of dicts.
void PickleJudge::check_keys(PickleMachine& machine, PickleValue state, std::uint64_t offset) {
  if (state.kind() == Kind::tuple) {
    const auto parts = machine.tuple_items(state);
    if (parts.size() == 2)
      for (const auto part : parts)
        if (part.kind() == Kind::dict) check_keys(machine, part, offset);
    return;
  }
  const auto items = machine.dict_items(state);
  bool restores = false;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].kind() != Kind::text) continue;
    auto& known = plain_keys_[(items[i].payload() * 0x9E3779B97F4A7C15ull) >> 56];
    if (known == items[i].payload()) continue;
    const auto kind = check_key(machine, items[i], items[i + 1], offset);
    if (kind == KeyKind::ordinary) known = items[i].payload();
    restores = restores || kind == KeyKind::restores;
  }
  if (restores) check_formula(machine, state, offset);
}

// statsmodels makes its design matrices anew when it is loaded: patsy or formulaic evaluate the formula for that.
void PickleJudge::check_formula(PickleMachine& machine, PickleValue state, std::uint64_t offset) {
  const auto items = machine.dict_items(state);
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].kind() != Kind::text || machine.text_of(items[i], 16) != "formula") continue;
    if (items[i + 1].kind() == Kind::none) continue;
    const auto text = items[i + 1].kind() == Kind::text ? machine.text_of(items[i + 1], formula_limit) : std::nullopt;
    const auto severity = text ? judge_formula(*text) : Severity::high;
    if (severity == Severity::critical)
      find("pickle.dangerous-call", severity, offset, "would evaluate a formula that is a program",
           text->substr(0, 80));
    else if (severity != Severity::info)
      find("pickle.unusual-call", severity, offset, "would evaluate a formula that is more than columns and functions",
           text ? text->substr(0, 80) : std::string{});
  }
}

// Of such an object the whole of the state must be seen.
void PickleJudge::model_data_built(PickleMachine& machine, PickleValue state, std::uint64_t offset) {
  bool complete = false;
  const auto items = machine.dict_items(state, &complete);
  for (std::size_t i = 0; i < items.size(); i += 2) complete = complete && items[i].kind() == Kind::text;
  if (!complete)
    find("pickle.unusual-call", Severity::high, offset, "gives an object of statsmodels state that cannot be followed");
}

PickleJudge::KeyKind PickleJudge::check_key(PickleMachine& machine, PickleValue key, PickleValue value,
                                            std::uint64_t offset) {
  const auto text = machine.text_of(key, key_limit);
  if (text == "restore_design_info" || text == "restore_model_spec") return KeyKind::restores;
  if (!text || !text->starts_with('_')) return KeyKind::ordinary;
  if (*text == "_parse_arg_template") {
    const auto code = value.kind() == Kind::text ? machine.text_of(value, template_limit) : std::nullopt;
    if (value.kind() != Kind::none && (!code || !is_argument_template(*code)))
      find("pickle.dangerous-call", Severity::critical, offset,
           "gives a distribution of SciPy code of its own to execute", text.value());
    return KeyKind::own;
  }
  if (!is_hook(*text)) return KeyKind::ordinary;
  if (value.is_constant() || value.kind() == Kind::tuple || value.kind() == Kind::list || value.kind() == Kind::dict)
    return KeyKind::own;
  find("pickle.attribute-write", Severity::critical, offset,
       "would give an object a " + printable(*text, 40) + " of its own: " + rendered(machine, value));
  return KeyKind::own;
}

// SciPy's distributions take any mapping for their state and execute a text in it.
void PickleJudge::distribution_built(PickleMachine& machine, PickleValue state, std::uint64_t offset) {
  if (state.kind() == Kind::tuple || state.kind() == Kind::none) return;
  bool complete = false;
  const auto items = machine.dict_items(state, &complete);
  for (std::size_t i = 0; i < items.size(); i += 2) complete = complete && items[i].kind() == Kind::text;
  if (!complete)
    find("pickle.unusual-call", Severity::high, offset, "gives an object of SciPy state that cannot be followed");
}

// The state of functools.partial is (function, arguments, keywords, attributes): it takes the place of what was
// wrapped.
void PickleJudge::partial_built(PickleMachine& machine, PickleValue target, PickleValue state, Seen& seen,
                                std::uint64_t offset) {
  bool complete = false;
  const auto parts = machine.tuple_items(state, &complete);
  if (!complete || parts.size() != 4)
    return find("pickle.attribute-write", Severity::critical, offset,
                "would put something that cannot be followed into functools.partial");
  const PickleCall made{CallForm::reduce, parts[0], parts.first(1), true, offset, PickleValue{}};
  check_partial(machine, made, seen);
  if (parts[3].kind() == Kind::dict) check_keys(machine, parts[3], offset);
  if (auto* detail = detail_of(target)) {
    detail->wrapped = parts[0];
    detail->bound = parts[1];
    detail->keywords = parts[2];
  }
}

// (version, byte order, subdtype, names, fields, size, alignment, flags[, metadata]). Size and flags are NumPy's last
// word on texts, raw bytes and structures; anything else must agree with what the letters said.
void PickleJudge::dtype_built(PickleMachine& machine, PickleValue target, PickleValue state) {
  auto* detail = detail_of(target);
  if (!detail || !detail->dtype) return;
  auto& dtype = detail->dtype;
  bool complete = false;
  const auto items = machine.tuple_items(state, &complete);
  if (!complete || (items.size() != 8 && items.size() != 9) || items[0].kind() != Kind::integer ||
      items[0].integer() < 3 || items[5].kind() != Kind::integer || items[7].kind() != Kind::integer)
    return dtype.reset();
  const std::int64_t size = items[5].integer(), flags = items[7].integer();
  const char kind = detail->dtype_kind;
  const bool sized = kind == 'S' || kind == 'U' || kind == 'V' || kind == 'a';
  const bool plain = items[2].kind() == Kind::none && items[4].kind() == Kind::none;
  if (sized ? size < 0 : (size != -1 && static_cast<std::uint64_t>(size) != dtype->item_size) || !plain)
    return dtype.reset();
  if (sized) dtype->item_size = static_cast<std::uint64_t>(size);
  if (kind != 'V' && dtype->has_object != ((flags & 1) != 0)) return dtype.reset();
  dtype->has_object = (flags & 1) != 0;
}

// joblib reads the array from the file right here, before the unpickler reads its next opcode.
void PickleJudge::array_built(PickleMachine& machine, PickleValue target, PickleValue state, std::uint64_t offset) {
  if (!first_array_) first_array_ = offset;
  auto* detail = detail_of(target);
  if (!detail || !detail->fresh)
    return lost(machine, offset, "an array's place is marked as joblib never does, or twice");
  detail->fresh = false;
  bool complete = false, aligned = false, subclass = false, order = false;
  std::optional<std::uint64_t> count;
  std::optional<Dtype> dtype;
  const auto items = machine.dict_items(state, &complete);
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    const auto key = machine.text_of(items[i], 64);
    const auto value = items[i + 1];
    if (!key || items[i].kind() != Kind::text) complete = false;
    if (key == "numpy_array_alignment_bytes") aligned = value.kind() != Kind::none;
    if (key == "dtype") dtype = detail_of(value) ? detail_of(value)->dtype : std::nullopt;
    if (key == "shape") count = elements(machine, value);
    if (key == "subclass") subclass = value.kind() == Kind::global;
    if (key == "order") order = value.kind() == Kind::text;
  }
  if (!complete || !count || !dtype || !subclass || !order)
    return lost(machine, offset, "the shape or type of an array cannot be followed");
  if (dtype->has_object) return nested_array(machine);
  std::uint64_t size = 0;
  if (__builtin_mul_overflow(*count, dtype->item_size, &size))
    return lost(machine, offset, "an array is larger than any memory");
  if (aligned) {
    std::uint8_t padding = 0;
    const auto got = machine.data().read_at(machine.position(), {&padding, 1});
    if (!got || *got != 1 || !machine.skip_foreign(1u + padding)) return lost(machine, offset, "an array is cut off");
  }
  if (!machine.skip_foreign(size)) return lost(machine, offset, "an array is cut off");
}

// joblib before 0.10 keeps each array in a file beside this one, which NumPy loads with pickle allowed.
void PickleJudge::file_built(PickleMachine& machine, PickleValue state, std::uint64_t offset) {
  bool complete = false;
  const auto items = machine.dict_items(state, &complete);
  std::optional<std::string> file;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (machine.text_of(items[i], 64) != "filename") continue;
    file = machine.text_of(items[i + 1], key_limit);
  }
  const bool bare = complete && file && !file->empty() && *file != ".." &&
                    file->find_first_of(std::string_view("/\\:\0", 4)) == std::string::npos;
  if (!bare)
    return find("pickle.dangerous-call", Severity::critical, offset,
                "would load another file as an array, with pickle allowed, from a place that the stream names");
  inspection_.note(inspection_.path() + ": joblib loads an array from " + printable(*file, 80) +
                   ", a file beside this one, with pickle allowed: scan that as well");
}

void PickleJudge::lost(PickleMachine& machine, std::uint64_t offset, std::string why) {
  inspection_.malformed("pickle.malformed", offset, std::move(why));
  machine.refuse();
}

std::optional<std::uint64_t> PickleJudge::elements(PickleMachine& machine, PickleValue shape) {
  bool complete = false;
  std::uint64_t count = 1;
  const auto sizes = machine.tuple_items(shape, &complete);
  if (shape.kind() != Kind::tuple || !complete) return std::nullopt;
  for (const auto size : sizes)
    if (size.kind() != Kind::integer || size.integer() < 0 ||
        __builtin_mul_overflow(count, static_cast<std::uint64_t>(size.integer()), &count))
      return std::nullopt;
  return count;
}

void PickleJudge::nested_array(PickleMachine& machine) {
  object_arrays_ = true;
  Inspection inside = inspection_.child("array@" + std::to_string(machine.position()));
  if (inside.depth() > inspection_.budget().limits().depth) {
    inspection_.inconclusive("scan.budget-exhausted", "pickles are nested deeper than the scan follows");
    return machine.refuse();
  }
  const auto outcome = inspect_pickle(machine.data(), inside, {.start = machine.position(), .plain_unpickler = true});
  if (outcome.end != PickleEnd::stopped || !machine.skip_foreign(outcome.next - machine.position())) machine.refuse();
}

}  // namespace hauberk::scan
