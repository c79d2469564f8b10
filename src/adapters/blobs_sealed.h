// BlobStore over a folder: each blob one FLOE stream under its own data key, in
// <folder>/tenants/<tenant>/<two hex digits>/<64 hex digits>.floe, named by its address: HMAC-SHA-256 of tenant and
// digest under the store's address key. Who has the folder alone sees sizes and times, but neither whether a certain
// content is among the blobs nor that two tenants have the same one. Plaintext never reaches the disk; what is being
// written has no name before it is whole. Whoever can write to the folder can destroy, but not exchange: the data key
// of a blob comes from the catalogue, wrapped for that very digest, and opens no other file; parts that were changed,
// moved, cut off or added do not open. Thread safety: any thread; a writer or reader by one at a time.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "base/random.h"
#include "core/blob_store.h"

namespace hauberk::adapters {

// Makes the folder where it is missing. A folder of an earlier release, where blobs are named by their digests, gets
// the new names (of the tenant "default") first; killed at that, the next call goes on. <folder>/address-key holds the
// public fingerprint of the key: corrupt, if that is another's, since all blobs would seem missing and to be garbage.
Result<std::unique_ptr<BlobStore>> open_blobs_sealed(Files& files, Random& random, const std::string& folder,
                                                     Secret address_key, std::string tenant = "default");
// Whether the store in `folder` was opened with an address key before.
bool has_address_key(Files& files, const std::string& folder);

// Content that is needed for the time of one call only: encrypted under a key that lives in this object alone, in a
// file without a name.
class ScratchBlob {
 public:
  virtual ~ScratchBlob() = default;
  virtual Status write(ByteView plaintext) = 0;
  virtual Result<std::unique_ptr<BlobReader>> finish() = 0;  // the end of writing
};
// `folder` exists already, as /tmp does.
Result<std::unique_ptr<ScratchBlob>> make_scratch_blob(Files& files, Random& random, const std::string& folder);

}  // namespace hauberk::adapters
