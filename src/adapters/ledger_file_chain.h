// LedgerChain: the one writer of a ledger's folder. It holds the folder's lock, mends what a killed writer left, chains
// events into a batch in memory and commits the batch with one write and one sync. A failed commit leaves the file as
// it was and the batch in memory, to be tried again or discarded. One thread at a time.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/ledger_file.h"
#include "adapters/ledger_file_format.h"
#include "adapters/ledger_file_tiles.h"
#include "base/file_lock.h"

namespace hauberk::adapters {

// Reads records from `position` on and moves it past each that is good. `on_record` may end the walk with false.
struct ChainWalk {
  std::optional<LedgerProblem> problem;
  std::uint64_t unfinished = 0;  // bytes of a last line without its newline
};
using OnRecord = std::function<bool(const ChainPosition&, std::string_view line)>;
Result<ChainWalk> walk_chain(Files& files, const std::string& directory, const std::vector<Segment>& segments,
                             ChainPosition& position, const OnRecord& on_record);

class LedgerChain {
 public:
  // After an unclean end the batch holds a `recovered` record already. unavailable: another writer holds the folder.
  static Result<std::unique_ptr<LedgerChain>> open(const LedgerPorts& ports, const LedgerOptions& options);
  LedgerChain(const LedgerChain&) = delete;
  LedgerChain& operator=(const LedgerChain&) = delete;

  void add(std::string_view event);  // a JSON object in one line
  void add(const Event& event);
  bool has_batch() const { return !batch_.empty(); }
  Status commit();
  std::uint64_t discard();  // the batch; returns how many records it had
  Status seal();            // a signed checkpoint after the last committed record, unless there is one
  std::uint64_t unsealed() const { return committed_.sequence - sealed_; }

 private:
  LedgerChain(const LedgerPorts& ports, const LedgerOptions& options) : ports_(ports), options_(options) {}
  Status lock();
  Status open_checkpoints(std::optional<Checkpoint>& last);
  Status recover(const std::optional<Checkpoint>& last);
  Status begin(const std::vector<Segment>& segments);
  Result<ChainWalk> walk_from(const Checkpoint& last, const std::vector<Segment>& segments);
  Status write_part(const TileBuilder::Part& part);
  Status write_parts();
  Result<std::uint64_t> cut(bool keep);
  Status begin_segment(std::uint64_t first);
  std::string path(std::string_view name) const { return join_path(options_.directory, name); }

  LedgerPorts ports_;
  LedgerOptions options_;
  Descriptor lock_;
  crypto::Sha256 sha256_;

  ChainPosition committed_;     // what is on the disk
  std::unique_ptr<File> file_;  // the segment that is written
  std::uint64_t segment_ = 0;   // its first sequence
  std::uint64_t file_end_ = 0;  // behind it lies nothing,
  bool file_is_dirty_ = false;  // or a part of a failed write
  std::string batch_;
  std::uint64_t batch_sequence_ = 0;  // of its last record
  HexHash batch_head_ = no_hash;

  // The Merkle tree over the committed records. Its files are written with each checkpoint.
  TileBuilder tiles_;
  std::deque<TileBuilder::Part> full_parts_;  // not written yet
  std::string origin_;

  std::unique_ptr<File> checkpoints_;
  std::uint64_t checkpoints_size_ = 0;
  std::uint64_t sealed_ = 0;  // sequence of the last checkpoint
};

}  // namespace hauberk::adapters
