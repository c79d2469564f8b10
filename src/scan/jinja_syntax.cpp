#include "scan/jinja_syntax.h"

#include <algorithm>

#include "scan/jinja_lexer.h"

namespace hauberk::scan {
namespace {

using Node = JinjaNode;

constexpr std::uint32_t jinja_depth_limit = 64;
constexpr std::size_t jinja_node_limit = 200'000;

// Recursive descent along Jinja's own levels. After a problem all functions answer null and the tokens stand still.
class JinjaParser {
 public:
  JinjaParser(std::string_view text, const std::vector<JinjaToken>& tokens, JinjaTree& tree)
      : text_(text), tokens_(tokens), tree_(tree) {}

  void run() {
    std::string ended_by;
    tree_.root = body({}, ended_by);
  }

 private:
  bool bad() const { return tree_.problem != JinjaTree::none; }
  std::nullptr_t fail(std::string what, JinjaTree::Problem problem = JinjaTree::malformed) {
    if (!bad()) {
      tree_.problem = problem;
      tree_.problem_offset = peek().offset;
      tree_.problem_text = std::move(what);
    }
    return nullptr;
  }

  const JinjaToken& peek(std::size_t ahead = 0) const {
    static constexpr JinjaToken none{};
    return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : none;
  }
  std::string_view spelled(const JinjaToken& token) const { return text_.substr(token.offset, token.length); }
  bool is_op(std::string_view op, std::size_t ahead = 0) const {
    return peek(ahead).type == JinjaToken::op && spelled(peek(ahead)) == op;
  }
  bool is_name(std::string_view name, std::size_t ahead = 0) const {
    return peek(ahead).type == JinjaToken::name && spelled(peek(ahead)) == name;
  }
  bool skip_op(std::string_view op) { return is_op(op) && ++at_; }
  bool skip_name(std::string_view name) { return is_name(name) && ++at_; }
  bool expect_op(std::string_view op) {
    if (skip_op(op)) return true;
    fail("'" + std::string(op) + "' is missing");
    return false;
  }

  Node* make(Node::Kind kind, std::vector<Node*> children = {}, std::string_view text = {}) {
    if (bad()) return nullptr;
    if (tree_.nodes.size() >= jinja_node_limit) return fail("the template is too large", JinjaTree::too_large);
    std::uint32_t depth = 0;
    for (const auto* child : children)
      if (child) depth = std::max(depth, child->depth);
    if (depth >= 2 * jinja_depth_limit) return fail("the template is nested too deep", JinjaTree::too_large);
    tree_.nodes.push_back({.kind = kind,
                           .offset = peek().offset,
                           .depth = depth + 1,
                           .text = std::string(text),
                           .children = std::move(children)});
    return &tree_.nodes.back();
  }

  struct Level {
    explicit Level(JinjaParser& parser) : parser_(parser) {
      if (++parser_.depth_ > jinja_depth_limit) parser_.fail("the template is nested too deep", JinjaTree::too_large);
    }
    ~Level() { --parser_.depth_; }
    JinjaParser& parser_;
  };

  // ---- statements ----

  // Up to a tag that `ends` names, which is consumed up to its name; an empty list means the end of the text.
  Node* body(std::vector<std::string_view> ends, std::string& ended_by) {
    Level level(*this);
    std::vector<Node*> statements;
    while (!bad()) {
      const auto& token = peek();
      if (token.type == JinjaToken::end) {
        if (!ends.empty()) fail("a block is not closed");
        break;
      }
      if (token.type == JinjaToken::data) {
        auto* node = make(Node::data, {}, trimmed_data());
        if (node) statements.push_back(node);
        ++at_;
      } else if (token.type == JinjaToken::output_begin) {
        ++at_;
        auto* value = tuple();
        if (!bad() && peek().type != JinjaToken::output_end) fail("an expression does not end where it should");
        // What was understood before a problem is judged as well.
        if (value) statements.push_back(keep(Node::output, {value}));
        ++at_;
      } else if (token.type == JinjaToken::block_begin) {
        ++at_;
        if (peek().type != JinjaToken::name) {
          fail("a tag without a name");
          break;
        }
        const auto tag = spelled(peek());
        if (std::find(ends.begin(), ends.end(), tag) != ends.end()) {
          ended_by = tag;
          ++at_;
          break;
        }
        if (auto* node = statement(tag)) statements.push_back(node);
      } else {
        fail("an expression does not end where it should");
      }
    }
    return keep(Node::group, std::move(statements));
  }

