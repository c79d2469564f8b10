#include "core/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/nearest.h"

namespace hauberk {
namespace {

std::string number_text(double n) {
  return n == std::floor(n) && std::abs(n) < 1e18 ? fmt::format("{}", static_cast<std::int64_t>(n))
                                                  : fmt::format("{}", n);
}

// " from 1 to 10", " of at least 1", or nothing. Bounds that are only those of the C++ type are not worth a word.
std::string range_text(double least, double most, std::string (*spell)(double)) {
  const bool below = least > -9.2e18, above = most < 9.2e18;
  if (below && above) return fmt::format(" from {} to {}", spell(least), spell(most));
  if (below) return fmt::format(" of at least {}", spell(least));
  if (above) return fmt::format(" of at most {}", spell(most));
  return "";
}

std::string nanoseconds_text(double n) { return duration_text(Duration(static_cast<std::int64_t>(n))); }

std::string choices_text(const FieldType& type, std::string_view separator, std::string_view last) {
  std::string out;
  for (std::size_t i = 0; i < type.choices.size(); ++i) {
    if (i != 0) out += i + 1 == type.choices.size() ? last : separator;
    out += type.choices[i].first;
  }
  return out;
}

// What was found, for a message. A long text may be a secret in the wrong place.
std::string found_text(const json::Value& value) {
  constexpr std::size_t longest_shown = 20;
  if (value.is_object()) return "a section";
  if (value.is_array()) return "a list";
  if (value.is_null()) return "nothing";
  if (const auto* text = value.as_string(); text != nullptr && text->size() > longest_shown)
    return fmt::format("a text of {} bytes", text->size());
  return json::write(value);
}

std::nullopt_t expected(const FieldType& type, const json::Value& value, const FieldPlace& place) {
  place.fail(fmt::format("expected {}, found {}", type.text(), found_text(value)));
  return std::nullopt;
}

bool within(const FieldType& type, double n) { return n >= type.least && n <= type.most; }

void read_unknown(const FieldList& list, const std::string& key, const FieldPlace& place) {
  std::vector<std::string_view> names;
  for (const auto& field : list.fields()) names.push_back(field.name);
  // A key that is not written as ours are may be a secret behind a colon without its space.
  std::string message = is_plain_key(key) ? fmt::format("unknown key '{}'", key) : "unknown key";
  std::string meaning;
  if (const auto meant = nearest(key, names)) {
    message += fmt::format("; did you mean '{}'?", *meant);
  } else {
    std::ranges::sort(names);
    meaning = fmt::format("the keys here are: {}", fmt::join(names, ", "));
  }
  place.errors.push_back({child_pointer(place.pointer, key), std::move(message), std::move(meaning), true});
}

}  // namespace

std::string child_pointer(std::string_view pointer, std::string_view key) {
  std::string out(pointer);
  out += '/';
  for (const char c : key) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

bool is_plain_key(std::string_view text) {
  constexpr std::size_t longest = 24;
  return !text.empty() && text.size() <= longest &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

Error to_error(const FieldErrors& errors) {
  Error out{Errc::invalid, "", errors.empty() ? "" : errors.front().pointer};
  for (const auto& e : errors) {
    if (!out.message.empty()) out.message += fmt::format("; {}: ", e.pointer);
    out.message += e.message;
  }
  return out;
}

std::string FieldType::text() const {
  switch (kind) {
    case FieldKind::boolean:
      return "true or false";
    case FieldKind::integer:
      return "an integer" + range_text(least, most, number_text);
    case FieldKind::number:
      return "a number" + range_text(least, most, number_text);
    case FieldKind::duration:
      return "a duration such as 30s" + range_text(least, most, nanoseconds_text);
    case FieldKind::choice:
      return choices_text(*this, ", ", " or ");
    case FieldKind::secret:
      return "a reference to a secret, such as env:NAME or file:/run/secrets/name";
    case FieldKind::text: {
      const auto bounds = range_text(least, most, number_text);
      return bounds.empty() ? "a text" : fmt::format("a text{} characters", bounds);
    }
    case FieldKind::list: {
      const auto bounds = range_text(least, most, number_text);
      return bounds.empty() ? fmt::format("a list ({} each)", item->text())
                            : fmt::format("a list{} items ({} each)", bounds, item->text());
    }
    case FieldKind::section:
      return "a section";
    case FieldKind::any:
      return "any value";
  }
  return "a value";
}

namespace field_detail {

std::optional<bool> read_bool(const FieldType& type, const json::Value& value, const FieldPlace& place) {
  if (const auto* b = value.as_bool()) return *b;
  return expected(type, value, place);
}

std::optional<std::int64_t> read_integer(const FieldType& type, const json::Value& value, const FieldPlace& place) {
  if (const auto* n = value.as_int(); n != nullptr && within(type, static_cast<double>(*n))) return *n;
  return expected(type, value, place);
}

std::optional<double> read_number(const FieldType& type, const json::Value& value, const FieldPlace& place) {
  if (value.is_number() && std::isfinite(value.number()) && within(type, value.number())) return value.number();
  return expected(type, value, place);
}

std::optional<std::string> read_text(const FieldType& type, const json::Value& value, const FieldPlace& place) {
  if (const auto* text = value.as_string(); text != nullptr && within(type, static_cast<double>(text->size())))
    return *text;
  return expected(type, value, place);
}

std::optional<Duration> read_duration(const FieldType& type, const json::Value& value, const FieldPlace& place) {
  if (const auto* text = value.as_string())
    if (const auto duration = parse_duration(*text); duration && within(type, static_cast<double>(duration->count())))
      return *duration;
  return expected(type, value, place);
}

std::optional<std::int64_t> read_choice(const FieldType& type, const json::Value& value, const FieldPlace& place) {
  const auto* text = value.as_string();
  if (text == nullptr) return expected(type, value, place);
  std::vector<std::string_view> names;
  for (const auto& [name, number] : type.choices) {
    if (name == *text) return number;
    names.push_back(name);
  }
  const auto meant = nearest(*text, names);
  if (!meant) return expected(type, value, place);
  place.fail(fmt::format("expected {}, found {}; did you mean '{}'?", type.text(), found_text(value), *meant));
  return std::nullopt;
}

std::optional<SecretRef> read_secret(const FieldType& type, const json::Value& value, const FieldPlace& place) {
  if (const auto* text = value.as_string())
    if (auto reference = SecretRef::parse(*text)) return std::move(*reference);
  // What was found is not repeated: it may be the secret itself.
  place.fail(fmt::format("expected {}; a literal secret is not accepted here", type.text()));
  return std::nullopt;
}

const json::Array* read_list(const FieldType& type, const json::Value& value, const FieldPlace& place) {
  const auto* items = value.as_array();
  if (items != nullptr && within(type, static_cast<double>(items->size()))) return items;
  if (items != nullptr)
    place.fail(fmt::format("expected {}, found {} items", type.text(), items->size()));
  else
    expected(type, value, place);
  return nullptr;
}

json::Value write_choice(const FieldType& type, std::int64_t value) {
  for (const auto& [name, number] : type.choices)
    if (number == value) return name;
  return {};
}

}  // namespace field_detail

void FieldList::read(const json::Value& value, void* object, const FieldPlace& place) const {
  const auto* members = value.as_object();
  if (members == nullptr) {
    // A text may be a secret on the wrong level.
    place.fail(fmt::format("expected a section with keys, found {}", value.is_string() ? "a text" : found_text(value)));
    return;
  }
  const std::size_t before = place.errors.size();
  for (const auto& [key, member] : *members) {
    const auto known = std::ranges::find(fields_, key, &Field::name);
    if (known == fields_.end())
      read_unknown(*this, key, place);
    else
      known->read(known->type, member, object, {place.errors, child_pointer(place.pointer, key), known->help});
  }
  for (const auto& field : fields_)
    if (field.required && value.find(field.name) == nullptr)
      place.errors.push_back({place.pointer,
                              fmt::format("the key '{}' is missing; expected {}", field.name, field.type.text()),
                              field.help, true});
  // The check needs this section's own members; mistakes in sections below do not keep it from running.
  const bool own_mistake = std::any_of(
      place.errors.begin() + static_cast<std::ptrdiff_t>(before), place.errors.end(), [&](const FieldError& e) {
        return e.pointer == place.pointer || e.pointer.find('/', place.pointer.size() + 1) == std::string::npos;
      });
  if (check_ && !own_mistake) check_(object, {place.errors, place.pointer, {}});
}

json::Value FieldList::write(const void* object) const {
  auto out = json::Value::object();
  for (const auto& field : fields_)
    if (auto value = field.write(field.type, object); !value.is_null()) out.set(field.name, std::move(value));
  return out;
}

namespace {

json::Value schema_of(const FieldType& type);

json::Value schema_of(const FieldList& list) {
  auto properties = json::Value::object();
  auto needed = json::Value::array();
  for (const auto& field : list.fields()) {
    auto property = schema_of(field.type);
    property.set("description", field.help);
    if (!field.otherwise.is_null() && field.type.kind != FieldKind::section) property.set("default", field.otherwise);
    properties.set(field.name, std::move(property));
    if (field.required) needed.push(field.name);
  }
  json::Value out;
  out.set("type", "object").set("additionalProperties", false).set("properties", std::move(properties));
  if (!needed.as_array()->empty()) out.set("required", std::move(needed));
  return out;
}

void set_bounds(json::Value& schema, const FieldType& type, std::string_view least, std::string_view most) {
  const auto number = [](double n) {
    return n == std::floor(n) ? json::Value(static_cast<std::int64_t>(n)) : json::Value(n);
  };
  if (type.least > -9.2e18) schema.set(least, number(type.least));
  if (type.most < 9.2e18) schema.set(most, number(type.most));
}

json::Value schema_of(const FieldType& type) {
  json::Value out;
  switch (type.kind) {
    case FieldKind::boolean:
      out.set("type", "boolean");
      break;
    case FieldKind::integer:
      out.set("type", "integer");
      set_bounds(out, type, "minimum", "maximum");
      break;
    case FieldKind::number:
      out.set("type", "number");
      set_bounds(out, type, "minimum", "maximum");
      break;
    case FieldKind::text:
      out.set("type", "string");
      set_bounds(out, type, "minLength", "maxLength");
      break;
    case FieldKind::duration:
      out.set("type", "string").set("pattern", "^[0-9]+(ns|us|ms|s|m|h|d)$");
      break;
    case FieldKind::choice: {
      auto names = json::Value::array();
      for (const auto& [name, unused] : type.choices) names.push(name);
      out.set("enum", std::move(names));
      break;
    }
    case FieldKind::secret:
      out.set("type", "string").set("pattern", "^(env|file|vault|aws-sm|pkcs11):.+$");
      break;
    case FieldKind::list:
      out.set("type", "array").set("items", schema_of(*type.item));
      set_bounds(out, type, "minItems", "maxItems");
      break;
    case FieldKind::section:
      return schema_of(*type.section);
    case FieldKind::any:
      return json::Value::object();
  }
  return out;
}

// '|' ends a cell of a table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

json::Value json_schema(const FieldList& list) {
  json::Value out;
  out.set("$schema", "https://json-schema.org/draft/2020-12/schema");
  const auto body = schema_of(list);
  for (const auto& [key, value] : *body.as_object()) out.set(key, value);
  return out;
}

std::string reference_markdown(const FieldList& list, std::string_view title, int level) {
  std::string out = fmt::format("{} {}\n\n| key | value | default | what it is |\n|---|---|---|---|\n",
                                std::string(static_cast<std::size_t>(level), '#'), title);
  std::string sections;
  for (const auto& field : list.fields()) {
    const auto& inner = field.type.kind == FieldKind::list ? *field.type.item : field.type;
    std::string otherwise = field.required ? "required" : "none";
    if (inner.kind == FieldKind::section) {
      const auto path = (level > 2 ? fmt::format("{}.", title) : "") + field.name + (&inner != &field.type ? "[]" : "");
      sections += "\n" + reference_markdown(*inner.section, path, level + 1);
      if (!field.required) otherwise = "see below";
    } else if (!field.otherwise.is_null() && field.otherwise != json::Value("")) {
      otherwise = fmt::format(
          "`{}`", field.otherwise.is_string() ? *field.otherwise.as_string() : json::write(field.otherwise));
    }
    out += fmt::format("| `{}` | {} | {} | {} |\n", field.name, cell(field.type.text()), cell(otherwise),
                       cell(field.help));
  }
  return out + sections;
}

}  // namespace hauberk
