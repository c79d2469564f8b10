#include "scan/pickle_formula.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "scan/callables.h"

namespace hauberk::scan {
namespace {

constexpr std::array functions = {
    std::string_view("C"),           std::string_view("Diff"),      std::string_view("Helmert"),
    std::string_view("I"),           std::string_view("Poly"),      std::string_view("Q"),
    std::string_view("Sum"),         std::string_view("Treatment"), std::string_view("abs"),
    std::string_view("bs"),          std::string_view("cc"),        std::string_view("center"),
    std::string_view("cr"),          std::string_view("exp"),       std::string_view("log"),
    std::string_view("log10"),       std::string_view("log1p"),     std::string_view("log2"),
    std::string_view("poly"),        std::string_view("scale"),     std::string_view("sqrt"),
    std::string_view("standardize"), std::string_view("te"),
};
constexpr std::array harmful = {
    std::string_view("compile"), std::string_view("delattr"), std::string_view("eval"),       std::string_view("exec"),
    std::string_view("getattr"), std::string_view("globals"), std::string_view("import"),     std::string_view("input"),
    std::string_view("lambda"),  std::string_view("locals"),  std::string_view("open"),       std::string_view("os"),
    std::string_view("popen"),   std::string_view("setattr"), std::string_view("subprocess"), std::string_view("sys"),
    std::string_view("system"),  std::string_view("vars"),
};
constexpr std::array keywords = {
    std::string_view("and"), std::string_view("await"), std::string_view("else"),  std::string_view("for"),
    std::string_view("if"),  std::string_view("in"),    std::string_view("is"),    std::string_view("not"),
    std::string_view("or"),  std::string_view("while"), std::string_view("yield"),
};

template <class List>
bool contains(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Letters of other alphabets as well: Python takes them for names.
bool is_word(char c) {
  return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Formula {
 public:
  explicit Formula(std::string_view text) : text_(text) {}

  Severity judge() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'' || c == '`') {
        quoted(c);
      } else if (is_digit(c)) {
        while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.')) ++at_;
        value_before_ = true;
      } else if (is_word(c)) {
        name();
      } else if (is_blank(c)) {
        ++at_;
      } else {
        sign(c);
      }
    }
    return worst_;
  }

 private:
  void worse(Severity severity) { worst_ = std::max(worst_, severity); }

  // A name of a column, or an argument of a function: plain text, nothing within it is evaluated.
  void quoted(char quote) {
    if (value_before_) worse(Severity::high);  // a prefix may make it a template
    const auto end = text_.find(quote, at_ + 1);
    const auto content = text_.substr(at_ + 1, end == std::string_view::npos ? end : end - at_ - 1);
    if (end == std::string_view::npos || content.find_first_of("\\\n{") != std::string_view::npos)
      worse(Severity::high);
    if (content.find("__") != std::string_view::npos) worse(Severity::critical);
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
    value_before_ = true;
  }

  void sign(char c) {
    if (std::string_view("+-*:~|^/(),.=[]").find(c) == std::string_view::npos) worse(Severity::high);
    if (c == '(' && value_before_) worse(Severity::high);  // calls what a call or an index gave
    if (c == '.' && value_before_) worse(Severity::high);
    value_before_ = c == ')' || c == ']';
    ++at_;
  }

  // np.log, a column, a function: dots and all.
  void name() {
    if (value_before_) worse(Severity::high);
    const auto begin = at_;
    auto part = at_;
    while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.')) {
      if (text_[at_] == '.') {
        word(text_.substr(part, at_ - part));
        part = at_ + 1;
      }
      ++at_;
    }
    word(text_.substr(part, at_ - part));
    const auto dotted = text_.substr(begin, at_ - begin);
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    value_before_ = true;
    if (at_ >= text_.size() || text_[at_] != '(') return;
    value_before_ = false;
    for (const std::string_view numpy : {"np.", "numpy."})
      if (dotted.starts_with(numpy) &&
          hauberk::scan::judge("numpy", dotted.substr(numpy.size())).risk == Risk::harmless)
        return;
    if (!contains(functions, dotted)) worse(Severity::high);
  }

  void word(std::string_view word) {
    if (word.find("__") != std::string_view::npos || contains(harmful, word)) worse(Severity::critical);
    if (contains(keywords, word) || is_internal_name(word)) worse(Severity::high);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool value_before_ = false;
  Severity worst_ = Severity::info;
};

}  // namespace

Severity judge_formula(std::string_view text) { return Formula(text).judge(); }

}  // namespace hauberk::scan
