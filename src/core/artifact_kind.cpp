#include "core/artifact_kind.h"

namespace hauberk {

std::string_view name(ArtifactKind kind) {
  switch (kind) {
    case ArtifactKind::model:
      return "model";
    case ArtifactKind::dataset:
      return "dataset";
    case ArtifactKind::prompt:
      return "prompt";
    case ArtifactKind::run_log:
      return "run_log";
    case ArtifactKind::policy:
      return "policy";
    case ArtifactKind::intermediate:
      return "intermediate";
    case ArtifactKind::evidence:
      return "evidence";
  }
  return "model";
}

Result<ArtifactKind> parse_artifact_kind(std::string_view text) {
  for (const auto kind : all_artifact_kinds)
    if (name(kind) == text) return kind;
  return fail(Errc::invalid,
              "unknown kind of artifact; expected model, dataset, prompt, run_log, policy, intermediate or "
              "evidence");
}

bool has_own_grants(ArtifactKind kind) { return kind == ArtifactKind::run_log || kind == ArtifactKind::intermediate; }

}  // namespace hauberk
