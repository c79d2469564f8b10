// What expressions of a template may be, as far as the template alone decides it, and what Jinja's operators, methods
// and filters make of that. Sets of alternatives stand for conditions; all of it is bounded in size and depth. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hauberk::scan {

constexpr std::size_t jinja_text_kept = 4096;   // of a text that is put together
constexpr std::size_t jinja_alternatives = 24;  // values that one expression may have

// What an expression may be, as far as the template alone decides it.
struct JinjaValue {
  enum Kind : std::uint8_t {
    data,      // comes from the conversation: no name that the template's author chose
    amount,    // a number or a truth that is not known
    given,     // a variable that nothing here assigns: the server's own, or a token that the model's author defined
    known,     // this text
    number,    // this number; true, false and none are numbers whose `text` spells them
    list,      // these items
    dict,      // keys and values in turn
    lazy,      // a generator or a view over the one item, which is a sequence: as a text it shows names
    object,    // something made by Jinja, or a method: as a text it shows names; `text` may say which
    root,      // one of the objects above; `text` says which
    opened,    // this text with pieces of the conversation in it, which may be empty; of given ones if the number is 1
    computed,  // put together from constants in a way that is not followed
  };
  Kind kind = data;
  std::string text = {};
  std::int64_t number_value = 0;
  std::vector<JinjaValue> items = {};
  bool operator==(const JinjaValue&) const = default;
};
using JinjaValues = std::vector<JinjaValue>;

struct JinjaArguments {
  std::vector<JinjaValues> positional;
  std::map<std::string, JinjaValues> named;
  bool spread = false;
};

JinjaValue jinja_text(std::string text);
JinjaValue jinja_number(std::int64_t n);
JinjaValue jinja_lazy(JinjaValue sequence);
// What a generator goes over; any other value as it is.
JinjaValue jinja_sequence(JinjaValue value);
// Whether it comes from the conversation or is a number: nothing of the author's making.
bool jinja_plain(const JinjaValue& value);
bool jinja_numeric(const JinjaValue& value);
// Whether it is, or holds, what the model's author may have defined elsewhere.
bool jinja_tainted(const JinjaValue& value);
// Whether an argument puts characters into a text of which names are made.
bool jinja_adds_names(const JinjaArguments& given);
// Whether a text made of it holds characters that the author chose, or that show how Python is built.
bool jinja_authored(const JinjaValue& value);
// How large a value is; nesting without end counts as endless.
std::size_t jinja_weight(const JinjaValue& value, int depth = 0);
JinjaValue jinja_bounded(JinjaValue value);
// The characters of UTF-8 text, as Python counts them.
std::vector<std::string> jinja_characters(std::string_view text);
std::string_view jinja_trim(std::string_view text);
// Whether a list of words with blanks around each holds the word.
bool jinja_in(std::string_view list, std::string_view word);

// What judges templates builds on these.
struct JinjaFold {
  // a op b, for ~ + - * / // % and **.
  static JinjaValue combine(const std::string& op, const JinjaValue& a, const JinjaValue& b);
  static JinjaValues limited(JinjaValues values);
  static std::string as_text(const JinjaValue& value);
  static std::string flat_text(const JinjaValue& value);
  // %s, %d and %c of constants; anything finer is not followed.
  static JinjaValue percent(std::string_view format, const JinjaValues& arguments);
  static JinjaValue opened_or_text(std::string text, bool open);
  // {} and {0} of constants.
  static JinjaValue braces(std::string_view format, const JinjaValues& arguments);
  static bool has_object(const JinjaValues& values);
  // The item of a constant; whatever else has the kind of what it comes from.
  static JinjaValue item_of(const JinjaValue& base, const JinjaValue& key);
  // base[begin:end:step]; nothing for a part that is missing.
  static JinjaValue sliced(const JinjaValue& base, const std::optional<JinjaValues> (&parts)[3]);
  // Items of which one is chosen that is not known: whole words of the author are harmless if none begins a name.
  static JinjaValue::Kind worst_of(const JinjaValue& base);
  static JinjaValues first(const JinjaArguments& given, std::size_t i);
  static JinjaValue single(const JinjaArguments& given, std::size_t i);
  // Methods of Python's texts, lists and dictionaries.
  static JinjaValue method_of(const JinjaValue& base, const std::string& name, const JinjaArguments& given);
  static JinjaValue pairs_of(const JinjaValue& base);
  static JinjaValue joined_list(const JinjaValue& items, std::string_view between);
  static JinjaValue replaced(std::string_view text, std::string_view from, std::string_view to);
  // Filters and methods without arguments that make one text of another.
  static std::optional<JinjaValue> changed_text(std::string_view text, std::string_view how);
  // A selection of what a sequence holds.
  static JinjaValues untouched(const JinjaValues& bases);
  static JinjaValue sequence_value(const JinjaValue& base, const std::string& name);
  // Filters of one value, those aside that name attributes or other filters.
  static JinjaValues filter_of(const JinjaValue& base, const std::string& name, const JinjaArguments& given);
  // What map() with the filter makes of every item.
  static JinjaValue mapped_by(const JinjaValue& base, const std::string& filter, const JinjaArguments& rest);
};

}  // namespace hauberk::scan
