#include "scan/json_model.h"

#include "scan/config_rules.h"
#include "scan/formats.h"
#include "scan/json_stream.h"
#include "scan/text_model.h"

namespace hauberk::scan {

std::string inspect_json_model(Reader& data, Inspection& inspection) {
  ConfigRules rules(inspection, inspection.name().ends_with(".json"));
  const auto outcome = stream_json(data, rules, inspection.budget());
  switch (outcome.end) {
    case JsonOutcome::complete:
      break;
    case JsonOutcome::malformed:
      // Text may begin like JSON: a list of links, a flow of YAML, a template.
      if (!inspection.name().ends_with(".json")) {
        inspect_text(data, inspection);
        return "text";
      }
      inspection.malformed("json.malformed", outcome.offset, "not valid JSON: " + std::string(outcome.what));
      break;
    case JsonOutcome::too_deep:
      inspection.inconclusive("scan.budget-exhausted", "the JSON is nested deeper than the scan follows");
      break;
    case JsonOutcome::unreadable:
      inspection.inconclusive("scan.not-scanned", "the data cannot be read");
      break;
    case JsonOutcome::out_of_budget:
      inspection.out_of_budget();
      break;
  }
  rules.finish();
  if (rules.holds_keras_config()) {
    // At the merge: inspect_keras_config(the text, false, inspection), of scan/keras_config.h.
    inspection.inconclusive("scan.unsupported", "configurations of Keras are not understood yet");
  }
  return rules.shape("json");
}

}  // namespace hauberk::scan
