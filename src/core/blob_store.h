// BlobStore: the port to one tenant's content. Blobs are named by the SHA-256 of their plaintext and always encrypted:
// each has a data key of its own, which the store makes and the caller keeps *wrapped* in the catalogue, one wrapping
// per environment. Where a blob lies (its address) says nothing of what it is to anybody without the store's key, and
// the same content of two tenants has two addresses. Implementations: adapters/blobs_sealed; one in memory in tests.
// Thread safety: any thread; a writer by one.
#pragma once

#include <array>
#include <compare>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"
#include "crypto/digest.h"

namespace hauberk {

struct BlobAddress {
  std::array<std::uint8_t, 32> bytes{};
  std::string hex() const { return hauberk::hex(bytes); }
  auto operator<=>(const BlobAddress&) const = default;
};

struct StoredBlob {
  Digest digest;           // of the plaintext
  std::uint64_t size = 0;  // of the plaintext
  Secret data_key;         // to be wrapped at once
  bool existed = false;    // the same content was there before; then data_key is empty, the old wrapping is good, and
                           // the blob counts as stored now
};

class BlobWriter {
 public:
  virtual ~BlobWriter() = default;  // without finish(): nothing stays
  virtual Status write(ByteView plaintext) = 0;
  // Syncs and puts it in its place. Nothing is visible before.
  virtual Result<StoredBlob> finish() = 0;
};

class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual std::uint64_t size() const = 0;  // of the plaintext
  // Decrypts and authenticates what is asked for; short only at the end. Errc::corrupt if it was tampered with.
  virtual Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) = 0;
};

// Held as long as it lives.
class BlobLock {
 public:
  virtual ~BlobLock() = default;
};

class BlobStore {
 public:
  virtual ~BlobStore() = default;
  // For one process at a time: from finish() until the blob's key is where others find it, or from the look at a blob's
  // age to its removal.
  virtual Result<std::unique_ptr<BlobLock>> lock() = 0;
  virtual const std::string& tenant() const = 0;
  virtual Result<std::unique_ptr<BlobWriter>> create(std::uint64_t max_size) = 0;
  // The same as write() on each of these writers of this store, and cheaper: several digests at once take little longer
  // than one. Pieces of 1 MiB are best. After an error none of them is of use.
  virtual Status write_together(std::span<BlobWriter* const> writers, std::span<const ByteView> pieces) = 0;
  virtual Result<std::unique_ptr<BlobReader>> open(const Digest& digest, Secret data_key) = 0;
  virtual Result<bool> contains(const Digest& digest) = 0;
  virtual BlobAddress address_of(const Digest& digest) const = 0;
  virtual Result<std::vector<BlobAddress>> list() = 0;
  virtual Status remove(const BlobAddress& address) = 0;
  virtual Result<Instant> stored_at(const BlobAddress& address) = 0;  // when it was written
};

// Reads all of it and checks size and SHA-256 against what the name promises.
Result<Bytes> read_verified(BlobReader& reader, const Digest& expected, std::uint64_t limit);

}  // namespace hauberk
