// Templates of Jinja as a tree: what its own parser accepts, with the tags that chat templates add (generation, break,
// continue) and the tag "do". The tree is for judging, not for running. Bounded: nesting, nodes and text are limited.
// Pure; memory is a small multiple of the text. Source: the template designer's documentation and grammar of Jinja 3.1.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace hauberk::scan {

struct JinjaNode {
  enum Kind : std::uint8_t {
    // statements
    data,       // text between the tags
    output,     // children: expressions
    choose,     // if/elif/else: pairs of condition and group; a last group alone is the else
    loop,       // target, sequence, condition or null, body group, else group
    assign,     // target, value
    capture,    // {% set x %}…{% endset %}: target, body group, filters applied to it or null
    macro,      // text: name; parameters: names; children: default or null for each parameter, then the body group
    call_body,  // {% call %}: call expression, body group
    filtered,   // {% filter %}: expression over a `hole`, body group
    with,       // pairs of target and value, then the body group
    block,      // any other tag with a body: group
    load,       // include, import, from, extends: text is the tag; children: the template's name
    group,      // children: statements
    // expressions
    variable,
    text_literal,
    number_literal,
    other_literal,  // true, false, none
    list,           // also tuples; `tuple` is not told apart
    dictionary,     // keys and values in turn
    chain,          // operands of one level of + - or * / // % or ~ or **; `words`: the operators between them
    logic,          // operands of and, or, not, comparisons; `words`: the operators
    condition,      // values and conditions in turn: a if c else b -> a, c, b
    attribute,      // text: name; child: base
    subscript,      // base, key
    slice,          // begin, end, step; null where missing
    call,           // callee, arguments
    filter,         // text: name; base, arguments
    test,           // text: name; base, arguments
    keyword,        // name=value: text, child
    spread,         // *x, **x
    hole,           // what a filter tag applies to
  };
  Kind kind = data;
  std::uint32_t offset = 0;
  std::uint32_t depth = 1;
  std::int64_t integer = 0;  // of a number without a fraction, saturated
  bool known = true;         // of a text literal: false if it names characters that are not resolved here
  std::string text;
  std::vector<std::string> words;
  std::vector<JinjaNode*> children;
};

struct JinjaTree {
  enum Problem : std::uint8_t { none, malformed, unknown_tag, too_large };
  Problem problem = none;
  std::uint32_t problem_offset = 0;
  std::string problem_text;
  JinjaNode* root = nullptr;  // group of what was understood, never null
  std::deque<JinjaNode> nodes;
};

constexpr std::size_t jinja_text_limit = 1u << 20;

JinjaTree parse_jinja(std::string_view text);
// The names and texts that stand in the tags, for templates that the parser refuses.
std::vector<std::pair<std::uint32_t, std::string>> jinja_words(std::string_view text);

}  // namespace hauberk::scan
