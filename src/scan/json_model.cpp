#include "scan/json_model.h"

#include "scan/config_rules.h"
#include "scan/formats.h"
#include "scan/json_stream.h"
#include "scan/keras_config.h"
#include "scan/text_model.h"

namespace hauberk::scan {
namespace {

// Two sets of rules, one reading.
class BothRules final : public ConfigEvents {
 public:
  BothRules(ConfigEvents& a, ConfigEvents& b) : a_(a), b_(b) {}
  void begin(bool object, std::uint64_t offset) override { a_.begin(object, offset), b_.begin(object, offset); }
  void end() override { a_.end(), b_.end(); }
  void key(std::string_view key, std::uint64_t offset) override { a_.key(key, offset), b_.key(key, offset); }
  void text(std::string_view value, bool whole, std::uint64_t offset) override {
    a_.text(value, whole, offset), b_.text(value, whole, offset);
  }
  void plain(std::string_view spelled, std::uint64_t offset) override {
    a_.plain(spelled, offset), b_.plain(spelled, offset);
  }

 private:
  ConfigEvents &a_, &b_;
};

}  // namespace

std::string inspect_json_model(Reader& data, Inspection& inspection) {
  ConfigRules rules(inspection, inspection.name().ends_with(".json"));
  KerasRules keras(inspection);
  BothRules both(rules, keras);
  const auto outcome = stream_json(data, both, inspection.budget());
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
  return rules.shape("json");
}

}  // namespace hauberk::scan
