#include "core/rule_catalog.h"

#include <algorithm>
#include <vector>

namespace hauberk {
namespace {

std::vector<Rule> sorted_rules() {
  std::vector<Rule> rules = {
#include "core/rules/isolate.inc"
#if __has_include("core/rules/scan.inc")
#include "core/rules/scan.inc"
#endif
#include "core/rules/binary_formats.inc"
#include "core/rules/keras.inc"
#include "core/rules/text_formats.inc"
#if __has_include("core/rules/guard.inc")
#include "core/rules/guard.inc"
#endif
#if __has_include("core/rules/config.inc")
#include "core/rules/config.inc"
#endif
  };
  std::ranges::sort(rules, {}, &Rule::id);
  return rules;
}

// The chapter of a rule is what stands before the first dot.
std::string_view chapter_of(const Rule& rule) { return rule.id.substr(0, rule.id.find('.')); }

}  // namespace

std::span<const Rule> rule_catalog() {
  static const std::vector<Rule> rules = sorted_rules();
  return rules;
}

const Rule* find_rule(std::string_view id) {
  const auto rules = rule_catalog();
  const auto found = std::ranges::lower_bound(rules, id, {}, &Rule::id);
  return found != rules.end() && found->id == id ? &*found : nullptr;
}

std::string rules_markdown() {
  std::string out =
      "# Rules\n\n"
      "What a finding can name. This page is generated from `src/core/rules/*.inc`; a test of `core` says how to renew "
      "it.\n"
      "OWASP: LLM = Top 10 for LLM Applications (2025), ML = Machine Learning Security Top 10 (2023). ATLAS: MITRE "
      "ATLAS techniques.\n";
  std::string_view chapter;
  for (const auto& rule : rule_catalog()) {
    if (chapter_of(rule) != chapter) {
      chapter = chapter_of(rule);
      out +=
          "\n## " + std::string(chapter) +
          "\n\n| rule | severity | what it means | what to do | OWASP | ATLAS | CWE |\n|---|---|---|---|---|---|---|\n";
    }
    out += "| `" + std::string(rule.id) + "` | " + std::string(name(rule.severity));
    for (const auto text : {rule.title, rule.fix, rule.owasp, rule.atlas, rule.cwe}) out += " | " + std::string(text);
    out += " |\n";
  }
  return out;
}

}  // namespace hauberk
