#include "scan/jinja_value.h"

#include <algorithm>

namespace hauberk::scan {

std::string_view jinja_trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n\f\v";
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

bool jinja_in(std::string_view list, std::string_view word) {
  if (word.empty() || word.find(' ') != std::string_view::npos) return false;
  return list.find(" " + std::string(word) + " ") != std::string_view::npos;
}

JinjaValue jinja_text(std::string text) {
  if (text.size() > jinja_text_kept) return {JinjaValue::computed};
  return {JinjaValue::known, std::move(text)};
}
JinjaValue jinja_number(std::int64_t n) { return {JinjaValue::number, {}, n}; }

JinjaValue jinja_lazy(JinjaValue sequence) {
  return sequence.kind == JinjaValue::lazy ? std::move(sequence)
                                           : JinjaValue{JinjaValue::lazy, {}, 0, {std::move(sequence)}};
}
JinjaValue jinja_sequence(JinjaValue value) {
  if (value.kind != JinjaValue::lazy || value.items.empty()) return value;
  return JinjaValue(std::move(value.items[0]));
}

bool jinja_numeric(const JinjaValue& value) {
  return value.kind == JinjaValue::number || value.kind == JinjaValue::amount;
}
bool jinja_plain(const JinjaValue& value) {
  return value.kind == JinjaValue::data || value.kind == JinjaValue::given || jinja_numeric(value);
}

bool jinja_tainted(const JinjaValue& value) {
  return value.kind == JinjaValue::given || (value.kind == JinjaValue::opened && value.number_value != 0);
}

bool jinja_authored(const JinjaValue& value) {
  if (value.kind == JinjaValue::list || value.kind == JinjaValue::dict)
    return std::any_of(value.items.begin(), value.items.end(), jinja_authored);
  return !jinja_plain(value);
}

bool jinja_adds_names(const JinjaArguments& given) {
  const auto adds = [](const JinjaValue& v) {
    return v.kind == JinjaValue::known ? v.text.find('_') != std::string::npos : jinja_authored(v);
  };
  const auto any = [&](const JinjaValues& values) { return std::any_of(values.begin(), values.end(), adds); };
  return given.spread || std::any_of(given.positional.begin(), given.positional.end(), any) ||
         std::any_of(given.named.begin(), given.named.end(), [&](const auto& named) { return any(named.second); });
}

std::size_t jinja_weight(const JinjaValue& value, int depth) {
  if (depth > 24) return jinja_text_kept;
  std::size_t weight = 1 + value.text.size() / 16;
  for (const auto& item : value.items) weight += jinja_weight(item, depth + 1);
  return weight;
}
JinjaValue jinja_bounded(JinjaValue value) {
  return jinja_weight(value) >= jinja_text_kept ? JinjaValue{JinjaValue::computed} : std::move(value);
}

std::vector<std::string> jinja_characters(std::string_view text) {
  std::vector<std::string> out;
  for (const char c : text) {
    if (out.empty() || (static_cast<unsigned char>(c) & 0xc0) != 0x80) out.emplace_back();
    out.back() += c;
  }
  return out;
}

namespace {
constexpr std::string_view odd_methods =
    " format format_map bit_length bit_count to_bytes from_bytes as_integer_ratio is_integer ";
constexpr std::string_view view_methods = " send throw close isdisjoint mapping start stop step count index ";
}  // namespace

JinjaValue JinjaFold::combine(const std::string& op, const JinjaValue& a, const JinjaValue& b) {
  const bool a_flat = a.kind == JinjaValue::known || a.kind == JinjaValue::number;
  const bool b_flat = b.kind == JinjaValue::known || b.kind == JinjaValue::number;
  if (op == "~" ||
      (op == "+" && (a.kind == JinjaValue::known || b.kind == JinjaValue::known || a.kind == JinjaValue::opened))) {
    if (a_flat && b_flat) return jinja_text(as_text(a) + as_text(b));
    // Texts that show names of Python's.
    const auto hides = [](const JinjaValue& v) {
      return v.kind == JinjaValue::computed || v.kind == JinjaValue::object || v.kind == JinjaValue::root ||
             v.kind == JinjaValue::lazy ||
             ((v.kind == JinjaValue::list || v.kind == JinjaValue::dict) && jinja_authored(v));
    };
    if (hides(a) || hides(b)) return {JinjaValue::computed};
    // What comes from the conversation may be empty: what is left without it counts.
    JinjaValue out = jinja_text(flat_text(a) + flat_text(b));
    if (out.kind == JinjaValue::known) out.kind = JinjaValue::opened;
    out.number_value = jinja_tainted(a) || jinja_tainted(b) ? 1 : 0;
    return out;
  }
  if (op == "+" && a.kind == JinjaValue::list && b.kind == JinjaValue::list && a.items.size() + b.items.size() <= 256) {
    JinjaValue out = a;
    out.items.insert(out.items.end(), b.items.begin(), b.items.end());
    return jinja_bounded(std::move(out));
  }
  if (op == "*") {
    const auto& count = a.kind == JinjaValue::number ? a : b;
    const auto& other = a.kind == JinjaValue::number ? b : a;
    if (count.kind == JinjaValue::number && other.kind == JinjaValue::known) {
      std::string out;
      for (std::int64_t i = 0; !other.text.empty() && i < count.number_value && out.size() <= jinja_text_kept; ++i)
        out += other.text;
      return jinja_text(std::move(out));
    }
    if (a.kind == JinjaValue::number && b.kind == JinjaValue::number) {
      std::int64_t product = 0;
      return __builtin_mul_overflow(a.number_value, b.number_value, &product) ? jinja_number(INT64_MAX)
                                                                              : jinja_number(product);
    }
  }
  if (op == "**" && b.kind == JinjaValue::number) {
    std::int64_t power = 1;
    if (a.kind == JinjaValue::number)
      for (std::int64_t i = 0; i < std::min<std::int64_t>(b.number_value, 64); ++i)
        if (__builtin_mul_overflow(power, a.number_value, &power)) return jinja_number(INT64_MAX);
    return a.kind == JinjaValue::number ? jinja_number(power) : JinjaValue{JinjaValue::amount};
  }
  if (op == "%" && a.kind == JinjaValue::known)
    return percent(a.text, b.kind == JinjaValue::list ? b.items : JinjaValues{b});
  if (a.kind == JinjaValue::number && b.kind == JinjaValue::number) {
    std::int64_t out = 0;
    if (op == "+" && !__builtin_add_overflow(a.number_value, b.number_value, &out)) return jinja_number(out);
    if (op == "-" && !__builtin_sub_overflow(a.number_value, b.number_value, &out)) return jinja_number(out);
    if ((op == "//" || op == "/") && b.number_value > 0) return jinja_number(a.number_value / b.number_value);
    if (op == "%" && b.number_value > 0) return jinja_number(a.number_value % b.number_value);
    return {JinjaValue::amount};
  }
  if (op == "-" || op == "/" || op == "//" || op == "**" || (op == "%" && jinja_numeric(a)) ||
      (op == "*" && jinja_numeric(a) && jinja_numeric(b)) || (op == "+" && (jinja_numeric(a) || jinja_numeric(b))))
    return {JinjaValue::amount};
  return {jinja_authored(a) || jinja_authored(b) ? JinjaValue::computed : JinjaValue::data};
}

JinjaValues JinjaFold::limited(JinjaValues values) {
  JinjaValues out;
  for (auto& value : values) {
    if (std::find(out.begin(), out.end(), value) != out.end()) continue;
    if (out.size() == jinja_alternatives) {
      // One that is left over stands for the rest of them, of which any may be the author's.
      for (const auto& other : values)
        if (jinja_authored(other)) {
          out.push_back({JinjaValue::computed});
          return out;
        }
      const bool authored = std::any_of(out.begin(), out.end(), jinja_authored) || jinja_authored(value);
      const bool numeric = std::all_of(out.begin(), out.end(), jinja_numeric) && jinja_numeric(value);
      out.push_back({authored ? JinjaValue::computed : numeric ? JinjaValue::amount : JinjaValue::data});
      break;
    }
    out.push_back(std::move(value));
  }
  if (out.empty()) out.push_back({});
  return out;
}

std::string JinjaFold::as_text(const JinjaValue& value) {
  return value.kind == JinjaValue::number && value.text.empty() ? std::to_string(value.number_value) : value.text;
}

std::string JinjaFold::flat_text(const JinjaValue& value) {
  return value.kind == JinjaValue::known || value.kind == JinjaValue::number || value.kind == JinjaValue::opened
             ? as_text(value)
             : "";
}

JinjaValue JinjaFold::percent(std::string_view format, const JinjaValues& arguments) {
  std::string out;
  std::size_t next = 0;
  bool open = false;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    const char kind = format[++i];
    if (kind == '%') {
      out += '%';
      continue;
    }
    if (next >= arguments.size()) return {JinjaValue::computed};
    const auto& argument = arguments[next++];
    if (kind == 's' && (argument.kind == JinjaValue::known || argument.kind == JinjaValue::number))
      out += as_text(argument);
    else if (kind == 'c' && argument.kind == JinjaValue::number && argument.number_value > 0 &&
             argument.number_value < 128)
      out += static_cast<char>(argument.number_value);
    else if (kind == 'c' && argument.kind == JinjaValue::known)
      out += argument.text;
    else if (kind == 'd' && argument.kind == JinjaValue::number)
      out += as_text(argument);
    else if ((kind == 's' || kind == 'd') && (argument.kind == JinjaValue::data || argument.kind == JinjaValue::amount))
      open = true;
    else
      return {JinjaValue::computed};
  }
  return opened_or_text(std::move(out), open);
}

