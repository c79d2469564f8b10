// Import: bytes become an artifact. Each file streams once through the hash into the encrypted blob store, several
// files side by side; the data keys are wrapped for dev and bound to their blob; the version starts `quarantined` with
// signed import evidence, all of it in one catalogue transaction at the end. Killed before that, nothing is visible and
// the next import of the same content takes what is orphaned over. Memory: about 3 MiB for each of at most sixteen
// files. Thread safety: any thread. Errors: denied (grant "import"), exists (the same artifact under this name),
// exhausted (a cap, the disk), invalid.
#pragma once

#include <functional>

#include "registry/ports.h"
#include "registry/source.h"

namespace hauberk::registry {

struct ImportLimits {
  std::uint64_t file_bytes = 64ull << 30;
  std::uint64_t total_bytes = 256ull << 30;
  std::size_t files = 10'000;
};

struct ImportRequest {
  std::string name;
  ArtifactKind kind = ArtifactKind::model;
  ImportLimits limits;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // bytes; may be empty
};

struct Imported {
  Version version;
  Evidence evidence;
};

Result<Imported> import_artifact(const Ports& ports, Source& source, const ImportRequest& request,
                                 const Principal& principal);

}  // namespace hauberk::registry
