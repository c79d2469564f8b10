// What is said about a template: the names that it reaches for, and the text that it slips into conversations. Each
// kind of thing is said once. One thread, for one template.
#pragma once

#include <set>

#include "scan/inspection.h"
#include "scan/jinja.h"
#include "scan/jinja_syntax.h"
#include "scan/jinja_value.h"

namespace hauberk::scan {

class JinjaFindings {
 public:
  using Node = JinjaNode;
  JinjaFindings(Inspection& inspection, TemplateTrust trust, std::string_view pointer, std::uint64_t offset)
      : inspection_(inspection), trust_(trust), pointer_(pointer), offset_(offset) {}

  void find(std::string_view rule, Severity severity, const Node& at, std::string message, std::string_view name = {});
  void check_name(std::string_view raw, const Node& at);
  // Names with points between them, as filters take for attributes.
  void check_path(std::string_view path, const Node& at);
  // bases[keys], which is an attribute of the base where it is no item.
  void check_key(const JinjaValues& bases, const JinjaValues& keys, const Node& at);
  void check_attribute_argument(const JinjaValues& names, const Node& at);
  void check_base(const JinjaValues& bases, std::string_view name, const Node& at);
  // Texts of the program that spell Python's internals; the text that it writes out may say what it likes.
  void check_text(std::string_view text, const Node& at);
  // The fields of a text for format(): "{0.__class__}" fetches attributes.
  void check_format(std::string_view text, const Node& at);

  // What fills the memory or keeps the server busy: numbers given to functions, methods and filters; and methods of
  // texts that are kept to be called later.
  void check_size(const std::string& op, const JinjaValue& a, const JinjaValue& b, const Node& at);
  void check_width(std::string_view format, const Node& at);
  void check_amounts(std::string_view name, const JinjaValues& bases, const JinjaArguments& given, const Node& at);
  void check_format_method(const JinjaValue& base, std::string_view name, const Node& node);

  static bool natural(std::string_view text);
  bool is_content(const Node* node) const;
  // Whether the conversation's own words are compared with natural text; without it whether they are used as they are.
  bool tests_content(const Node* node, bool against_text) const;
  void gather_text(const Node* node, std::string& out) const;
  // Says so if `inner` adds what an attacker would to conversations for which the condition holds.
  void check_poison(const Node* condition, const Node* inner, const Node& at);
  // Which variables hold what was said, its words, or what was asked about it.
  void note_assignment(const Node* target, const Node* value);
  void note_words(const Node* target, const Node* sequence);
  // "x" or "x.y" of what is assigned to; empty for anything else.
  static std::string target_name(const Node* target);

  bool judging_ = false;  // nothing is said before

 protected:
  Budget& budget() { return inspection_.budget(); }

 private:
  bool is_words(const Node* node) const;
  bool tests_length(const Node* node) const;
  std::set<std::string, std::less<>> content_names_;  // variables that hold what was said in the conversation
  std::set<std::string, std::less<>> word_names_;     // its words, one by one
  std::set<std::string, std::less<>> asked_names_;    // whether or how often it says something
  Inspection& inspection_;
  TemplateTrust trust_;
  std::string pointer_;
  std::uint64_t offset_;
  std::set<std::pair<std::string, std::string>> said_;
};

// Names of Python's internals, and of attributes that lead to them.
bool is_jinja_escape(std::string_view word);

}  // namespace hauberk::scan
