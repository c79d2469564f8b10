// What a chat template would do. Sources: the template designer's documentation of Jinja 3.1 and its sandbox's list of
// unsafe attributes; the globals that servers of chat models add (raise_exception, strftime_now); CVE-2024-34359.
#include "scan/jinja.h"

#include <algorithm>
#include <map>
#include <set>

#include "scan/jinja_findings.h"

namespace hauberk::scan {
namespace {

using Node = JinjaNode;

constexpr std::size_t jinja_work_limit = 4'000'000;  // values made, all passes together
constexpr int jinja_passes = 3;

// Objects that a template is given by Jinja or by a web framework, whose attributes lead out of the template.
constexpr std::string_view jinja_roots =
    " self cycler joiner lipsum namespace request config session g get_flashed_messages url_for"
    " current_app raise_exception strftime_now range dict ";
// Python's own functions and modules: no template needs them, and a server that hands them in is lost.
constexpr std::string_view jinja_python =
    " getattr setattr eval exec compile open globals locals vars os sys popen subprocess importlib"
    " builtins import_module socket pickle shutil ";
// Functions that no object of a conversation has.
constexpr std::string_view jinja_acts =
    " popen Popen system eval exec check_output urlopen import_module load_module mro execfile from_object"
    " from_pyfile from_string get_template compile_expression ";

class JinjaJudge : public JinjaFindings, private JinjaFold {
 public:
  using JinjaFindings::JinjaFindings;

  void run(const JinjaTree& tree) {
    collect(tree.root);
    for (int pass = 0; pass < jinja_passes; ++pass) {
      statement(tree.root);
      written_.clear();
    }
    judging_ = true;
    statement(tree.root);
  }
  bool gave_up() const { return work_ > jinja_work_limit; }

 private:
  // ---- variables ----

  void remember(const std::string& name, const JinjaValues& values) {
    auto& known = variables_[name];
    for (const auto& value : values) {
      if (std::find(known.begin(), known.end(), value) != known.end()) continue;
      if (known.size() >= jinja_alternatives) {
        const bool authored = std::any_of(known.begin(), known.end(), jinja_authored) || jinja_authored(value);
        const JinjaValue rest{authored ? JinjaValue::computed : JinjaValue::data};
        if (std::find(known.begin(), known.end(), rest) == known.end()) known.push_back(rest);
        return;
      }
      known.push_back(value);
    }
  }

  void assign(const Node* target, const JinjaValues& values) {
    if (!target) return;
    if (target->kind == Node::list) {
      for (std::size_t i = 0; i < target->children.size(); ++i) {
        JinjaValues parts;
        for (const auto& value : values) {
          if (value.kind == JinjaValue::list && i < value.items.size())
            parts.push_back(value.items[i]);
          else
            parts.push_back({jinja_authored(value) ? JinjaValue::computed : JinjaValue::data});
        }
        assign(target->children[i], limited(std::move(parts)));
      }
      return;
    }
    if (target->kind == Node::attribute || target->kind == Node::subscript) evaluate(target);
    const auto name = target_name(target);
    if (!name.empty()) remember(name, values);
  }

  // Names of macros and of all that is assigned to: they hide objects of the same name.
  void collect(const Node* node) {
    if (!node) return;
    if (node->kind == Node::macro) {
      macros_[node->text] = node;
      for (const auto& parameter : node->words) assigned_.insert(parameter);
    }
    if (node->kind == Node::assign || node->kind == Node::capture || node->kind == Node::loop)
      collect_target(node->children[0]);
    if (node->kind == Node::with)
      for (std::size_t i = 0; i + 1 < node->children.size(); i += 2) collect_target(node->children[i]);
    for (const auto* child : node->children) collect(child);
  }
  void collect_target(const Node* target) {
    if (!target) return;
    if (target->kind == Node::variable) assigned_.insert(target->text);
    if (target->kind == Node::list)
      for (const auto* part : target->children) collect_target(part);
  }

  // ---- statements ----

