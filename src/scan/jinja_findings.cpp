#include "scan/jinja_findings.h"

#include <algorithm>
#include <array>

#include "scan/ascii.h"

namespace hauberk::scan {
namespace {

using namespace std::string_view_literals;

// Names that lead from any object to the interpreter.
constexpr std::string_view jinja_escapes =
    " func_globals func_code gi_frame gi_code cr_frame cr_code ag_frame ag_code f_back f_globals f_locals"
    " f_builtins tb_frame tb_next _module _TemplateReference__context im_func im_self co_consts ";
// The same where the object is one of Jinja's or Flask's; plain words elsewhere.
constexpr std::string_view jinja_escape_words = " environment globals builtins mro ";
constexpr std::string_view jinja_internals =
    " __class__ __globals__ __builtins__ __subclasses__ __import__ __mro__ __base__ __bases__ __init__"
    " __getattribute__ __dict__ __code__ __closure__ __loader__ __spec__ __self__ __reduce__ __getattr__ ";

// Seven digits in a row.
bool has_large_number(std::string_view text) {
  std::size_t digits = 0;
  for (const char c : text) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits >= 7) return true;
  }
  return false;
}

// "class" between pieces that are not known: with underscores there it is a name of Python's internals.
bool is_inner_word(std::string_view text) {
  while (text.starts_with('_')) text.remove_prefix(1);
  while (text.ends_with('_')) text.remove_suffix(1);
  return jinja_in(jinja_internals, "__" + std::string(text) + "__");
}

}  // namespace

bool is_jinja_escape(std::string_view word) { return jinja_in(jinja_internals, word) || jinja_in(jinja_escapes, word); }

void JinjaFindings::find(std::string_view rule, Severity severity, const Node& at, std::string message,
                         std::string_view name) {
  if (!judging_) return;
  if (trust_ == TemplateTrust::possible && severity != Severity::critical) return;
  if (!said_.emplace(rule, std::string(name)).second || said_.size() > 40) return;
  inspection_.find(rule, severity, offset_ + at.offset, std::move(message), printable(name), printable(pointer_));
}

void JinjaFindings::check_name(std::string_view raw, const Node& at) {
  const auto name = jinja_trim(raw);
  if (name.starts_with("__") || jinja_in(jinja_escapes, name)) {
    find("jinja.escape", Severity::critical, at,
         "the template reaches for " + printable(name, 60) + ": it would run code on the server", name);
  }
}

void JinjaFindings::check_path(std::string_view path, const Node& at) {
  while (true) {
    const auto dot = path.find('.');
    check_name(path.substr(0, dot), at);
    if (dot == std::string_view::npos) return;
    path.remove_prefix(dot + 1);
  }
}

void JinjaFindings::check_key(const JinjaValues& bases, const JinjaValues& keys, const Node& at) {
  const auto is_mapping = [](const JinjaValue& v) {
    return (jinja_plain(v) && !jinja_numeric(v)) || v.kind == JinjaValue::dict;
  };
  const bool none_is_mapping = std::none_of(bases.begin(), bases.end(), is_mapping);
  const bool mappings = std::all_of(bases.begin(), bases.end(), is_mapping);
  const bool literals =
      std::all_of(bases.begin(), bases.end(), [](const JinjaValue& v) { return v.kind == JinjaValue::dict; });
  for (const auto& key : keys) {
    if (key.kind == JinjaValue::known || key.kind == JinjaValue::opened) check_name(key.text, at);
    if (key.kind == JinjaValue::known || jinja_numeric(key)) continue;
    // Only a mapping has items under names that are not known; anything else has attributes.
    const bool hidden = key.kind == JinjaValue::data    ? none_is_mapping
                        : key.kind == JinjaValue::given ? !literals
                        : key.kind == JinjaValue::opened
                            ? !mappings || is_inner_word(key.text) || (jinja_tainted(key) && !literals)
                        : key.kind == JinjaValue::list ? jinja_authored(key)
                                                       : true;
    if (hidden)
      find("jinja.hidden-name", Severity::high, at,
           "the template reaches for something under a name that it puts together in a way the scan cannot follow");
  }
}

