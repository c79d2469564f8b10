// A policy that is accepted comes back the same from what is written of it, and evaluating it needs no luck.
#include <cstdlib>

#include "core/policy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = hauberk::json::parse(hauberk::as_text({data, size}), {.bytes = 1 << 16, .depth = 50});
  if (!value) return 0;
  const auto policy = hauberk::policy_from_json(*value);
  if (!policy) return 0;
  const auto again = hauberk::policy_from_json(to_json(*policy));
  if (!again || again->approvals != policy->approvals || again->required.size() != policy->required.size())
    std::abort();
  // The policy file itself serves as evidence: any document may be pointed into.
  hauberk::Statement statement{{{"x", {}}}, std::string(hauberk::predicate::scan), *value};
  statement.predicate.set("time", "2026-11-24T12:00:00Z").set("issuer", "fuzz");
  const hauberk::Evidence evidence{{}, statement, "", ""};
  (void)evaluate(*policy, {}, {&evidence, 1}, "importer", *hauberk::parse_rfc3339("2026-11-24T12:00:00Z"));
  return 0;
}
