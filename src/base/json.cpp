#include "base/json.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <string.h>

#include <array>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "base/text.h"

namespace hauberk::json {
namespace {

namespace dom = simdjson::dom;

// The keys of one object. Above a size where looking through them would be quadratic they are hashed.
class Keys {
 public:
  // False if it is there already. The text must outlive this.
  bool add(std::string_view key) {
    if (count_ < few_.size()) {
      for (std::size_t i = 0; i < count_; ++i)
        if (few_[i] == key) return false;
      few_[count_++] = key;
      return true;
    }
    if (many_.empty()) many_.insert(few_.begin(), few_.end());
    return many_.insert(key).second;
  }

 private:
  std::array<std::string_view, 16> few_;
  std::size_t count_ = 0;
  std::unordered_set<std::string_view> many_;
};

std::unexpected<Error> twice(std::string_view key) {
  return fail(Errc::invalid, fmt::format("the key '{:.64}' occurs twice in one JSON object", key));
}
std::unexpected<Error> too_deep() { return fail(Errc::invalid, "JSON is nested too deeply"); }

// `depth` is how many more levels may open: recursion is bounded by it.
Result<Value> convert(const dom::element& element, std::size_t depth);

Result<Value> convert_object(const dom::object& object, std::size_t depth) {
  Object out;
  out.reserve(object.size());
  Keys keys;
  for (const auto member : object) {
    if (!keys.add(member.key)) return twice(member.key);
    out.emplace_back(std::string(member.key), TRY(convert(member.value, depth)));
  }
  return Value(std::move(out));
}

Result<Value> convert(const dom::element& element, std::size_t depth) {
  if (depth == 0 && (element.is_array() || element.is_object())) return too_deep();
  switch (element.type()) {
    case dom::element_type::NULL_VALUE:
      return Value();
    case dom::element_type::BOOL:
      return Value(element.get_bool().value_unsafe());
    case dom::element_type::INT64:
      return Value(element.get_int64().value_unsafe());
    case dom::element_type::UINT64:
      return Value(element.get_uint64().value_unsafe());
    case dom::element_type::DOUBLE:
      return Value(element.get_double().value_unsafe());
    case dom::element_type::STRING:
      return Value(element.get_string().value_unsafe());
    case dom::element_type::ARRAY: {
      const dom::array array = element.get_array().value_unsafe();
      Array out;
      out.reserve(array.size());
      for (const auto item : array) out.push_back(TRY(convert(item, depth - 1)));
      return Value(std::move(out));
    }
    case dom::element_type::OBJECT:
      return convert_object(element.get_object().value_unsafe(), depth - 1);
  }
  return fail(Errc::internal, "JSON value of an unknown kind");
}

// What convert() refuses, without the values.
Status check(const dom::element& element, std::size_t depth) {
  if (element.is_array()) {
    if (depth == 0) return too_deep();
    const dom::array array = element.get_array().value_unsafe();
    for (const auto item : array) CHECK(check(item, depth - 1));
  } else if (element.is_object()) {
    if (depth == 0) return too_deep();
    Keys keys;
    const dom::object object = element.get_object().value_unsafe();
    for (const auto member : object) {
      if (!keys.add(member.key)) return twice(member.key);
      CHECK(check(member.value, depth - 1));
    }
  }
  return {};
}

// One parser a thread: its buffers are reused. What it gives is good until the thread's next parse.
dom::parser& parser() {
  thread_local dom::parser one;
  return one;
}
Result<dom::element> parse_dom(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes)
    return fail(Errc::invalid, fmt::format("JSON of {} bytes exceeds the limit of {}", text.size(), limits.bytes));
  if (parser().max_depth() != limits.depth + 1 &&
      parser().allocate(std::max<std::size_t>(parser().capacity(), 4096), limits.depth + 1) != simdjson::SUCCESS)
    return fail(Errc::exhausted, "no memory to parse JSON");
  if (text.empty()) return fail(Errc::invalid, "not valid JSON: it is empty");
  if (text.size() > limits.values && static_cast<std::size_t>(std::ranges::count_if(text, [](char c) {
                                       return c == ',' || c == '[' || c == '{';
                                     })) > limits.values)
    return fail(Errc::invalid, fmt::format("JSON of more than {} values", limits.values));
  dom::element root;
  if (const auto error = parser().parse(text.data(), text.size()).get(root); error != simdjson::SUCCESS)
    return fail(Errc::invalid, fmt::format("not valid JSON: {}", simdjson::error_message(error)));
  return root;
}
// Gives the buffers back after an unusually large text.
void let_go() {
  constexpr std::size_t kept = 4u << 20;
  if (parser().capacity() > kept) parser() = dom::parser();
}

// How many bytes from `at` on stand for themselves: ASCII without quotes, backslashes and control characters.
std::size_t plain_run(std::string_view text, std::size_t at) {
  constexpr std::uint64_t ones = 0x0101010101010101, tops = ones * 0x80;
  const auto has_zero = [](std::uint64_t word) { return (word - ones) & ~word & tops; };
  const std::size_t begin = at;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    const auto below_space = (word - ones * 0x20) & ~word & tops;
    if ((word & tops) | below_space | has_zero(word ^ (ones * '"')) | has_zero(word ^ (ones * '\\')) |
        has_zero(word ^ (ones * 0x7f)))
      break;
  }
  for (; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f) break;
  }
  return at - begin;
}