  // As make(), and works after a problem too.
  Node* keep(Node::Kind kind, std::vector<Node*> children, std::string_view text = {}) {
    std::uint32_t depth = 0;
    for (const auto* child : children)
      if (child) depth = std::max(depth, child->depth);
    tree_.nodes.push_back({.kind = kind,
                           .offset = peek().offset,
                           .depth = depth + 1,
                           .text = std::string(text),
                           .children = std::move(children)});
    return &tree_.nodes.back();
  }

  std::string_view trimmed_data() const {
    auto text = spelled(peek());
    if (at_ > 0 && tokens_[at_ - 1].trim_after)
      while (!text.empty() && jinja_space(text.front())) text.remove_prefix(1);
    if (peek(1).trim_before)
      while (!text.empty() && jinja_space(text.back())) text.remove_suffix(1);
    return text;
  }

  bool close_tag() {
    if (bad()) return false;
    if (peek().type != JinjaToken::block_end) return fail("a tag does not end where it should"), false;
    ++at_;
    return true;
  }
  // The body of a tag up to its end tag, whose own end is consumed; {% endblock name %} may say its name again.
  Node* body_to(std::string_view end) {
    if (!close_tag()) return keep(Node::group, {});
    std::string ended_by;
    auto* group = body({end}, ended_by);
    if (!bad() && (end == "endblock" || end == "endmacro") && peek().type == JinjaToken::name) ++at_;
    if (!bad()) close_tag();
    return group;
  }

  Node* statement(std::string_view tag) {
    if (tag == "if") return choose();
    ++at_;
    if (tag == "for") return loop();
    if (tag == "set") return assignment();
    if (tag == "macro") return macro();
    if (tag == "call") return call_body();
    if (tag == "filter") return filtered();
    if (tag == "with") return with();
    if (tag == "print") return with_end(Node::output, tuple());
    if (tag == "do") return with_end(Node::output, tuple());
    if (tag == "break" || tag == "continue") return with_end(Node::group, nullptr);
    if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") return load(tag);
    if (tag == "generation") return keep(Node::block, {body_to("endgeneration")});
    if (tag == "autoescape") {
      auto* value = expression();
      return keep(Node::block, {keep(Node::output, {value}), body_to("endautoescape")});
    }
    if (tag == "block") {
      if (peek().type != JinjaToken::name) return fail("a block without a name");
      ++at_;
      while (skip_name("scoped") || skip_name("required")) {
      }
      return keep(Node::block, {body_to("endblock")});
    }
    --at_;
    return fail(
        "the tag '" + std::string(tag.substr(0, 40)) + "' is not known",
        tag.starts_with("end") || tag == "else" || tag == "elif" ? JinjaTree::malformed : JinjaTree::unknown_tag);
  }

  Node* with_end(Node::Kind kind, Node* value) {
    close_tag();
    return value ? keep(kind, {value}) : nullptr;
  }

  Node* choose() {
    std::vector<Node*> parts;
    std::string tag = "if";
    ++at_;
    while (!bad()) {
      if (tag != "else") parts.push_back(expression());
      if (!close_tag()) break;
      const bool last = tag == "else";
      parts.push_back(body(
          last ? std::vector<std::string_view>{"endif"} : std::vector<std::string_view>{"elif", "else", "endif"}, tag));
      if (tag == "endif" || bad()) break;
    }
    if (!bad()) close_tag();
    if (!parts.empty() && !parts.front()) return nullptr;
    return keep(Node::choose, std::move(parts));
  }

  Node* loop() {
    auto* target = target_list();
    if (!skip_name("in")) fail("'in' is missing");
    auto* sequence = tuple(false);
    Node* condition = nullptr;
    if (skip_name("if")) condition = expression();
    skip_name("recursive");
    if (!close_tag()) return sequence ? keep(Node::output, {sequence}) : nullptr;
    std::string ended_by;
    auto* inner = body({"endfor", "else"}, ended_by);
    Node* otherwise = nullptr;
    if (!bad() && ended_by == "else" && close_tag()) otherwise = body({"endfor"}, ended_by);
    if (!bad()) close_tag();
    return keep(Node::loop, {target, sequence, condition, inner, otherwise});
  }

  // Names, dotted names of namespaces, subscripted or in parentheses: whatever stands before "in" or "=".
  Node* target_list() {
    std::vector<Node*> parts;
    Level level(*this);
    do {
      if (is_op("(")) {
        ++at_;
        parts.push_back(target_list());
        if (!expect_op(")")) return nullptr;
      } else if (peek().type == JinjaToken::name && !is_name("in")) {
        parts.push_back(postfix(primary()));
      } else {
        break;
      }
    } while (!bad() && skip_op(","));
    if (parts.empty()) return fail("a name is missing");
    return parts.size() == 1 ? parts.front() : make(Node::list, std::move(parts));
  }

