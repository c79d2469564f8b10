// PickleJudge: turns what PickleMachine reports of a stream into findings. The table of callables (scan/callables.h)
// says what a name can do; here is what depends on the stream: arguments, state, what is handed on to what. The one
// principle: a callable may reach a call only as a literal global that was judged. Whatever a call returns that is
// itself a global (getattr, NumPy's reconstruction of functions) goes on as that global.
// Cost: O(1) for each event plus the arguments looked at, which the budget bounds.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "scan/callables.h"
#include "scan/numpy_dtype.h"
#include "scan/pickle.h"
#include "scan/pickle_machine.h"

namespace hauberk::scan {

// A dry run: the inspection is a scratch one, and only what cannot come of mere chance counts as a finding.
enum class PickleMode : std::uint8_t { report, dry, probe };  // probe: nothing is reported at all

class PickleJudge final : public PickleListener {
 public:
  PickleJudge(Inspection& inspection, const PickleContext& context, PickleMode mode);

  void imported(PickleMachine& machine, std::uint32_t global, std::uint64_t offset) override;
  PickleValue called(PickleMachine& machine, const PickleCall& call) override;
  void built(PickleMachine& machine, PickleValue target, PickleValue state, std::uint64_t offset) override;
  void changed(PickleMachine& machine, PickleValue target, std::uint64_t offset) override;
  PickleValue persistent(PickleMachine& machine, PickleValue id, std::uint64_t offset) override;
  void embedded(PickleMachine& machine, PickleValue constant, std::uint64_t offset) override;
  void extension(PickleMachine& machine, std::uint32_t code, std::uint64_t offset) override;
  void anomaly(PickleMachine& machine, PickleAnomaly kind, std::uint64_t offset) override;
  void finish();  // after the run: what was imported and never called

  bool saw_arrays() const { return first_array_.has_value(); }
  bool saw_object_arrays() const { return object_arrays_; }
  std::uint64_t first_array() const { return first_array_.value_or(0); }
  // Offsets of what was found: a second reading of the same stream says nothing new of them.
  const std::unordered_set<std::uint64_t>& found_at() const { return found_at_; }
  bool saw_anything_known() const;
  bool called_a_global() const { return called_a_global_; }

 private:
  // Makers whose objects need a look when they are given state.
  enum class Maker : std::uint8_t {
    other,
    dtype,
    text_dtype,
    array_wrapper,
    file_wrapper,
    partial,
    distribution,
    model_data,
    byte_stream,
    inner_pickle
  };
  struct Seen {
    Judgement judgement;
    std::string name;
    std::uint64_t offset = 0;
    std::uint32_t calls = 0;  // that there was something to say of
    Severity worst = Severity::info;
    bool called = false;
    bool asked = false;  // called, or handed to a call, and nobody knows what it does
    Maker maker = Maker::other;
  };
  // What later opcodes must know about the result of a call.
  struct Detail {
    std::optional<Dtype> dtype;
    char dtype_kind = 0;
    PickleValue encoded;  // the text that _codecs.encode turns into bytes; what BytesIO holds
    PickleValue wrapped;  // the function in functools.partial, with the tuple and dict of its arguments
    PickleValue bound;
    PickleValue keywords;
    bool fresh = false;           // a wrapper of joblib's as joblib itself makes it, and not filled yet
    bool binds_method = false;    // types.MethodType, by cloudpickle's name
    bool plain_method = false;    // of a compiled pattern
    bool library_method = false;  // what it made for a class of a library
  };

  static Maker maker_of(const PickleGlobal& name);
  Seen* seen_of(PickleValue value);  // of a global, or of what made an object
  Detail* detail_of(PickleValue object);
  void find(std::string_view rule, Severity severity, std::uint64_t offset, std::string message,
            std::string excerpt = {});
  Judgement judge_in_context(const PickleGlobal& name) const;
  std::string rendered(PickleMachine& machine, PickleValue value) const;
  std::string rendered(PickleMachine& machine, const PickleCall& call) const;
  void report_call(PickleMachine& machine, const PickleCall& call, Seen& seen, std::string_view rule,
                   Severity severity);
  void unusual(PickleMachine& machine, const PickleCall& call, Seen& seen, Severity severity, std::string what);
  static bool is_plain_name(std::string_view dotted);
  static bool is_news(Seen& seen, Severity severity);
  void attribute_write(PickleMachine& machine, PickleValue target, std::uint64_t offset);
  bool is_shared(PickleValue object);