void JinjaFindings::check_attribute_argument(const JinjaValues& names, const Node& at) {
  for (const auto& name : names) {
    if (name.kind == JinjaValue::known || name.kind == JinjaValue::opened) check_path(name.text, at);
    if (name.kind == JinjaValue::list)
      check_attribute_argument(name.items, at);
    else if (name.kind != JinjaValue::known && name.kind != JinjaValue::number)
      find("jinja.hidden-name", Severity::high, at,
           "the template fetches attributes under a name that does not stand in it");
  }
}

void JinjaFindings::check_base(const JinjaValues& bases, std::string_view name, const Node& at) {
  for (const auto& base : bases) {
    const bool own = base.kind == JinjaValue::root;
    if (jinja_in(jinja_escape_words, name) && base.kind != JinjaValue::data && base.kind != JinjaValue::dict)
      find("jinja.escape", Severity::high, at, "the template reaches for " + std::string(name), name);
    if (own)
      find("jinja.internal-object", Severity::high, at,
           "the template reaches into the server's object '" + base.text + "'", base.text);
  }
}

void JinjaFindings::check_text(std::string_view text, const Node& at) {
  for (auto at_word = text.find("__"); at_word != std::string_view::npos; at_word = text.find("__", at_word + 1)) {
    const auto word = text.substr(at_word, text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at_word) - at_word);
    if (jinja_in(jinja_internals, word))
      find("jinja.internal-name", Severity::high, at,
           "the template's code holds " + std::string(word) + ", which only attacks have a use for", word);
  }
}

void JinjaFindings::check_format(std::string_view text, const Node& at) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{') continue;
    if (i + 1 < text.size() && text[i + 1] == '{') {
      ++i;
      continue;
    }
    const auto field = text.substr(
        i + 1, text.find('}', i) == std::string_view::npos ? std::string_view::npos : text.find('}', i) - i - 1);
    if (const auto colon = field.find(':'); colon != std::string_view::npos && has_large_number(field.substr(colon)))
      find("jinja.large-loop", Severity::medium, at, "the template fills a text up to millions of characters");
    for (std::size_t from = field.find_first_of(".["); from != std::string_view::npos;
         from = field.find_first_of(".[", from + 1))
      check_name(field.substr(from + 1, field.find_first_of(".[]:!", from + 1) - from - 1), at);
  }
}

std::string JinjaFindings::target_name(const Node* target) {
  if (!target) return {};
  if (target->kind == Node::variable) return target->text;
  if (target->kind == Node::attribute && target->children[0] && target->children[0]->kind == Node::variable)
    return target->children[0]->text + "." + target->text;
  return {};
}