  void statement(const Node* node) {
    if (!node || ++work_ > jinja_work_limit) return;
    const auto child = [&](std::size_t i) { return i < node->children.size() ? node->children[i] : nullptr; };
    switch (node->kind) {
      case Node::group:
      case Node::block:
        for (const auto* inner : node->children) statement(inner);
        break;
      case Node::data:
        break;
      case Node::output:
        evaluate(child(0));
        break;
      case Node::choose:
        choose(*node);
        break;
      case Node::loop:
        loop(*node);
        break;
      case Node::assign: {
        const auto values = evaluate(child(1));
        if (tests_content(child(1), false) && child(0)) content_names_.insert(target_name(child(0)));
        assign(child(0), values);
        break;
      }
      case Node::capture: {
        statement(child(1));
        JinjaValues values{rendered(child(1))};
        if (child(2)) {
          hole_ = values;
          values = evaluate(child(2));
        }
        assign(child(0), values);
        break;
      }
      case Node::macro:
        for (std::size_t i = 0; i < node->words.size(); ++i)
          if (child(i)) remember(node->words[i], evaluate(child(i)));
        statement(node->children.empty() ? nullptr : node->children.back());
        break;
      case Node::call_body:
        evaluate(child(0));
        statement(child(1));
        break;
      case Node::filtered:
        statement(child(1));
        hole_ = {rendered(child(1))};
        evaluate(child(0));
        break;
      case Node::with:
        for (std::size_t i = 0; i + 1 < node->children.size(); i += 2) assign(child(i), evaluate(child(i + 1)));
        statement(node->children.empty() ? nullptr : node->children.back());
        break;
      case Node::load:
        find("jinja.load", Severity::high, *node,
             "the template brings in another one ({% " + node->text + " %}): what that does cannot be seen here",
             node->text);
        evaluate(child(0));
        break;
      default:
        evaluate(node);
    }
  }

  void choose(const Node& node) {
    for (std::size_t i = 0; i < node.children.size(); i += 2) {
      const bool otherwise = i + 1 == node.children.size();
      const auto* condition = otherwise ? nullptr : node.children[i];
      const auto* inner = otherwise ? node.children[i] : node.children[i + 1];
      if (condition) evaluate(condition);
      statement(inner);
      if (judging_ && condition && tests_content(condition, true)) check_poison(inner, node);
    }
  }

  void loop(const Node& node) {
    const auto sequence = evaluate(node.children[1]);
    JinjaValues items;
    for (const auto& value : sequence) {
      if (value.kind == JinjaValue::list)
        items.insert(items.end(), value.items.begin(), value.items.end());
      else if (value.kind == JinjaValue::dict)
        for (std::size_t i = 0; i < value.items.size(); i += 2) items.push_back(value.items[i]);
      else if (value.kind == JinjaValue::known)
        for (auto& c : jinja_characters(value.text)) items.push_back(jinja_text(std::move(c)));
      else
        items.push_back(
            {jinja_authored(value) && value.kind != JinjaValue::root ? JinjaValue::computed : JinjaValue::data});
    }
    const auto outer = turns_;
    turns_ = std::min<std::uint64_t>(turns_ * std::max<std::uint64_t>(range_size(node.children[1]), 1), UINT32_MAX);
    if (turns_ > 1'000'000)
      find("jinja.large-loop", Severity::medium, node, "loops inside loops that would keep the server busy");
    assign(node.children[0], limited(std::move(items)));
    if (node.children[2]) evaluate(node.children[2]);
    statement(node.children[3]);
    if (judging_ && node.children[2] && tests_content(node.children[2], true)) check_poison(node.children[3], node);
    turns_ = outer;
    statement(node.children[4]);
  }
  std::uint64_t range_size(const Node* node) {
    if (!node || node->kind != Node::call || !node->children[0] || node->children[0]->text != "range") return 1;
    std::uint64_t size = 1;
    for (std::size_t i = 1; i < node->children.size(); ++i)
      if (node->children[i] && node->children[i]->kind == Node::number_literal)
        size = std::max(size, static_cast<std::uint64_t>(std::max<std::int64_t>(node->children[i]->integer, 1)));
    return std::min<std::uint64_t>(size, UINT32_MAX);
  }

