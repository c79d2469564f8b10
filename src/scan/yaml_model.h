// YAML that models come with: NeMo's and Hydra's configurations, MLflow's MLmodel, SpeechBrain's hyperparameters, DVC's
// files. Read as a stream of events: aliases are weighed and never expanded. Tags that make a loader call Python are
// judged here, everything else by the rules of configurations. Bounded memory, one pass.
#pragma once

#include <optional>
#include <string>

#include "scan/inspection.h"

namespace hauberk::scan {

// Whether text that begins so may be more to a reader of YAML than one plain text.
bool may_be_yaml(std::string_view beginning);

// The answer is what it turned out to be, or nothing if it is no YAML: findings of what stood before that are kept.
// With `certain` such data is malformed.
std::optional<std::string> inspect_yaml(Reader& data, Inspection& inspection, bool certain);

}  // namespace hauberk::scan
