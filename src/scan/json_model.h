// JSON of all kinds that models come as or come with. Nothing executes JSON by itself; the rules of configurations say
// what its readers would do with it (scan/config_rules.h). Bounded memory, one pass.
#pragma once

#include <string>

#include "scan/inspection.h"

namespace hauberk::scan {

// The answer is what it turned out to be: "hf-config", "xgboost-json", "json", …
std::string inspect_json_model(Reader& data, Inspection& inspection);

}  // namespace hauberk::scan
