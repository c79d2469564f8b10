// PickleJudge's view of calls: what each is given, and what it does with that.
#include <algorithm>
#include <utility>

#include "scan/ascii.h"
#include "scan/pickle_judge.h"
#include "scan/pickle_text.h"

namespace hauberk::scan {
namespace {

using Kind = PickleValue::Kind;

constexpr std::uint64_t nested_text_limit = 64u << 20;  // bytes that are written as text and must be decoded in memory
constexpr unsigned inner_calls = 8;                     // calls within calls that one opcode may cause
constexpr unsigned containers_within = 6;
constexpr std::size_t values_handed_over = 512;  // that are looked at for one call
constexpr std::uint64_t looks_between_checks = 1u << 16;
constexpr std::size_t getter_names = 256;
constexpr std::size_t plain_names_kept = 100'000;
constexpr std::size_t attribute_limit = 256;  // no real name is longer
constexpr std::size_t details_limit = 1'000'000;

// Instances of a class that dill or cloudpickle made are called now and then; functions that they made are not.
bool makes_functions(const Judgement& judgement, std::string_view maker) {
  return judgement.risk == Risk::execution ||
         (judgement.risk == Risk::code &&
          (maker.find("unction") != std::string_view::npos || maker.find("skel_func") != std::string_view::npos ||
           maker.find("CodeType") != std::string_view::npos));
}

// Functions that call or fetch whatever they are given: harmless only where their arguments can be seen.
bool acts_on_arguments(Check check) {
  switch (check) {
    case Check::attribute:
    case Check::nested_pickle:
    case Check::nested_first:
    case Check::nested_second:
    case Check::nested_fifth:
    case Check::keras_archive:
    case Check::imports:
    case Check::calls_first:
    case Check::calls_typed:
    case Check::class_twice:
    case Check::class_first:
    case Check::new_object:
    case Check::random_state:
    case Check::reduces:
    case Check::item:
    case Check::set_attribute:
    case Check::subimport:
    case Check::types_name:
    case Check::dill_repr:
    case Check::dill_method:
      return true;
    default:
      return false;
  }
}

bool is_dunder_or_sunder(std::string_view name) {
  return name.size() > 2 && name.starts_with('_') && name.ends_with('_');
}

}  // namespace

PickleValue PickleJudge::called(PickleMachine& machine, const PickleCall& call) { return judge_call(machine, call, 0); }

PickleValue PickleJudge::judge_call(PickleMachine& machine, const PickleCall& call, unsigned depth) {
  if (call.callee.kind() == Kind::object) {
    const auto* detail = detail_of(call.callee);
    if (detail && detail->wrapped.kind() == Kind::global && depth <= inner_calls)
      return called_partial(machine, call, Detail(*detail), depth);
    return called_object(machine, call);
  }
  if (call.callee.kind() != Kind::global || depth > inner_calls) {
    find("pickle.computed-call", call.callee.kind() == Kind::persistent ? Severity::high : Severity::critical,
         call.offset, "would call something that the stream itself computes: " + rendered(machine, call));
    return PickleMachine::result_of(call);
  }
  auto& seen = *seen_of(call.callee);
  if (mode_ == PickleMode::probe && !called_a_global_) called_a_global_ = is_plain_name(seen.name);
  seen.called = true;
  hand_over(machine, call, seen);
  switch (seen.judgement.risk) {
    case Risk::harmless:
      break;
    case Risk::class_only:
      check_constructor(machine, call, seen);
      break;
    case Risk::by_arguments:
      return check_arguments(machine, call, seen, depth);
    case Risk::unknown:
      seen.asked = true;
      check_members(machine, call, seen);
      break;
    case Risk::code:
      report_call(machine, call, seen, "pickle.code-object", Severity::high);
      if (seen.judgement.check == Check::nested_first && !call.arguments.empty())
        nested_pickle(machine, call.arguments[0], call.offset, seen);
      break;
    case Risk::access:
      report_call(machine, call, seen, "pickle.dangerous-call",
                  call.form == CallForm::new_object ? Severity::high : Severity::critical);
      break;
    case Risk::execution:
      report_call(machine, call, seen, "pickle.dangerous-call", Severity::critical);
      break;
  }
  return result_of(machine, call, seen);
}

// An object is called: what getattr() or a maker of functions gave, or an instance with __call__.
PickleValue PickleJudge::called_object(PickleMachine& machine, const PickleCall& call) {
  const auto* maker = seen_of(call.callee);
  const auto* detail = detail_of(call.callee);
  const bool method = detail && detail->library_method;
  const bool code = !method && (!maker || maker->judgement.check == Check::method_caller ||
                                makes_functions(maker->judgement, maker->name));
  const auto severity = code ? Severity::critical : Severity::high;
  if (is_news(object_calls_, severity))
    find("pickle.computed-call", severity, call.offset,
         "would call an object that the stream itself makes: " + rendered(machine, call), rendered(machine, call));
  // cloudpickle carries the method of a library's class by value, and binds it to that class.
  const auto* owner =
      call.arguments.size() == 2 && call.arguments[1].kind() == Kind::global ? seen_of(call.arguments[1]) : nullptr;
  if (detail && detail->binds_method && owner && owner->judgement.risk == Risk::class_only)
    return keep(call, {.library_method = true});
  return PickleMachine::result_of(call);
}

// Whatever a call is given, at any depth, it may call. What is checked as a callee of its own is left out.
void PickleJudge::hand_over(PickleMachine& machine, const PickleCall& call, const Seen& seen) {
  const auto check = seen.judgement.check;
  if (check == Check::attribute || check == Check::getter) return;  // they look at the arguments themselves
  const bool calls = check == Check::calls_first || check == Check::calls_typed || check == Check::partial;
  std::size_t left = values_handed_over;
  // Of many constants not all are kept; none of them can be called.
  const bool constants =
      !call.arguments.empty() && std::all_of(call.arguments.begin(), call.arguments.end(),
                                             [](PickleValue argument) { return argument.is_constant(); });
  bool complete = call.complete || constants || call.keywords.kind() == Kind::dict;
  for (std::size_t i = calls ? 1 : 0; i < call.arguments.size(); ++i)
    if (!call.arguments[i].is_constant())
      complete = hand_over(machine, call.arguments[i], call.offset, 0, left) && complete;
  if (call.keywords.kind() != Kind::none)
    complete = hand_over(machine, call.keywords, call.offset, 0, left) && complete;
  if (!complete) last_opaque_ = call.offset;
  // The budget bounds this: the same arguments may come again and again.
  looked_at_ += 4 * (values_handed_over - left) + call.arguments.size();
  if (looked_at_ < looks_between_checks) return;
  if (!inspection_.budget().spend_opcodes(std::exchange(looked_at_, 0))) machine.refuse();
}

// False if not all could be seen.
bool PickleJudge::hand_over(PickleMachine& machine, PickleValue value, std::uint64_t offset, unsigned depth,
                            std::size_t& left) {
  if (left == 0) return false;
  --left;
  bool complete = true;
  std::span<const PickleValue> items;
  switch (value.kind()) {
    case Kind::global: {
      auto& seen = *seen_of(value);
      if (seen.judgement.risk == Risk::unknown) seen.asked = true;
      if (acts_on_arguments(seen.judgement.check) && is_news(seen, Severity::high))
        find("pickle.computed-call", Severity::high, offset,
             "hands " + printable(seen.name) + " to another function, which may call it with anything");
      return true;
    }
    case Kind::object:
      hand_over_object(machine, value, offset);
      return true;
    case Kind::tuple:
      items = machine.tuple_items(value, &complete);
      break;
    case Kind::list:
      items = machine.list_items(value, &complete);
      break;
    case Kind::dict:
      items = machine.dict_items(value, &complete);
      break;
    case Kind::set:
      return false;
    default:
      return true;
  }
  if (depth >= containers_within) return items.empty() && complete;
  // A tuple of constants is kept in part only: nothing in the rest can be called.
  if (value.kind() == Kind::tuple && !complete && !items.empty())
    complete = std::all_of(items.begin(), items.end(), [](PickleValue item) { return item.is_constant(); });
  for (const auto item : items)
    if (!item.is_constant()) complete = hand_over(machine, item, offset, depth + 1, left) && complete;
  return complete;
}

void PickleJudge::hand_over_object(PickleMachine& machine, PickleValue object, std::uint64_t offset) {
  const auto* maker = seen_of(object);
  if (!maker) return;
  const auto* detail = detail_of(object);
  const bool method = maker->judgement.check == Check::attribute || maker->judgement.check == Check::method_caller;
  if (method && !(detail && detail->plain_method) && is_news(object_calls_, Severity::high))
    find("pickle.computed-call", Severity::high, offset,
         "hands a method of an object to another function, which may call it: " + rendered(machine, object));
  if (!detail || detail->wrapped.kind() != Kind::global) return;
  auto& wrapped = *seen_of(detail->wrapped);
  if (wrapped.judgement.risk == Risk::unknown) wrapped.asked = true;
}

// The constructor of a library's class: plain data is fine, a function or class that is no data is for a person.
void PickleJudge::check_constructor(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  if (call.form == CallForm::new_object) return;
  if (seen.judgement.check == Check::acting) {
    const std::string effect(seen.judgement.effect.empty() ? "open something" : seen.judgement.effect);
    return unusual(machine, call, seen, Severity::high, "calls the constructor of a class, which may " + effect);
  }
  check_members(machine, call, seen);
  for (const auto argument : call.arguments) {
    const bool code = argument.kind() == Kind::extension || argument.kind() == Kind::unknown ||
                      (argument.kind() == Kind::object && argument.callee() == PickleValue::no_global);
    if (code)
      return unusual(machine, call, seen, Severity::medium, "calls a class with arguments that cannot be followed");
  }
}

PickleValue PickleJudge::check_arguments(PickleMachine& machine, const PickleCall& call, Seen& seen, unsigned depth) {
  const auto check = seen.judgement.check;
  if (!call.complete && call.arguments.empty()) {
    const bool acts = acts_on_arguments(check) || check == Check::bit_generator;
    unusual(machine, call, seen, acts ? Severity::critical : Severity::high, "the arguments cannot be followed");
    return PickleMachine::result_of(call);
  }
  switch (check) {
    case Check::attribute:
      return check_attribute(machine, call, seen);
    case Check::imports:
      return check_import(machine, call, seen);
    case Check::calls_first:
    case Check::calls_typed:
      return check_inner_call(machine, call, seen, depth);
    case Check::new_object:
      return check_new_object(machine, call, seen, depth);
    case Check::class_first:
    case Check::class_twice:
      return check_class(machine, call, seen);
    case Check::encoding:
      check_encoding(machine, call, seen);
      break;
    case Check::partial:
      check_partial(machine, call, seen);
      break;
    case Check::getter:
    case Check::method_caller:
      check_getter(machine, call, seen);
      break;
    case Check::nested_pickle:
    case Check::nested_first:
    case Check::nested_second:
    case Check::nested_fifth: {
      const std::size_t at = check == Check::nested_second ? 1 : check == Check::nested_fifth ? 4 : 0;
      if (at < call.arguments.size())
        nested_pickle(machine, call.arguments[at], call.offset, seen);
      else
        unusual(machine, call, seen, Severity::medium, "calls a loader of bytes without giving it any");
      break;
    }
    case Check::dill_type:
      return check_dill_type(machine, call, seen);
    case Check::dill_repr:
      check_dill_repr(machine, call, seen);
      break;
    case Check::dill_method:
      return check_dill_method(machine, call, seen);
    case Check::types_name:
      return check_types_name(machine, call, seen);
    case Check::subimport:
      check_subimport(machine, call, seen);
      break;
    case Check::reduces:
      check_reduction(machine, call, seen);
      break;
    case Check::one_argument:
      if (call.arguments.size() != 1 || !call.complete)
        unusual(machine, call, seen, Severity::high, "may call what it is given");
      break;
    case Check::item:
      check_item(machine, call, seen);
      break;
    case Check::set_attribute:
      check_set_attribute(machine, call, seen);
      break;
    case Check::keras_archive:
      check_keras_archive(machine, call, seen);
      break;
    case Check::type_of:
      if (call.arguments.size() != 1) unusual(machine, call, seen, Severity::high, "makes a class");
      break;
    case Check::bit_generator:
      check_bit_generator(machine, call, seen);
      break;
    case Check::random_state:
      check_random_state(machine, call, seen);
      break;
    case Check::enumeration:
      check_enumeration(machine, call, seen);
      break;
    case Check::none:
    case Check::shared:
    case Check::acting:
      break;
  }
  return result_of(machine, call, seen);
}

void PickleJudge::check_encoding(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  if (call.arguments.size() < 2) return;
  auto codec = machine.text_of(call.arguments[1], 32);
  if (codec) {
    std::erase_if(*codec, [](char c) { return c == '-' || c == '_'; });
    codec = lower_ascii(*codec);
  }
  if (!codec || (*codec != "latin1" && *codec != "utf8" && *codec != "ascii" && *codec != "iso88591"))
    unusual(machine, call, seen, Severity::medium, "decodes text with a codec that is not one for text");
}

void PickleJudge::check_partial(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  if (call.arguments.empty() || call.arguments[0].kind() != Kind::global)
    return unusual(machine, call, seen, Severity::high, "wraps a function that the stream itself makes");
  if (acts_on_arguments(seen_of(call.arguments[0])->judgement.check))
    unusual(machine, call, seen, Severity::high, "wraps a function that calls or fetches what it is given");
}

void PickleJudge::check_getter(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto looked_at = call.arguments.first(std::min(call.arguments.size(), getter_names));
  if (looked_at.size() < call.arguments.size() || !call.complete)
    unusual(machine, call, seen, Severity::medium, "fetches more than anybody looks at");
  if (!inspection_.budget().spend_opcodes(8 * looked_at.size())) return machine.refuse();
  if (seen.judgement.check == Check::method_caller) {
    const auto method = looked_at.empty() ? std::nullopt : machine.text_of(looked_at[0], attribute_limit);
    if (!method || is_internal_name(*method))
      return unusual(machine, call, seen, Severity::critical, "would call a method whose name the stream computes");
    return;
  }
  for (const auto argument : looked_at) {
    if (plain_names_.contains(argument.payload()) && argument.kind() == Kind::text) continue;
    const auto text = argument.kind() == Kind::text ? machine.text_of(argument, attribute_limit) : std::nullopt;
    if (text && is_internal_name(*text))
      return unusual(machine, call, seen, Severity::critical, "would reach into Python's internals");
    if (argument.kind() == Kind::text ? !text : argument.kind() > Kind::tuple)
      unusual(machine, call, seen, Severity::medium, "fetches something that cannot be followed");
    if (text && plain_names_.size() < plain_names_kept) plain_names_.insert(argument.payload());
  }
}

// getattr(): of a global, what it gives is a global again. Of an object it is a method, to be kept and not called.
PickleValue PickleJudge::check_attribute(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto& arguments = call.arguments;
  const auto result = PickleMachine::result_of(call);
  const auto report = [&](Severity severity, std::string what) {
    if (!is_news(seen, severity)) return;
    const std::string excerpt = rendered(machine, call);
    find(severity == Severity::critical ? "pickle.dangerous-call" : "pickle.unusual-call", severity, call.offset,
         std::move(what) + ": " + excerpt, excerpt);
  };
  const auto name = arguments.size() >= 2 ? machine.text_of(arguments[1], attribute_limit) : std::nullopt;
  if (!name) return report(Severity::critical, "would fetch an attribute whose name the stream computes"), result;
  if (is_internal_name(*name)) return report(Severity::critical, "would reach into Python's internals"), result;
  if (arguments[0].kind() == Kind::global) return fetched_from_global(machine, call, seen, *name);
  const auto* owner = seen_of(arguments[0]);
  // A method of a text, list or dict: what calls it is judged where that happens.
  const auto kind = arguments[0].kind();
  if (!owner && (arguments[0].is_constant() || kind == Kind::tuple || kind == Kind::list || kind == Kind::dict ||
                 kind == Kind::set))
    return result;
  if (owner && (owner->name == "re._compile" || owner->name == "re.compile")) return keep(call, {.plain_method = true});
  if (!owner) return report(Severity::high, "fetches an attribute of something that is not plain data"), result;
  const auto& maker = machine.global(arguments[0].callee());
  const auto risk = judge(maker.module, maker.name + "." + *name).risk;
  if (risk == Risk::execution || risk == Risk::access)
    report(Severity::critical, "would reach a function that can do harm");
  else if (owner->judgement.risk != Risk::harmless && owner->judgement.risk != Risk::class_only)
    report(Severity::high, "fetches an attribute of something that is not plain data");
  return result;
}

PickleValue PickleJudge::fetched_from_global(PickleMachine& machine, const PickleCall& call, Seen& seen,
                                             const std::string& name) {
  const auto report = [&](Severity severity, std::string_view rule, std::string what) {
    if (is_news(seen, severity))
      find(rule, severity, call.offset, std::move(what) + ": " + rendered(machine, call), rendered(machine, call));
  };
  const auto owner = machine.global(static_cast<std::uint32_t>(call.arguments[0].payload()));
  if (owner.name.size() + name.size() > attribute_limit) {
    report(Severity::high, "pickle.unusual-call", "fetches an attribute deeper down than any real one");
    return PickleMachine::result_of(call);
  }
  const auto as_module = judge(owner.full(), name).risk;
  const auto fetched = machine.import(owner.module, owner.name + "." + name);
  if (fetched.kind() != Kind::global) return PickleMachine::result_of(call);
  auto& found = *seen_of(fetched);
  const auto risk = found.judgement.risk;
  if (risk == Risk::execution || risk == Risk::access || as_module == Risk::execution || as_module == Risk::access) {
    report(Severity::critical, "pickle.dangerous-call", "would reach a function that can do harm");
    if (risk == Risk::execution || risk == Risk::access) ++found.calls;  // said already
  } else if ((risk == Risk::unknown && !found.judgement.in_known_library) ||
             (as_module == Risk::code && risk != Risk::harmless)) {
    report(Severity::high, "pickle.unusual-call", "fetches an attribute of something that is not plain data");
  }
  return fetched;
}

// NumPy finds functions by the names of their modules: what it finds is a global like any other.
PickleValue PickleJudge::check_import(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto part = [&](std::size_t i) {
    return i < call.arguments.size() ? machine.text_of(call.arguments[i], attribute_limit) : std::nullopt;
  };
  auto module = part(0), name = part(1);
  if (!module || !name) {
    unusual(machine, call, seen, Severity::critical, "would import a name that the stream itself computes");
    return PickleMachine::result_of(call);
  }
  const auto imported = machine.import(std::move(*module), std::move(*name));
  return imported.kind() == Kind::global ? imported : PickleMachine::result_of(call);
}

// The callee calls its first argument with a tuple that it is given, and puts the state into what comes out.
PickleValue PickleJudge::check_inner_call(PickleMachine& machine, const PickleCall& call, Seen& seen, unsigned depth) {
  const std::size_t tuple_at = seen.judgement.check == Check::calls_typed ? 2 : 1;
  const auto& arguments = call.arguments;
  if (arguments.size() <= tuple_at || arguments[tuple_at].kind() != Kind::tuple ||
      arguments[0].kind() != Kind::global) {
    unusual(machine, call, seen, Severity::critical, "hands on the call to something that the stream itself makes");
    return PickleMachine::result_of(call);
  }
  if (tuple_at == 2) is_harmless_class(machine, call, seen, arguments[1]);
  bool complete = false;
  const auto items = machine.tuple_items(arguments[tuple_at], &complete);
  const auto result =
      judge_call(machine, {CallForm::reduce, arguments[0], items, complete, call.offset, PickleValue{}}, depth + 1);
  if (tuple_at + 1 < arguments.size() && arguments[tuple_at + 1].kind() != Kind::none)
    built(machine, result, arguments[tuple_at + 1], call.offset);
  return result;
}

PickleValue PickleJudge::check_new_object(PickleMachine& machine, const PickleCall& call, Seen& seen, unsigned depth) {
  if (call.arguments.empty() || call.arguments[0].kind() != Kind::global) {
    unusual(machine, call, seen, Severity::critical, "would make an object by __new__ of something it made itself");
    return PickleMachine::result_of(call);
  }
  return judge_call(
      machine,
      {CallForm::new_object, call.arguments[0], call.arguments.subspan(1), call.complete, call.offset, PickleValue{}},
      depth + 1);
}

PickleValue PickleJudge::check_class(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto& arguments = call.arguments;
  if (arguments.empty() || !is_harmless_class(machine, call, seen, arguments[0])) return PickleMachine::result_of(call);
  if (seen.judgement.check == Check::class_twice && arguments.size() > 1)
    is_harmless_class(machine, call, seen, arguments[1]);
  // The object is one of the class, whoever made it. Only with nothing else to start from is it as good as NEWOBJ's.
  const bool bare = seen.judgement.check == Check::class_twice && arguments.size() == 3 &&
                    arguments[1].kind() == Kind::global && arguments[2].kind() == Kind::none &&
                    seen_of(arguments[1])->name == "builtins.object";
  const PickleCall made{bare ? CallForm::new_object : CallForm::reduce,
                        arguments[0],
                        bare ? std::span<const PickleValue>{} : arguments.subspan(1),
                        call.complete,
                        call.offset,
                        PickleValue{}};
  return result_of(machine, made, *seen_of(arguments[0]));
}

// A class whose __new__ is called: it must be a literal global, and its constructor must not act.
bool PickleJudge::is_harmless_class(PickleMachine& machine, const PickleCall& call, Seen& seen, PickleValue value) {
  const auto* maker = seen_of(value);
  if (value.kind() == Kind::object && maker && maker->judgement.check == Check::dill_type) return true;
  if (value.kind() != Kind::global) {
    unusual(machine, call, seen, Severity::critical, "would make an object by __new__ of something it made itself");
    return false;
  }
  auto& named = *seen_of(value);
  if (named.judgement.risk == Risk::unknown) named.asked = true;
  if (named.judgement.risk == Risk::access || named.judgement.risk == Risk::execution)
    unusual(machine, call, seen, Severity::critical,
            "would make an object of a class that can " + std::string(named.judgement.effect));
  else if (acts_on_arguments(named.judgement.check) || named.judgement.check == Check::type_of)
    unusual(machine, call, seen, Severity::high, "would make an object of something that is no class of data");
  return true;
}

// NumPy's generators go by name. Whatever else comes here is called.
void PickleJudge::check_bit_generator(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  if (call.arguments.empty() || call.arguments[0].is_constant()) return;
  auto* given = call.arguments[0].kind() == Kind::global ? seen_of(call.arguments[0]) : nullptr;
  if (given && given->judgement.risk == Risk::harmless && given->name.starts_with("numpy.random.")) return;
  const bool unknown = given && given->judgement.risk == Risk::unknown;
  unusual(machine, call, seen, unknown ? Severity::high : Severity::critical,
          "would call something that is no generator of NumPy's");
}

void PickleJudge::check_random_state(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  const auto& arguments = call.arguments;
  const bool own = arguments.size() < 2 || arguments[1].kind() == Kind::none ||
                   (arguments[1].kind() == Kind::global &&
                    seen_of(arguments[1])->name == "numpy.random._pickle.__bit_generator_ctor");
  if (!own) {
    auto* given = arguments[1].kind() == Kind::global ? seen_of(arguments[1]) : nullptr;
    const bool unknown = given && given->judgement.risk == Risk::unknown;
    return unusual(machine, call, seen, unknown ? Severity::high : Severity::critical,
                   "would call something that makes no generator of NumPy's");
  }
  if (arguments.empty() || arguments[0].is_constant()) return;
  const auto* given = seen_of(arguments[0]);
  if (!given || !given->name.starts_with("numpy.random."))
    unusual(machine, call, seen, given && given->judgement.risk == Risk::unknown ? Severity::high : Severity::critical,
            "would call something that is no generator of NumPy's");
}

void PickleJudge::check_enumeration(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  if (call.form == CallForm::new_object || (call.complete && call.arguments.size() == 1)) return;
  unusual(machine, call, seen, Severity::high, "makes a class");
  check_members(machine, call, seen);
}

bool PickleJudge::may_be_callable(PickleMachine& machine, PickleValue value, unsigned depth) {
  if (value.is_constant()) return false;
  if (value.kind() != Kind::tuple && value.kind() != Kind::list) return value.kind() != Kind::dict;
  bool complete = false;
  const auto items =
      value.kind() == Kind::tuple ? machine.tuple_items(value, &complete) : machine.list_items(value, &complete);
  return depth == 0 || !complete || std::any_of(items.begin(), items.end(), [&](PickleValue item) {
           return may_be_callable(machine, item, depth - 1);
         });
}

// Enum('Name', members) and its like: a member that is a function, or called __new__, is a part of the class.
void PickleJudge::check_members(PickleMachine& machine, const PickleCall& call, Seen& seen) {
  if (call.form == CallForm::new_object || call.arguments.size() < 2 || call.arguments[0].kind() != Kind::text) return;
  const auto members = call.arguments[1];
  const bool pairs = members.kind() == Kind::dict;
  const auto items = pairs                           ? machine.dict_items(members)
                     : members.kind() == Kind::list  ? machine.list_items(members)
                     : members.kind() == Kind::tuple ? machine.tuple_items(members)
                                                     : std::span<const PickleValue>{};
  for (std::size_t i = 0; i < std::min<std::size_t>(items.size(), 64); i += pairs ? 2 : 1) {
    const auto pair =
        pairs ? items.subspan(i, std::min<std::size_t>(2, items.size() - i)) : machine.tuple_items(items[i]);
    if (pair.size() != 2) continue;
    const auto name = machine.text_of(pair[0], attribute_limit);
    if ((name && is_dunder_or_sunder(*name)) ||
        (name && seen.judgement.check == Check::enumeration && may_be_callable(machine, pair[1], 3)))
      return unusual(machine, call, seen, Severity::critical, "would make a class with methods of the stream's choice");
  }
}

// Calls `inspect` with the bytes that a value stands for: a constant, a text that gets encoded, what BytesIO holds.
bool PickleJudge::with_bytes(PickleMachine& machine, PickleValue value, const std::function<void(Reader&)>& inspect) {
  for (unsigned steps = 0; steps < 3; ++steps) {
    if (value.kind() == Kind::bytes || value.kind() == Kind::byte_array) {
      const auto span = machine.content_of(value);
      if (!span) return false;
      RangeReader part(machine.data(), span->offset, span->length);
      inspect(part);
      return true;
    }
    if (value.kind() == Kind::text) {
      const auto text = steps != 0 ? machine.text_of(value, nested_text_limit) : std::nullopt;
      std::string bytes;
      if (!text || !latin1_bytes(*text, bytes) || !inspection_.budget().spend_bytes_out(bytes.size())) return false;
      MemoryReader part(as_bytes(bytes));
      inspect(part);
      return true;
    }
    const auto* detail = detail_of(value);
    if (!detail) return false;
    value = detail->encoded;
  }
  return false;
}

// Bytes that reach a loader: a whole file within the stream.
void PickleJudge::nested_pickle(PickleMachine& machine, PickleValue argument, std::uint64_t offset, Seen& seen) {
  if (mode_ == PickleMode::probe) return;
  Inspection inside = inspection_.child("bytes@" + std::to_string(argument.payload()));
  std::erase(nested_, argument.payload());
  if (inside.depth() > inspection_.budget().limits().depth) {
    inspection_.inconclusive("scan.budget-exhausted", "pickles are nested deeper than the scan follows");
    return;
  }
  // PyTorch looks whether it is a ZIP or a tar, and takes all else for pickles; so do the others, without looking.
  const auto inspect = [&](Reader& part) {
    std::uint8_t head[262]{};
    const auto got = part.read_at(0, head);
    const bool archive = seen.judgement.check == Check::nested_pickle && got &&
                         ((*got >= 4 && as_text(ByteView(head, 4)) == "PK\x03\x04") ||
                          (*got == 262 && as_text(ByteView(head + 257, 5)) == "ustar"));
    if (archive)
      inspect_any(part, inside);
    else
      inspect_pickle_file(part, inside);
  };
  if (with_bytes(machine, argument, inspect)) return;
  ++seen.calls;
  inspection_.inconclusive("scan.not-scanned", "loads bytes that cannot be followed, at " + std::to_string(offset) +
                                                   ": " + printable(seen.name) + "(" + rendered(machine, argument) +
                                                   ")");
}

PickleValue PickleJudge::result_of(PickleMachine& machine, const PickleCall& call, const Seen& seen) {
  Detail detail;
  if (seen.maker == Maker::dtype) {
    const auto text = call.arguments.empty() ? std::nullopt : machine.text_of(call.arguments[0], 64);
    const auto* type = !text && !call.arguments.empty() && call.arguments[0].kind() == Kind::global
                           ? seen_of(call.arguments[0])
                           : nullptr;
    if (type) return keep(call, {.dtype = parse_type_name(type->name)});
    if (!text) return PickleMachine::result_of(call);
    detail.dtype = parse_dtype(*text);
    const auto kind = text->find_first_not_of("<>|=");
    detail.dtype_kind = kind == std::string::npos ? '\0' : (*text)[kind];
  } else if (seen.maker == Maker::text_dtype) {
    detail.dtype = Dtype{.item_size = 16, .has_object = true};
  } else if (seen.judgement.check == Check::encoding && !call.arguments.empty()) {
    detail.encoded = call.arguments[0];
  } else if (seen.maker == Maker::partial && !call.arguments.empty()) {
    detail.wrapped = call.arguments[0];
    detail.bound = call.arguments.size() == 1 && call.complete && call.keywords.kind() == Kind::none
                       ? PickleMachine::no_items()
                       : PickleValue{};
  } else if (seen.maker == Maker::byte_stream) {
    detail.encoded = call.arguments.empty() ? PickleValue{} : call.arguments[0];
  } else if (seen.maker == Maker::array_wrapper || seen.maker == Maker::file_wrapper) {
    detail.fresh = call.form == CallForm::new_object && call.complete && call.arguments.empty();
  } else {
    return PickleMachine::result_of(call);
  }
  return keep(call, detail);
}

PickleValue PickleJudge::keep(const PickleCall& call, const Detail& detail) {
  if (details_.size() >= details_limit) return PickleMachine::result_of(call);
  details_.push_back(detail);
  return PickleMachine::result_of(call, static_cast<std::uint32_t>(details_.size()));
}

}  // namespace hauberk::scan
