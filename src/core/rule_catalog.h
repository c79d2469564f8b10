// The rules that findings name: one table as data (rules/*.inc), from which docs/reference/rules.md is generated.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/finding.h"

namespace hauberk {

struct Rule {
  std::string_view id;     // "pickle.dangerous-call": chapter or format, then what is wrong
  std::string_view title;  // one line
  Severity severity;       // default
  std::string_view fix;    // what a person should do
  std::string_view owasp;  // e.g. "LLM03, ML06"; empty where none fits
  std::string_view atlas;  // e.g. "AML.T0011.000"
  std::string_view cwe;    // e.g. "CWE-502"
};

std::span<const Rule> rule_catalog();        // sorted by id
const Rule* find_rule(std::string_view id);  // null if there is none

// docs/reference/rules.md; a test of core compares it with the file.
std::string rules_markdown();

}  // namespace hauberk