  // The text that a body writes, if constants decide it.
  JinjaValue rendered(const Node* node) {
    std::string out;
    const JinjaValue::Kind kind = render(node, out);
    return kind == JinjaValue::computed ? JinjaValue{kind}
                                        : opened_or_text(std::string(jinja_trim(out)), kind != JinjaValue::known);
  }
  JinjaValue::Kind render(const Node* node, std::string& out) {
    if (!node) return JinjaValue::known;
    if (node->kind == Node::data) {
      out += node->text.substr(0, jinja_text_kept + 1);
      return JinjaValue::known;
    }
    if (node->kind == Node::group || node->kind == Node::block) {
      bool plain = true, authored = false;
      for (const auto* child : node->children) {
        const auto kind = out.size() > jinja_text_kept ? JinjaValue::computed : render(child, out);
        plain = plain && kind == JinjaValue::known;
        authored = authored || kind == JinjaValue::computed;
      }
      if (plain) return JinjaValue::known;
      return authored ? JinjaValue::computed : JinjaValue::opened;
    }
    if (node->kind == Node::output) {
      const auto values = quietly([&] { return evaluate(node->children[0]); });
      if (values.size() == 1 && values[0].kind == JinjaValue::known) {
        out += values[0].text;
        return JinjaValue::known;
      }
      return std::any_of(
                 values.begin(), values.end(),
                 [](const JinjaValue& v) { return v.kind == JinjaValue::computed || v.kind == JinjaValue::object; })
                 ? JinjaValue::computed
                 : JinjaValue::data;
    }
    if (node->kind == Node::assign || node->kind == Node::capture || node->kind == Node::macro)
      return JinjaValue::known;
    // Texts of which conditions choose: an author's, but most often whole words.
    bool letters = false;
    const std::size_t begin = out.size();
    for (const auto* child : node->children)
      if (child && child->kind == Node::group) letters = render(child, out) == JinjaValue::computed || letters;
    const bool odd = out.find('_', begin) != std::string::npos;
    return letters || odd ? JinjaValue::computed : JinjaValue::data;
  }
  template <class Work>
  JinjaValues quietly(Work work) {
    const bool judging = judging_;
    judging_ = false;
    auto values = work();
    judging_ = judging;
    return values;
  }

  // ---- expressions ----

  JinjaValues evaluate(const Node* node) {
    if (!node || ++work_ > jinja_work_limit) return {JinjaValue{}};
    switch (node->kind) {
      case Node::variable:
        return name(*node);
      case Node::text_literal:
        check_text(node->text, *node);
        return {node->known ? jinja_text(node->text) : JinjaValue{JinjaValue::computed}};
      case Node::number_literal:
        return {jinja_number(node->integer)};
      case Node::other_literal:
        return {JinjaValue{}};
      case Node::list:
        return list(*node);
      case Node::dictionary:
        return dictionary(*node);
      case Node::chain:
        return chain(*node);
      case Node::logic: {
        JinjaValues all;
        for (const auto* child : node->children) {
          const auto values = evaluate(child);
          all.insert(all.end(), values.begin(), values.end());
        }
        const auto& word = node->words[0];
        return word == "and" || word == "or" ? limited(std::move(all)) : JinjaValues{JinjaValue{}};
      }
      case Node::condition: {
        JinjaValues all;
        for (std::size_t i = 0; i < node->children.size(); ++i) {
          const auto values = evaluate(node->children[i]);
          if (i % 2 == 0) all.insert(all.end(), values.begin(), values.end());
          if (judging_ && i % 2 == 1 && tests_content(node->children[i], true))
            check_poison(node->children[i - 1], *node);
        }
        return limited(std::move(all));
      }
      case Node::attribute:
        return attribute(*node);
      case Node::subscript:
        return subscript(*node);
      case Node::slice:
        for (const auto* child : node->children) evaluate(child);
        return {JinjaValue{}};
      case Node::call:
        return call(*node);
      case Node::filter:
        return filter(*node);
      case Node::test:
        for (const auto* child : node->children) evaluate(child);
        return {JinjaValue{}};
      case Node::keyword:
      case Node::spread:
        return evaluate(node->children[0]);
      case Node::hole:
        return hole_.empty() ? JinjaValues{JinjaValue{}} : hole_;
      default:
        statement(node);
        return {JinjaValue{}};
    }
  }

