// Field lists: a component says once which fields its configuration has; from that one list come parsing with defaults
// and range checks, the error for an unknown key with the nearest name, the JSON Schema (draft 2020-12) and the
// reference in Markdown. Defaults are the member initialisers of the struct, so that there is one place for them. For
// example:
//
//   struct RateLimitConfig {
//     std::uint32_t per_minute = 60;
//     Mode mode = Mode::enforce;
//     static const Fields<RateLimitConfig>& fields();
//   };
//   const Fields<RateLimitConfig>& RateLimitConfig::fields() {
//     static const Fields<RateLimitConfig> list{
//         field("per_minute", &RateLimitConfig::per_minute, range(1, 1'000'000), "requests per key and minute"),
//         field("mode", &RateLimitConfig::mode, choices<Mode>({{"enforce", Mode::enforce}, {"shadow", Mode::shadow}}),
//         "…"),
//     };
//     return list;
//   }
//   const auto config = parse_fields<RateLimitConfig>(value, "/deployments/0/guards/3/rate_limit");
//
// Members may be bool, integers, double, std::string, Duration ("30s"), enums (with choices), SecretRef (a literal is
// refused), json::Value (taken as it is), structs with a list of their own, and std::vector or std::optional of these.
// All errors are collected, not only the first. Pure; any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <expected>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/secret.h"
#include "base/time.h"

namespace hauberk {

struct FieldError {
  std::string pointer;  // RFC 6901, of the value that is wrong; of the enclosing object if a key is missing
  std::string message;  // "expected an integer from 1 to 1000000, found 0"
  std::string meaning;  // what the field is for; may be empty
  bool at_key = false;  // point at the key, not at the value
  bool operator==(const FieldError&) const = default;
};
using FieldErrors = std::vector<FieldError>;

// Small letters and '_', as all keys of ours: what else stands in the place of one is not repeated in errors.
bool is_plain_key(std::string_view text);

// One error of the house out of several: the first one's pointer as context, all messages.
Error to_error(const FieldErrors& errors);
// `pointer` with one more part, escaped as RFC 6901 says.
std::string child_pointer(std::string_view pointer, std::string_view key);
inline std::string child_pointer(std::string_view pointer, std::size_t index) {
  return child_pointer(pointer, std::to_string(index));
}

enum class FieldKind { boolean, integer, number, text, duration, choice, secret, list, section, any };

class FieldList;

// What is accepted, as data: checks, schema and reference read it.
struct FieldType {
  FieldKind kind = FieldKind::any;
  double least = -std::numeric_limits<double>::infinity();  // of a number; of a duration in nanoseconds; of the length
  double most = std::numeric_limits<double>::infinity();    // of a text or list
  std::vector<std::pair<std::string, std::int64_t>> choices;
  std::shared_ptr<FieldType> item;     // of a list
  const FieldList* section = nullptr;  // lives as long as the program

