// What an artifact is. Grants tell kinds apart: see core/principal.h. Pure; any thread.
#pragma once

#include <string_view>

#include "base/result.h"

namespace hauberk {

enum class ArtifactKind {
  model,
  dataset,
  prompt,
  run_log,  // what a training run has written of itself
  policy,
  intermediate,  // what a training run leaves beside the model: checkpoints, embeddings
  evidence,      // statements and records that were exported: an auditor's bundle
};
inline constexpr ArtifactKind all_artifact_kinds[] = {
    ArtifactKind::model,  ArtifactKind::dataset,      ArtifactKind::prompt,  ArtifactKind::run_log,
    ArtifactKind::policy, ArtifactKind::intermediate, ArtifactKind::evidence};
std::string_view name(ArtifactKind kind);
Result<ArtifactKind> parse_artifact_kind(std::string_view text);
// Training logs and intermediate outputs may hold what the training data held: no grant covers them but one that names
// them.
bool has_own_grants(ArtifactKind kind);

}  // namespace hauberk