  JinjaValues name(const Node& node) {
    if (const auto found = variables_.find(node.text); found != variables_.end()) return charged(found->second);
    const bool own = assigned_.contains(node.text) || macros_.contains(node.text);
    if (macros_.contains(node.text)) return {JinjaValue{JinjaValue::object}};
    if (own) return {JinjaValue{}};
    if (node.text.starts_with("__")) {
      check_name(node.text, node);
      return {JinjaValue{JinjaValue::root, node.text}};
    }
    if (jinja_in(jinja_roots, node.text)) return {JinjaValue{JinjaValue::root, node.text}};
    if (jinja_in(jinja_python, node.text)) {
      // Mentioned as a word it may be a variable of the application; only its use counts: see call() and attribute().
      return {JinjaValue{JinjaValue::root, node.text}};
    }
    if (node.text == "caller") return {JinjaValue{JinjaValue::object}};
    // Special tokens come from the same hands as the template.
    if (node.text.ends_with("_token") || node.text == "varargs" || node.text == "kwargs")
      return {JinjaValue{JinjaValue::computed}};
    return {JinjaValue{}};
  }

  const JinjaValues& charged(const JinjaValues& values) {
    for (const auto& value : values) work_ += jinja_weight(value);
    return values;
  }

  JinjaValues list(const Node& node) {
    JinjaValue out{JinjaValue::list};
    for (const auto* child : node.children) {
      auto values = evaluate(child);
      if (values.size() > 1) {
        // Alternatives of an item: kept together, any of them may be at its place.
        const bool authored = std::any_of(values.begin(), values.end(), jinja_authored);
        out.items.push_back({authored ? JinjaValue::computed : JinjaValue::data});
      } else {
        out.items.push_back(std::move(values[0]));
      }
      if (out.items.size() > 256) return {JinjaValue{JinjaValue::computed}};
    }
    return {jinja_bounded(std::move(out))};
  }
  JinjaValues dictionary(const Node& node) {
    JinjaValue out{JinjaValue::dict};
    for (const auto* child : node.children) {
      auto values = evaluate(child);
      out.items.push_back(values.size() == 1 ? std::move(values[0]) : JinjaValue{});
      if (out.items.size() > 512) return {JinjaValue{JinjaValue::computed}};
    }
    if (out.items.size() % 2 != 0) out.items.emplace_back();
    return {jinja_bounded(std::move(out))};
  }

  // ~ + and * put texts together, % fills them in.
  JinjaValues chain(const Node& node) {
    JinjaValues left = evaluate(node.children[0]);
    if (node.children.size() == 1)
      return {left[0].kind == JinjaValue::number ? jinja_number(-left[0].number_value) : JinjaValue{}};
    for (std::size_t i = 0; i + 1 < node.children.size(); ++i) {
      const auto right = evaluate(node.children[i + 1]);
      JinjaValues next;
      for (const auto& a : left)
        for (const auto& b : right) {
          if (++work_ > jinja_work_limit || next.size() > jinja_alternatives) break;
          check_size(node.words[i], a, b, node);
          next.push_back(combine(node.words[i], a, b));
        }
      left = limited(std::move(next));
    }
    for (const auto& value : left)
      if (value.kind == JinjaValue::known) check_text(value.text, node);
    return left;
  }

  JinjaValues attribute(const Node& node) {
    const auto* base = node.children[0];
    check_name(node.text, node);
    const auto bases = evaluate(base);
    if (base && base->kind == Node::variable) {
      JinjaValues members;
      for (const auto& key : {base->text + "." + node.text, "." + node.text}) {
        const auto found = variables_.find(key);
        // What namespace() was given is kept without the name of the namespace.
        if (found == variables_.end() || (key[0] == '.' && !has_object(bases))) continue;
        members.insert(members.end(), found->second.begin(), found->second.end());
      }
      if (!members.empty()) return charged(limited(std::move(members)));
    }
    check_base(bases, node.text, node);
    for (const auto& value : bases) check_format_method(value, node.text, node);
    JinjaValues out;
    for (const auto& value : bases) out.push_back(item_of(value, jinja_text(node.text)));
    return limited(std::move(out));
  }

