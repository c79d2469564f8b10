#include "adapters/ledger_file_chain.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace hauberk::adapters {

Result<std::unique_ptr<LedgerChain>> LedgerChain::open(const LedgerPorts& ports, const LedgerOptions& options) {
  std::unique_ptr<LedgerChain> chain(new LedgerChain(ports, options));
  CHECK(ports.files.make_directories(options.directory));
  CHECK(chain->lock());
  std::optional<Checkpoint> last;
  CHECK(chain->open_checkpoints(last));
  CHECK(chain->recover(last));
  return chain;
}

// The lock is the kernel's and ends with the process, however it ends: a killed writer leaves no stale one behind.
Status LedgerChain::lock() {
  auto lock = lock_file(path("lock"), LockMode::exclusive, options_.lock_wait,
                        "another process writes this ledger; end it first, a ledger has one writer at a time");
  if (lock) {
    lock_ = std::move(*lock);
    return {};
  }
  auto error = std::move(lock).error();
  if (error.code != Errc::unavailable) error.message += "; events cannot be recorded there";
  return std::unexpected(std::move(error));
}

Status LedgerChain::open_checkpoints(std::optional<Checkpoint>& last) {
  const auto file = path(checkpoint_file);
  checkpoints_ = TRY(ports_.files.open(file, OpenMode::append));
  LineReader lines(*checkpoints_, 0);
  std::string newest;
  for (;;) {
    const auto line = TRY(lines.next());
    if (!line) break;
    newest = *line;
  }
  checkpoints_size_ = lines.offset();
  if (TRY(checkpoints_->size()) != checkpoints_size_)
    CHECK(checkpoints_->truncate(checkpoints_size_));  // a half-written one
  if (newest.empty()) return {};
  auto checkpoint = open_checkpoint(newest, *ports_.keys);
  if (!checkpoint) {
    auto error = std::move(checkpoint).error();
    error.message +=
        "; the ledger is not continued on top of it: verify it, then move the folder aside and a new one is begun";
    return std::unexpected(std::move(error).in(file));
  }
  last = std::move(*checkpoint);
  return {};
}

namespace {

std::unexpected<Error> damaged(const std::string& what, const std::string& folder) {
  return fail(
      Errc::corrupt,
      what + "; the ledger is not continued on top of it: verify it, then move the folder aside and a new one is begun",
      folder);
}

}  // namespace

// The first checkpoint is on the disk before the first record, so records without any were robbed of theirs.
Status LedgerChain::begin(const std::vector<Segment>& segments) {
  for (const auto& segment : segments)
    if (TRY(ports_.files.info(path(segment.name))).size != 0)
      return damaged("there are records, but no checkpoint", options_.directory);
  const auto now = ports_.clock.now();
  const auto seed = fmt::format("{} {} {}", TRY(ports_.keys->key_id(crypto::KeyPurpose::ledger)), options_.directory,
                                now.time_since_epoch().count());
  origin_ = fmt::format("ledger.hauberk.dev/{:.24}", crypto::sha256(as_bytes(seed)).hex());
  const auto first = TRY(make_checkpoint({}, tiles_.root(), origin_, now, *ports_.keys));
  CHECK(checkpoints_->append(as_bytes(first.line + "\n")));
  CHECK(checkpoints_->sync());
  CHECK(ports_.files.sync_directory(options_.directory));
  checkpoints_size_ += first.line.size() + 1;
  return {};
}

// Walks the records behind the last checkpoint, or all of them where the tiles up to there cannot be used: they follow
// from the records and are made anew.
Result<ChainWalk> LedgerChain::walk_from(const Checkpoint& last, const std::vector<Segment>& segments) {
  auto tiles = TileBuilder::open(ports_.files, options_.directory, last.position.sequence, last.root);
  const bool anew = !tiles;
  committed_ = anew ? ChainPosition{} : last.position;
  tiles_ = anew ? TileBuilder() : std::move(*tiles);
  if (anew)
    log::warning("the ledger's tiles are missing or damaged and are made anew", {{"folder", options_.directory}});
  Status written;
  bool agrees = true;
  auto walk = TRY(walk_chain(ports_.files, options_.directory, segments, committed_,
                             [&](const ChainPosition& position, std::string_view line) {
                               tiles_.append(line, [&](TileBuilder::Part part) {
                                 if (!anew)
                                   full_parts_.push_back(std::move(part));
                                 else if (written)
                                   written = write_part(part);
                               });
                               if (anew && position.sequence == last.position.sequence)
                                 agrees = position == last.position && tiles_.root() == last.root;
                               return agrees && written.has_value();
                             }));
  CHECK(written);
  if (!agrees)
    return damaged("the records are not those that the last signed checkpoint speaks of", options_.directory);
  return walk;
}