JinjaValue JinjaFold::opened_or_text(std::string text, bool open) {
  JinjaValue out = jinja_text(std::move(text));
  if (open && out.kind == JinjaValue::known) out.kind = JinjaValue::opened;
  return out;
}

JinjaValue JinjaFold::braces(std::string_view format, const JinjaValues& arguments) {
  std::string out;
  std::size_t next = 0;
  bool open = false;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '{' || format[i] == '}') {
      if (i + 1 < format.size() && format[i + 1] == format[i]) {
        out += format[i++];
        continue;
      }
      const auto close = format.find('}', i);
      if (format[i] == '}' || close == std::string_view::npos) return {JinjaValue::computed};
      const auto field = format.substr(i + 1, close - i - 1);
      std::size_t index = next;
      if (field.empty())
        ++next;
      else if (field.size() == 1 && field[0] >= '0' && field[0] <= '9')
        index = static_cast<std::size_t>(field[0] - '0');
      else
        return {JinjaValue::computed};
      if (index >= arguments.size()) return {JinjaValue::computed};
      const auto& argument = arguments[index];
      if (argument.kind == JinjaValue::data || argument.kind == JinjaValue::amount)
        open = true;
      else if (argument.kind != JinjaValue::known && argument.kind != JinjaValue::number)
        return {JinjaValue::computed};
      else
        out += as_text(argument);
      i = close;
      continue;
    }
    out += format[i];
  }
  return opened_or_text(std::move(out), open);
}

