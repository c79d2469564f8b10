#include "base/json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>
#include <unordered_set>

namespace hauberk::json {
namespace {

namespace dom = simdjson::dom;

// `depth` is how many more levels may open: recursion is bounded by it.
Result<Value> convert(const dom::element& element, std::size_t depth);

Result<Value> convert_object(const dom::object& object, std::size_t depth) {
  Object out;
  out.reserve(object.size());
  std::unordered_set<std::string_view> seen;  // used only above a size where scanning would be quadratic
  constexpr std::size_t small = 16;
  for (const auto member : object) {
    bool duplicate = false;
    if (out.size() < small) {
      for (const auto& [key, unused] : out) duplicate = duplicate || key == member.key;
    } else {
      if (seen.empty())
        for (const auto& [key, unused] : out) seen.insert(key);
      duplicate = seen.contains(member.key);
    }
    if (duplicate)
      return fail(Errc::invalid, fmt::format("the key '{:.64}' occurs twice in one JSON object", member.key));
    const bool rehash = out.size() >= small;
    out.emplace_back(std::string(member.key), TRY(convert(member.value, depth)));
    if (rehash) seen.insert(member.key);  // the parser's own copy of the key, which outlives this loop
  }
  return Value(std::move(out));
}

Result<Value> convert(const dom::element& element, std::size_t depth) {
  if (depth == 0 && (element.is_array() || element.is_object()))
    return fail(Errc::invalid, "JSON is nested too deeply");
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
    fmt::format_to(std::back_inserter(out), "{}", *i);
  } else if (const auto* u = value.as_large()) {
    fmt::format_to(std::back_inserter(out), "{}", *u);
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

Result<Value> parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes)
    return fail(Errc::invalid, fmt::format("JSON of {} bytes exceeds the limit of {}", text.size(), limits.bytes));
  // One parser a thread: its buffers are reused, and given back after an unusually large text.
  thread_local dom::parser parser;
  if (parser.max_depth() != limits.depth + 1 &&
      parser.allocate(std::max<std::size_t>(parser.capacity(), 4096), limits.depth + 1) != simdjson::SUCCESS)
    return fail(Errc::exhausted, "no memory to parse JSON");
  dom::element root;
  if (const auto error = parser.parse(text.data(), text.size()).get(root); error != simdjson::SUCCESS)
    return fail(Errc::invalid, fmt::format("not valid JSON: {}", simdjson::error_message(error)));
  auto value = convert(root, limits.depth);
  constexpr std::size_t kept = 4u << 20;
  if (parser.capacity() > kept) parser = dom::parser();
  return value;
}

std::string write(const Value& value) {
  std::string out;
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
  if (simdjson::validate_utf8(text.data(), text.size())) {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) continue;
      out.append(text, begin, i - begin);
      begin = i + 1;
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
    out.append(text, begin, text.size() - begin);
  } else {
    // Rare: byte by byte, each byte that is not ASCII replaced, so that output stays valid whatever came in.
    std::string cleaned;
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x80)
        cleaned += c;
      else if (!cleaned.ends_with("\xEF\xBF\xBD"))
        cleaned += "\xEF\xBF\xBD";
    }
    std::string quoted;
    append_quoted(quoted, cleaned);
    out.append(quoted, 1, quoted.size() - 1);
    return;
  }
  out += '"';
}

}  // namespace hauberk::json
