// What a chat template would do. Sources: the template designer's documentation of Jinja 3.1 and its sandbox's list of
// unsafe attributes; the globals that servers of chat models add (raise_exception, strftime_now); CVE-2024-34359.
#include "scan/jinja.h"

#include <algorithm>
#include <map>
#include <set>

#include "scan/jinja_findings.h"
#include "scan/jinja_growth.h"

namespace hauberk::scan {
namespace {

using Node = JinjaNode;

constexpr std::size_t jinja_work_limit = 4'000'000;  // values made, all passes together
constexpr std::size_t jinja_work_entry = 4;          // of them count as one entry of the scan's budget
constexpr int jinja_passes = 3;

// Objects that a template is given by Jinja or by a web framework, whose attributes lead out of the template.
constexpr std::string_view jinja_roots =
    " self cycler joiner lipsum namespace request config session g get_flashed_messages url_for"
    " current_app raise_exception strftime_now range dict ";
// What servers hand in whatever a model's configuration says.
constexpr std::string_view jinja_conversation = " messages tools documents functions conversation conversations ";
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
    if (const auto* doubled = find_doubling(*tree.root, [&](const std::string& name) { return is_number(name); }))
      find("jinja.large-loop", Severity::medium, *doubled, "a text that doubles again and again would fill the memory");
    budget().spend_entries((work_ - paid_) / jinja_work_entry);
  }
  bool gave_up() const { return work_ > jinja_work_limit; }

 private:
  // False once the template, or all that the scan has looked at, is too much.
  bool spend(std::size_t work = 1) {
    work_ += work;
    if (work_ - paid_ >= 16'384) {
      if (!budget().spend_entries((work_ - paid_) / jinja_work_entry)) work_ = jinja_work_limit + 1;
      paid_ = work_;
    }
    return work_ <= jinja_work_limit;
  }

  // ---- variables ----

  bool is_number(const std::string& name) const {
    const auto found = variables_.find(name);
    return found != variables_.end() && std::all_of(found->second.begin(), found->second.end(), jinja_numeric);
  }