bool JinjaFold::has_object(const JinjaValues& values) {
  return std::any_of(values.begin(), values.end(), [](const JinjaValue& v) { return v.kind == JinjaValue::object; });
}

JinjaValue JinjaFold::item_of(const JinjaValue& base, const JinjaValue& key) {
  switch (base.kind) {
    case JinjaValue::dict:
      for (std::size_t i = 0; i + 1 < base.items.size(); i += 2)
        if (base.items[i] == key) return base.items[i + 1];
      return {std::any_of(base.items.begin(), base.items.end(),
                          [](const JinjaValue& v) { return v.kind == JinjaValue::computed; }) ||
                      key.kind != JinjaValue::known
                  ? worst_of(base)
                  : JinjaValue::data};
    case JinjaValue::list:
      if (key.kind == JinjaValue::number) {
        const auto size = static_cast<std::int64_t>(base.items.size());
        const auto index = key.number_value < 0 ? size + key.number_value : key.number_value;
        if (index >= 0 && index < size) return base.items[static_cast<std::size_t>(index)];
        return {};
      }
      return {key.kind == JinjaValue::known ? JinjaValue::data : worst_of(base)};
    case JinjaValue::known:
      if (key.kind == JinjaValue::number) {
        const auto characters = jinja_characters(base.text);
        const auto size = static_cast<std::int64_t>(characters.size());
        const auto index = key.number_value < 0 ? size + key.number_value : key.number_value;
        if (index >= 0 && index < size) return jinja_text(characters[static_cast<std::size_t>(index)]);
        return {};
      }
      return {JinjaValue::computed};
    case JinjaValue::number:
    case JinjaValue::amount:
      return {key.kind == JinjaValue::known ? JinjaValue::object : JinjaValue::computed};
    case JinjaValue::given:
      if (jinja_numeric(key)) return {JinjaValue::given};
      [[fallthrough]];
    case JinjaValue::data:
      // Methods whose name shows in the text of the method, or that are an attack by themselves.
      if (key.kind == JinjaValue::known && jinja_in(odd_methods, key.text)) return {JinjaValue::object, key.text};
      return {};
    case JinjaValue::lazy:
      if (jinja_numeric(key)) return item_of(base.items[0], key);
      // Their own attributes, or none.
      return {key.kind != JinjaValue::known || key.text.starts_with("gi_") || jinja_in(view_methods, key.text)
                  ? JinjaValue::object
                  : JinjaValue::data};
    case JinjaValue::opened:
    case JinjaValue::computed:
      return {JinjaValue::computed};
    default:
      return {JinjaValue::object};
  }
}

