// Dotted names in configurations that a loader imports and calls: Hydra's _target_, LightningCLI's class_path, YAML's
// Python tags, skops' nodes. Judged by the table of callables (scan/callables.h); classes of libraries that such
// configurations are made for are fine. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/finding.h"

namespace hauberk::scan {

struct ImportJudgement {
  std::optional<Severity> severity;  // none: harmless
  std::string effect;                // "would …"
};

// Importing the name and calling it with arguments of the author's choice.
ImportJudgement judge_import_call(std::string_view dotted);
// Making and filling an object of the class, or naming it.
ImportJudgement judge_import_type(std::string_view module, std::string_view name);
// "a.b.C": two parts at least, each of them an identifier.
bool is_dotted_name(std::string_view text);

}  // namespace hauberk::scan
