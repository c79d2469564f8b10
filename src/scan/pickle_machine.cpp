#include "scan/pickle_machine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "scan/pickle_names.h"
#include "scan/program_text.h"

namespace hauberk::scan {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t tuple_chunk = 4096;        // values
constexpr std::size_t tuple_kept = 2048;         // items of a tuple that holds more than plain constants
constexpr std::size_t constant_tuple_kept = 64;  // items of a tuple of constants: its end can do nothing
constexpr std::size_t dict_kept = 256;           // keys and values
constexpr std::size_t list_kept = 256;           // items that are no constants
constexpr std::size_t line_limit = 4096;         // longer names and numbers are none
constexpr std::uint64_t opaque_tuple = PickleValue::payload_mask;
constexpr std::uint64_t empty_tuple = PickleValue::payload_mask - 1;
constexpr std::size_t budget_step = 1u << 16;  // opcodes between two looks at the budget

bool is_changeable(PickleValue value) {
  return !value.is_constant() || value.kind() == Kind::byte_array || value.kind() == Kind::buffer;
}

// The unpicklers take what int() or strtol() take; which of them, and in which version, differs. Only what none takes
// ends the run. Digits may be grouped by '_', carry a base prefix and stand between blanks.
bool looks_like_integer(std::string_view text) {
  text = text.substr(0, text.find('\0'));  // the C unpickler reads up to a NUL
  bool digit = false;
  for (const char c : text) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
      digit = true;
    else if (!std::strchr(" \t\r\v\f+-_xXoOlL", c) || c == '\0')
      return false;
  }
  return digit;
}

// The C unpickler is content with some numbers that are followed by anything.
bool looks_like_real(std::string_view text) {
  const auto start = text.find_first_not_of(" \t\r\v\f+-");
  return start != std::string_view::npos && std::strchr("0123456789.nNiI", text[start]) && text[start] != '\0';
}

// PROTO and its number, as bytes; "gA" is how base64 of it begins, "80" how hexadecimal does.
bool begins_like_pickle(const std::uint8_t* content, Kind kind) {
  if (kind != Kind::text && content[0] == 0x80) return content[1] <= 5;
  return kind != Kind::number && ((content[0] == 'g' && content[1] == 'A') || (content[0] == '8' && content[1] == '0'));
}