// These walk over text that is known to be valid JSON.
std::size_t skip_space(std::string_view text, std::size_t at) { return text.find_first_not_of(" \t\r\n", at); }
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at;;) {
    at += plain_run(text, at);
    if (text[at] == '"') return at + 1;
    at += text[at] == '\\' ? 2 : 1;
  }
}
std::size_t skip_value(std::string_view text, std::size_t at) {
  if (text[at] == '"') return skip_string(text, at);
  if (text[at] != '{' && text[at] != '[') return text.find_first_of(",]} \t\r\n", at);
  for (std::size_t open = 0;;) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++open;
    if ((c == '}' || c == ']') && --open == 0) return at;
  }
}

void append_escaped(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
  }
}

void append(std::string& out, const Value& value, int indent, int depth) {
  const auto line = [&](int level) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent * level), ' ');
  };
  if (value.is_null()) {
    out += "null";
  } else if (const auto* b = value.as_bool()) {
    out += *b ? "true" : "false";
  } else if (const auto* i = value.as_int()) {
    append_part(out, *i);
  } else if (const auto* u = value.as_large()) {
    append_part(out, *u);
  } else if (const auto* s = value.as_string()) {
    append_quoted(out, *s);
  } else if (const auto* a = value.as_array()) {
    out += '[';
    for (std::size_t k = 0; k < a->size(); ++k) {
      if (k != 0) out += ',';
      line(depth + 1);
      append(out, (*a)[k], indent, depth + 1);
    }
    if (!a->empty()) line(depth);
    out += ']';
  } else if (const auto* o = value.as_object()) {
    out += '{';
    for (std::size_t k = 0; k < o->size(); ++k) {
      if (k != 0) out += ',';
      line(depth + 1);
      append_quoted(out, (*o)[k].first);
      out += indent < 0 ? ":" : ": ";
      append(out, (*o)[k].second, indent, depth + 1);
    }
    if (!o->empty()) line(depth);
    out += '}';
  } else {
    const double d = value.number();
    if (!std::isfinite(d)) {
      out += "null";  // JSON has no word for it
      return;
    }
    const std::size_t before = out.size();
    fmt::format_to(std::back_inserter(out), "{}", d);
    // A double stays a double when it is read again.
    if (out.find_first_of(".en", before) == std::string::npos) out += ".0";
  }
}

}  // namespace

double Value::number() const {
  if (const auto* i = std::get_if<std::int64_t>(&data_)) return static_cast<double>(*i);
  if (const auto* u = std::get_if<std::uint64_t>(&data_)) return static_cast<double>(*u);
  if (const auto* d = std::get_if<double>(&data_)) return *d;
  return 0;
}

