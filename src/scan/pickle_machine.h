// PickleMachine: executes a pickle stream (protocols 0 to 5) on values that stand for objects, and tells a listener
// what the stream would import, call and change. It follows CPython's own unpicklers (Modules/_pickle.c and
// Lib/pickle.py), and where the two or their versions differ it accepts what any of them accepts: a scanner that
// refuses a stream which a loader takes is blind to it. Text and numbers stay in the data; a value is eight bytes and
// remembers where. Cost: O(1) for each opcode plus the length of lines; constants are skipped, not copied; no
// recursion. Memory: 8 bytes for each stack slot, memo entry and tuple item, bounded by the budget.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "scan/budget.h"
#include "scan/reader.h"

namespace hauberk::scan {

class PickleValue {
 public:
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,
    number,  // number: a float, or an integer of more than 56 bits
    text,
    bytes,
    byte_array,
    buffer,  // payload: where the opcode stands
    tuple,
    list,
    dict,
    set,     // payload: number in the arena, or of the list or dict; none for sets
    global,  // payload: number of the global
    object,  // the result of a call: global called (24 bits), detail (32 bits)
    persistent,
    extension,
    unknown
  };
  PickleValue() = default;
  PickleValue(Kind kind, std::uint64_t payload = 0)
      : bits_(std::uint64_t{static_cast<std::uint8_t>(kind)} << 56 | (payload & payload_mask)) {}
  static PickleValue object(std::uint32_t global, std::uint32_t detail) {
    return {Kind::object, std::uint64_t{global & no_global} << 32 | detail};
  }
  Kind kind() const { return static_cast<Kind>(bits_ >> 56); }
  std::uint64_t payload() const { return bits_ & payload_mask; }
  std::int64_t integer() const { return static_cast<std::int64_t>(bits_ << 8) >> 8; }
  std::uint32_t callee() const { return static_cast<std::uint32_t>(payload() >> 32); }  // of an object
  std::uint32_t detail() const { return static_cast<std::uint32_t>(payload()); }        // of an object
  bool is_constant() const { return kind() <= Kind::buffer; }
  bool operator==(const PickleValue&) const = default;

  static constexpr std::uint64_t payload_mask = (std::uint64_t{1} << 56) - 1;
  static constexpr std::uint32_t no_global = (1u << 24) - 1;  // the callee of an object that no named global made

 private:
  std::uint64_t bits_ = 0;
};

struct PickleGlobal {
  std::string module;  // after the mapping of Python 2's names
  std::string name;
  std::string full() const { return module.empty() ? name : module + "." + name; }
};

enum class CallForm { reduce, object, instance, new_object };  // REDUCE, OBJ, INST; NEWOBJ calls __new__ only

struct PickleCall {
  CallForm form;
  PickleValue callee;
  std::span<const PickleValue> arguments;  // the first ones
  bool complete;                           // whether these are all
  std::uint64_t offset;                    // of the opcode
  PickleValue keywords;                    // the dict of NEWOBJ_EX
};

enum class PickleAnomaly {
  frame_straddled,  // an opcode crosses the end of its frame: the unpicklers read on in different places
  frame_nested,     // a frame begins before the last one ended: likewise
  frame_past_end,   // a frame announces more than there is
  computed_name,    // the name of an import is made by the stream
  long_name,        // the name of an import is longer than any real one
  huge_memo_index,  // a memo entry so far out that CPython would reserve gigabytes for it
};

// How a run ended. Everything before it has happened, whatever it is.
enum class PickleEnd {
  stopped,
  truncated,
  unknown_opcode,
  underflow,
  no_mark,
  missing_memo,
  bad_operand,
  bad_protocol,
  wrong_type,
  out_of_budget,
  read_error,
  refused  // by the listener
};
std::string_view describe(PickleEnd end);

class PickleMachine;

class PickleListener {
 public:
  virtual ~PickleListener() = default;
  virtual void imported(PickleMachine& machine, std::uint32_t global, std::uint64_t offset) = 0;
  // The answer is what the call gives: result_of(call) unless more is known of it.
  virtual PickleValue called(PickleMachine& machine, const PickleCall& call) = 0;
  virtual void built(PickleMachine& machine, PickleValue target, PickleValue state, std::uint64_t offset) = 0;
  // SETITEM(S), APPEND(S), ADDITEMS on something else than a list, dict or set of the stream itself.
  virtual void changed(PickleMachine& machine, PickleValue target, std::uint64_t offset) = 0;
  // The answer is what the id stands for, as far as it can be known.
  virtual PickleValue persistent(PickleMachine& machine, PickleValue id, std::uint64_t offset) = 0;
  // A constant that begins like a pickle of its own, plain or as text, or that may be the text of a program.
  virtual void embedded(PickleMachine& machine, PickleValue constant, std::uint64_t offset) = 0;
  virtual void extension(PickleMachine& machine, std::uint32_t code, std::uint64_t offset) = 0;
  virtual void anomaly(PickleMachine& machine, PickleAnomaly kind, std::uint64_t offset) = 0;
};