  JinjaValues subscript(const Node& node) {
    const auto bases = evaluate(node.children[0]);
    const auto* key = node.children[1];
    if (key && key->kind == Node::slice) {
      evaluate(key);
      JinjaValues out;
      for (const auto& base : bases) out.push_back(sliced(base, *key));
      return limited(std::move(out));
    }
    const auto keys = evaluate(key);
    check_key(keys, node);
    const bool plain_index =
        std::all_of(keys.begin(), keys.end(), [](const JinjaValue& k) { return k.kind == JinjaValue::number; });
    for (const auto& k : keys)
      if (k.kind == JinjaValue::known) {
        check_base(bases, k.text, node);
        for (const auto& base : bases) check_format_method(base, k.text, node);
      }
    if (!plain_index && keys[0].kind != JinjaValue::known) check_base(bases, "", node);
    JinjaValues out;
    for (const auto& base : bases)
      for (const auto& k : keys)
        if (out.size() <= jinja_alternatives) out.push_back(item_of(base, k));
    return limited(std::move(out));
  }

  JinjaValue sliced(const JinjaValue& base, const Node& slice) {
    if (base.kind != JinjaValue::known && base.kind != JinjaValue::list)
      return {base.kind == JinjaValue::opened || base.kind == JinjaValue::computed ? JinjaValue::computed
              : base.kind == JinjaValue::data                                      ? JinjaValue::data
                                                                                   : JinjaValue::object};
    std::int64_t part[3] = {INT64_MIN, INT64_MAX, 1};
    for (std::size_t i = 0; i < 3; ++i) {
      if (!slice.children[i]) continue;
      const auto values = quietly([&] { return evaluate(slice.children[i]); });
      if (values.size() != 1 || values[0].kind != JinjaValue::number)
        return {jinja_authored(base) ? JinjaValue::computed : JinjaValue::data};
      part[i] = values[0].number_value;
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
      const std::int64_t first = slice.children[0] ? std::min(clamp(part[0]), size - 1) : size - 1;
      const std::int64_t last = slice.children[1] ? clamp(part[1]) : -1;
      for (std::int64_t i = first; i > last; i += std::max(part[2], -size - 1))
        chosen.push_back(items[static_cast<std::size_t>(i)]);
    }
    if (base.kind == JinjaValue::list) return {JinjaValue::list, {}, 0, std::move(chosen)};
    std::string out;
    for (const auto& item : chosen) out += item.text;
    return jinja_text(std::move(out));
  }

  JinjaArguments arguments(const Node& node, std::size_t from) {
    JinjaArguments out;
    for (std::size_t i = from; i < node.children.size(); ++i) {
      const auto* child = node.children[i];
      auto values = evaluate(child);
      if (child && child->kind == Node::keyword) {
        check_text(child->text, node);
        out.named[child->text] = std::move(values);
      } else if (child && child->kind == Node::spread) {
        spread_out(values, out);
      } else {
        out.positional.push_back(std::move(values));
      }
    }
    return out;
  }
  // *[a, b] and **{'a': b} of constants are arguments like others.
  static void spread_out(const JinjaValues& values, JinjaArguments& out) {
    for (const auto& value : values) {
      if (value.kind == JinjaValue::list) {
        for (const auto& item : value.items) out.positional.push_back({item});
      } else if (value.kind == JinjaValue::dict) {
        for (std::size_t i = 0; i + 1 < value.items.size(); i += 2)
          out.named[value.items[i].text].push_back(value.items[i + 1]);
      } else {
        out.spread = true;
      }
    }
  }

  JinjaValues call(const Node& node) {
    const auto* callee = node.children[0];
    if (!callee) {
      arguments(node, 1);
      return {JinjaValue{}};
    }
    if (callee->kind == Node::attribute) return method(*callee, node);
    const auto targets = evaluate(callee);
    auto given = arguments(node, 1);
    JinjaValues out;
    for (const auto& target : targets) out.push_back(called(target, given, node));
    if (callee->kind == Node::variable)
      if (const auto macro = macros_.find(callee->text); macro != macros_.end())
        return {call_macro(*macro->second, given)};
    return limited(std::move(out));
  }