  // Calls: pickle_calls.cpp.
  PickleValue judge_call(PickleMachine& machine, const PickleCall& call, unsigned depth);
  PickleValue called_object(PickleMachine& machine, const PickleCall& call);
  PickleValue called_partial(PickleMachine& machine, const PickleCall& call, const Detail& detail, unsigned depth);
  void hand_over(PickleMachine& machine, const PickleCall& call, const Seen& seen);
  bool hand_over(PickleMachine& machine, PickleValue value, std::uint64_t offset, unsigned depth, std::size_t& left);
  void hand_over_object(PickleMachine& machine, PickleValue object, std::uint64_t offset);
  void check_constructor(PickleMachine& machine, const PickleCall& call, Seen& seen);
  PickleValue check_arguments(PickleMachine& machine, const PickleCall& call, Seen& seen, unsigned depth);
  void check_encoding(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_partial(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_getter(PickleMachine& machine, const PickleCall& call, Seen& seen);
  PickleValue check_attribute(PickleMachine& machine, const PickleCall& call, Seen& seen);
  PickleValue fetched_from_global(PickleMachine& machine, const PickleCall& call, Seen& seen, const std::string& name);
  PickleValue check_import(PickleMachine& machine, const PickleCall& call, Seen& seen);
  PickleValue check_inner_call(PickleMachine& machine, const PickleCall& call, Seen& seen, unsigned depth);
  PickleValue check_new_object(PickleMachine& machine, const PickleCall& call, Seen& seen, unsigned depth);
  PickleValue check_class(PickleMachine& machine, const PickleCall& call, Seen& seen);
  bool is_harmless_class(PickleMachine& machine, const PickleCall& call, Seen& seen, PickleValue value);
  void check_bit_generator(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_random_state(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_enumeration(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_members(PickleMachine& machine, const PickleCall& call, Seen& seen);
  bool may_be_callable(PickleMachine& machine, PickleValue value, unsigned depth);
  bool with_bytes(PickleMachine& machine, PickleValue value, const std::function<void(Reader&)>& inspect);
  void nested_pickle(PickleMachine& machine, PickleValue argument, std::uint64_t offset, Seen& seen);
  PickleValue result_of(PickleMachine& machine, const PickleCall& call, const Seen& seen);
  PickleValue keep(const PickleCall& call, const Detail& detail);

  // Calls that name things in ways of their own: pickle_indirect.cpp.
  static std::optional<std::string> text_argument(PickleMachine& machine, const PickleCall& call, std::size_t i);
  static PickleValue go_on_as(PickleMachine& machine, const PickleCall& call, PickleGlobal name);
  PickleValue check_dill_type(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_dill_repr(PickleMachine& machine, const PickleCall& call, Seen& seen);
  PickleValue check_dill_method(PickleMachine& machine, const PickleCall& call, Seen& seen);
  PickleValue check_types_name(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_subimport(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_reduction(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_item(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_set_attribute(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void check_keras_archive(PickleMachine& machine, const PickleCall& call, Seen& seen);
  void byte_stream_built(PickleMachine& machine, PickleValue target, PickleValue state, std::uint64_t offset);

  // State: pickle_state.cpp.
  void check_keys(PickleMachine& machine, PickleValue state, std::uint64_t offset);
  enum class KeyKind : std::uint8_t { ordinary, own, restores };  // own: its value matters
  KeyKind check_key(PickleMachine& machine, PickleValue key, PickleValue value, std::uint64_t offset);
  void check_formula(PickleMachine& machine, PickleValue state, std::uint64_t offset);
  void model_data_built(PickleMachine& machine, PickleValue state, std::uint64_t offset);
  void distribution_built(PickleMachine& machine, PickleValue state, std::uint64_t offset);
  void partial_built(PickleMachine& machine, PickleValue target, PickleValue state, Seen& seen, std::uint64_t offset);
  void dtype_built(PickleMachine& machine, PickleValue target, PickleValue state);
  void array_built(PickleMachine& machine, PickleValue target, PickleValue state, std::uint64_t offset);
  void file_built(PickleMachine& machine, PickleValue state, std::uint64_t offset);
  void lost(PickleMachine& machine, std::uint64_t offset, std::string why);
  static std::optional<std::uint64_t> elements(PickleMachine& machine, PickleValue shape);
  void nested_array(PickleMachine& machine);

  Inspection& inspection_;
  PickleContext context_;
  PickleMode mode_;
  bool skips_arrays_;
  bool persistent_seen_ = false;
  bool called_a_global_ = false;
  bool object_arrays_ = false;
  Seen object_calls_;  // of objects that the stream makes
  std::uint32_t embedded_ = 0;
  std::optional<std::uint64_t> first_array_;
  std::uint64_t looked_at_ = 0;    // values handed to calls, not yet taken from the budget
  std::uint64_t last_opaque_ = 0;  // the last call whose arguments could not all be seen
  std::deque<Seen> seen_;          // by number of the global; references stay valid
  std::vector<Detail> details_;
  std::vector<std::uint64_t> nested_;  // constants that are whole pickles, less those that reach a loader
  std::unordered_set<std::uint64_t> found_at_;
  std::unordered_set<std::uint64_t> plain_names_;  // places of texts that getters may fetch
  std::array<std::uint64_t, 256> plain_keys_{};    // places of keys that were looked at, as far as they collide not
};

}  // namespace hauberk::scan
