// A model's formula, as "y ~ x + C(group) + np.log(z)". Patsy and formulaic evaluate its terms as Python, so what the
// text calls is called when a model restores it. Pure, linear.
#pragma once

#include <string_view>

#include "core/finding.h"

namespace hauberk::scan {

// Info: columns, operators and functions that patsy or NumPy define. High: anything else. Critical: what leaves such a
// formula, by name or by a dunder.
Severity judge_formula(std::string_view text);

}  // namespace hauberk::scan