const Value* Value::find(std::string_view key) const {
  if (const auto* object = as_object())
    for (const auto& [name, value] : *object)
      if (name == key) return &value;
  return nullptr;
}

Value* Value::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

std::string_view Value::text_or(std::string_view key, std::string_view otherwise) const {
  const auto* member = find(key);
  const auto* text = member != nullptr ? member->as_string() : nullptr;
  return text != nullptr ? std::string_view(*text) : otherwise;
}

std::int64_t Value::int_or(std::string_view key, std::int64_t otherwise) const {
  const auto* member = find(key);
  const auto* integer = member != nullptr ? member->as_int() : nullptr;
  return integer != nullptr ? *integer : otherwise;
}

Value& Value::set(std::string_view key, Value value) {
  if (is_null()) data_ = Object{};
  if (auto* object = as_object()) {
    if (auto* present = find(key))
      *present = std::move(value);
    else
      object->emplace_back(std::string(key), std::move(value));
  }
  return *this;
}

Value& Value::push(Value value) {
  if (is_null()) data_ = Array{};
  if (auto* array = as_array()) array->push_back(std::move(value));
  return *this;
}

bool Value::erase(std::string_view key) {
  auto* object = as_object();
  return object != nullptr && std::erase_if(*object, [&](const Member& m) { return m.first == key; }) != 0;
}

void Value::wipe() noexcept {
  if (auto* text = std::get_if<std::string>(&data_)) ::explicit_bzero(text->data(), text->size());
  if (auto* array = as_array())
    for (auto& value : *array) value.wipe();
  if (auto* object = as_object())
    for (auto& [key, value] : *object) value.wipe();
}

Result<Value> parse(std::string_view text, const Limits& limits) {
  auto value = convert(TRY(parse_dom(text, limits)), limits.depth);
  let_go();
  return value;
}

Result<std::vector<RawMember>> members(std::string_view text, const Limits& limits) {
  const auto root = TRY(parse_dom(text, limits));
  if (!root.is_object()) return fail(Errc::invalid, "not a JSON object");
  CHECK(check(root, limits.depth));
  const dom::object object = root.get_object().value_unsafe();
  std::vector<RawMember> out;
  out.reserve(object.size());
  std::size_t at = skip_space(text, 0);
  for (const auto member : object) {
    at = skip_string(text, skip_space(text, at + 1));  // behind { or ,
    const auto begin = skip_space(text, text.find(':', at) + 1);
    const auto end = skip_value(text, begin);
    out.push_back({std::string(member.key), text.substr(begin, end - begin)});
    at = skip_space(text, end);
  }
  let_go();
  return out;
}

std::string write(const Value& value) {
  std::string out;
  out.reserve(256);
  append(out, value, -1, 0);
  return out;
}

std::string write_pretty(const Value& value, int indent) {
  std::string out;
  append(out, value, indent, 0);
  return out;
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  bool checked = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto run = plain_run(text, at);
    out.append(text, at, run);
    at += run;
    if (at == text.size()) break;
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x80) {
      append_escaped(out, c);
      ++at;
      continue;
    }
    if (!checked && !simdjson::validate_utf8(text.data() + at, text.size() - at)) {
      // Rare: every byte of the rest that is not ASCII is replaced, so that output stays valid whatever came in.
      std::string cleaned;
      for (const char byte : text.substr(at)) {
        if (static_cast<unsigned char>(byte) < 0x80)
          cleaned += byte;
        else if (!cleaned.ends_with("\xEF\xBF\xBD"))
          cleaned += "\xEF\xBF\xBD";
      }
      std::string quoted;
      append_quoted(quoted, cleaned);
      out.append(quoted, 1);
      return;
    }
    checked = true;
    const std::size_t begin = at;
    while (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80) ++at;
    out.append(text, begin, at - begin);
  }
  out += '"';
}

}  // namespace hauberk::json