Status LedgerChain::recover(const std::optional<Checkpoint>& last) {
  const auto segments = TRY(list_segments(ports_.files, options_.directory));
  ChainWalk walk;
  if (!last) {
    CHECK(begin(segments));
    walk = TRY(walk_chain(ports_.files, options_.directory, segments, committed_, {}));
  } else {
    origin_ = last->origin;
    sealed_ = last->position.sequence;
    walk = TRY(walk_from(*last, segments));
  }
  if (walk.problem && (segments.empty() || walk.problem->file != segments.back().name || committed_.sequence < sealed_))
    return damaged(fmt::format("{} (record {}, {} at byte {})", walk.problem->message, walk.problem->sequence,
                               walk.problem->file, walk.problem->offset),
                   options_.directory);
  std::uint64_t cut_bytes = 0;
  if (!segments.empty()) {
    segment_ = segments.back().first;
    file_end_ = segment_ == committed_.segment ? committed_.offset : 0;
    if (file_end_ == 0 && segment_ != committed_.sequence + 1)
      return damaged("records are missing before the last segment", options_.directory);
    file_ = TRY(ports_.files.open(path(segments.back().name), OpenMode::append));
    cut_bytes = TRY(cut(walk.problem.has_value()));
  }
  batch_sequence_ = committed_.sequence;
  batch_head_ = committed_.head;
  if (unsealed() != 0 || cut_bytes != 0) {
    // Says in the chain itself that its writer was not ended in order, and what that cost.
    Event event{.time = ports_.clock.now(), .kind = "recovered", .outcome = "ok"};
    event.features = {{"unsealed", static_cast<double>(unsealed())}, {"bytes_cut", static_cast<double>(cut_bytes)}};
    add(event);
  }
  // A writer that was killed between its checkpoint and the note of it.
  if (last && !ports_.files.info(path(note_file)))
    CHECK(write_file_atomically(ports_.files, path(note_file), as_bytes(TRY(make_note(*last, *ports_.keys)))));
  return {};
}

Status LedgerChain::write_part(const TileBuilder::Part& part) {
  const auto file = path(part.name);
  auto made = ports_.files.open(file, OpenMode::create_new);
  if (!made && made.error().code == Errc::not_found) {
    CHECK(ports_.files.make_directories(parent_directory(file)));
    made = ports_.files.open(file, OpenMode::create_new);
  }
  if (made) {
    CHECK((*made)->append(part.content));
    CHECK((*made)->sync());
  } else if (made.error().code == Errc::exists) {
    // Of an earlier checkpoint, which still needs it; or of a try that failed, or of a writer that was killed.
    const auto there = read_file(ports_.files, file, part.content.size());
    if (!there || *there != part.content) CHECK(write_file_atomically(ports_.files, file, part.content));
  } else {
    return std::unexpected(std::move(made).error());
  }
  // Partial ones may go once the full one is there.
  if (const auto partial = file + ".p"; !part.name.contains(".p/"))
    if (const auto names = ports_.files.list(partial))
      for (const auto& name : *names) (void)ports_.files.remove(join_path(partial, name));
  return {};
}

Status LedgerChain::write_parts() {
  while (!full_parts_.empty()) {
    CHECK(write_part(full_parts_.front()));
    full_parts_.pop_front();
  }
  for (const auto& part : tiles_.partial()) CHECK(write_part(part));
  return {};
}