class PickleMachine {
 public:
  PickleMachine(Reader& data, std::uint64_t start, Budget& budget, PickleListener& listener);

  PickleEnd run();
  std::uint64_t position() const { return cursor_.position(); }  // after run(): behind the last opcode read
  std::uint64_t opcode_offset() const { return opcode_at_; }
  std::uint64_t opcodes() const { return opcodes_; }
  int protocol() const { return protocol_; }
  Reader& data() { return data_; }
  PickleValue result() const { return result_; }  // what the stream stands for, once it stopped

  // For listeners. What a value holds, as far as it is short enough and still kept.
  const PickleGlobal& global(std::uint32_t number) const { return globals_[number]; }
  std::optional<std::string> text_of(PickleValue value, std::size_t limit = 4096);
  struct Span {
    std::uint64_t offset, length;
  };
  std::optional<Span> content_of(PickleValue value);  // of text and bytes: where the raw content lies
  std::span<const PickleValue> tuple_items(PickleValue tuple, bool* complete = nullptr) const;
  std::span<const PickleValue> dict_items(PickleValue dict, bool* complete = nullptr) const;  // key, value, key, …
  // What a list holds besides constants.
  std::span<const PickleValue> list_items(PickleValue list, bool* complete = nullptr) const;
  // An object that a call made; the detail is the listener's own.
  static PickleValue result_of(const PickleCall& call, std::uint32_t detail = 0);
  static PickleValue no_items();  // the empty tuple
  // The global of this name, imported as if an opcode had named it. It must have the names of Python 3.
  PickleValue import(std::string module, std::string name);
  // Data of another kind lies between this opcode and the next one. False if there is less of it.
  bool skip_foreign(std::uint64_t count);
  void refuse() { refused_ = true; }

 private:
  // The items of the lists or dicts that were filled last, by number.
  struct Filled {
    std::uint64_t number = ~std::uint64_t{0};
    std::uint64_t next_number = 0;  // above all that were kept here
    bool complete = true;
    std::vector<PickleValue> items;
  };
  using RecentlyFilled = std::array<Filled, 64>;
  using Kind = PickleValue::Kind;

  bool execute(std::uint8_t opcode);
  bool execute_constant(std::uint8_t opcode);
  bool execute_line(std::uint8_t opcode);
  bool execute_memo(std::uint8_t opcode);
  bool execute_rare(std::uint8_t opcode);
  void check_frame();
  bool frame();
  bool end(PickleEnd reason);
  bool constant(Kind kind, unsigned length_bytes);
  bool read_line(std::string& line);
  bool skip_line(std::string& head);
  bool push(PickleValue value);
  bool pop(PickleValue& value);
  bool pop_mark(std::size_t& position);
  std::size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  bool make_tuple(std::size_t from);
  PickleValue make_tuple_of(std::span<const PickleValue> items);
  bool set_items(std::size_t from);
  bool append_items(std::size_t from, bool to_set);
  bool make_list(std::size_t from);
  void keep_in_list(PickleValue list, std::span<const PickleValue> items);
  bool import_lines(PickleValue& out);
  bool stack_global();
  bool call(CallForm form, PickleValue callee, std::span<const PickleValue> arguments, bool complete,
            PickleValue keywords = {});
  static Filled& filled(RecentlyFilled& recent, PickleValue target);
  static std::span<const PickleValue> items_of(const RecentlyFilled& recent, PickleValue value, bool* complete);
  bool reduce(CallForm form, bool with_keywords);
  bool put(std::uint64_t index);
  bool get(std::uint64_t index);
  bool memory_spent(std::uint64_t bytes);

  Reader& data_;
  Budget& budget_;
  PickleListener& listener_;
  Cursor cursor_;
  std::uint64_t opcode_at_ = 0;
  std::uint64_t opcodes_ = 0;
  std::uint64_t frame_end_ = 0;
  std::uint64_t memory_ = 0;
  int protocol_ = 0;
  bool refused_ = false;
  bool far_memo_ = false;
  PickleEnd end_ = PickleEnd::stopped;
  PickleValue result_;
  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;
  std::vector<std::unique_ptr<std::array<PickleValue, 1024>>> memo_pages_;
  std::unordered_map<std::uint64_t, PickleValue> memo_far_;  // indexes far beyond the number of entries
  std::uint64_t memo_count_ = 0;
  std::vector<std::unique_ptr<PickleValue[]>> tuple_chunks_;
  std::size_t tuple_used_ = 0;
  std::uint64_t dicts_ = 0, lists_ = 0;
  RecentlyFilled recent_dicts_, recent_lists_;
  std::vector<PickleGlobal> globals_;
  std::unordered_map<std::string, std::uint32_t> global_numbers_;
  struct KnownOperands {
    std::uint32_t number;
    std::uint64_t module_at, name_at;
  };
  std::unordered_map<std::uint64_t, KnownOperands> global_at_;  // keyed by a hash of the two places
};

}  // namespace hauberk::scan