  JinjaValue call_macro(const Node& macro, const JinjaArguments& given) {
    for (std::size_t i = 0; i < macro.words.size(); ++i) {
      if (given.spread)
        remember(macro.words[i], {JinjaValue{}});
      else if (i < given.positional.size())
        remember(macro.words[i], given.positional[i]);
      else if (const auto named = given.named.find(macro.words[i]); named != given.named.end())
        remember(macro.words[i], named->second);
    }
    if (macro.children.empty()) return {JinjaValue::computed};
    // Once a pass: what it writes depends on the variables of the pass alone. While it calls itself it is not known.
    const bool fresh = written_.try_emplace(&macro, JinjaValue{JinjaValue::computed}).second;
    if (fresh) {
      auto value = rendered(macro.children.back());
      written_[&macro] = std::move(value);
    }
    return written_[&macro];
  }

  JinjaValue called(const JinjaValue& target, const JinjaArguments& given, const Node& at) {
    if (target.kind != JinjaValue::root)
      return target.kind == JinjaValue::data ? JinjaValue{} : JinjaValue{JinjaValue::computed};
    const auto& name = target.text;
    if (jinja_in(jinja_python, name)) {
      find("jinja.python-function", Severity::high, at, "the template calls Python's " + name, name);
      for (const auto& values : given.positional)
        for (const auto& value : values)
          if (value.kind == JinjaValue::known) check_name(value.text, at);
      return {JinjaValue::root, name};
    }
    if (name == "range") {
      for (const auto& values : given.positional)
        for (const auto& value : values)
          if (value.kind == JinjaValue::number && (value.number_value > 100'000 || value.number_value < -100'000))
            find("jinja.large-loop", Severity::medium, at,
                 "a range of more than a hundred thousand numbers, which would keep the server busy");
      return {};
    }
    if (name == "dict") {
      JinjaValue out{JinjaValue::dict};
      for (const auto& [key, values] : given.named) {
        out.items.push_back(jinja_text(key));
        out.items.push_back(values.size() == 1 ? values[0] : JinjaValue{JinjaValue::computed});
      }
      if (given.spread || !given.positional.empty()) return {JinjaValue::computed};
      return jinja_bounded(std::move(out));
    }
    if (name == "namespace") {
      for (const auto& [key, values] : given.named) remember("." + key, values);
      return {JinjaValue::object};
    }
    if (name == "strftime_now" || name == "lipsum") return {JinjaValue::computed};
    if (name == "raise_exception") return {};
    return {JinjaValue::object};
  }
  JinjaValues method(const Node& callee, const Node& node) {
    const auto* base = callee.children[0];
    check_name(callee.text, callee);
    const auto bases = evaluate(base);
    const auto given = arguments(node, 1);
    const auto& name = callee.text;
    if (jinja_in(jinja_acts, name))
      find("jinja.python-function", Severity::high, node, "the template calls " + name, name);
    if (name == "format_map")
      find("jinja.format", Severity::high, node, "the template fills in a text by rules that the text brings along");
    if (name == "append" || name == "insert" || name == "extend" || name == "update" || name == "setdefault")
      for (const auto& values : given.positional)
        for (const auto& value : values)
          if (jinja_authored(value) && !target_name(base).empty())
            remember(target_name(base), {JinjaValue{worst_of({JinjaValue::list, {}, 0, {value}})}});
    JinjaValues out;
    for (const auto& value : bases) {
      if (value.kind == JinjaValue::root && !(value.text == "self" && given.positional.empty()))
        check_base({value}, name, node);
      if (name == "format") {
        if (value.kind == JinjaValue::known)
          check_format(value.text, node);
        else
          find("jinja.format", Severity::high, node,
               "the template fills in a text that is not its own: such texts can fetch attributes");
      }
      out.push_back(method_of(value, name, given));
      if (out.size() > jinja_alternatives) break;
    }
    return limited(std::move(out));
  }