// What lies behind the last good record, and so behind the last checkpoint, too: a line that was being written when the
// writer died, or, after a loss of power, blocks that never reached the disk. The latter are kept beside the segment.
Result<std::uint64_t> LedgerChain::cut(bool keep) {
  const auto size = TRY(file_->size());
  if (size < file_end_)
    return fail(Errc::corrupt,
                "the segment is shorter than its checkpoint says: records are missing; verify the ledger",
                path(segment_name(segment_)));
  if (size == file_end_) return 0;
  if (keep) {
    const auto beside =
        path(fmt::format("cut-{:020}-{}.bin", committed_.sequence + 1, ports_.clock.now().time_since_epoch().count()));
    const auto copy = TRY(ports_.files.open(beside, OpenMode::create_new));
    Bytes block(256u << 10);
    for (std::uint64_t at = file_end_; at < size;) {
      const auto n = TRY(file_->read_at(at, block));
      if (n == 0) break;
      CHECK(copy->append(ByteView(block).first(n)));
      at += n;
    }
    CHECK(copy->sync());
    log::warning("the unsealed end of the ledger was damaged and is cut off; its bytes are kept",
                 {{"file", beside}, {"bytes", std::to_string(size - file_end_)}});
  }
  CHECK(file_->truncate(file_end_));
  CHECK(file_->sync());
  return size - file_end_;
}

void LedgerChain::add(std::string_view event) {
  batch_head_ = append_record(batch_, sha256_, ++batch_sequence_, batch_head_, event);
}

void LedgerChain::add(const Event& event) {
  std::string text;
  append_json(text, event);
  add(text);
}

Status LedgerChain::begin_segment(std::uint64_t first) {
  const auto file = path(segment_name(first));
  auto made = ports_.files.open(file, OpenMode::create_new);
  if (!made && made.error().code == Errc::exists) {
    // A former try made it and then failed.
    made = ports_.files.open(file, OpenMode::append);
    if (made && TRY((*made)->size()) != 0) return fail(Errc::corrupt, "a segment of this name is there already", file);
  }
  if (!made) return std::unexpected(std::move(made).error());
  CHECK(ports_.files.sync_directory(options_.directory));
  file_ = std::move(*made);
  segment_ = first;
  file_end_ = 0;
  return {};
}

Status LedgerChain::commit() {
  if (batch_.empty()) return {};
  if (file_is_dirty_) {
    CHECK(file_->truncate(file_end_));
    file_is_dirty_ = false;
  }
  if (file_ == nullptr || (file_end_ != 0 && file_end_ + batch_.size() > options_.segment_bytes))
    CHECK(begin_segment(committed_.sequence + 1));
  auto written = file_->append(as_bytes(batch_));
  // After a failed sync the kernel may have dropped the pages: the batch is written again, not only synced again.
  if (written) written = file_->sync();
  if (!written) {
    file_is_dirty_ = !file_->truncate(file_end_);
    return written;
  }
  file_end_ += batch_.size();
  committed_ = {batch_sequence_, batch_head_, segment_, file_end_};
  for (std::string_view rest = batch_; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    tiles_.append(line, [this](TileBuilder::Part part) { full_parts_.push_back(std::move(part)); });
    rest.remove_prefix(line.size() + 1);
  }
  batch_.clear();
  return {};
}

std::uint64_t LedgerChain::discard() {
  const auto count = batch_sequence_ - committed_.sequence;
  batch_.clear();
  batch_sequence_ = committed_.sequence;
  batch_head_ = committed_.head;
  return count;
}

Status LedgerChain::seal() {
  if (unsealed() == 0) return {};
  CHECK(write_parts());
  const auto checkpoint = TRY(make_checkpoint(committed_, tiles_.root(), origin_, ports_.clock.now(), *ports_.keys));
  CHECK(checkpoints_->truncate(checkpoints_size_));  // what a failed try left
  CHECK(checkpoints_->append(as_bytes(checkpoint.line + "\n")));
  CHECK(checkpoints_->sync());
  checkpoints_size_ += checkpoint.line.size() + 1;
  sealed_ = committed_.sequence;
  const auto note = TRY(make_note(checkpoint, *ports_.keys));
  const auto alone = TRY(lock_note(options_.directory));
  return write_file_atomically(ports_.files, path(note_file), as_bytes(note));
}

}  // namespace hauberk::adapters
