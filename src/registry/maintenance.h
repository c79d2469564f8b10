// Upkeep of what is stored: is every blob what the catalogue promises, what belongs to nobody, and the wrapping of all
// data keys anew after the environment's wrap key was rotated; the blobs themselves are not touched by that. Grants:
// admin. Thread safety: any thread. Errors: denied, unavailable, corrupt (only where nothing can be said of anything).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "registry/ports.h"

namespace hauberk::registry {

using StoreProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;  // may be empty

struct StoreCheck {
  std::size_t blobs = 0;             // that versions refer to
  std::uint64_t bytes = 0;           // of plaintext, authenticated and hashed
  std::vector<std::string> damaged;  // "fraud@3 weights.bin: why"
  std::size_t orphans = 0;           // blobs that no version refers to
};
// Decrypts every blob with the key of dev and compares size and digest with the manifests.
Result<StoreCheck> check_store(const Ports& ports, const Principal& principal, const StoreProgress& progress);

struct Garbage {
  std::vector<BlobAddress> orphans;  // removed, or to be removed
  std::size_t young = 0;             // orphans younger than the age: an import may be at work on them
};
enum class GarbageMode { look, remove };
Result<Garbage> collect_garbage(const Ports& ports, Duration age, GarbageMode mode, const Principal& principal);

struct Rewrapped {
  std::size_t wrapped = 0, already = 0;  // data keys
};
// Data keys of the environment that are wrapped with another key than today's are wrapped with today's.
Result<Rewrapped> rewrap_all(const Ports& ports, Environment environment, const Principal& principal,
                             const StoreProgress& progress);

}  // namespace hauberk::registry