  JinjaValues filter(const Node& node) {
    const auto bases = evaluate(node.children[0]);
    const auto given = arguments(node, 1);
    const auto& name = node.text;
    const auto named = [&](const char* key, std::size_t place) {
      const auto found = given.named.find(key);
      return found != given.named.end() ? found->second : first(given, place);
    };
    if (name == "attr") {
      const auto names = named("name", 0);
      check_attribute_argument(names, node);
      if (given.spread)
        find("jinja.hidden-name", Severity::high, node, "the template hides the name of what it reaches for");
      JinjaValues out;
      for (const auto& base : bases) {
        for (const auto& n : names) {
          check_base({base}, n.text, node);
          check_format_method(base, n.text, node);
        }
        out.push_back(base.kind == JinjaValue::data ? JinjaValue{} : JinjaValue{JinjaValue::object});
      }
      return limited(std::move(out));
    }
    if (name == "map" || name == "select" || name == "reject") return mapped(node, bases, given);
    if (name == "selectattr" || name == "rejectattr" || name == "groupby") {
      check_attribute_argument(named("attribute", 0), node);
      return untouched(bases);
    }
    if (name == "sort" || name == "unique" || name == "sum" || name == "min" || name == "max" || name == "join") {
      if (const auto by = given.named.find("attribute"); by != given.named.end())
        check_attribute_argument(by->second, node);
      const std::size_t place = name == "sort" ? 2 : name == "sum" ? 0 : 1;
      if (const auto by = first(given, place); !by.empty()) check_attribute_argument(by, node);
    }
    if ((name == "center" || name == "indent" || name == "wordwrap" || name == "batch" || name == "slice"))
      for (const auto& values : given.positional)
        for (const auto& value : values)
          if (value.kind == JinjaValue::number && value.number_value > 1'000'000)
            find("jinja.large-loop", Severity::medium, node, "the template fills a text up to millions of characters");
    JinjaValues out;
    for (const auto& base : bases) {
      const auto made = filtered_value(base, name, given, node);
      out.insert(out.end(), made.begin(), made.end());
      if (out.size() > jinja_alternatives) break;
    }
    return limited(std::move(out));
  }

  // map('attr', name), map(attribute=name), map('upper'): the first argument names a filter.
  JinjaValues mapped(const Node& node, const JinjaValues& bases, const JinjaArguments& given) {
    if (const auto by = given.named.find("attribute"); by != given.named.end())
      check_attribute_argument(by->second, node);
    for (const auto& which : first(given, 0)) {
      if (which.kind != JinjaValue::known)
        find("jinja.hidden-name", Severity::high, node, "the template hides which filter it applies");
      else if (which.text == "attr")
        for (std::size_t i = 1; i < given.positional.size(); ++i) check_attribute_argument(given.positional[i], node);
      else if (which.text == "map" || which.text == "groupby" || which.text == "selectattr" ||
               which.text == "rejectattr")
        for (std::size_t i = 1; i < given.positional.size(); ++i) check_attribute_argument(given.positional[i], node);
    }
    JinjaValues out;
    for (const auto& base : bases) {
      const auto which = single(given, 0);
      if (node.text == "map" && base.kind == JinjaValue::list && which.kind == JinjaValue::known &&
          given.positional.size() == 1) {
        JinjaValue list{JinjaValue::list};
        for (const auto& item : base.items) {
          auto made = filtered_value(item, which.text, {}, node);
          list.items.push_back(made.size() == 1 ? std::move(made[0]) : JinjaValue{JinjaValue::computed});
        }
        out.push_back(std::move(list));
      } else if (node.text != "map" && base.kind == JinjaValue::list) {
        out.push_back({worst_of(base)});
      } else {
        out.push_back(
            {jinja_authored(base) && base.kind != JinjaValue::root ? JinjaValue::computed : JinjaValue::data});
      }
    }
    return limited(std::move(out));
  }