  void remember(const std::string& name, const JinjaValues& values) {
    auto& known = variables_[name];
    for (const auto& value : values) {
      if (std::find(known.begin(), known.end(), value) != known.end()) continue;
      if (known.size() >= jinja_alternatives) {
        const bool authored = std::any_of(known.begin(), known.end(), jinja_authored) || jinja_authored(value);
        const bool numeric = std::all_of(known.begin(), known.end(), jinja_numeric) && jinja_numeric(value);
        const JinjaValue rest{authored ? JinjaValue::computed : numeric ? JinjaValue::amount : JinjaValue::data};
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
    if (!node || !spend()) return;
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
        note_assignment(child(0), child(1));
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
      if (judging_ && condition) check_poison(condition, inner, node);
    }
  }

  void loop(const Node& node) {
    const auto sequence = evaluate(node.children[1]);
    JinjaValues items;
    for (const auto& whole : sequence) {
      const auto value = jinja_sequence(whole);
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
    items = limited(std::move(items));
    const auto outer = turns_;
    turns_ = std::min<std::uint64_t>(turns_ * std::max<std::uint64_t>(range_size(node.children[1]), 1), UINT32_MAX);
    if (turns_ > 1'000'000)
      find("jinja.large-loop", Severity::medium, node, "loops inside loops that would keep the server busy");
    note_words(node.children[0], node.children[1]);
    loop_items_.push_back(items);
    assign(node.children[0], items);
    if (node.children[2]) evaluate(node.children[2]);
    statement(node.children[3]);
    loop_items_.pop_back();
    if (judging_ && node.children[2]) check_poison(node.children[2], node.children[3], node);
    turns_ = outer;
    statement(node.children[4]);
  }
  std::uint64_t range_size(const Node* node) {
    if (!node || node->kind != Node::call || !node->children[0] || node->children[0]->text != "range") return 1;
    std::uint64_t size = 1;
    for (std::size_t i = 1; i < node->children.size(); ++i)
      for (const auto& value : quietly([&] { return evaluate(node->children[i]); }))
        if (value.kind == JinjaValue::number)
          size = std::max(size, static_cast<std::uint64_t>(std::max<std::int64_t>(value.number_value, 1)));
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
      return std::any_of(values.begin(), values.end(),
                         [](const JinjaValue& v) {
                           return v.kind == JinjaValue::computed || v.kind == JinjaValue::object ||
                                  v.kind == JinjaValue::root || v.kind == JinjaValue::lazy ||
                                  v.kind == JinjaValue::given;
                         })
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
    if (!node || !spend()) return {JinjaValue{}};
    switch (node->kind) {
      case Node::variable:
        return name(*node);
      case Node::text_literal:
        check_text(node->text, *node);
        return {node->known ? jinja_text(node->text) : JinjaValue{JinjaValue::computed}};
      case Node::number_literal:
        return {jinja_number(node->integer)};
      case Node::other_literal: {
        const bool truth = node->text == "true" || node->text == "True";
        const bool none = node->text == "none" || node->text == "None";
        return {JinjaValue{JinjaValue::number, none ? "None" : truth ? "True" : "False", truth ? 1 : 0}};
      }
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
        return word == "and" || word == "or" ? limited(std::move(all)) : JinjaValues{JinjaValue{JinjaValue::amount}};
      }
      case Node::condition: {
        JinjaValues all;
        for (std::size_t i = 0; i < node->children.size(); ++i) {
          const auto values = evaluate(node->children[i]);
          if (i % 2 == 0) all.insert(all.end(), values.begin(), values.end());
          if (judging_ && i % 2 == 1) check_poison(node->children[i], node->children[i - 1], *node);
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
        return {JinjaValue{JinjaValue::amount}};
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
    if (node.text == "loop" && !own) return {JinjaValue{JinjaValue::object, "loop"}};
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
    // Special tokens come from the same hands as the template; a tokenizer's configuration may define more of them,
    // under any name.
    if (node.text.ends_with("_token") || node.text.ends_with("_tokens") || node.text == "varargs" ||
        node.text == "kwargs")
      return {JinjaValue{JinjaValue::computed}};
    return {JinjaValue{jinja_in(jinja_conversation, node.text) ? JinjaValue::data : JinjaValue::given}};
  }

  const JinjaValues& charged(const JinjaValues& values) {
    for (const auto& value : values) spend(jinja_weight(value));
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
      return {left[0].kind == JinjaValue::number && left[0].number_value != INT64_MIN
                  ? jinja_number(-left[0].number_value)
                  : JinjaValue{JinjaValue::amount}};
    for (std::size_t i = 0; i + 1 < node.children.size(); ++i) {
      const auto right = evaluate(node.children[i + 1]);
      JinjaValues next;
      for (const auto& a : left)
        for (const auto& b : right) {
          if (!spend() || next.size() > jinja_alternatives) break;
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
    if (has_loop(bases)) return of_loop(node.text);
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

  static bool has_loop(const JinjaValues& bases) {
    return bases.size() == 1 && bases[0].kind == JinjaValue::object && bases[0].text == "loop";
  }
  JinjaValues of_loop(std::string_view name) const {
    if (name == "previtem" || name == "nextitem") return loop_items_.empty() ? JinjaValues{{}} : loop_items_.back();
    return {JinjaValue{name == "cycle" || name == "changed" ? JinjaValue::object : JinjaValue::amount}};
  }

  JinjaValues subscript(const Node& node) {
    const auto bases = evaluate(node.children[0]);
    const auto* key = node.children[1];
    if (key && key->kind == Node::slice) {
      evaluate(key);
      std::optional<JinjaValues> parts[3];
      for (std::size_t i = 0; i < 3; ++i)
        if (key->children[i]) parts[i] = quietly([&] { return evaluate(key->children[i]); });
      JinjaValues out;
      for (const auto& base : bases) out.push_back(sliced(base, parts));
      return limited(std::move(out));
    }
    const auto keys = evaluate(key);
    check_key(bases, keys, node);
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
    if (callee->kind == Node::attribute) return method(*callee, callee->text, node);
    // x['format'](…) is x.format(…).
    if (callee->kind == Node::subscript && callee->children[1] && callee->children[1]->kind == Node::text_literal) {
      evaluate(callee);
      return method(*callee, callee->children[1]->text, node);
    }
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
    if (target.kind == JinjaValue::object && target.text.starts_with("format"))
      find("jinja.format", Severity::high, at,
           "the template fills in a text that is not its own: such texts can fetch attributes");
    if (target.kind != JinjaValue::root) return jinja_plain(target) ? JinjaValue{} : JinjaValue{JinjaValue::computed};
    const auto& name = target.text;
    if (jinja_in(jinja_python, name)) {
      find("jinja.python-function", Severity::high, at, "the template calls Python's " + name, name);
      for (const auto& values : given.positional)
        for (const auto& value : values)
          if (value.kind == JinjaValue::known) check_name(value.text, at);
      return {JinjaValue::root, name};
    }
    check_amounts(name, {}, given, at);
    if (name == "range") return jinja_lazy({JinjaValue::list, {}, 0, {{JinjaValue::amount}}});
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
  JinjaValues method(const Node& callee, const std::string& name, const Node& node) {
    const auto* base = callee.children[0];
    check_name(name, callee);
    const auto bases = evaluate(base);
    const auto given = arguments(node, 1);
    if (has_loop(bases) && name == "cycle") return cycled(given);
    check_amounts(name, bases, given, node);
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
        else if (value.kind != JinjaValue::dict && value.kind != JinjaValue::list)
          find("jinja.format", Severity::high, node,
               "the template fills in a text that is not its own: such texts can fetch attributes");
      }
      out.push_back(method_of(value, name, given));
      if (out.size() > jinja_alternatives) break;
    }
    return limited(std::move(out));
  }

  static JinjaValues cycled(const JinjaArguments& given) {
    JinjaValues out;
    for (const auto& values : given.positional) out.insert(out.end(), values.begin(), values.end());
    if (given.spread) out.push_back({JinjaValue::computed});
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
        out.push_back({JinjaValue::object});
      }
      return limited(std::move(out));
    }
    if (name == "map" || name == "select" || name == "reject") return mapped(node, bases, given);
    if (name == "selectattr" || name == "rejectattr" || name == "groupby") {
      check_attribute_argument(named("attribute", 0), node);
      auto chosen = untouched(bases);
      if (name == "groupby")
        for (auto& value : chosen) value = jinja_sequence(std::move(value));
      return chosen;
    }
    if (name == "sort" || name == "unique" || name == "sum" || name == "min" || name == "max" || name == "join") {
      if (const auto by = given.named.find("attribute"); by != given.named.end())
        check_attribute_argument(by->second, node);
      const std::size_t place = name == "sort" ? 2 : name == "sum" ? 0 : 1;
      if (const auto by = first(given, place); !by.empty()) check_attribute_argument(by, node);
    }
    check_amounts(name, bases, given, node);
    JinjaValues out;
    for (const auto& base : bases) {
      const auto made = filter_of(base, name, given);
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
      else if (jinja_in(" attr map groupby selectattr rejectattr sum ", which.text))
        for (std::size_t i = 1; i < given.positional.size(); ++i)
          if (i == 1 || which.text == "map") check_attribute_argument(given.positional[i], node);
    }
    if (const auto by = given.named.find("name"); by != given.named.end()) check_attribute_argument(by->second, node);
    if (node.text != "map") return untouched(bases);
    JinjaArguments rest = given;
    if (!rest.positional.empty()) rest.positional.erase(rest.positional.begin());
    const auto which = single(given, 0);
    const bool inner = jinja_in(" attr map select reject selectattr rejectattr ", which.text);
    JinjaValues out;
    for (const auto& base : bases) {
      const bool plain = jinja_plain(jinja_sequence(base)) || !jinja_authored(jinja_sequence(base));
      if (which.kind == JinjaValue::known && !inner)
        out.push_back(mapped_by(base, which.text, rest));
      else
        out.push_back(jinja_lazy({plain && !inner ? JinjaValue::data : JinjaValue::computed}));
    }
    return limited(std::move(out));
  }

  std::size_t work_ = 0, paid_ = 0;
  std::uint64_t turns_ = 1;
  std::vector<JinjaValues> loop_items_;        // of the loops around, the innermost last
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
  if (inspection.out_of_budget()) return;
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
