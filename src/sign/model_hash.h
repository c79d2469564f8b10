// The digests of a model's files, or of their shards, as fast as the machine gives them: several at once on each core
// (crypto/sha256_lanes), the largest first. Memory: some MiB whatever the sizes. Starts threads of its own and joins
// them; `progress` is called from the calling thread alone. Errors: those of opening and reading, and unavailable if a
// file changed under the reader.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/file_tree.h"
#include "crypto/digest.h"
#include "sign/digest_cache.h"

namespace hauberk::sign {

struct FileRange {
  std::size_t file = 0;  // in FileTree::files()
  std::uint64_t begin = 0, end = 0;
};

struct HashOptions {
  unsigned threads = 0;                                                   // 0: one for each processor
  bool blake2b = false;                                                   // BLAKE2b-512 instead of SHA-256
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // bytes; may be empty
  DigestCache* cache = nullptr;  // of digests known; takes the new ones, as of `now`
  Instant now;
};

// One digest for each range, in their order: 32 bytes, or 64 of BLAKE2b.
Result<std::vector<Bytes>> hash_ranges(const FileTree& tree, std::span<const FileRange> ranges,
                                       const HashOptions& options);

}  // namespace hauberk::sign
