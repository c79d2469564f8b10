// JSON as a value. Parsing is strict, because what two parsers read differently is a way around a check: duplicate
// keys, invalid UTF-8, lone surrogates, numbers out of range, trailing bytes and deep nesting are refused. Numbers keep
// their kind: an integer that was written without fraction or exponent stays an exact 64-bit integer. Writing is
// deterministic: members in insertion order, shortest round-trip numbers, only the escapes that JSON requires.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace hauberk::json {

class Value;
using Array = std::vector<Value>;
using Member = std::pair<std::string, Value>;
using Object = std::vector<Member>;  // insertion order; keys are unique

class Value {
 public:
  Value() = default;  // null
  Value(std::nullptr_t) {}
  Value(bool b) : data_(b) {}
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool> && std::is_signed_v<T>)
  Value(T n) : data_(static_cast<std::int64_t>(n)) {}
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool> && std::is_unsigned_v<T>)
  Value(T n) : data_(static_cast<std::uint64_t>(n)) {
    if (n <= static_cast<std::uint64_t>(INT64_MAX)) data_ = static_cast<std::int64_t>(n);  // one kind for one number
  }
  Value(double d) : data_(d) {}
  Value(std::string s) : data_(std::move(s)) {}
  Value(std::string_view s) : data_(std::string(s)) {}
  Value(const char* s) : data_(std::string(s)) {}
  Value(Array a) : data_(std::move(a)) {}
  Value(Object o) : data_(std::move(o)) {}

  static Value object() { return Value(Object{}); }
  static Value array() { return Value(Array{}); }

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_integer() const {
    return std::holds_alternative<std::int64_t>(data_) || std::holds_alternative<std::uint64_t>(data_);
  }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(data_); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_array() const { return std::holds_alternative<Array>(data_); }
  bool is_object() const { return std::holds_alternative<Object>(data_); }

  // Null pointer where the value is of another kind. They never throw and never convert.
  const bool* as_bool() const { return std::get_if<bool>(&data_); }
  const std::int64_t* as_int() const { return std::get_if<std::int64_t>(&data_); }
  const std::uint64_t* as_large() const { return std::get_if<std::uint64_t>(&data_); }  // above INT64_MAX only
  const std::string* as_string() const { return std::get_if<std::string>(&data_); }
  const Array* as_array() const { return std::get_if<Array>(&data_); }
  Array* as_array() { return std::get_if<Array>(&data_); }
  const Object* as_object() const { return std::get_if<Object>(&data_); }
  Object* as_object() { return std::get_if<Object>(&data_); }
  // Any number as double; 0 for other kinds.
  double number() const;

  // Member access; null where there is none or this is no object.
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  // The member's text or integer, or what is given where it is missing or of another kind.
  std::string_view text_or(std::string_view key, std::string_view otherwise) const;
  std::int64_t int_or(std::string_view key, std::int64_t otherwise) const;
  // Sets or replaces a member; turns null into an object. Returns *this, for chains.
  Value& set(std::string_view key, Value value);
  // Appends to an array; turns null into an array.
  Value& push(Value value);
  bool erase(std::string_view key);

  // Overwrites every text in it with zeros: for values that held secrets.
  void wipe() noexcept;

  bool operator==(const Value&) const = default;

 private:
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object> data_;
};

struct Limits {
  std::size_t bytes = 64u << 20;
  std::size_t depth = 100;
  // Commas and opening brackets, those in strings included: each value takes some 50 bytes of memory, and "[0,0,…" has
  // one for every two bytes.
  std::size_t values = std::size_t{64} << 20;
};

// The whole text must be one JSON value. Errc::invalid with the reason and, where known, the place.
Result<Value> parse(std::string_view text, const Limits& limits = {});

// A member of a text that is one JSON object; `value` is its spelling, within the text.
struct RawMember {
  std::string key;
  std::string_view value;
};
// The members of the outermost object, in order. Checks all of the text as parse() does and builds nothing of it.
Result<std::vector<RawMember>> members(std::string_view text, const Limits& limits = {});

std::string write(const Value& value);  // one line
std::string write_pretty(const Value& value, int indent = 2);
// Appends the text as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD, so that output is always valid JSON.
void append_quoted(std::string& out, std::string_view text);

}  // namespace hauberk::json
