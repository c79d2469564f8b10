// FileLedger: the ledger as JSON lines in append-only segments, each record chained to the one before by SHA-256,
// sealed now and then by a signed checkpoint. docs/formats/ledger.md has the format and how to verify it with jq and
// sha256sum. A folder is one chain and has one writer at a time (flock). append() encodes the event and queues it:
// about a microsecond, no system call. One thread ("ledger") chains, writes and syncs in batches. After kill -9 at most
// what was appended since the last sync is lost; a line that was half written is cut off and a `recovered` record says
// so. Errors: exhausted (disk full or queue full), denied (read-only), unavailable (another writer), corrupt (chain
// broken).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/time.h"
#include "core/ledger.h"
#include "crypto/key_provider.h"
#include "crypto/note.h"

namespace hauberk::adapters {

struct LedgerOptions {
  std::string directory;  // made if missing
  WhenFull when_full = WhenFull::refuse;
  Duration sync_interval = std::chrono::milliseconds(10);  // at most this long from append to disk
  std::uint64_t segment_bytes = 64u << 20;                 // a new file is begun after so much
  std::uint64_t checkpoint_every = 10'000;                 // records between two signed checkpoints
  std::size_t queue_bytes = 32u << 20;                     // of encoded events; full is back-pressure, then the policy
  Duration lock_wait{};                                    // how long to wait for another writer to finish
};

struct LedgerPorts {
  Files& files;
  std::shared_ptr<crypto::KeyProvider> keys;
  const Clock& clock;
};

// For a process that stays: its thread ends, with a checkpoint, when the object is destroyed.
Result<std::unique_ptr<Ledger>> open_ledger_file(const LedgerPorts& ports, LedgerOptions options);

// For a command that appends and ends: waits up to 5 s for the folder's lock (or options.lock_wait, if longer),
// appends, syncs, writes a checkpoint, lets go. Without a thread. A record whose checkpoint cannot be signed or written
// is there, unsealed, for the next writer to seal: an error only where the seal is required.
enum class Seal { wanted, required };
// Whether append_to_ledger() could write and seal now; what a killed writer left is mended on the way.
Status try_ledger(const LedgerPorts& ports, LedgerOptions options);
Status append_to_ledger(const LedgerPorts& ports, LedgerOptions options, const Event& event, Seal seal = Seal::wanted);

// Reads everything once, in constant memory. What is wrong with the chain is in LedgerState::problem; an Error means
// that it could not be checked (unreadable, unknown key). Safe beside a writer: an unfinished last line is not counted.
// A missing folder is an empty ledger. Whoever holds older checkpoints of this log has the records compared with them,
// too: nobody who can write the disk and has the key can hide a change from him.
Result<LedgerState> verify_ledger(Files& files, const std::string& directory, crypto::KeyProvider& keys,
                                  std::span<const crypto::Checkpoint> held = {});

// The log's name, as its checkpoints have it; not_found before the first one. Not verified.
Result<std::string> ledger_origin(Files& files, const std::string& directory);
// The newest checkpoint as a signed note, with the cosignatures of witnesses that were added to it.
Result<std::string> ledger_note(Files& files, const std::string& directory);
// Whether a key that the ledger has, or had, signed the note. denied: none did.
Status check_ledger_note(const crypto::Note& note, crypto::KeyProvider& keys);
// Puts lines of cosignatures to the note, if it still has that text. precondition: a newer one was written meanwhile.
Status add_cosignatures(Files& files, const std::string& directory, const crypto::Note& cosigned);

struct RecordProof {
  std::uint64_t index = 0;  // in the tree, from 0
  std::string line;
  std::vector<Digest> hashes;  // inclusion in the tree of `note`
  std::string note;
};
// Proves that a record is in the log, out of the tiles. precondition: no checkpoint covers it yet.
Result<RecordProof> prove_record(Files& files, const std::string& directory, std::uint64_t sequence);
// Proves that the log of the newest checkpoint grew out of its first `old_size` records.
Result<std::vector<Digest>> prove_growth(Files& files, const std::string& directory, std::uint64_t old_size);

// The last `count` records, oldest first.
Result<std::vector<LedgerRecord>> tail_ledger(Files& files, const std::string& directory, std::size_t count);

// Reads records in order, from the sequence `first` on, as they are stored. next() answers nullopt where the ledger
// ends now; called again later it goes on with what was appended since, by whichever process.
class LedgerReader {
 public:
  LedgerReader(Files& files, std::string directory, std::uint64_t first = 1);
  ~LedgerReader();
  Result<std::optional<LedgerRecord>> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The signed checkpoints as they are stored, oldest first.
Result<std::vector<std::string>> ledger_checkpoints(Files& files, const std::string& directory);

}  // namespace hauberk::adapters