// A small integer in its one plain spelling, on which all unpicklers agree.
std::optional<std::int64_t> plain_integer(std::string_view text) {
  if (text.ends_with('L')) text.remove_suffix(1);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 15 || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

// A memo index in text, as int() reads it.
std::optional<std::uint64_t> memo_index(std::string_view text) {
  std::uint64_t value = 0;
  bool digit = false;
  text = text.substr(0, text.find('\0'));
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' || c == '_' || (c == '+' && !digit)) continue;
    if (c < '0' || c > '9' || value > PickleValue::payload_mask) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
    digit = true;
  }
  return digit ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string_view describe(PickleEnd end) {
  switch (end) {
    case PickleEnd::stopped:
      return "it stopped";
    case PickleEnd::truncated:
      return "it is cut off";
    case PickleEnd::unknown_opcode:
      return "an opcode that does not exist";
    case PickleEnd::underflow:
      return "an opcode finds too little on the stack";
    case PickleEnd::no_mark:
      return "an opcode finds no mark";
    case PickleEnd::missing_memo:
      return "an opcode fetches a memo entry that was never stored";
    case PickleEnd::bad_operand:
      return "an operand that cannot be read";
    case PickleEnd::bad_protocol:
      return "a protocol that does not exist";
    case PickleEnd::wrong_type:
      return "an opcode finds a value of the wrong type";
    case PickleEnd::out_of_budget:
      return "a limit of the scan is used up";
    case PickleEnd::read_error:
      return "the data cannot be read";
    case PickleEnd::refused:
      return "it was not followed further";
  }
  return "unknown";
}

PickleMachine::PickleMachine(Reader& data, std::uint64_t start, Budget& budget, PickleListener& listener)
    : data_(data), budget_(budget), listener_(listener), cursor_(data, start) {}

bool PickleMachine::end(PickleEnd reason) {
  end_ = reason;
  return false;
}

PickleEnd PickleMachine::run() {
  std::size_t until_check = budget_step;
  while (true) {
    if (--until_check == 0) {
      until_check = budget_step;
      if (!budget_.spend_opcodes(budget_step)) return PickleEnd::out_of_budget;
    }
    if (!cursor_.need(1)) {
      end_ = PickleEnd::truncated;
      break;
    }
    opcode_at_ = cursor_.position();
    if (frame_end_ != 0 && opcode_at_ >= frame_end_) check_frame();
    const std::uint8_t opcode = *cursor_.data();
    cursor_.advance(1);
    ++opcodes_;
    if (!execute(opcode)) break;
  }
  // The last opcode may have crossed the end of its frame as well.
  if (frame_end_ != 0 && cursor_.position() > frame_end_) check_frame();
  return cursor_.failed() ? PickleEnd::read_error : end_;
}

void PickleMachine::check_frame() {
  const bool straddled = cursor_.position() > frame_end_;
  frame_end_ = 0;
  if (straddled) listener_.anomaly(*this, PickleAnomaly::frame_straddled, opcode_at_);
}

bool PickleMachine::memory_spent(std::uint64_t bytes) {
  memory_ += bytes;
  if (memory_ <= budget_.limits().memory) return true;
  budget_.exhaust("memory");
  return end(PickleEnd::out_of_budget);
}

inline bool PickleMachine::push(PickleValue value) {
  if (stack_.size() == stack_.capacity()) {
    // Doubling keeps old and new for a moment, hence the factor of three.
    if (stack_.capacity() * sizeof(PickleValue) * 3 > budget_.limits().memory) {
      budget_.exhaust("memory");
      return end(PickleEnd::out_of_budget);
    }
  }
  stack_.push_back(value);
  return true;
}

inline bool PickleMachine::pop(PickleValue& value) {
  if (stack_.size() <= fence()) return end(PickleEnd::underflow);
  value = stack_.back();
  stack_.pop_back();
  return true;
}

inline bool PickleMachine::pop_mark(std::size_t& position) {
  if (marks_.empty()) return end(PickleEnd::no_mark);
  position = marks_.back();
  marks_.pop_back();
  return true;
}

// The opcodes of large pickles first; the rest is out of the way of the branch predictor.
bool PickleMachine::execute(std::uint8_t opcode) {
  switch (opcode) {
    case 'K':
    case 'M':
    case 'J':
    case 'G':
    case 'N':
    case 0x88:
    case 0x89:
    case 0x8a:
    case 0x8b:
    case 0x8c:
    case 'X':
    case 0x8d:
    case 'U':
    case 'T':
    case 'C':
    case 'B':
    case 0x8e:
    case 0x96:
      return execute_constant(opcode);
    case 0x94:
    case 'q':
    case 'r':
    case 'p':
    case 'h':
    case 'j':
    case 'g':
      return execute_memo(opcode);
    case '(':
      if (marks_.size() * sizeof(std::size_t) * 3 > budget_.limits().memory)
        return memory_spent(budget_.limits().memory + 1);
      marks_.push_back(stack_.size());
      return true;
    case '}':
      return push({Kind::dict, dicts_++ & PickleValue::payload_mask});
    case ']':
      return push({Kind::list, lists_++ & PickleValue::payload_mask});
    case 0x8f:
      return push({Kind::set});
    case ')':
      return push({Kind::tuple, empty_tuple});
    case 'u': {
      std::size_t mark = 0;
      return pop_mark(mark) && set_items(mark);
    }
    case 's':
      return stack_.size() < fence() + 2 ? end(PickleEnd::underflow) : set_items(stack_.size() - 2);
    case 'e':
    case 0x90: {
      std::size_t mark = 0;
      return pop_mark(mark) && append_items(mark, opcode == 0x90);
    }
    case 'a':
      return stack_.size() < fence() + 1 ? end(PickleEnd::underflow) : append_items(stack_.size() - 1, false);
    case 't': {
      std::size_t mark = 0;
      return pop_mark(mark) && make_tuple(mark);
    }
    case 0x85:
    case 0x86:
    case 0x87: {
      const std::size_t count = opcode - 0x84u;
      return stack_.size() < fence() + count ? end(PickleEnd::underflow) : make_tuple(stack_.size() - count);
    }
    case 'R':
      return reduce(CallForm::reduce, false);
    case 0x81:
      return reduce(CallForm::new_object, false);
    case 0x92:
      return reduce(CallForm::new_object, true);
    case 0x93:
      return stack_global();
    case 'I':
    case 'L':
    case 'F':
    case 'S':
    case 'V':
    case 'c':
    case 'i':
    case 'P':
      return execute_line(opcode);
    default:
      return execute_rare(opcode);
  }
}

// Skips the content behind a length; the value remembers where it stands.
bool PickleMachine::constant(Kind kind, unsigned length_bytes) {
  if (!cursor_.need(length_bytes)) return end(PickleEnd::truncated);
  std::uint64_t length = 0;
  for (unsigned i = 0; i < length_bytes; ++i) length |= std::uint64_t{cursor_.data()[i]} << 8 * i;
  cursor_.advance(length_bytes);
  const bool may_hide = length >= 12 && cursor_.need(2) && begins_like_pickle(cursor_.data(), kind);
  // Numbers fail at their first bytes, and longer texts are no programs that anybody hides.
  const bool program = !may_hide && length >= 16 && length <= program_text_limit && kind != Kind::number &&
                       cursor_.need(length) && may_be_program({reinterpret_cast<const char*>(cursor_.data()), length});
  if (!cursor_.skip(length)) return end(PickleEnd::truncated);
  if (may_hide || program) listener_.embedded(*this, {kind, opcode_at_}, opcode_at_);
  return push({kind, opcode_at_});
}

bool PickleMachine::execute_constant(std::uint8_t opcode) {
  switch (opcode) {
    case 0x8c:
      return constant(Kind::text, 1);  // SHORT_BINUNICODE
    case 'X':
      return constant(Kind::text, 4);  // BINUNICODE
    case 0x8d:
      return constant(Kind::text, 8);  // BINUNICODE8
    case 'U':
      return constant(Kind::text, 1);  // SHORT_BINSTRING
    case 'T':
      return constant(Kind::text, 4);  // BINSTRING
    case 'C':
      return constant(Kind::bytes, 1);
    case 'B':
      return constant(Kind::bytes, 4);
    case 0x8e:
      return constant(Kind::bytes, 8);
    case 0x96:
      return constant(Kind::byte_array, 8);
    case 0x8a:
      return constant(Kind::number, 1);  // LONG1
    case 0x8b:
      return constant(Kind::number, 4);  // LONG4
    case 'N':
      return push({Kind::none});
    case 0x88:
      return push({Kind::boolean, 1});
    case 0x89:
      return push({Kind::boolean, 0});
    default:
      break;
  }
  const unsigned size = opcode == 'K' ? 1 : opcode == 'M' ? 2 : opcode == 'J' ? 4 : 8;
  if (!cursor_.need(size)) return end(PickleEnd::truncated);
  PickleValue value{Kind::number, opcode_at_};
  if (size == 1) value = {Kind::integer, *cursor_.data()};
  if (size == 2) value = {Kind::integer, load_le<std::uint16_t>(cursor_.data())};
  if (size == 4)
    value = {Kind::integer, static_cast<std::uint64_t>(std::int64_t{load_le<std::int32_t>(cursor_.data())})};
  cursor_.advance(size);
  return push(value);
}

bool PickleMachine::execute_memo(std::uint8_t opcode) {
  const bool store = opcode == 'q' || opcode == 'r' || opcode == 'p';
  std::uint64_t index = 0;
  if (opcode == 0x94) return put(memo_count_);  // len(memo), not a counter of its own
  if (opcode == 'p' || opcode == 'g') {
    std::string line;
    if (!read_line(line)) return false;
    const auto number = memo_index(line);
    if (!number) return end(PickleEnd::bad_operand);
    index = *number;
  } else {
    const unsigned size = opcode == 'q' || opcode == 'h' ? 1 : 4;
    if (!cursor_.need(size)) return end(PickleEnd::truncated);
    index = size == 1 ? *cursor_.data() : load_le<std::uint32_t>(cursor_.data());
    cursor_.advance(size);
  }
  return store ? put(index) : get(index);
}

bool PickleMachine::put(std::uint64_t index) {
  if (stack_.size() <= fence()) return end(PickleEnd::underflow);
  const PickleValue absent{Kind::unknown};
  const std::uint64_t page = index >> 10;
  if (page > memo_pages_.size() + 64) {
    if (index > (1u << 26) && !std::exchange(far_memo_, true))
      listener_.anomaly(*this, PickleAnomaly::huge_memo_index, opcode_at_);
    const auto [place, added] = memo_far_.insert_or_assign(index, stack_.back());
    if (!added) return true;
    ++memo_count_;
    return memory_spent(96);
  }
  while (page >= memo_pages_.size()) {
    memo_pages_.push_back(nullptr);
  }
  if (!memo_pages_[page]) {
    if (!memory_spent(1024 * sizeof(PickleValue))) return false;
    memo_pages_[page] = std::make_unique<std::array<PickleValue, 1024>>();
    memo_pages_[page]->fill(absent);
  }
  auto& entry = (*memo_pages_[page])[index & 1023];
  // An index may have been far away when it was first stored.
  if (entry == absent && (memo_far_.empty() || memo_far_.erase(index) == 0)) ++memo_count_;
  entry = stack_.back();
  return true;
}

bool PickleMachine::get(std::uint64_t index) {
  const std::uint64_t page = index >> 10;
  if (page < memo_pages_.size() && memo_pages_[page]) {
    const PickleValue value = (*memo_pages_[page])[index & 1023];
    if (value.kind() != Kind::unknown) return push(value);
  }
  if (const auto far = memo_far_.find(index); far != memo_far_.end()) return push(far->second);
  return end(PickleEnd::missing_memo);
}

PickleValue PickleMachine::make_tuple_of(std::span<const PickleValue> items) {
  if (items.empty()) return {Kind::tuple, empty_tuple};
  const bool constants = std::all_of(items.begin(), items.end(), [](PickleValue v) { return v.is_constant(); });
  const auto kept = items.first(std::min(items.size(), constants ? constant_tuple_kept : tuple_kept));
  if (tuple_chunks_.empty() || tuple_used_ + kept.size() + 1 > tuple_chunk) {
    // Half of the budget for tuples: past that they are opaque, and a rule that needs their items says so.
    if (tuple_chunks_.size() * tuple_chunk * sizeof(PickleValue) > budget_.limits().memory / 2)
      return {Kind::tuple, opaque_tuple};
    tuple_chunks_.push_back(std::make_unique<PickleValue[]>(tuple_chunk));
    tuple_used_ = 0;
  }
  PickleValue* const place = tuple_chunks_.back().get() + tuple_used_;
  place[0] = {Kind::integer, std::uint64_t{kept.size()} << 1 | (kept.size() == items.size() ? 1u : 0u)};
  std::copy(kept.begin(), kept.end(), place + 1);
  const std::uint64_t index = (tuple_chunks_.size() - 1) * tuple_chunk + tuple_used_;
  tuple_used_ += kept.size() + 1;
  return {Kind::tuple, index};
}

PickleValue PickleMachine::no_items() { return {Kind::tuple, empty_tuple}; }

bool PickleMachine::make_tuple(std::size_t from) {
  const PickleValue tuple = make_tuple_of(std::span(stack_).subspan(from));
  stack_.resize(from);
  return push(tuple);
}

std::span<const PickleValue> PickleMachine::tuple_items(PickleValue tuple, bool* complete) const {
  if (complete) *complete = tuple.kind() == Kind::tuple && tuple.payload() == empty_tuple;
  if (tuple.kind() != Kind::tuple || tuple.payload() >= empty_tuple) return {};
  const PickleValue* const place = tuple_chunks_[tuple.payload() / tuple_chunk].get() + tuple.payload() % tuple_chunk;
  if (complete) *complete = (place[0].payload() & 1) != 0;
  return {place + 1, static_cast<std::size_t>(place[0].payload() >> 1)};
}

std::span<const PickleValue> PickleMachine::items_of(const RecentlyFilled& recent, PickleValue value, bool* complete) {
  const auto& kept = recent[value.payload() % recent.size()];
  const bool here = kept.number == value.payload();
  // One that is newer than all that were filled is empty.
  if (complete) *complete = here ? kept.complete : value.payload() >= kept.next_number;
  return here ? std::span<const PickleValue>(kept.items) : std::span<const PickleValue>{};
}

std::span<const PickleValue> PickleMachine::dict_items(PickleValue dict, bool* complete) const {
  if (dict.kind() == Kind::dict) return items_of(recent_dicts_, dict, complete);
  if (complete) *complete = false;
  return {};
}

std::span<const PickleValue> PickleMachine::list_items(PickleValue list, bool* complete) const {
  if (list.kind() == Kind::list) return items_of(recent_lists_, list, complete);
  if (complete) *complete = false;
  return {};
}

PickleMachine::Filled& PickleMachine::filled(RecentlyFilled& recent, PickleValue target) {
  auto& kept = recent[target.payload() % recent.size()];
  if (kept.number != target.payload()) {
    // The first items of one that is newer than any that was kept here; an older one comes back incomplete.
    kept.complete = target.payload() >= kept.next_number;
    kept.number = target.payload();
    kept.next_number = std::max(kept.next_number, kept.number + 1);
    kept.items.clear();
  }
  return kept;
}

bool PickleMachine::set_items(std::size_t from) {
  if (from <= fence()) return end(PickleEnd::underflow);
  const PickleValue target = stack_[from - 1];
  const auto items = std::span<const PickleValue>(stack_).subspan(from);
  if (target.kind() == Kind::dict) {
    auto& kept = filled(recent_dicts_, target);
    const std::size_t room = dict_kept - std::min(dict_kept, kept.items.size());
    if (items.size() > room) kept.complete = false;
    kept.items.insert(kept.items.end(), items.begin(),
                      items.begin() + static_cast<std::ptrdiff_t>(std::min(room, items.size())));
  } else if (!items.empty()) {
    if (!is_changeable(target) || target.kind() == Kind::tuple || target.kind() == Kind::set)
      return end(PickleEnd::wrong_type);
    if (target.kind() != Kind::list)
      listener_.changed(*this, target, opcode_at_);
    else
      keep_in_list(target, items);
  }
  const bool pairs = items.size() % 2 == 0;  // pickle.py notices only after it has set the others
  stack_.resize(from);
  return pairs || end(PickleEnd::wrong_type);
}

bool PickleMachine::make_list(std::size_t from) {
  const PickleValue list{Kind::list, lists_++ & PickleValue::payload_mask};
  keep_in_list(list, std::span<const PickleValue>(stack_).subspan(from));
  stack_.resize(from);
  return push(list);
}

void PickleMachine::keep_in_list(PickleValue list, std::span<const PickleValue> items) {
  for (const auto item : items) {
    if (item.is_constant()) continue;
    auto& kept = filled(recent_lists_, list);
    if (kept.items.size() < list_kept)
      kept.items.push_back(item);
    else
      kept.complete = false;
  }
}

bool PickleMachine::append_items(std::size_t from, bool to_set) {
  if (from <= fence()) return end(PickleEnd::underflow);
  const PickleValue target = stack_[from - 1];
  if (stack_.size() > from && target.kind() != (to_set ? Kind::set : Kind::list)) {
    if (!is_changeable(target)) return end(PickleEnd::wrong_type);
    if (target.kind() == Kind::tuple || target.kind() == Kind::dict) return end(PickleEnd::wrong_type);
    listener_.changed(*this, target, opcode_at_);
  } else if (!to_set) {
    keep_in_list(target, std::span<const PickleValue>(stack_).subspan(from));
  }
  stack_.resize(from);
  return true;
}

PickleValue PickleMachine::result_of(const PickleCall& call, std::uint32_t detail) {
  const bool named = call.callee.kind() == Kind::global && call.callee.payload() < PickleValue::no_global;
  return PickleValue::object(named ? static_cast<std::uint32_t>(call.callee.payload()) : PickleValue::no_global,
                             detail);
}

bool PickleMachine::call(CallForm form, PickleValue callee, std::span<const PickleValue> arguments, bool complete,
                         PickleValue keywords) {
  if (callee.is_constant() || callee.kind() == Kind::tuple || callee.kind() == Kind::list ||
      callee.kind() == Kind::dict || callee.kind() == Kind::set)
    return end(PickleEnd::wrong_type);
  const PickleValue result = listener_.called(*this, {form, callee, arguments, complete, opcode_at_, keywords});
  if (refused_) return end(PickleEnd::refused);
  return push(result);
}

bool PickleMachine::reduce(CallForm form, bool with_keywords) {
  PickleValue callee, arguments, keywords;
  if (with_keywords && !pop(keywords)) return false;
  if (!pop(arguments) || !pop(callee)) return false;
  // The C unpickler wants a tuple; pickle.py, which joblib builds on, takes whatever can be iterated over.
  if (arguments.kind() <= Kind::number) return end(PickleEnd::wrong_type);
  bool complete = false;
  const auto items = tuple_items(arguments, &complete);
  if (with_keywords && !(keywords.kind() == Kind::dict && dict_items(keywords).empty())) complete = false;
  return call(form, callee, items, complete, keywords);
}

bool PickleMachine::read_line(std::string& line) {
  if (!skip_line(line)) return false;
  return line.size() <= line_limit || end(PickleEnd::bad_operand);
}

// Consumes a line. The head of it, at most one byte more than the limit, is all that anybody needs. A last line without
// its end is taken for one, less its last character: so the unpicklers do, and thus import and call what it names.
bool PickleMachine::skip_line(std::string& head) {
  head.clear();
  while (cursor_.need(1)) {
    const auto* const start = cursor_.data();
    const auto* const newline = static_cast<const std::uint8_t*>(std::memchr(start, '\n', cursor_.buffered()));
    const std::size_t count = newline ? static_cast<std::size_t>(newline - start) : cursor_.buffered();
    head.append(reinterpret_cast<const char*>(start),
                std::min(count, line_limit + 1 - std::min(head.size(), line_limit + 1)));
    cursor_.advance(count + (newline ? 1 : 0));
    if (newline) return true;
  }
  if (cursor_.failed() || head.empty()) return end(PickleEnd::truncated);
  head.pop_back();
  return true;
}

bool PickleMachine::execute_line(std::uint8_t opcode) {
  std::string line;
  switch (opcode) {
    case 'c': {
      PickleValue value;
      return import_lines(value) && push(value) && (!refused_ || end(PickleEnd::refused));
    }
    case 'i': {
      PickleValue callee;
      std::size_t mark = 0;
      if (!import_lines(callee) || !pop_mark(mark)) return false;  // pickle.py imports first, then misses the mark
      const auto all = std::span<const PickleValue>(stack_).subspan(mark);
      const std::vector<PickleValue> arguments(
          all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), tuple_kept)));
      const bool complete = arguments.size() == all.size();
      stack_.resize(mark);
      return call(CallForm::instance, callee, arguments, complete);
    }
    case 'S':
    case 'V': {
      if (!skip_line(line)) return false;
      // A long line is quoted if its first character is a quote: the rest was not kept.
      if (opcode == 'S' && line.size() <= line_limit &&
          (line.size() < 2 || line.front() != line.back() || (line.front() != '\'' && line.front() != '"')))
        return end(PickleEnd::bad_operand);
      return push({Kind::text, opcode_at_});
    }
    case 'P':
      if (!skip_line(line) && cursor_.failed()) return false;
      return push(listener_.persistent(*this, {Kind::text, opcode_at_}, opcode_at_));
    default:
      break;
  }
  if (!skip_line(line)) return false;
  if (opcode == 'F')
    return line.size() <= line_limit && looks_like_real(line) ? push({Kind::number, opcode_at_})
                                                              : end(PickleEnd::bad_operand);
  if (opcode == 'I' && (line == "00" || line == "01")) return push({Kind::boolean, line == "01" ? 1u : 0u});
  // To strtol(), and so to the C unpickler, an INT of nothing is zero.
  const bool zero = opcode == 'I' && (line.empty() || line[0] == '\0');
  if (line.size() <= line_limit && !zero && !looks_like_integer(line)) return end(PickleEnd::bad_operand);
  const auto small = plain_integer(line);
  return push(small ? PickleValue{Kind::integer, static_cast<std::uint64_t>(*small)}
                    : PickleValue{Kind::number, opcode_at_});
}

