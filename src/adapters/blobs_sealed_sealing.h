// How content becomes an encrypted file: batches of plaintext are sealed by one thread and written by another, beside
// the caller who reads and, where several files come at once, hashes. Used by blobs_sealed alone. Thread safety: one
// caller at a time.
#pragma once

#include <memory>
#include <vector>

#include "base/file.h"
#include "base/page_bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/sync.h"
#include "crypto/floe.h"
#include "crypto/sha256_lanes.h"

namespace hauberk::adapters {

inline constexpr std::string_view blob_associated = "hauberk-blob-v1";  // what every blob is bound to
inline constexpr crypto::FloeParameters blob_floe{};

// Appends blocks to a file by a thread of its own. A failure is told by the next call.
class WriteBehind {
 public:
  // `size`: of each block, in bytes.
  WriteBehind(File& file, std::size_t size);
  ~WriteBehind();
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  // Takes the block, to write its first `size` bytes, and leaves another one in its place.
  Status append(PageBytes& block, std::size_t size);
  Status finish();  // waits until all is written; nothing may follow

 private:
  struct Block {
    PageBytes bytes;
    std::size_t size = 0;
  };
  void work();

  static constexpr std::size_t blocks = 2;  // one is written while the other waits or is filled
  File& file_;
  Status outcome_;  // the thread's while it runs
  BoundedQueue<Block> full_{blocks};
  BoundedQueue<PageBytes> empty_{blocks};
  Thread thread_;
};

// Seals what is written into a file. The last batch is the caller's work, and so is all of a file that has no more;
// what is before it goes to the threads. There, a batch is hashed in the pass that seals it, or the caller has hashed
// it, side by side with those of other files. A failure of a thread is told by the next call.
class Sealing {
 public:
  Sealing(Random& random, std::unique_ptr<File> file);
  ~Sealing();
  Sealing(const Sealing&) = delete;
  Sealing& operator=(const Sealing&) = delete;

  // One byte more than a batch is needed before a batch may go: the last segment, even a full one, is marked.
  ByteView batch() const { return plain_; }
  std::size_t fill(ByteView plaintext);  // how many bytes were taken; fewer than there are: the batch is full
  // To be fed by the caller with the full batch; waits for what the thread has to hash before.
  crypto::Sha256Lane& hash();
  // Gives the full batch to the thread and takes an empty one. The threads are started by the first.
  enum class Hash { done, wanted };
  Status hand_over(Hash hash);
  Status finish();
  Digest digest() { return hash_.finish(plain_); }  // of everything, if all batches were hashed; after finish()

  File& file() { return *file_; }
  std::unique_ptr<File> take_file() { return std::move(file_); }
  const Secret& key() const { return key_; }
  Secret take_key() { return std::move(key_); }

 private:
  struct Batch {
    Bytes plaintext;
    Hash hash = Hash::done;
  };
  Status seal(ByteView plaintext, Hash hash, bool last);
  void work();
  void stop();

  static constexpr std::size_t batches = 3;  // one is filled, one is sealed, one waits
  std::unique_ptr<File> file_;
  Secret key_;
  crypto::FloeSealer sealer_;
  Bytes plain_;
  std::vector<Bytes> spare_;    // empty
  bool thread_hashes_ = false;  // what it was given; hash_ is then its own, too

  // Of the thread while it runs: sealer_ and
  PageBytes sealed_;         // pages, for writing past the page cache
  std::size_t waiting_ = 0;  // sealed and not written
  std::unique_ptr<WriteBehind> writing_;
  Status outcome_;
  crypto::Sha256Lane hash_;
  BoundedQueue<Batch> full_{batches};
  BoundedQueue<Bytes> empty_{batches};
  Thread thread_;
};

}  // namespace hauberk::adapters