  FieldType& innermost() { return item ? item->innermost() : *this; }
  std::string text() const;  // "an integer from 1 to 1000000"
};

// Where reading is now.
struct FieldPlace {
  FieldErrors& errors;
  std::string pointer;
  std::string_view meaning;
  void fail(std::string message) const { errors.push_back({pointer, std::move(message), std::string(meaning)}); }
  FieldPlace at(std::string_view key) const;  // a member of this place, for checks of a whole section
};

inline FieldPlace FieldPlace::at(std::string_view key) const { return {errors, child_pointer(pointer, key), meaning}; }

namespace field_detail {

// The value if it has that kind and lies in the range; otherwise nothing and an error.
std::optional<bool> read_bool(const FieldType& type, const json::Value& value, const FieldPlace& place);
std::optional<std::int64_t> read_integer(const FieldType& type, const json::Value& value, const FieldPlace& place);
std::optional<double> read_number(const FieldType& type, const json::Value& value, const FieldPlace& place);
std::optional<std::string> read_text(const FieldType& type, const json::Value& value, const FieldPlace& place);
std::optional<Duration> read_duration(const FieldType& type, const json::Value& value, const FieldPlace& place);
std::optional<std::int64_t> read_choice(const FieldType& type, const json::Value& value, const FieldPlace& place);
std::optional<SecretRef> read_secret(const FieldType& type, const json::Value& value, const FieldPlace& place);
const json::Array* read_list(const FieldType& type, const json::Value& value, const FieldPlace& place);
json::Value write_choice(const FieldType& type, std::int64_t value);

template <class T>
struct Codec;

template <class T, FieldKind kind, auto read_one>
struct ScalarCodec {
  static FieldType type() { return {.kind = kind}; }
  static void read(const FieldType& type, const json::Value& value, T& out, const FieldPlace& place) {
    if (auto read_value = read_one(type, value, place)) out = static_cast<T>(*std::move(read_value));
  }
  static json::Value write(const FieldType&, const T& value) { return json::Value(value); }
};

template <>
struct Codec<bool> : ScalarCodec<bool, FieldKind::boolean, read_bool> {};
template <>
struct Codec<double> : ScalarCodec<double, FieldKind::number, read_number> {};
template <>
struct Codec<std::string> : ScalarCodec<std::string, FieldKind::text, read_text> {};
template <>
struct Codec<Duration> : ScalarCodec<Duration, FieldKind::duration, read_duration> {
  static json::Value write(const FieldType&, const Duration& value) { return duration_text(value); }
};
template <>
struct Codec<SecretRef> : ScalarCodec<SecretRef, FieldKind::secret, read_secret> {
  static json::Value write(const FieldType&, const SecretRef& value) {
    return value.scheme.empty() ? json::Value() : json::Value(value.text());
  }
};
template <>
struct Codec<json::Value> {
  static FieldType type() { return {.kind = FieldKind::any}; }
  static void read(const FieldType&, const json::Value& value, json::Value& out, const FieldPlace&) { out = value; }
  static json::Value write(const FieldType&, const json::Value& value) { return value; }
};
template <std::integral T>
struct Codec<T> : ScalarCodec<T, FieldKind::integer, read_integer> {
  static FieldType type() {
    return {.kind = FieldKind::integer,
            .least = static_cast<double>(std::numeric_limits<T>::min()),
            .most = static_cast<double>(std::numeric_limits<T>::max())};
  }
};
template <class T>
  requires std::is_enum_v<T>
struct Codec<T> : ScalarCodec<T, FieldKind::choice, read_choice> {
  static json::Value write(const FieldType& type, const T& value) {
    return write_choice(type, static_cast<std::int64_t>(value));
  }
};
template <class T>
struct Codec<std::optional<T>> {
  static FieldType type() { return Codec<T>::type(); }
  static void read(const FieldType& type, const json::Value& value, std::optional<T>& out, const FieldPlace& place) {
    Codec<T>::read(type, value, out.emplace(), place);
  }
  static json::Value write(const FieldType& type, const std::optional<T>& value) {
    return value ? Codec<T>::write(type, *value) : json::Value();
  }
};
template <class T>
struct Codec<std::vector<T>> {
  static FieldType type() { return {.kind = FieldKind::list, .item = std::make_shared<FieldType>(Codec<T>::type())}; }
  static void read(const FieldType& type, const json::Value& value, std::vector<T>& out, const FieldPlace& place) {
    const auto* items = read_list(type, value, place);
    if (items == nullptr) return;
    out.clear();
    for (std::size_t i = 0; i < items->size(); ++i) {
      T item{};
      Codec<T>::read(*type.item, (*items)[i], item, {place.errors, child_pointer(place.pointer, i), place.meaning});
      out.push_back(std::move(item));
    }
  }
  static json::Value write(const FieldType& type, const std::vector<T>& value) {
    auto out = json::Value::array();
    for (const auto& item : value) out.push(Codec<T>::write(*type.item, item));
    return out;
  }
};

}  // namespace field_detail

// Restrictions. range, choices: of the value, or of each item of a list. length: of a text or of a list.
struct FieldRange {
  double least, most;
};
inline FieldRange range(std::integral auto least, std::integral auto most) {
  return {static_cast<double>(least), static_cast<double>(most)};
}
inline FieldRange range(double least, double most) { return {least, most}; }
inline FieldRange range(Duration least, Duration most) {
  return {static_cast<double>(least.count()), static_cast<double>(most.count())};
}
struct FieldLength {
  std::size_t least, most;
};
inline FieldLength length(std::size_t least, std::size_t most) { return {least, most}; }
struct FieldRequired {};
inline constexpr FieldRequired required{};
struct FieldChoices {
  std::vector<std::pair<std::string, std::int64_t>> names;
};
template <class E>
FieldChoices choices(std::initializer_list<std::pair<std::string_view, E>> names) {
  FieldChoices out;
  for (const auto& [name, value] : names) out.names.emplace_back(name, static_cast<std::int64_t>(value));
  return out;
}

// One field without its type: `object` is the struct that the list was made for.
struct Field {
  std::string name;
  std::string help;
  FieldType type;
  bool required = false;
  json::Value otherwise;  // the default; null = none
  std::function<void(const FieldType&, const json::Value&, void* object, const FieldPlace&)> read;
  std::function<json::Value(const FieldType&, const void* object)> write;