  JinjaValues filtered_value(const JinjaValue& base, const std::string& name, const JinjaArguments& given,
                             const Node& at) {
    if (name == "default" || name == "d") {
      JinjaValues out{base};
      const auto other = first(given, 0);
      out.insert(out.end(), other.begin(), other.end());
      return out;
    }
    if (name == "length" || name == "count" || name == "int" || name == "float" || name == "abs" || name == "round" ||
        name == "wordcount")
      return {JinjaValue{}};
    if (name == "format") {
      if (base.kind == JinjaValue::known) {
        JinjaValues arguments;
        for (std::size_t i = 0; i < given.positional.size(); ++i) arguments.push_back(single(given, i));
        check_width(base.text, at);
        return {percent(base.text, arguments)};
      }
      return {JinjaValue{jinja_authored(base) ? JinjaValue::computed : JinjaValue::data}};
    }
    if (name == "join") {
      const auto between = single(given, 0);
      if (between.kind == JinjaValue::known) return {joined_list(base, between.text)};
      return {given.positional.empty() ? joined_list(base, "")
                                       : JinjaValue{jinja_authored(base) ? JinjaValue::computed : JinjaValue::data}};
    }
    if (base.kind == JinjaValue::known && name == "replace") {
      const auto from = single(given, 0), to = single(given, 1);
      if (from.kind == JinjaValue::known && to.kind == JinjaValue::known)
        return {replaced(base.text, from.text, to.text)};
    }
    if (base.kind == JinjaValue::known && given.positional.empty())
      if (const auto changed = changed_text(base.text, name)) return {*changed};
    if (base.kind == JinjaValue::number && name == "string") return {jinja_text(as_text(base))};
    if (name == "list" || name == "first" || name == "last" || name == "reverse" || name == "items" ||
        name == "dictsort" || name == "random" || name == "sort" || name == "unique")
      return {sequence_value(base, name)};
    if (base.kind == JinjaValue::data) {
      if (name == "replace" && single(given, 1).kind == JinjaValue::known &&
          single(given, 1).text.find('_') != std::string::npos)
        return {JinjaValue{JinjaValue::computed}};
      return {JinjaValue{}};
    }
    if (base.kind == JinjaValue::opened && given.positional.empty())
      if (const auto changed = changed_text(base.text, name)) return {opened_or_text(changed->text, true)};
    return {
        JinjaValue{jinja_authored(base) || base.kind == JinjaValue::root ? JinjaValue::computed : JinjaValue::data}};
  }

  std::size_t work_ = 0;
  std::uint64_t turns_ = 1;
  std::map<const Node*, JinjaValue> written_;  // what macros write, in this pass
  JinjaValues hole_;
  std::map<std::string, JinjaValues, std::less<>> variables_;
  std::map<std::string, const Node*, std::less<>> macros_;
  std::set<std::string, std::less<>> assigned_;
};

}  // namespace

bool has_jinja_tags(std::string_view text) {
  for (auto at = text.find('{'); at != std::string_view::npos && at + 1 < text.size(); at = text.find('{', at + 1))
    if (text[at + 1] == '{' || text[at + 1] == '%') return true;
  return false;
}

void inspect_jinja(std::string_view text, Inspection& inspection, TemplateTrust trust, std::string_view pointer,
                   std::uint64_t offset) {
  const bool certain = trust == TemplateTrust::certain;
  if (!inspection.budget().spend_entries(1 + text.size() / 4096)) return (void)inspection.out_of_budget();
  const auto tree = parse_jinja(text);
  JinjaJudge judge(inspection, trust, pointer, offset);
  judge.run(tree);
  if (judge.gave_up() && certain)
    inspection.inconclusive("jinja.not-understood", "the template is too intricate to be judged");
  if (tree.problem == JinjaTree::none || !certain) return;
  // A template that Jinja refuses runs nowhere; other engines may be less strict, so its words still count.
  for (const auto& [at, word] : jinja_words(text))
    if (is_jinja_escape(jinja_trim(word)))
      judge.find("jinja.escape", Severity::critical, {.offset = at},
                 "the template reaches for " + printable(word, 60) + ": it would run code on the server", word);
  if (tree.problem == JinjaTree::malformed)
    inspection.malformed("jinja.malformed", offset + tree.problem_offset,
                         "the template is not valid: " + tree.problem_text, printable(pointer));
  else
    inspection.inconclusive("jinja.not-understood", "the template cannot be judged: " + tree.problem_text);
}

}  // namespace hauberk::scan