bool PickleMachine::import_lines(PickleValue& out) {
  std::string module, name;
  // pickle.py imports the module even if the data ends before any name in it.
  if (!skip_line(module) || (!skip_line(name) && (cursor_.failed() || module.empty()))) return false;
  if (module.size() > line_limit || name.size() > line_limit) {
    listener_.anomaly(*this, PickleAnomaly::long_name, opcode_at_);
    module.resize(std::min<std::size_t>(module.size(), 64));
    name.resize(std::min<std::size_t>(name.size(), 64));
  }
  map_python2_name(module, name);
  out = import(std::move(module), std::move(name));
  return true;
}

PickleValue PickleMachine::import(std::string module, std::string name) {
  std::string key = module + '\n' + name;
  const auto [place, added] = global_numbers_.try_emplace(std::move(key), static_cast<std::uint32_t>(globals_.size()));
  if (added) {
    if (globals_.size() + 1 >= PickleValue::no_global || !memory_spent(256 + module.size() + name.size())) {
      global_numbers_.erase(place);
      budget_.exhaust("memory");
      return {Kind::unknown};
    }
    globals_.push_back({std::move(module), std::move(name)});
  }
  listener_.imported(*this, place->second, opcode_at_);
  return {Kind::global, place->second};
}

bool PickleMachine::stack_global() {
  PickleValue name, module;
  if (!pop(name) || !pop(module)) return false;
  if (name.kind() == Kind::text && module.kind() == Kind::text) {
    // Memoised operands come again and again: their places stand for their texts.
    const std::uint64_t key = module.payload() * 0x9E3779B97F4A7C15ull ^ name.payload();
    if (const auto known = global_at_.find(key); known != global_at_.end()) {
      const auto& [number, module_at, name_at] = known->second;
      if (module_at == module.payload() && name_at == name.payload()) {
        listener_.imported(*this, number, opcode_at_);
        return push({Kind::global, number});
      }
    }
    auto module_text = text_of(module), name_text = text_of(name);
    if (!module_text || !name_text) {
      if (cursor_.failed()) return false;
      listener_.anomaly(*this, PickleAnomaly::long_name, opcode_at_);
      return push({Kind::global, import("?", "?").payload()});
    }
    map_python2_name(*module_text, *name_text);
    const PickleValue global = import(std::move(*module_text), std::move(*name_text));
    if (global.kind() == Kind::global && global_at_.size() < 100'000)
      global_at_.insert_or_assign(
          key, KnownOperands{static_cast<std::uint32_t>(global.payload()), module.payload(), name.payload()});
    return push(global) && (!refused_ || end(PickleEnd::refused));
  }
  const auto may_be_text = [](PickleValue v) {
    return v.kind() == Kind::text || v.kind() == Kind::object || v.kind() == Kind::persistent ||
           v.kind() == Kind::extension;
  };
  if (!may_be_text(name) || !may_be_text(module)) return end(PickleEnd::wrong_type);
  listener_.anomaly(*this, PickleAnomaly::computed_name, opcode_at_);
  return push({Kind::unknown});
}

bool PickleMachine::frame() {
  if (!cursor_.need(8)) return end(PickleEnd::truncated);
  const auto length = load_le<std::uint64_t>(cursor_.data());
  cursor_.advance(8);
  const std::uint64_t start = cursor_.position();
  if (frame_end_ != 0 && start != frame_end_) listener_.anomaly(*this, PickleAnomaly::frame_nested, opcode_at_);
  frame_end_ = 0;
  if (length > cursor_.remaining())
    listener_.anomaly(*this, PickleAnomaly::frame_past_end, opcode_at_);
  else
    frame_end_ = start + length;
  return true;
}

bool PickleMachine::execute_rare(std::uint8_t opcode) {
  PickleValue value;
  switch (opcode) {
    case '.':
      if (!pop(result_)) return false;
      return end(PickleEnd::stopped);
    case 0x80:
      if (!cursor_.need(1)) return end(PickleEnd::truncated);
      protocol_ = *cursor_.data();
      cursor_.advance(1);
      return protocol_ <= 5 || end(PickleEnd::bad_protocol);
    case 0x95:
      return frame();
    case '0':
      // A mark on top is what gets popped.
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
        return true;
      }
      return pop(value);
    case '1': {
      std::size_t mark = 0;
      if (!pop_mark(mark)) return false;
      stack_.resize(mark);
      return true;
    }
    case '2':
      return stack_.size() <= fence() ? end(PickleEnd::underflow) : push(stack_.back());
    case 'l':
    case 0x91: {
      std::size_t mark = 0;
      if (!pop_mark(mark)) return false;
      if (opcode == 'l') return make_list(mark);
      stack_.resize(mark);
      return push({Kind::set});
    }
    case 'd': {
      std::size_t mark = 0;
      if (!pop_mark(mark)) return false;
      // The items become those of a new dict that lies below them.
      stack_.insert(stack_.begin() + static_cast<std::ptrdiff_t>(mark),
                    PickleValue{Kind::dict, dicts_++ & PickleValue::payload_mask});
      return set_items(mark + 1);
    }
    case 'o': {
      std::size_t mark = 0;
      if (!pop_mark(mark)) return false;
      if (stack_.size() <= mark) return end(PickleEnd::underflow);
      const PickleValue callee = stack_[mark];
      const auto all = std::span<const PickleValue>(stack_).subspan(mark + 1);
      const std::vector<PickleValue> arguments(
          all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), tuple_kept)));
      const bool complete = arguments.size() == all.size();
      stack_.resize(mark);
      return call(CallForm::object, callee, arguments, complete);
    }
    case 'b': {
      PickleValue state;
      if (!pop(state)) return false;
      if (stack_.size() <= fence()) return end(PickleEnd::underflow);
      listener_.built(*this, stack_.back(), state, opcode_at_);
      return !refused_ || end(PickleEnd::refused);
    }
    case 'Q':
      if (!pop(value)) return false;
      return push(listener_.persistent(*this, value, opcode_at_));
    case 0x82:
    case 0x83:
    case 0x84: {
      const unsigned size = opcode == 0x82 ? 1 : opcode == 0x83 ? 2 : 4;
      if (!cursor_.need(size)) return end(PickleEnd::truncated);
      std::uint32_t code = 0;
      for (unsigned i = 0; i < size; ++i) code |= std::uint32_t{cursor_.data()[i]} << 8 * i;
      cursor_.advance(size);
      listener_.extension(*this, code, opcode_at_);
      return push({Kind::extension});
    }
    case 0x97:
      return push({Kind::buffer, opcode_at_});
    case 0x98:
      return stack_.size() <= fence() ? end(PickleEnd::underflow) : true;
    default:
      return end(PickleEnd::unknown_opcode);
  }
}

bool PickleMachine::skip_foreign(std::uint64_t count) {
  if (frame_end_ != 0 && cursor_.position() >= frame_end_) frame_end_ = 0;
  return cursor_.skip(count);
}

}  // namespace hauberk::scan
