#include "config/yaml.h"

#include <fmt/format.h>
#include <libfyaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <tuple>

namespace hauberk::config {
namespace {

// Strict UTF-8 (RFC 3629): no overlong forms, no surrogates. The offset of the first bad byte, or none. NUL is bad,
// too.
std::optional<std::size_t> first_bad_byte(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u; };
    const unsigned c = byte(0);
    std::size_t length = c < 0x80                ? 1
                         : c >= 0xC2 && c < 0xE0 ? 2
                         : (c & 0xF0) == 0xE0    ? 3
                         : c >= 0xF0 && c < 0xF5 ? 4
                                                 : 0;
    if (c == 0 || length == 0) return i;
    for (std::size_t k = 1; k < length; ++k)
      if ((byte(k) & 0xC0) != 0x80) return i;
    const unsigned second = byte(1);
    if ((c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F) || (c == 0xF0 && second < 0x90) ||
        (c == 0xF4 && second > 0x8F))
      return i;
    i += length;
  }
  return std::nullopt;
}

// Lines of a text, by number from 1.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text), starts_{0} {
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') starts_.push_back(i + 1);
  }
  Position position(std::size_t offset) const {
    offset = std::min(offset, text_.size());
    const auto after = std::ranges::upper_bound(starts_, offset);
    const auto start = *std::prev(after);
    std::uint32_t column = 1;
    for (std::size_t i = start; i < offset; ++i) column += (static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80;
    return {static_cast<std::uint32_t>(after - starts_.begin()), column};
  }
  std::string_view line(std::uint32_t number) const {
    if (number == 0 || number > starts_.size()) return {};
    const auto start = starts_[number - 1];
    const auto end = number < starts_.size() ? starts_[number] - 1 : text_.size();
    auto line = text_.substr(start, end - start);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_;
};

struct FreeDiag {
  void operator()(fy_diag* d) const { fy_diag_destroy(d); }
};
struct FreeParser {
  void operator()(fy_parser* p) const { fy_parser_destroy(p); }
};
struct FreeEvent {
  fy_parser* parser = nullptr;
  void operator()(fy_event* e) const { fy_parser_event_free(parser, e); }
};
using EventPtr = std::unique_ptr<fy_event, FreeEvent>;

bool all_digits(std::string_view text, std::string_view digits) {
  return !text.empty() && text.find_first_not_of(digits) == std::string_view::npos;
}

// [-+]? ( '.' digits | digits ( '.' digits? )? ) ( [eE] [-+]? digits )?, as section 10.3.2 of YAML 1.2.2 says.
bool is_float(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t before = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - before;
  };
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  const std::size_t whole = digits();
  std::size_t fraction = 0;
  if (i < text.size() && text[i] == '.') ++i, fraction = digits();
  if (whole + fraction == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

std::optional<json::Value> whole_number(std::string_view digits, bool negative, int base) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (!negative) return json::Value(n);
  if (n > static_cast<std::uint64_t>(INT64_MAX) + 1) return std::nullopt;
  return json::Value(static_cast<std::int64_t>(0 - n));
}

// A plain scalar by the core schema; nothing if it is a number that cannot be held. Numbers with leading zeros are
// texts: YAML 1.1 reads them as octal, YAML 1.2 as decimal.
std::optional<json::Value> resolve_plain(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return json::Value();
  if (text == "true" || text == "True" || text == "TRUE") return json::Value(true);
  if (text == "false" || text == "False" || text == "FALSE") return json::Value(false);
  const bool negative = text[0] == '-';
  const auto unsigned_text = text.substr(negative || text[0] == '+' ? 1 : 0);
  constexpr std::string_view decimal = "0123456789";
  const bool leading_zero = unsigned_text.size() > 1 && unsigned_text[0] == '0' && decimal.contains(unsigned_text[1]);
  if (leading_zero && is_float(text)) return json::Value(text);
  if (all_digits(unsigned_text, decimal)) return whole_number(unsigned_text, negative, 10);
  if (text.starts_with("0x") && all_digits(text.substr(2), "0123456789abcdefABCDEF"))
    return whole_number(text.substr(2), false, 16);
  if (text.starts_with("0o") && all_digits(text.substr(2), "01234567")) return whole_number(text.substr(2), false, 8);
  for (const std::string_view word : {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"})
    if (unsigned_text == word) return std::nullopt;
  if (!is_float(text)) return json::Value(text);
  double d = 0;
  const auto from = text[0] == '+' ? text.substr(1) : text;
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), d);
  if (error != std::errc() || end != from.data() + from.size() || !std::isfinite(d)) return std::nullopt;
  return json::Value(d);
}

// Builds the value out of the parser's events. Recursion is bounded by YamlLimits::depth.
class Builder {
 public:
  Builder(std::string_view text, const Lines& lines, const YamlLimits& limits) : lines_(lines), limits_(limits) {
    fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = nullptr;
    diag_.reset(fy_diag_create(&diag_config));
    fy_diag_set_collect_errors(diag_.get(), true);
    const fy_parse_cfg config{.search_path = "", .flags = FYPCF_QUIET, .userdata = nullptr, .diag = diag_.get()};
    parser_.reset(fy_parser_create(&config));
    if (parser_ != nullptr && fy_parser_set_string(parser_.get(), text.data(), text.size()) != 0) parser_.reset();
  }

  bool build(YamlDocument& out) {
    if (parser_ == nullptr) return fail({}, "cannot start the YAML parser: no memory");
    auto event = next();
    if (event != nullptr && event->type == FYET_STREAM_START) event = next();
    if (event == nullptr) return false;
    if (event->type == FYET_STREAM_END) {
      out.value = json::Value::object();
      return true;
    }
    event = next();  // after the start of the document
    if (event == nullptr || !value(*event, out.value, "", std::nullopt, 0, out)) return false;
    if (out.value.is_null()) out.value = json::Value::object();
    event = next();
    if (event != nullptr) event = next();  // after the end of the document
    if (event == nullptr) return false;
    return event->type == FYET_STREAM_END ||
           fail(place_of(*event), "a second document begins here; the file must hold one");
  }

  const std::string& message() const { return message_; }
  Position where() const { return where_; }

 private:
  EventPtr next() {
    EventPtr event(fy_parser_parse(parser_.get()), FreeEvent{parser_.get()});
    if (event == nullptr && message_.empty()) take_diagnosis();
    return event;
  }

  void take_diagnosis() {
    message_ = "not valid YAML";
    void* state = nullptr;
    if (const auto* error = fy_diag_errors_iterate(diag_.get(), &state); error != nullptr) {
      message_ = fmt::format("not valid YAML: {}", error->msg != nullptr ? error->msg : "");
      where_ = {static_cast<std::uint32_t>(std::max(1, error->line)),
                static_cast<std::uint32_t>(std::max(1, error->column))};
    }
  }

  bool fail(Position where, std::string message) {
    where_ = where;
    message_ = std::move(message);
    return false;
  }

  static fy_token* token_of(const fy_event& event) {
    switch (event.type) {
      case FYET_SCALAR:
        return event.scalar.value;
      case FYET_SEQUENCE_START:
        return event.sequence_start.sequence_start;
      case FYET_MAPPING_START:
        return event.mapping_start.mapping_start;
      case FYET_ALIAS:
        return event.alias.anchor;
      case FYET_DOCUMENT_START:
        return event.document_start.document_start;
      default:
        return nullptr;
    }
  }

  Position place_of(const fy_event& event) {
    auto* token = token_of(event);
    // An empty value has no place of its own: that of what came before is near.
    const auto* mark = token != nullptr ? fy_token_start_mark(token) : nullptr;
    if (mark == nullptr) return last_;
    const auto style = event.type == FYET_SCALAR ? fy_token_scalar_style(token) : FYSS_PLAIN;
    const bool behind_quote = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
    return last_ = lines_.position(mark->input_pos - (behind_quote && mark->input_pos > 0 ? 1 : 0));
  }

  bool refuse_extras(const fy_event& event, Position place) {
    const auto [anchor, tag] = [&]() -> std::pair<fy_token*, fy_token*> {
      switch (event.type) {
        case FYET_SCALAR:
          return {event.scalar.anchor, event.scalar.tag};
        case FYET_SEQUENCE_START:
          return {event.sequence_start.anchor, event.sequence_start.tag};
        case FYET_MAPPING_START:
          return {event.mapping_start.anchor, event.mapping_start.tag};
        default:
          return {nullptr, nullptr};
      }
    }();
    if (event.type == FYET_ALIAS || anchor != nullptr)
      return fail(place, "anchors and aliases (& and *) are not accepted; write the value where it is used");
    if (tag != nullptr) return fail(place, "tags (!) are not accepted; quote a text, write numbers plainly");
    return true;
  }

  bool value(const fy_event& event, json::Value& out, const std::string& pointer, std::optional<Position> key,
             std::size_t depth, YamlDocument& document) {
    const auto place = place_of(event);
    if (!refuse_extras(event, place)) return false;
    if (++values_ > limits_.values) return fail(place, fmt::format("more than {} values", limits_.values));
    if (depth >= limits_.depth) return fail(place, fmt::format("nested deeper than {} levels", limits_.depth));
    document.places[pointer] = {key.value_or(place), place};
    switch (event.type) {
      case FYET_SCALAR:
        return scalar(event, out, place);
      case FYET_SEQUENCE_START:
        return sequence(out, pointer, depth, document);
      case FYET_MAPPING_START:
        return mapping(out, pointer, depth, document);
      default:
        return fail(place, "expected a value");
    }
  }

  static std::string_view text_of(fy_token* token) {
    std::size_t length = 0;
    const char* text = token != nullptr ? fy_token_get_text(token, &length) : nullptr;
    return text != nullptr ? std::string_view(text, length) : std::string_view();
  }

  bool scalar(const fy_event& event, json::Value& out, Position place) {
    const auto text = text_of(event.scalar.value);
    if (event.scalar.value != nullptr && fy_token_scalar_style(event.scalar.value) != FYSS_PLAIN) {
      if (first_bad_byte(text))
        return fail(place, "the text holds NUL or what is no character");  // by way of an escape
      out = json::Value(text);
      return true;
    }
    auto resolved = resolve_plain(text);
    if (!resolved) return fail(place, "the number is out of range; quote it if it is a text");
    out = std::move(*resolved);
    return true;
  }

  bool sequence(json::Value& out, const std::string& pointer, std::size_t depth, YamlDocument& document) {
    json::Array items;
    for (auto event = next();; event = next()) {
      if (event == nullptr) return false;
      if (event->type == FYET_SEQUENCE_END) break;
      if (!value(*event, items.emplace_back(), child_pointer(pointer, items.size() - 1), std::nullopt, depth + 1,
                 document))
        return false;
    }
    out = json::Value(std::move(items));
    return true;
  }

  bool mapping(json::Value& out, const std::string& pointer, std::size_t depth, YamlDocument& document) {
    json::Object members;
    for (auto event = next();; event = next()) {
      if (event == nullptr) return false;
      if (event->type == FYET_MAPPING_END) break;
      const auto place = place_of(*event);
      if (!refuse_extras(*event, place)) return false;
      const std::string key(event->type == FYET_SCALAR ? text_of(event->scalar.value) : "");
      if (key.empty()) return fail(place, "a key must be a text");
      if (first_bad_byte(key)) return fail(place, "the key holds NUL or what is no character");
      if (key == "<<") return fail(place, "merge keys (<<) are not accepted; write the keys where they are used");
      const auto child = child_pointer(pointer, key);
      if (document.places.contains(child))
        return fail(place, is_plain_key(key) ? fmt::format("the key '{}' occurs twice", key) : "a key occurs twice");
      event = next();
      if (event == nullptr) return false;
      members.emplace_back(key, json::Value());
      if (!value(*event, members.back().second, child, place, depth + 1, document)) return false;
    }
    out = json::Value(std::move(members));
    return true;
  }

  const Lines& lines_;
  const YamlLimits& limits_;
  std::unique_ptr<fy_diag, FreeDiag> diag_;
  std::unique_ptr<fy_parser, FreeParser> parser_;
  std::size_t values_ = 0;
  Position last_;
  Position where_;
  std::string message_;
};

// Any value in a line may be a secret, on its own place or on a wrong one: keys and signs are shown, values are not.
struct KeysOnly {
  std::string line;
  std::uint32_t column;  // of what was at `column` before
};
KeysOnly keys_only(std::string_view line, std::uint32_t column) {
  const auto is_sign = [&](std::size_t at) {
    if (line[at] == ':') return at + 1 == line.size() || line[at + 1] == ' ';  // not that of an address
    return std::string_view(" \t\r,{}[]\"'").contains(line[at]);
  };
  const auto begins_member = [&](std::size_t begin) {  // of a line, a list or a mapping
    const auto before = line.substr(0, begin).find_last_not_of(" \t\"'");
    return before == std::string_view::npos || std::string_view("{[,-?").contains(line[before]);
  };
  const auto is_key = [&](std::size_t begin, std::size_t end) {  // followed by a colon and a space
    if (!begins_member(begin) || !is_plain_key(line.substr(begin, end - begin))) return false;
    if (end < line.size() && (line[end] == '"' || line[end] == '\'')) ++end;
    return end < line.size() && line[end] == ':' && (end + 1 == line.size() || line[end + 1] == ' ');
  };
  KeysOnly out{{}, 0};
  std::uint32_t at = 0;  // characters before
  const auto put = [&](std::string_view text, std::uint32_t characters, std::uint32_t shown) {
    if (column > at && column <= at + characters)
      out.column += std::min(column - at, shown);
    else if (column > at)
      out.column += shown;
    at += characters;
    out.line += text;
  };
  for (std::size_t i = 0; i < line.size();) {
    auto end = i;
    while (end < line.size() && !is_sign(end)) ++end;
    if (end == i) {
      put(line.substr(i++, 1), 1, 1);
      continue;
    }
    const auto run = line.substr(i, end - i);
    const auto characters = static_cast<std::uint32_t>(
        std::ranges::count_if(run, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    const bool says_something = std::ranges::any_of(run, [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
    });
    if (is_key(i, end) || !says_something)
      put(run, characters, characters);
    else
      put("…", characters, 1);
    i = end;
  }
  if (column > at) out.column += column - at;  // behind the end
  return out;
}

// What a terminal may be shown of a line: at most a hundred characters around the column, nothing that controls it.
struct Excerpt {
  std::string text;
  std::size_t caret = 0;  // characters before it
};
Excerpt excerpt(std::string_view line, std::uint32_t column) {
  constexpr std::size_t width = 100;
  std::vector<std::string> characters;
  for (std::size_t i = 0; i < line.size();) {
    std::size_t end = i + 1;
    while (end < line.size() && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) ++end;
    const auto c = static_cast<unsigned char>(line[i]);
    characters.emplace_back(c < 0x20 || c == 0x7f ? std::string(" ") : std::string(line.substr(i, end - i)));
    i = end;
  }
  const std::size_t at = column - 1;
  const std::size_t from = at < width * 3 / 4 ? 0 : at - width / 2;
  Excerpt out;
  if (from != 0) out.text = "…";
  for (std::size_t i = from; i < std::min(characters.size(), from + width); ++i) out.text += characters[i];
  if (characters.size() > from + width) out.text += "…";
  out.caret = at - from + (from != 0 ? 1 : 0);
  return out;
}

bool plain_is_safe(std::string_view text) {
  if (text.empty() || text.size() > 80 || text.ends_with(':')) return false;
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
  if (!letters.contains(text[0])) return false;
  for (const char c : text)
    if (!letters.contains(c) && !std::string_view("0123456789.-+@:").contains(c)) return false;
  for (const std::string_view word : {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}) {
    const auto same = std::ranges::equal(text, word, [](char a, char b) { return (a | 0x20) == b; });
    if (same) return false;  // YAML 1.1 readers take these for something else
  }
  return true;
}

void append_yaml(std::string& out, const json::Value& value, std::size_t indent, bool in_list) {
  const std::string margin(indent, ' ');
  const auto empty = [](const json::Value& v) {
    return (v.as_array() != nullptr && v.as_array()->empty()) || (v.as_object() != nullptr && v.as_object()->empty());
  };
  const auto scalar = [&](const json::Value& v) {
    if (const auto* text = v.as_string(); text != nullptr && plain_is_safe(*text))
      out += *text;
    else
      out += json::write(v);  // JSON is YAML
    out += '\n';
  };
  const auto nested = [&](const json::Value& v) { return (v.is_array() || v.is_object()) && !empty(v); };
  if (const auto* items = value.as_array(); items != nullptr && !items->empty()) {
    for (const auto& item : *items) {
      out += margin + "- ";
      if (nested(item) && item.is_object())
        append_yaml(out, item, indent + 2, true);
      else
        scalar(item);
    }
  } else if (const auto* members = value.as_object(); members != nullptr && !members->empty()) {
    bool first = true;
    for (const auto& [key, member] : *members) {
      if (!first || !in_list) out += margin;  // the first member stands behind the dash
      first = false;
      if (plain_is_safe(key))
        out += key;
      else
        json::append_quoted(out, key);
      out += ':';
      out += nested(member) ? "\n" : " ";
      if (nested(member))
        append_yaml(out, member, indent + 2, false);
      else
        scalar(member);
    }
  } else {
    scalar(value);
  }
}

}  // namespace

std::string render(const ConfigError& error) {
  std::string out =
      fmt::format("{}:{}:{}: error: {}\n", error.file, error.position.line, error.position.column, error.message);
  if (!error.line.empty()) {
    const auto known = keys_only(error.line, error.position.column);
    const auto shown = excerpt(known.line, known.column);
    out += fmt::format("{:5} | {}\n      | {:{}}^\n", error.position.line, shown.text, "", shown.caret);
  }
  if (!error.meaning.empty()) out += fmt::format("      = {}\n", error.meaning);
  return out;
}

std::string render(const std::vector<ConfigError>& errors) {
  std::string out;
  for (const auto& error : errors) out += render(error);
  return out;
}

Error to_error(const std::vector<ConfigError>& errors) {
  auto text = render(errors);
  if (text.ends_with('\n')) text.pop_back();
  return Error{Errc::invalid, std::move(text), ""};
}

Position YamlDocument::position(std::string_view pointer, bool of_key) const {
  for (;;) {
    if (const auto found = places.find(std::string(pointer)); found != places.end())
      return of_key ? found->second.key : found->second.value;
    const auto slash = pointer.rfind('/');
    if (slash == std::string_view::npos) return {};
    pointer = pointer.substr(0, slash);
  }
}

std::expected<YamlDocument, ConfigError> parse_yaml(std::string_view text, std::string_view file,
                                                    const YamlLimits& limits) {
  const auto refuse = [&](Position where, std::string message, std::string_view line) {
    return std::unexpected(ConfigError{std::string(file), where, std::move(message), "", std::string(line)});
  };
  if (text.size() > limits.bytes)
    return refuse({}, fmt::format("the file has {} bytes; at most {} are accepted", text.size(), limits.bytes), "");
  const Lines lines(text);
  if (const auto bad = first_bad_byte(text)) return refuse(lines.position(*bad), "not valid UTF-8, or a NUL byte", "");
  YamlDocument out;
  Builder builder(text, lines, limits);
  if (!builder.build(out)) return refuse(builder.where(), builder.message(), lines.line(builder.where().line));
  return out;
}

std::vector<ConfigError> locate(const FieldErrors& errors, const YamlDocument& document, std::string_view text,
                                std::string_view file) {
  const Lines lines(text);
  std::vector<ConfigError> out;
  for (const auto& error : errors) {
    ConfigError e{std::string(file), document.position(error.pointer, error.at_key), error.message, error.meaning, ""};
    e.line = lines.line(e.position.line);
    out.push_back(std::move(e));
  }
  std::ranges::sort(out, [](const ConfigError& a, const ConfigError& b) {
    return std::tie(a.position.line, a.position.column, a.message) <
           std::tie(b.position.line, b.position.column, b.message);
  });
  return out;
}

std::string write_yaml(const json::Value& value) {
  std::string out;
  append_yaml(out, value, 0, false);
  return out;
}

}  // namespace hauberk::config