  Node* assignment() {
    auto* target = target_list();
    if (skip_op("=")) {
      auto* value = tuple();
      close_tag();
      return target && value ? keep(Node::assign, {target, value}) : nullptr;
    }
    Node* filters = nullptr;
    if (is_op("|")) filters = filter_chain(make(Node::hole));
    auto* inner = body_to("endset");
    return target ? keep(Node::capture, {target, inner, filters}) : inner;
  }

  Node* macro() {
    if (peek().type != JinjaToken::name) return fail("a macro without a name");
    const std::string name(spelled(peek()));
    ++at_;
    std::vector<std::string> words;
    std::vector<Node*> parts;
    parameters(words, parts);
    parts.push_back(body_to("endmacro"));
    auto* node = keep(Node::macro, std::move(parts), name);
    node->words = std::move(words);
    return node;
  }

  void parameters(std::vector<std::string>& words, std::vector<Node*>& defaults) {
    if (!expect_op("(")) return;
    while (!bad() && !is_op(")")) {
      if (peek().type != JinjaToken::name) {
        fail("a parameter without a name");
        return;
      }
      words.emplace_back(spelled(peek()));
      ++at_;
      defaults.push_back(skip_op("=") ? expression() : nullptr);
      if (!skip_op(",")) break;
    }
    if (!bad()) expect_op(")");
  }

  Node* call_body() {
    std::vector<std::string> words;
    std::vector<Node*> defaults;
    if (is_op("(")) parameters(words, defaults);
    auto* call = expression();
    auto* inner = body_to("endcall");
    return keep(Node::call_body, {call, inner});
  }

  Node* filtered() {
    auto* chain = filter_chain(make(Node::hole), true);
    return keep(Node::filtered, {chain, body_to("endfilter")});
  }

  Node* with() {
    std::vector<Node*> parts;
    while (!bad() && peek().type != JinjaToken::block_end) {
      parts.push_back(target_list());
      if (!expect_op("=")) break;
      parts.push_back(expression());
      if (!skip_op(",")) break;
    }
    parts.push_back(body_to("endwith"));
    if (parts.size() % 2 == 0) parts.insert(parts.end() - 1, nullptr);
    return keep(Node::with, std::move(parts));
  }

  Node* load(std::string_view tag) {
    auto* name = expression();
    while (!bad() && peek().type != JinjaToken::block_end && peek().type != JinjaToken::end) ++at_;
    close_tag();
    return keep(Node::load, {name}, tag);
  }

  // ---- expressions ----

  // One or more expressions with commas between them.
  Node* tuple(bool with_condition = true) {
    const auto one = [&] { return with_condition ? expression() : logic_or(); };
    auto* first = one();
    if (!is_op(",")) return first;
    std::vector<Node*> items{first};
    while (!bad() && skip_op(",")) {
      if (ends_tuple()) break;
      items.push_back(one());
    }
    return make(Node::list, std::move(items));
  }
  bool ends_tuple() const {
    const auto type = peek().type;
    return type == JinjaToken::output_end || type == JinjaToken::block_end || type == JinjaToken::end || is_op(")") ||
           is_op("]") || is_name("in") || is_name("if") || is_name("recursive");
  }

  Node* expression() {
    Level level(*this);
    auto* value = logic_or();
    if (!is_name("if")) return value;
    std::vector<Node*> parts{value};
    while (!bad() && skip_name("if")) {
      parts.push_back(logic_or());
      if (!skip_name("else")) break;
      parts.push_back(logic_or());
    }
    return make(Node::condition, std::move(parts));
  }

  Node* logic_or() {
    return operands(Node::logic, [&] { return logic_and(); }, [&] { return name_of({"or"}); });
  }
  Node* logic_and() {
    return operands(Node::logic, [&] { return logic_not(); }, [&] { return name_of({"and"}); });
  }
  Node* logic_not() {
    bool negated = false;
    while (skip_name("not")) negated = true;
    auto* value = compare();
    return negated ? make_words(Node::logic, {value}, {"not"}) : value;
  }
  Node* compare() {
    return operands(
        Node::logic, [&] { return sum(); },
        [&]() -> std::string {
          if (is_name("not") && is_name("in", 1)) return at_ += 2, "not in";
          if (skip_name("in")) return "in";
          return op_of({"==", "!=", ">=", "<=", ">", "<"});
        });
  }
  Node* sum() {
    return operands(Node::chain, [&] { return joined(); }, [&] { return op_of({"+", "-"}); });
  }
  Node* joined() {
    return operands(Node::chain, [&] { return product(); }, [&] { return op_of({"~"}); });
  }
  Node* product() {
    return operands(Node::chain, [&] { return unary(true); }, [&] { return op_of({"*", "/", "//", "%"}); });
  }
  Node* unary(bool with_filters) {
    bool sign = false;
    while (is_op("-") || is_op("+")) {
      sign = true;
      ++at_;
    }
    auto* value = operands(Node::chain, [&] { return postfix(primary()); }, [&] { return op_of({"**"}); });
    if (sign) value = make_words(Node::chain, {value}, {"-"});
    return with_filters ? filters_and_tests(value) : value;
  }