JinjaValue::Kind JinjaFold::worst_of(const JinjaValue& base) {
  const bool odd = std::any_of(base.items.begin(), base.items.end(), [](const JinjaValue& v) {
    return v.kind == JinjaValue::known ? v.text.find('_') != std::string::npos && jinja_trim(v.text).size() < 3
                                       : !jinja_plain(v);
  });
  const bool name = std::any_of(base.items.begin(), base.items.end(), [](const JinjaValue& v) {
    return v.kind == JinjaValue::known && jinja_trim(v.text).starts_with("__");
  });
  return odd || name ? JinjaValue::computed : JinjaValue::data;
}

JinjaValues JinjaFold::first(const JinjaArguments& given, std::size_t i) {
  return i < given.positional.size() ? given.positional[i] : JinjaValues{};
}

JinjaValue JinjaFold::single(const JinjaArguments& given, std::size_t i) {
  const auto values = first(given, i);
  return values.size() == 1 ? values[0] : JinjaValue{values.empty() ? JinjaValue::data : JinjaValue::computed};
}

JinjaValue JinjaFold::method_of(const JinjaValue& base, const std::string& name, const JinjaArguments& given) {
  const bool result_is_number = name == "find" || name == "rfind" || name == "index" || name == "count" ||
                                name.starts_with("is") || name == "startswith" || name == "endswith" ||
                                name == "rindex";
  if (base.kind == JinjaValue::lazy) return {JinjaValue::object};
  // Numbers become texts by their bytes.
  if (jinja_numeric(base)) return {name.starts_with("is") ? JinjaValue::amount : JinjaValue::computed};
  if (result_is_number) return {JinjaValue::amount};
  if (name == "join") {
    const auto items = jinja_sequence(single(given, 0));
    if (base.kind == JinjaValue::known) return joined_list(items, base.text);
    return {jinja_authored(items) ? JinjaValue::computed : JinjaValue::data};
  }
  if (base.kind == JinjaValue::known) {
    if (name == "format") {
      JinjaValues arguments;
      for (std::size_t i = 0; i < given.positional.size(); ++i) arguments.push_back(single(given, i));
      return given.named.empty() ? braces(base.text, arguments) : JinjaValue{JinjaValue::computed};
    }
    if (name == "replace") {
      const auto from = single(given, 0), to = single(given, 1);
      if (from.kind == JinjaValue::known && to.kind == JinjaValue::known)
        return replaced(base.text, from.text, to.text);
    }
    if (name == "split" || name == "rsplit") {
      const auto by = single(given, 0);
      if (given.positional.size() == 1 && by.kind == JinjaValue::known && !by.text.empty()) {
        JinjaValue out{JinjaValue::list};
        std::string_view rest = base.text;
        while (out.items.size() < 256) {
          const auto at = rest.find(by.text);
          out.items.push_back(jinja_text(std::string(rest.substr(0, at))));
          if (at == std::string_view::npos) return out;
          rest.remove_prefix(at + by.text.size());
        }
      }
    }
    const bool simple = given.positional.empty() && given.named.empty() && !given.spread;
    if (const auto changed = changed_text(base.text, name); changed && simple) return *changed;
    return {JinjaValue::computed};
  }
  if (base.kind == JinjaValue::dict) {
    if (name == "get" || name == "pop" || name == "setdefault") {
      auto found = item_of(base, single(given, 0));
      if (found.kind == JinjaValue::data && given.positional.size() > 1) found = single(given, 1);
      return found;
    }
    JinjaValue out{JinjaValue::list};
    if (name == "keys" || name == "values") {
      for (std::size_t i = name == "keys" ? 0 : 1; i < base.items.size(); i += 2) out.items.push_back(base.items[i]);
      return jinja_lazy(std::move(out));
    }
    if (name == "items") return jinja_lazy(pairs_of(base));
    return {name == "copy"            ? base.kind
            : jinja_adds_names(given) ? JinjaValue::computed
                                      : JinjaValue::data,
            {},
            0,
            name == "copy" ? base.items : JinjaValues{}};
  }
  if (base.kind == JinjaValue::list) {
    if (name == "append" || name == "insert" || name == "extend") return {};
    return {jinja_authored(base) ? JinjaValue::computed : JinjaValue::data};
  }
  if (base.kind == JinjaValue::data || base.kind == JinjaValue::given) {
    if (name == "items" || name == "keys" || name == "values") return jinja_lazy({JinjaValue::data});
    if (name == "format" || name == "format_map" || name == "fromkeys") return {JinjaValue::computed};
    // What fills up a text adds characters of the author's.
    if ((name == "ljust" || name == "rjust" || name == "center" || name == "translate") && jinja_adds_names(given))
      return {JinjaValue::computed};
    // d.get(key, 'default'): the author's word may come out.
    if (name == "get" && given.positional.size() > 1) return single(given, 1);
    if (name == "replace" && given.positional.size() > 1 && jinja_authored(single(given, 1)) &&
        single(given, 1).kind == JinjaValue::known && single(given, 1).text.find('_') != std::string::npos)
      return {JinjaValue::computed};
    return {name == "get" || name == "pop" ? JinjaValue::data : base.kind};
  }
  if (base.kind == JinjaValue::root || base.kind == JinjaValue::object) return {JinjaValue::object};
  return {JinjaValue::computed};
}

