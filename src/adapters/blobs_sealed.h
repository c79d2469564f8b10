// BlobStore over a folder: each blob one FLOE stream under its own data key, named by the SHA-256 of its plaintext:
// <folder>/<two hex digits>/<64 hex digits>.floe. Plaintext never reaches the disk; what is being written lies in
// <folder>/tmp and is moved into place after a sync. Whoever can write to the folder can destroy, but not exchange: the
// data key of a blob comes from the catalogue, wrapped for that very digest, and opens no other file; parts that were
// changed, moved, cut off or added do not open. Thread safety: any thread; a writer or reader by one at a time.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "base/random.h"
#include "core/blob_store.h"

namespace hauberk::adapters {

// Makes the folder where it is missing. A temporary is named after the process that writes it; those of dead ones are
// removed.
Result<std::unique_ptr<BlobStore>> open_blobs_sealed(Files& files, Random& random, const std::string& folder);

}  // namespace hauberk::adapters
