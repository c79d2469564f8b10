// PickleJudge's view of calls that name things in ways of their own: those of dill and cloudpickle, unions and generic
// types, models of Keras. What they give goes on as the global that it is.
#include <algorithm>
#include <utility>

#include "scan/pickle_judge.h"

namespace hauberk::scan {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t text_limit = 256;
constexpr std::size_t union_members = 256;

bool is_identifier(std::string_view text) {
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') && std::all_of(text.begin(), text.end(), [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

// What dill's names of types stand for. Types of plain data only: all else is code that dill carries.
std::optional<PickleGlobal> dill_type(std::string_view name) {
  if (name == "AttrGetterType") return PickleGlobal{"operator", "attrgetter"};
  if (name == "ItemGetterType") return PickleGlobal{"operator", "itemgetter"};
  if (name == "PartialType") return PickleGlobal{"functools", "partial"};
  if (name == "ndarray") return PickleGlobal{"numpy", "ndarray"};
  if (!is_identifier(name)) return std::nullopt;
  for (const std::string_view module : {"builtins", "types"})
    if (judge(module, name).risk == Risk::harmless) return PickleGlobal{std::string(module), std::string(name)};
  return std::nullopt;
}

// "<method 'lower' of 'str' objects>": what dill writes of a method of a builtin type.
std::optional<std::string> owner_in_repr(std::string_view text, std::string_view method) {
  const std::string head = "<method '" + std::string(method) + "' of '";
  constexpr std::string_view tail = "' objects>";
  if (!text.starts_with(head) || !text.ends_with(tail) || text.size() < head.size() + tail.size()) return std::nullopt;
  return std::string(text.substr(head.size(), text.size() - head.size() - tail.size()));
}

}  // namespace

std::optional<std::string> PickleJudge::text_argument(PickleMachine& machine, const PickleCall& call, std::size_t i) {
  return i < call.arguments.size() ? machine.text_of(call.arguments[i], text_limit) : std::nullopt;
}

PickleValue PickleJudge::go_on_as(PickleMachine& machine, const PickleCall& call, PickleGlobal name) {
  const auto global = machine.import(std::move(name.module), std::move(name.name));
  return global.kind() == Kind::global ? global : PickleMachine::result_of(call);
}

PickleValue PickleJudge::check_dill_type(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto name = text_argument(machine, call, 0);
  if (auto type = name ? dill_type(*name) : std::nullopt) return go_on_as(machine, call, std::move(*type));
  // The maker of types itself: to name it is harmless, to call it is not.
  if (name != "type") report_call(machine, call, seen, "pickle.code-object", Severity::high);
  return PickleMachine::result_of(call);
}

// Evaluated as they stand: the names of two singletons and ranges are all that dill ever writes so.
void PickleJudge::check_dill_repr(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto text = text_argument(machine, call, 0);
  const bool range = text && text->starts_with("range(") &&
                     text->find_first_not_of("0123456789-, ", 6) == text->size() - 1 && text->ends_with(')');
  if (text != "Ellipsis" && text != "NotImplemented" && !range)
    report_call(machine, call, seen, "pickle.dangerous-call", Severity::critical);
}

PickleValue PickleJudge::check_dill_method(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto name = text_argument(machine, call, 1), text = text_argument(machine, call, 2);
  const auto owner =
      name && text && is_identifier(*name) && !is_internal_name(*name) ? owner_in_repr(*text, *name) : std::nullopt;
  if (!owner || !is_identifier(*owner)) {
    report_call(machine, call, seen, "pickle.dangerous-call", Severity::critical);
  } else if (judge("builtins", *owner).risk != Risk::harmless) {
    report_call(machine, call, seen, "pickle.code-object", Severity::high);
  } else {
    return go_on_as(machine, call, {"builtins", *owner + "." + *name});
  }
  return PickleMachine::result_of(call);
}

PickleValue PickleJudge::check_types_name(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  auto name = text_argument(machine, call, 0);
  if (name && is_identifier(*name) && judge("types", *name).risk == Risk::harmless)
    return go_on_as(machine, call, {"types", std::move(*name)});
  report_call(machine, call, seen, "pickle.code-object", Severity::high);
  return keep(call, {.binds_method = name == "MethodType"});
}

// A module of a library is named for functions that come by value; modules that run or write are not.
void PickleJudge::check_subimport(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto module = text_argument(machine, call, 0);
  const auto risk = module ? judge(*module, "function").risk : Risk::execution;
  const bool harm = !module || is_internal_name(*module) || risk == Risk::access || risk == Risk::execution;
  report_call(machine, call, seen, harm ? "pickle.dangerous-call" : "pickle.code-object",
              harm ? Severity::critical : Severity::high);
}

// int | None is pickled as a reduction with the operator |.
void PickleJudge::check_reduction(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto& arguments = call.arguments;
  const auto* operation = !arguments.empty() && arguments[0].kind() == Kind::global ? seen_of(arguments[0]) : nullptr;
  const bool unites = operation && (operation->name == "_operator.or_" || operation->name == "operator.or_");
  bool complete = false;
  std::span<const PickleValue> members;
  if (arguments.size() == 2)
    members = arguments[1].kind() == Kind::tuple ? machine.tuple_items(arguments[1], &complete)
                                                 : machine.list_items(arguments[1], &complete);
  const bool types = complete && call.complete && members.size() <= union_members &&
                     std::all_of(members.begin(), members.end(), [&](PickleValue member) {
                       return member.kind() == Kind::none || member.kind() == Kind::global || seen_of(member);
                     });
  if (!unites || !types) report_call(machine, call, seen, "pickle.dangerous-call", Severity::critical);
}

// typing.List[int] is pickled as operator.getitem(typing.List, int).
void PickleJudge::check_item(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto owner = call.arguments.empty() ? PickleValue{} : call.arguments[0];
  const auto* known = owner.kind() == Kind::global ? seen_of(owner) : nullptr;
  const bool generic = known && call.arguments.size() == 2 &&
                       (known->judgement.risk == Risk::harmless || known->judgement.risk == Risk::class_only) &&
                       (known->name.starts_with("typing.") || known->name.starts_with("builtins.") ||
                        known->name.starts_with("collections."));
  if (!generic) unusual(machine, call, seen, Severity::high, "fetches an item of something that is no type");
}

// dill names the types that it makes by setattr().
void PickleJudge::check_set_attribute(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto name = text_argument(machine, call, 1);
  const auto* maker =
      call.arguments.empty() || call.arguments[0].kind() != Kind::object ? nullptr : seen_of(call.arguments[0]);
  const bool own =
      maker && (maker->name == "dill._dill._create_type" || maker->name.ends_with("._make_skeleton_class"));
  const bool metadata = name == "__qualname__" || name == "__module__" || name == "__doc__" || name == "__name__";
  const bool plain = call.arguments.size() == 3 && call.arguments[2].is_constant();
  if (own && metadata && plain) return unusual(machine, call, seen, Severity::high, "names a type that it makes");
  report_call(machine, call, seen, "pickle.dangerous-call", Severity::critical);
}

// Keras's own way to pickle a model: the archive that it would have saved, loaded without the safe mode.
void PickleJudge::check_keras_archive(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  if (mode_ == PickleMode::probe) return;
  unusual(machine, call, seen, Severity::high, "loads a Keras archive without safe mode");
  Inspection inside = inspection_.child("bytes@" + std::to_string(call.offset));
  if (inside.depth() > inspection_.budget().limits().depth) {
    inspection_.inconclusive("scan.budget-exhausted", "archives are nested deeper than the scan follows");
    return;
  }
  const auto inspect = [&](Reader& part) { inspect_any(part, inside); };
  if (call.arguments.empty() || !with_bytes(machine, call.arguments[0], inspect))
    inspection_.inconclusive("scan.not-scanned",
                             "loads an archive of Keras that cannot be followed, at " + std::to_string(call.offset));
}

void PickleJudge::byte_stream_built(PickleMachine& machine, PickleValue target, PickleValue state,
                                    std::uint64_t offset) {
  const auto parts = machine.tuple_items(state);
  if (auto* detail = detail_of(target)) detail->encoded = parts.empty() ? PickleValue{} : parts[0];
  if (parts.size() == 3 && parts[2].kind() == Kind::dict) check_keys(machine, parts[2], offset);
}

// functools.partial is called: with what it wraps, its own arguments first.
PickleValue PickleJudge::called_partial(PickleMachine& machine, const PickleCall& call, const Detail& detail,
                                        unsigned depth) {
  bool complete = false;
  const auto own = machine.tuple_items(detail.bound, &complete);
  std::vector<PickleValue> given(own.begin(), own.end());
  given.insert(given.end(), call.arguments.begin(), call.arguments.end());
  return judge_call(machine,
                    {CallForm::reduce, detail.wrapped, given, complete && call.complete, call.offset, detail.keywords},
                    depth + 1);
}

}  // namespace hauberk::scan