JinjaValue JinjaFold::pairs_of(const JinjaValue& base) {
  JinjaValue out{JinjaValue::list};
  for (std::size_t i = 0; i + 1 < base.items.size(); i += 2)
    out.items.push_back({JinjaValue::list, {}, 0, {base.items[i], base.items[i + 1]}});
  return out;
}

JinjaValue JinjaFold::joined_list(const JinjaValue& items, std::string_view between) {
  if (items.kind == JinjaValue::known) {
    JinjaValue list{JinjaValue::list};
    for (auto& c : jinja_characters(items.text)) list.items.push_back(jinja_text(std::move(c)));
    return joined_list(list, between);
  }
  if (items.kind == JinjaValue::list || items.kind == JinjaValue::dict) {
    std::string out;
    bool open = false;
    for (std::size_t i = 0; i < items.items.size(); i += items.kind == JinjaValue::dict ? 2 : 1) {
      const auto& item = items.items[i];
      if (item.kind != JinjaValue::known && item.kind != JinjaValue::number && item.kind != JinjaValue::data &&
          item.kind != JinjaValue::amount && item.kind != JinjaValue::opened)
        return {JinjaValue::computed};
      open = open || (item.kind != JinjaValue::known && item.kind != JinjaValue::number);
      if (i != 0) out += between;
      out += flat_text(item);
      if (out.size() > jinja_text_kept) return {JinjaValue::computed};
    }
    return opened_or_text(std::move(out), open);
  }
  return {jinja_plain(items) && !between.contains('_') ? items.kind : JinjaValue::computed};
}

JinjaValue JinjaFold::replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  if (from.empty()) return {JinjaValue::computed};
  while (true) {
    const auto at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return jinja_text(std::move(out));
    out += to;
    if (out.size() > jinja_text_kept) return {JinjaValue::computed};
    text.remove_prefix(at + from.size());
  }
}