  void apply(FieldRange r) { type.innermost().least = r.least, type.innermost().most = r.most; }
  void apply(FieldLength l) { type.least = static_cast<double>(l.least), type.most = static_cast<double>(l.most); }
  void apply(FieldRequired) { required = true; }
  void apply(FieldChoices c) { type.innermost().choices = std::move(c.names); }
};

class FieldList {
 public:
  explicit FieldList(std::vector<Field> fields) : fields_(std::move(fields)) {}
  const std::vector<Field>& fields() const { return fields_; }
  void read(const json::Value& value, void* object, const FieldPlace& place) const;
  json::Value write(const void* object) const;  // members without a value are left out

 protected:
  std::vector<Field> fields_;
  std::function<void(const void* object, const FieldPlace&)> check_;
};

template <class T>
struct FieldOf : Field {};

template <class T>
class Fields : public FieldList {
 public:
  Fields(std::initializer_list<FieldOf<T>> list) : FieldList(std::vector<Field>(list.begin(), list.end())) {
    const T defaults{};
    for (auto& f : fields_) f.otherwise = f.required ? json::Value() : f.write(f.type, &defaults);
  }
  // What no single field can tell: runs if every field of this very section was read without error.
  Fields&& with_check(std::function<void(const T&, const FieldPlace&)> check) && {
    check_ = [check = std::move(check)](const void* object, const FieldPlace& place) {
      check(*static_cast<const T*>(object), place);
    };
    return std::move(*this);
  }
};

template <class T>
concept HasFields = requires {
  { T::fields() } -> std::convertible_to<const Fields<T>&>;
};

namespace field_detail {
template <class T>
  requires HasFields<T>
struct Codec<T> {
  static FieldType type() { return {.kind = FieldKind::section, .section = &T::fields()}; }
  static void read(const FieldType&, const json::Value& value, T& out, const FieldPlace& place) {
    T::fields().read(value, &out, place);
  }
  static json::Value write(const FieldType&, const T& value) { return T::fields().write(&value); }
};
}  // namespace field_detail

// field(name, member, [restriction, [restriction,]] help)
template <class T, class M>
FieldOf<T> field(std::string_view name, M T::* member, std::string_view help) {
  FieldOf<T> out;
  out.name = name;
  out.help = help;
  out.type = field_detail::Codec<M>::type();
  out.read = [member](const FieldType& type, const json::Value& value, void* object, const FieldPlace& place) {
    field_detail::Codec<M>::read(type, value, static_cast<T*>(object)->*member, place);
  };
  out.write = [member](const FieldType& type, const void* object) {
    return field_detail::Codec<M>::write(type, static_cast<const T*>(object)->*member);
  };
  return out;
}
template <class T, class M, class A>
FieldOf<T> field(std::string_view name, M T::* member, A restriction, std::string_view help) {
  auto out = field(name, member, help);
  out.apply(std::move(restriction));
  return out;
}
template <class T, class M, class A, class B>
FieldOf<T> field(std::string_view name, M T::* member, A first, B second, std::string_view help) {
  auto out = field(name, member, std::move(first), help);
  out.apply(std::move(second));
  return out;
}

// Reads an object. `pointer` is where it stands in the document; errors carry it.
template <HasFields T>
std::expected<T, FieldErrors> parse_fields(const json::Value& value, std::string pointer = {}) {
  T out{};
  FieldErrors errors;
  T::fields().read(value, &out, {errors, std::move(pointer), {}});
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return out;
}
template <HasFields T>
json::Value write_fields(const T& object) {
  return T::fields().write(&object);
}

// JSON Schema (draft 2020-12) of an object with these fields; unknown members are refused by it, too.
json::Value json_schema(const FieldList& list);
// The reference: one table a section under headings of `level` and more, titled by their paths ("limits",
// "deployments[]").
std::string reference_markdown(const FieldList& list, std::string_view title, int level = 2);

}  // namespace hauberk
