// What the functions and classes that a pickle may name can do: the policy of the pickle scanner. The table is data
// (callables_table.cpp) and follows from what a callable does when it is called, imported or given state, not from
// where it was seen. Full dotted names are matched exactly; a rule for a module holds for what the module itself
// defines. What neither list names is unknown, and unknown is never fine. Pure functions, O(log n).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "scan/pickle_machine.h"

namespace hauberk::scan {

enum class Risk : std::uint8_t {
  harmless,      // makes data
  class_only,    // a class of a known library: fine to make and to fill, its constructor takes plain data only
  by_arguments,  // harmless or not, depending on the arguments: see Check
  unknown,       // nobody knows
  code,          // carries code by design, as cloudpickle and dill do: for a person to decide
  access,        // reaches files or the network when called
  execution,     // runs code, or hands out what does
};

// How to decide where the arguments matter.
enum class Check : std::uint8_t {
  none,
  encoding,       // codecs.encode: text codecs only
  partial,        // judge the function that is wrapped
  getter,         // operator.itemgetter, attrgetter: plain names and keys
  method_caller,  // operator.methodcaller: the plain name of a method; what it makes is a function
  attribute,      // getattr: a plain name of a harmless class
  nested_pickle,  // loads the bytes it is given
  dill_type,      // dill's way to name a builtin type
  type_of,        // type(x) is harmless, type(name, bases, dict) makes a class
  imports,        // imports what its two arguments name
  calls_first,    // calls its first argument with the tuple that comes second; the state of the result comes third
  calls_typed,    // the same, with the type of the result second and the others behind it
  class_first,    // makes an object of the class that comes first
  class_twice,    // makes an object of the class that comes first by __new__ of the one that comes second
  new_object,     // calls __new__ of its first argument
  bit_generator,  // calls its argument, unless that is the name of one of NumPy's generators
  random_state,   // calls its second argument with the first
  enumeration,    // Enum(value) is a member, Enum(name, members) makes a class
  shared,         // harmless, but what it returns is shared by all who ask for it
  acting,         // a class whose constructor acts; making it without one is harmless
  reduces,        // calls its first argument: harmless if that is the operator |, as for a union of types
  one_argument,   // harmless with one argument
  item,           // x[y]: harmless for the generic types of typing and the builtins
  set_attribute,  // setattr: the name of a type that the stream makes is code, all else is worse
  subimport,      // imports the module of this name
  types_name,     // cloudpickle's way to name something in the module types
  dill_repr,      // evaluates its text: harmless for the two names that dill writes so
  dill_method,    // evaluates a part of its third argument: a method of a builtin type
  keras_archive,  // loads an archive of Keras out of the bytes that it is given, without its safe mode
  nested_first,   // loads its first argument as a pickle; likewise below
  nested_second,
  nested_fifth,
};

struct CallableRule {
  std::string_view
      pattern;  // "a.b.c"; "a.b.*": all in the module a.b and below; "a.b.#": what looks like a class there
  Risk risk;
  std::string_view effect;  // "would …": completes the sentence of the finding; empty where harmless
  Check check = Check::none;
};

struct Judgement {
  Risk risk = Risk::unknown;
  std::string_view effect;
  Check check = Check::none;
  bool indirect = false;  // the name reaches through a module or into Python's internals
  // An unknown function of a known library: mentioned, it is data; called or handed to a call, it is unknown.
  bool in_known_library = false;
};

std::span<const CallableRule> callable_rules();  // sorted by pattern
Judgement judge(const PickleGlobal& global);
Judgement judge(std::string_view module, std::string_view name);
// An attribute that harmless code does not fetch: dunders and what leads from an object to its module or frames.
bool is_internal_name(std::string_view name);

}  // namespace hauberk::scan