std::optional<JinjaValue> JinjaFold::changed_text(std::string_view text, std::string_view how) {
  std::string out(text);
  const auto each = [&](auto&& change) { std::transform(out.begin(), out.end(), out.begin(), change); };
  const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  const auto large = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c; };
  if (how == "lower" || how == "casefold")
    each(small);
  else if (how == "upper")
    each(large);
  else if (how == "swapcase")
    each([&](char c) { return small(c) != c ? small(c) : large(c); });
  else if (how == "capitalize" || how == "title")
    each(small);
  else if (how == "trim" || how == "strip" || how == "lstrip" || how == "rstrip")
    out = jinja_trim(text);
  else if (how == "reverse") {
    out.clear();
    for (auto& c : jinja_characters(text)) out.insert(0, c);
  } else if (how != "string" && how != "safe" && how != "e" && how != "escape" && how != "forceescape") {
    return std::nullopt;
  }
  return jinja_text(std::move(out));
}

JinjaValues JinjaFold::untouched(const JinjaValues& bases) {
  JinjaValues out;
  for (const auto& base : bases) {
    const auto sequence = jinja_sequence(base);
    out.push_back(jinja_lazy({jinja_authored(sequence) ? JinjaValue::computed : JinjaValue::data}));
  }
  return limited(std::move(out));
}

JinjaValue JinjaFold::sequence_value(const JinjaValue& base, const std::string& name) {
  JinjaValue list{JinjaValue::list};
  if (base.kind == JinjaValue::list)
    list = base;
  else if (base.kind == JinjaValue::dict && (name == "items" || name == "dictsort"))
    list = pairs_of(base);
  else if (base.kind == JinjaValue::dict)
    for (std::size_t i = 0; i < base.items.size(); i += 2) list.items.push_back(base.items[i]);
  else if (base.kind == JinjaValue::known)
    for (auto& c : jinja_characters(base.text)) list.items.push_back(jinja_text(std::move(c)));
  else
    list = {jinja_plain(base) ? base.kind : JinjaValue::computed};
  const bool followed = list.kind == JinjaValue::list;
  if (followed && (name == "first" || name == "last"))
    return list.items.empty() ? JinjaValue{} : name == "first" ? list.items.front() : list.items.back();
  if (followed && name == "reverse") std::reverse(list.items.begin(), list.items.end());
  if (followed && (name == "sort" || name == "unique" || name == "random")) list = {worst_of(list)};
  return name == "reverse" || name == "unique" || name == "items" ? jinja_lazy(std::move(list)) : list;
}

JinjaValues JinjaFold::filter_of(const JinjaValue& whole, const std::string& name, const JinjaArguments& given) {
  constexpr std::string_view sequence_filters =
      " list first last reverse items dictsort random sort unique join length count batch slice min max sum tojson ";
  constexpr std::string_view number_filters = " length count int float abs round wordcount ";
  if (name == "default" || name == "d") {
    JinjaValues out{whole};
    const auto named = given.named.find("default_value");
    const auto other = named != given.named.end() ? named->second : first(given, 0);
    out.insert(out.end(), other.begin(), other.end());
    if (given.spread) out.push_back({JinjaValue::computed});
    return out;
  }
  const JinjaValue base = jinja_in(sequence_filters, name) ? jinja_sequence(whole) : whole;
  if (jinja_in(number_filters, name)) return {JinjaValue{JinjaValue::amount}};
  if (name == "format") {
    if (base.kind != JinjaValue::known) return {JinjaValue{jinja_plain(base) ? base.kind : JinjaValue::computed}};
    JinjaValues arguments;
    for (std::size_t i = 0; i < given.positional.size(); ++i) arguments.push_back(single(given, i));
    return {percent(base.text, arguments)};
  }
  if (name == "join") {
    const auto between = single(given, 0);
    const bool simple = given.named.empty() && !given.spread;
    if (simple && between.kind == JinjaValue::known) return {joined_list(base, between.text)};
    if (jinja_adds_names(given)) return {JinjaValue{JinjaValue::computed}};
    return {simple && given.positional.empty()
                ? joined_list(base, "")
                : JinjaValue{jinja_authored(base) ? JinjaValue::computed : JinjaValue::data}};
  }
  if (base.kind == JinjaValue::known && name == "replace") {
    const auto from = single(given, 0), to = single(given, 1);
    if (from.kind == JinjaValue::known && to.kind == JinjaValue::known)
      return {replaced(base.text, from.text, to.text)};
  }
  if (base.kind == JinjaValue::known && given.positional.empty() && given.named.empty() && !given.spread)
    if (const auto changed = changed_text(base.text, name)) return {*changed};
  if (base.kind == JinjaValue::number && name == "string") return {jinja_text(as_text(base))};
  if (name == "batch" || name == "slice")
    return {jinja_lazy({jinja_authored(base) || jinja_adds_names(given) ? JinjaValue::computed : JinjaValue::data})};
  if (jinja_in(" list first last reverse items dictsort random sort unique ", name))
    return {sequence_value(base, name)};
  if (jinja_plain(base)) {
    if (name == "replace")
      return {JinjaValue{single(given, 1).kind == JinjaValue::known && single(given, 1).text.contains('_')
                             ? JinjaValue::computed
                             : base.kind}};
    return {JinjaValue{jinja_adds_names(given) ? JinjaValue::computed
                       : jinja_numeric(base)   ? JinjaValue::data
                                               : base.kind}};
  }
  if (base.kind == JinjaValue::opened && given.positional.empty())
    if (const auto changed = changed_text(base.text, name)) {
      auto opened = opened_or_text(changed->text, true);
      opened.number_value = base.number_value;
      return {std::move(opened)};
    }
  return {JinjaValue{jinja_authored(base) || jinja_adds_names(given) ? JinjaValue::computed : JinjaValue::data}};
}