  template <class Operand, class Operator>
  Node* operands(Node::Kind kind, Operand operand, Operator op) {
    auto* first = operand();
    std::vector<Node*> items{first};
    std::vector<std::string> words;
    while (!bad()) {
      std::string word = op();
      if (word.empty()) break;
      words.push_back(std::move(word));
      items.push_back(operand());
    }
    return words.empty() ? first : make_words(kind, std::move(items), std::move(words));
  }
  Node* make_words(Node::Kind kind, std::vector<Node*> items, std::vector<std::string> words) {
    auto* node = make(kind, std::move(items));
    if (node) node->words = std::move(words);
    return node;
  }
  std::string op_of(std::initializer_list<std::string_view> ops) {
    for (const auto op : ops)
      if (skip_op(op)) return std::string(op);
    return {};
  }
  std::string name_of(std::initializer_list<std::string_view> names) {
    for (const auto name : names)
      if (skip_name(name)) return std::string(name);
    return {};
  }

  Node* primary() {
    if (bad()) return nullptr;
    const auto token = peek();
    if (token.type == JinjaToken::name) {
      const auto name = spelled(token);
      ++at_;
      for (const std::string_view word : {"true", "false", "none", "True", "False", "None"})
        if (name == word) return make(Node::other_literal, {}, name);
      return make(Node::variable, {}, name);
    }
    if (token.type == JinjaToken::text) {
      std::string value;
      bool known = true;
      while (peek().type == JinjaToken::text) {  // texts that follow each other are one
        const auto raw = spelled(peek());
        known = unescape_jinja(raw.substr(1, raw.size() - 2), value) && known;
        ++at_;
      }
      auto* node = make(Node::text_literal, {}, value);
      if (node) node->known = known;
      return node;
    }
    if (token.type == JinjaToken::number) {
      const auto value = jinja_integer(spelled(token));
      ++at_;
      auto* node = make(Node::number_literal);
      if (node) node->integer = value;
      return node;
    }
    if (skip_op("(")) {
      Level level(*this);
      if (skip_op(")")) return make(Node::list);
      auto* inner = tuple();
      expect_op(")");
      return inner;
    }
    if (skip_op("[")) return items_to("]");
    if (skip_op("{")) return dictionary();
    return fail("an expression is missing");
  }

  Node* items_to(std::string_view close) {
    Level level(*this);
    std::vector<Node*> items;
    while (!bad() && !is_op(close)) {
      items.push_back(expression());
      if (!skip_op(",")) break;
    }
    if (!bad()) expect_op(close);
    return make(Node::list, std::move(items));
  }
  Node* dictionary() {
    Level level(*this);
    std::vector<Node*> items;
    while (!bad() && !is_op("}")) {
      items.push_back(expression());
      if (!expect_op(":")) break;
      items.push_back(expression());
      if (!skip_op(",")) break;
    }
    if (!bad()) expect_op("}");
    return make(Node::dictionary, std::move(items));
  }

  Node* postfix(Node* base) {
    while (!bad()) {
      if (skip_op(".")) {
        if (peek().type == JinjaToken::name) {
          base = make(Node::attribute, {base}, spelled(peek()));
        } else if (peek().type == JinjaToken::number) {
          auto* index = make(Node::number_literal);
          base = make(Node::subscript, {base, index});
        } else {
          return fail("a name is missing");
        }
        ++at_;
      } else if (skip_op("[")) {
        base = make(Node::subscript, {base, subscript()});
      } else if (is_op("(")) {
        base = call(base);
      } else {
        break;
      }
    }
    return base;
  }

