// BlobStore: the port to content. Blobs are named by the SHA-256 of their plaintext and always encrypted: each has a
// data key of its own, which the store makes and the caller keeps *wrapped* in the catalogue, one wrapping per
// environment. Implementations: adapters/blobs_sealed; a faulty one in tests. Thread safety: any thread; a writer by
// one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"
#include "crypto/digest.h"

namespace hauberk {

struct StoredBlob {
  Digest digest;           // of the plaintext
  std::uint64_t size = 0;  // of the plaintext
  Secret data_key;         // to be wrapped at once
  bool existed = false;    // the same content was there before; then data_key is empty and the old wrapping is good
};

class BlobWriter {
 public:
  virtual ~BlobWriter() = default;  // without finish(): the temporary file is removed
  virtual Status write(ByteView plaintext) = 0;
  // Syncs and moves into place. Nothing is visible before.
  virtual Result<StoredBlob> finish() = 0;
};

class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual std::uint64_t size() const = 0;  // of the plaintext
  // Decrypts and authenticates what is asked for; short only at the end. Errc::corrupt if it was tampered with.
  virtual Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) = 0;
};

class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual Result<std::unique_ptr<BlobWriter>> create(std::uint64_t max_size) = 0;
  virtual Result<std::unique_ptr<BlobReader>> open(const Digest& digest, Secret data_key) = 0;
  virtual Result<bool> contains(const Digest& digest) = 0;
  virtual Status remove(const Digest& digest) = 0;
  virtual Result<std::vector<Digest>> list() = 0;
  virtual Result<Instant> stored_at(const Digest& digest) = 0;  // when it was written
};

// Reads all of it and checks size and SHA-256 against what the name promises.
Result<Bytes> read_verified(BlobReader& reader, const Digest& expected, std::uint64_t limit);

}  // namespace hauberk
