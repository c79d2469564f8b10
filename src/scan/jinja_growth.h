// Texts of a template that double: "{% set x = x ~ x %}" again and again fills any memory. Judged by running nothing
// but the lengths: each assignment makes its variable as long as what it puts together. Pure; cost is bounded by the
// tree.
#pragma once

#include <functional>
#include <string>

#include "scan/jinja_syntax.h"

namespace hauberk::scan {

// The assignment at which a text has become too long, or null. `is_number` says which variables hold numbers alone.
const JinjaNode* find_doubling(const JinjaNode& root, const std::function<bool(const std::string&)>& is_number);

}  // namespace hauberk::scan