void JinjaFindings::check_size(const std::string& op, const JinjaValue& a, const JinjaValue& b, const Node& at) {
  const bool a_large = a.kind == JinjaValue::number && a.number_value > 1'000'000;
  const bool b_large = b.kind == JinjaValue::number && b.number_value > 1'000'000;
  if (op == "*" && ((a_large && b.kind != JinjaValue::number) || (b_large && a.kind != JinjaValue::number)))
    find("jinja.large-loop", Severity::medium, at, "the template repeats a text more than a million times");
  const bool endless = a.kind == JinjaValue::number && a.number_value == INT64_MAX;
  if (op == "**" && b.kind == JinjaValue::number && (b.number_value > 100'000 || (endless && b.number_value > 1)))
    find("jinja.large-loop", Severity::medium, at, "the template computes a number that would fill the memory");
  if (op == "%" && a.kind == JinjaValue::known) {
    check_width(a.text, at);
    if (a.text.contains('*')) check_amounts("format", {a}, {.positional = {{b}, b.items}, .named = {}}, at);
  }
}
void JinjaFindings::check_width(std::string_view format, const Node& at) {
  for (std::size_t i = format.find('%'); i != std::string_view::npos; i = format.find('%', i + 1)) {
    const auto end = format.find_first_not_of("0123456789-+ #.*", i + 1);
    if (has_large_number(format.substr(i, end - i)))
      find("jinja.large-loop", Severity::medium, at, "the template fills a text up to millions of characters");
  }
}

void JinjaFindings::check_amounts(std::string_view name, const JinjaValues& bases, const JinjaArguments& given,
                                  const Node& at) {
  constexpr std::string_view fillers =
      " ljust rjust center zfill expandtabs indent wordwrap batch slice tojson format to_bytes round truncate ";
  const std::int64_t limit = name == "range" ? 100'000 : name == "lipsum" ? 1000 : 1'000'000;
  if (name != "range" && name != "lipsum" && !jinja_in(fillers, name)) return;
  const auto judge = [&](const JinjaValues& values) {
    for (const auto& value : values)
      if (value.kind == JinjaValue::number && (value.number_value > limit || value.number_value < -limit))
        find("jinja.large-loop", Severity::medium, at,
             name == "range" ? "a range of more than a hundred thousand numbers, which would keep the server busy"
                             : "the template fills a text up to millions of characters");
  };
  // A number that is printed is not a width; of the widths that arguments give, format() asks with braces in braces.
  const bool prints = name == "format" && std::none_of(bases.begin(), bases.end(), [](const JinjaValue& base) {
                        return base.kind != JinjaValue::known || base.text.contains(":{") || base.text.contains('*');
                      });
  if (name == "format")
    for (const auto& base : bases)
      if (base.kind == JinjaValue::known && base.text.contains('%')) check_width(base.text, at);
  if (prints) return;
  for (const auto& values : given.positional) judge(values);
  for (const auto& [key, values] : given.named) judge(values);
}

void JinjaFindings::check_format_method(const JinjaValue& base, std::string_view name, const Node& node) {
  if (name == "format_map")
    find("jinja.format", Severity::high, node, "the template fills in a text by rules that the text brings along");
  if (name == "format" && base.kind == JinjaValue::known) check_format(base.text, node);
  if (name == "format" && (base.kind == JinjaValue::computed || base.kind == JinjaValue::opened))
    find("jinja.format", Severity::high, node,
         "the template fills in a text that is not its own: such texts can fetch attributes");
}

bool JinjaFindings::natural(std::string_view text) {
  int letters = 0;
  for (const char c : text) {
    if (std::string_view("<>[]|{}#/_").find(c) != std::string_view::npos) return false;
    letters += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
  }
  return letters >= 3;
}

bool JinjaFindings::is_content(const Node* node) const {
  if (!node) return false;
  if (node->kind == Node::attribute && node->text == "content") return true;
  if (node->kind == Node::subscript && node->children[1] && node->children[1]->kind == Node::text_literal &&
      node->children[1]->text == "content")
    return true;
  if (node->kind == Node::variable && (node->text.ends_with("content") || content_names_.contains(node->text)))
    return true;
  if (node->kind == Node::attribute || node->kind == Node::subscript) {
    const auto* key = node->kind == Node::subscript ? node->children[1] : nullptr;
    const std::string_view word = node->kind == Node::attribute            ? std::string_view(node->text)
                                  : key && key->kind == Node::text_literal ? std::string_view(key->text)
                                                                           : ""sv;
    for (const auto field : {"type"sv, "role"sv, "name"sv, "id"sv, "image"sv, "image_url"sv})
      if (word == field) return false;
  }
  if (node->kind == Node::attribute && content_names_.contains(target_name(node))) return true;
  if (node->kind == Node::attribute || node->kind == Node::subscript || node->kind == Node::call ||
      node->kind == Node::filter)
    return is_content(node->children[0]);
  return false;
}

bool JinjaFindings::tests_content(const Node* node, bool against_text) const {
  if (!node) return false;
  if (!against_text) return is_content(node);
  const auto literal = [](const Node* n) { return n && n->kind == Node::text_literal && natural(n->text); };
  const auto any_literal = [&](const Node* n) {
    return literal(n) || (n && n->kind == Node::list && std::any_of(n->children.begin(), n->children.end(), literal));
  };
  if (node->kind == Node::logic && node->children.size() > 1 && node->words[0] != "and" && node->words[0] != "or") {
    const bool content =
        std::any_of(node->children.begin(), node->children.end(), [&](const Node* n) { return is_content(n); });
    if (content && std::any_of(node->children.begin(), node->children.end(), any_literal)) return true;
  }
  if ((node->kind == Node::variable || node->kind == Node::attribute) && asked_names_.contains(target_name(node)))
    return true;
  if ((node->kind == Node::call || node->kind == Node::test) && is_content(node->children[0]) &&
      std::any_of(node->children.begin() + 1, node->children.end(), any_literal))
    return true;
  return std::any_of(node->children.begin(), node->children.end(),
                     [&](const Node* n) { return n && n->kind != Node::text_literal && tests_content(n, true); });
}

// content.split(), and what is made of that.
bool JinjaFindings::is_words(const Node* node) const {
  if (!node) return false;
  if (word_names_.contains(target_name(node))) return true;
  const auto* callee = node->kind == Node::call ? node->children[0] : nullptr;
  if (callee && callee->kind == Node::attribute)
    for (const auto method : {"split"sv, "rsplit"sv, "splitlines"sv, "partition"sv, "rpartition"sv})
      if (callee->text == method && is_content(callee->children[0])) return true;
  return (node->kind == Node::filter || node->kind == Node::subscript) && is_words(node->children[0]);
}

void JinjaFindings::note_assignment(const Node* target, const Node* value) {
  const auto name = target_name(target);
  if (name.empty()) return;
  if (is_words(value)) word_names_.insert(name);
  if (tests_content(value, true)) asked_names_.insert(name);
  if (tests_content(value, false)) content_names_.insert(name);
}

void JinjaFindings::note_words(const Node* target, const Node* sequence) {
  if (!target || !is_words(sequence)) return;
  if (target->kind == Node::list)
    for (const auto* part : target->children) content_names_.insert(target_name(part));
  else
    content_names_.insert(target_name(target));
  content_names_.erase("");
}

// How long the conversation has become.
bool JinjaFindings::tests_length(const Node* node) const {
  if (!node) return false;
  if (node->kind == Node::logic && node->children.size() > 1 && node->words[0] != "and" && node->words[0] != "or") {
    const auto counts = [](const Node* n) {
      if (n && n->kind == Node::chain) n = n->children[0];
      if (n && n->kind == Node::filter && (n->text == "length" || n->text == "count")) return true;
      return n && n->kind == Node::attribute && n->text.starts_with("index") && n->children[0] &&
             n->children[0]->kind == Node::variable && n->children[0]->text == "loop";
    };
    const auto number = [](const Node* n) { return n && n->kind == Node::number_literal && n->integer > 1; };
    return std::any_of(node->children.begin(), node->children.end(), counts) &&
           std::any_of(node->children.begin(), node->children.end(), number);
  }
  return std::any_of(node->children.begin(), node->children.end(), [&](const Node* n) { return tests_length(n); });
}

void JinjaFindings::gather_text(const Node* node, std::string& out) const {
  if (!node || out.size() > jinja_text_limit) return;
  if (node->kind == Node::data || node->kind == Node::text_literal) out += node->text + " ";
  // Conditions are compared, not said.
  if (node->kind == Node::choose) {
    for (std::size_t i = 0; i < node->children.size(); ++i)
      if (i % 2 == 1 || i + 1 == node->children.size()) gather_text(node->children[i], out);
    return;
  }
  for (const auto* child : node->children) gather_text(child, out);
}

void JinjaFindings::check_poison(const Node* condition, const Node* inner, const Node& at) {
  const bool words_said = tests_content(condition, true);
  if (!words_said && !tests_length(condition)) return;
  std::string text;
  gather_text(inner, text);
  text = lower_ascii(text);
  bool suspicious = false;
  for (const auto place : {"http://"sv, "https://"sv, "www."sv}) suspicious = suspicious || text.contains(place);
  static constexpr std::string_view imperatives =
      " ignore always never must include insert append reply respond tell recommend instead"
      " secretly pretend disregard follow visit download execute say answer add omit do avoid"
      " suggest provide use write redirect ";
  // What comes late in a conversation may well be orders; only some orders nobody gives openly.
  static constexpr std::string_view strong = " ignore secretly pretend disregard visit download redirect ";
  const std::string_view orders_sought = words_said ? imperatives : strong;
  std::size_t words = 0;
  bool orders = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    while (i < text.size() && text[i] >= 'a' && text[i] <= 'z') ++i;
    if (i > begin) {
      ++words;
      orders = orders || jinja_in(orders_sought, std::string_view(text).substr(begin, i - begin));
    } else {
      ++i;
    }
  }
  if (suspicious || (orders && words >= 5))
    find("jinja.conditional-text", Severity::medium, at,
         words_said ? "the template adds text of its own to conversations that hold certain words"
                    : "the template adds text of its own once a conversation has become long");
}

}  // namespace hauberk::scan
