// Ledger: the port to the record of what happened. Append-only, hash-chained, one chain per environment. append()
// returns once the event is queued; a full queue is back-pressure. `durable` futures are not needed: the declared loss
// on kill -9 is the last unsynced batch, and the chain still verifies. Implementations: adapters/ledger_file; a memory
// one in tests. Thread safety: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/event.h"

namespace hauberk {

// What happens to requests while their events cannot be recorded.
enum class WhenFull {
  refuse,  // they are refused (503) until there is room
  drop,    // they go on; what is left out is counted, and a `gap` record says how many
};

struct LedgerRecord {
  std::uint64_t sequence = 0;  // from 1
  std::string line;            // the record's JSON as stored
};

struct LedgerProblem {
  std::uint64_t sequence = 0;  // of the first record that is wrong
  std::string file;
  std::uint64_t offset = 0;  // byte offset in that file
  std::string message;       // changed, dropped, reordered, truncated …
};

struct LedgerState {
  std::uint64_t records = 0;
  std::string head;                      // chain hash of the last record, hex
  std::optional<LedgerProblem> problem;  // empty = verifies
  std::uint64_t unsealed = 0;            // records after the last signed checkpoint
  std::string root;                      // of the Merkle tree over all records, "sha256:…"
  std::string origin;                    // the log's name; empty before its first record
  std::string note;                      // the newest checkpoint as a signed note (C2SP tlog-checkpoint)
};

class Ledger {
 public:
  virtual ~Ledger() = default;
  // Errc::exhausted: the disk is full or the queue stays full, and the declared policy is to refuse.
  virtual Status append(const Event& event) = 0;
  virtual Status flush() = 0;  // until everything appended so far is synced
  // False while events cannot be recorded and the policy is to refuse: the gateway answers 503 then.
  virtual bool healthy() const = 0;
};

}  // namespace hauberk