  Node* subscript() {
    Level level(*this);
    std::vector<Node*> keys;
    do {
      if (is_op("]")) break;
      std::vector<Node*> parts{nullptr, nullptr, nullptr};
      std::size_t part = 0;
      bool slice = false;
      while (!bad()) {
        if (skip_op(":")) {
          slice = true;
          if (++part > 2) return fail("a slice with too many parts");
        } else if (is_op("]") || is_op(",")) {
          break;
        } else if (parts[part]) {
          return fail("']' is missing");
        } else {
          parts[part] = expression();
        }
      }
      keys.push_back(slice ? make(Node::slice, std::move(parts)) : parts[0]);
    } while (!bad() && skip_op(","));
    if (!bad()) expect_op("]");
    if (keys.empty()) return fail("a subscript is empty");
    return keys.size() == 1 ? keys.front() : make(Node::list, std::move(keys));
  }

  void arguments(std::vector<Node*>& into) {
    Level level(*this);
    if (!expect_op("(")) return;
    while (!bad() && !is_op(")")) {
      if (is_op("*") || is_op("**")) {
        ++at_;
        into.push_back(make(Node::spread, {expression()}));
      } else if (peek().type == JinjaToken::name && is_op("=", 1)) {
        const auto name = spelled(peek());
        at_ += 2;
        into.push_back(make(Node::keyword, {expression()}, name));
      } else {
        into.push_back(expression());
      }
      if (!skip_op(",")) break;
    }
    if (!bad()) expect_op(")");
  }
  Node* call(Node* callee) {
    std::vector<Node*> parts{callee};
    arguments(parts);
    return make(Node::call, std::move(parts));
  }

  std::string dotted_name() {
    std::string name;
    do {
      if (peek().type != JinjaToken::name) {
        fail("a name is missing");
        break;
      }
      name += (name.empty() ? "" : ".") + std::string(spelled(peek()));
      ++at_;
    } while (skip_op("."));
    return name;
  }
  Node* filter_chain(Node* base, bool starts_inline = false) {
    while (!bad() && (starts_inline || skip_op("|"))) {
      starts_inline = false;
      const auto name = dotted_name();
      std::vector<Node*> parts{base};
      if (is_op("(")) arguments(parts);
      base = make(Node::filter, std::move(parts), name);
    }
    return base;
  }
  Node* filters_and_tests(Node* base) {
    while (!bad()) {
      if (is_op("|")) {
        base = filter_chain(base);
      } else if (skip_name("is")) {
        skip_name("not");
        const auto name = dotted_name();
        std::vector<Node*> parts{base};
        if (is_op("(")) {
          arguments(parts);
        } else if (starts_argument()) {
          parts.push_back(postfix(primary()));
        }
        base = make(Node::test, std::move(parts), name);
      } else if (is_op("(")) {
        base = call(base);
      } else {
        break;
      }
    }
    return base;
  }
  bool starts_argument() const {
    const auto type = peek().type;
    if (type == JinjaToken::text || type == JinjaToken::number) return true;
    if (type == JinjaToken::op) return is_op("[") || is_op("{");
    return type == JinjaToken::name && !is_name("else") && !is_name("or") && !is_name("and") && !is_name("if") &&
           !is_name("is") && !is_name("in") && !is_name("not") && !is_name("recursive");
  }

  std::string_view text_;
  const std::vector<JinjaToken>& tokens_;
  JinjaTree& tree_;
  std::size_t at_ = 0;
  std::uint32_t depth_ = 0;
};

}  // namespace

JinjaTree parse_jinja(std::string_view text) {
  JinjaTree tree;
  tree.root = &tree.nodes.emplace_back(JinjaNode{.kind = JinjaNode::group});
  if (text.size() > jinja_text_limit) {
    tree.problem = JinjaTree::too_large;
    tree.problem_text = "the template is too large";
    return tree;
  }
  const auto lexed = lex_jinja(text, 4 * jinja_node_limit);
  const bool whole = lexed.problem.empty();
  JinjaParser(text, lexed.tokens, tree).run();
  if (!whole && (tree.problem == JinjaTree::none || tree.problem == JinjaTree::malformed)) {
    tree.problem = JinjaTree::malformed;
    tree.problem_offset = static_cast<std::uint32_t>(lexed.problem_at);
    tree.problem_text = lexed.problem;
  }
  return tree;
}

std::vector<std::pair<std::uint32_t, std::string>> jinja_words(std::string_view text) {
  std::vector<std::pair<std::uint32_t, std::string>> words;
  for (const auto& token : lex_jinja(text.substr(0, jinja_text_limit), 4 * jinja_node_limit).tokens) {
    const auto spelled = text.substr(token.offset, token.length);
    if (token.type == JinjaToken::name) words.emplace_back(token.offset, spelled);
    if (token.type != JinjaToken::text) continue;
    std::string value;
    unescape_jinja(spelled.substr(1, spelled.size() - 2), value);
    words.emplace_back(token.offset, std::move(value));
  }
  return words;
}

}  // namespace hauberk::scan