JinjaValue JinjaFold::mapped_by(const JinjaValue& whole, const std::string& filter, const JinjaArguments& rest) {
  const auto base = jinja_sequence(whole);
  if (base.kind == JinjaValue::list && rest.positional.empty() && rest.named.empty()) {
    JinjaValue list{JinjaValue::list};
    for (const auto& item : base.items) {
      auto made = filter_of(item, filter, {});
      list.items.push_back(made.size() == 1 ? std::move(made[0]) : JinjaValue{JinjaValue::computed});
    }
    return jinja_lazy(std::move(list));
  }
  const auto made = filter_of(jinja_plain(base) ? JinjaValue{} : JinjaValue{JinjaValue::computed}, filter, rest);
  const bool plain = std::all_of(made.begin(), made.end(), jinja_plain);
  return jinja_lazy({plain && !jinja_authored(base) ? JinjaValue::data : JinjaValue::computed});
}

JinjaValue JinjaFold::sliced(const JinjaValue& whole, const std::optional<JinjaValues> (&parts)[3]) {
  const auto base = jinja_sequence(whole);
  if (base.kind != JinjaValue::known && base.kind != JinjaValue::list)
    return {base.kind == JinjaValue::opened || base.kind == JinjaValue::computed ? JinjaValue::computed
            : jinja_plain(base)                                                  ? base.kind
                                                                                 : JinjaValue::object};
  std::int64_t part[3] = {INT64_MIN, INT64_MAX, 1};
  bool there[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!parts[i] || (parts[i]->size() == 1 && (*parts[i])[0].text == "None")) continue;
    there[i] = true;
    if (parts[i]->size() != 1 || (*parts[i])[0].kind != JinjaValue::number)
      return {jinja_authored(base) ? JinjaValue::computed : JinjaValue::data};
    part[i] = (*parts[i])[0].number_value;
  }
  JinjaValues items;
  if (base.kind == JinjaValue::list)
    items = base.items;
  else
    for (auto& c : jinja_characters(base.text)) items.push_back(jinja_text(std::move(c)));
  const auto size = static_cast<std::int64_t>(items.size());
  const auto clamp = [&](std::int64_t at) {
    if (at < 0 && at != INT64_MIN) at += size;
    return std::clamp<std::int64_t>(at, 0, size);
  };
  JinjaValues chosen;
  if (part[2] > 0) {
    for (std::int64_t i = clamp(part[0]); i < clamp(part[1]); i += std::min(part[2], size + 1))
      chosen.push_back(items[static_cast<std::size_t>(i)]);
  } else if (part[2] < 0) {
    const std::int64_t begin = there[0] ? std::min(clamp(part[0]), size - 1) : size - 1;
    const std::int64_t last = there[1] ? clamp(part[1]) : -1;
    for (std::int64_t i = begin; i > last; i += std::max(part[2], -size - 1))
      chosen.push_back(items[static_cast<std::size_t>(i)]);
  }
  if (base.kind == JinjaValue::list) return {JinjaValue::list, {}, 0, std::move(chosen)};
  std::string out;
  for (const auto& item : chosen) out += item.text;
  return jinja_text(std::move(out));
}

}  // namespace hauberk::scan
