// Reading the ledger: the walk along the chain, verification, the tail, and the reader that follows.
#include <fmt/format.h>

#include <algorithm>

#include "adapters/ledger_file_chain.h"

namespace hauberk::adapters {
namespace {

// What is wrong with a line that should be the record after `position`; empty if nothing is.
std::string fault_of(std::string_view line, const ChainPosition& position, crypto::Sha256& sha256) {
  const auto expected = position.sequence + 1;
  const auto record = parse_record(line);
  if (!record) return "changed: this is no record of the ledger";
  sha256.update(as_bytes(record->hashed));
  if (text(hex_hash(sha256.finish())) != record->hash) return "changed: the record's hash does not fit its content";
  if (record->sequence > expected)
    return fmt::format("dropped: record {} should be here, but {} is", expected, record->sequence);
  if (record->sequence < expected)
    return fmt::format("reordered or duplicated: record {} should be here, but {} is", expected, record->sequence);
  if (record->previous != text(position.head)) return "replaced: the record does not follow the one before it";
  return "";
}

// Walks one segment. False: the walk is over.
Result<bool> walk_segment(const File& file, const Segment& segment, std::uint64_t offset, bool last,
                          ChainPosition& position, ChainWalk& walk,
                          const std::function<bool(const ChainPosition&)>& on_record) {
  crypto::Sha256 sha256;
  LineReader lines(file, offset);
  const auto problem = [&](std::uint64_t at, std::string message) {
    walk.problem = LedgerProblem{position.sequence + 1, segment.name, at, std::move(message)};
    return false;
  };
  for (;;) {
    const auto start = lines.offset();
    const auto line = TRY(lines.next());
    if (!line) break;
    if (auto fault = fault_of(*line, position, sha256); !fault.empty()) return problem(start, std::move(fault));
    ++position.sequence;
    std::ranges::copy(line->substr(line->size() - 66, 64), position.head.begin());
    position.segment = segment.first;
    position.offset = lines.offset();
    if (on_record && !on_record(position)) return false;
  }
  if (lines.too_long()) return problem(lines.offset(), "changed: a line is longer than any record");
  if (lines.unfinished() != 0 && !last) return problem(lines.offset(), "truncated: the segment ends within a record");
  walk.unfinished = lines.unfinished();
  return true;
}

}  // namespace

Result<ChainWalk> walk_chain(Files& files, const std::string& directory, const std::vector<Segment>& segments,
                             ChainPosition& position, const std::function<bool(const ChainPosition&)>& on_record) {
  ChainWalk walk;
  auto segment = segments.begin();
  std::uint64_t offset = 0;
  if (position.segment != 0) {
    segment = std::ranges::find(segments, position.segment, &Segment::first);
    offset = position.offset;
    if (segment == segments.end())
      walk.problem =
          LedgerProblem{position.sequence, segment_name(position.segment), 0, "dropped: the segment is missing"};
  }
  for (; segment != segments.end(); ++segment, offset = 0) {
    if (offset == 0 && segment->first != position.sequence + 1) {
      walk.problem =
          LedgerProblem{position.sequence + 1, segment->name, 0,
                        segment->first > position.sequence + 1
                            ? fmt::format("dropped: records {} to {} are missing before this segment",
                                          position.sequence + 1, segment->first - 1)
                            : "reordered or duplicated: the segment begins with a record that is there already"};
      break;
    }
    const auto file = TRY(files.open(join_path(directory, segment->name), OpenMode::read));
    if (TRY(file->size()) < offset) {
      walk.problem = LedgerProblem{position.sequence, segment->name, TRY(file->size()),
                                   "truncated: records that a signed checkpoint speaks of are missing"};
      break;
    }
    if (!TRY(walk_segment(*file, *segment, offset, std::next(segment) == segments.end(), position, walk, on_record)))
      break;
  }
  return walk;
}

namespace {

// The checkpoints one by one while the records go by; what does not fit is a problem.
class CheckpointWitness {
 public:
  CheckpointWitness(const File* file, std::uint64_t size, crypto::KeyProvider& keys) : keys_(keys) {
    if (file != nullptr) lines_.emplace(*file, 0, size);
  }

  // False: `position` contradicts a checkpoint, or the next one is not good, or the file cannot be read.
  bool agrees(const ChainPosition& position) {
    for (;;) {
      if (!pending_ && !load()) return !problem && !error;
      if (pending_->position.sequence > position.sequence) return true;
      if (pending_->position != position) {
        problem = LedgerProblem{
            position.sequence,
            pending_->position.segment == 0 ? std::string(checkpoint_file) : segment_name(position.segment),
            position.offset, "replaced: the record is not the one that the signed checkpoint speaks of"};
        return false;
      }
      sealed = position.sequence;
      any = true;
      pending_.reset();
    }
  }

  // After the last record: is there a checkpoint that speaks of more?
  void end(const ChainPosition& position) {
    if (!agrees(position) || !pending_) return;
    problem = LedgerProblem{position.sequence + 1,
                            position.segment == 0 ? std::string(checkpoint_file) : segment_name(position.segment),
                            position.offset,
                            fmt::format("truncated: records {} to {} are missing, a signed checkpoint speaks of them",
                                        position.sequence + 1, pending_->position.sequence)};
  }

  std::optional<LedgerProblem> problem;
  std::optional<Error> error;
  std::uint64_t sealed = 0;
  bool any = false;

 private:
  bool load() {
    if (!lines_ || problem || error) return false;
    const auto start = lines_->offset();
    auto line = lines_->next();
    if (!line) {
      error = std::move(line).error();
      return false;
    }
    if (!*line) {
      if (lines_->too_long())
        problem =
            LedgerProblem{sealed, std::string(checkpoint_file), start, "changed: a line is longer than any checkpoint"};
      return false;
    }
    auto checkpoint = open_checkpoint(**line, keys_);
    if (!checkpoint) {
      problem = LedgerProblem{sealed, std::string(checkpoint_file), start, "changed: " + checkpoint.error().message};
    } else if (checkpoint->position.sequence < sealed || (any && checkpoint->position.sequence == sealed)) {
      problem = LedgerProblem{checkpoint->position.sequence, std::string(checkpoint_file), start,
                              "reordered or duplicated: the checkpoint is not newer than the one before it"};
    } else {
      pending_ = std::move(*checkpoint);
    }
    return pending_.has_value();
  }

  crypto::KeyProvider& keys_;
  std::optional<LineReader> lines_;
  std::optional<Checkpoint> pending_;
};

Result<std::unique_ptr<File>> open_checkpoint_file(Files& files, const std::string& directory) {
  auto file = files.open(join_path(directory, checkpoint_file), OpenMode::read);
  if (!file && file.error().code == Errc::not_found) return std::unique_ptr<File>();
  return file;
}

}  // namespace

Result<LedgerState> verify_ledger(Files& files, const std::string& directory, crypto::KeyProvider& keys) {
  // The checkpoints first, and only as many as there are now: a writer at work adds records before it seals them.
  const auto checkpoints = TRY(open_checkpoint_file(files, directory));
  CheckpointWitness witness(checkpoints.get(), checkpoints ? TRY(checkpoints->size()) : 0, keys);
  const auto segments = TRY(list_segments(files, directory));
  ChainPosition position;
  ChainWalk walk;
  if (witness.agrees(position))
    walk = TRY(
        walk_chain(files, directory, segments, position, [&](const ChainPosition& at) { return witness.agrees(at); }));
  if (!walk.problem) witness.end(position);
  if (witness.error) return std::unexpected(std::move(*witness.error));
  LedgerState state{.records = position.sequence,
                    .head = std::string(text(position.head)),
                    .problem = walk.problem ? walk.problem : witness.problem};
  state.unsealed = position.sequence - std::min(witness.sealed, position.sequence);
  if (!state.problem && position.sequence != 0 && !witness.any)
    state.problem =
        LedgerProblem{1, std::string(checkpoint_file), 0, "dropped: there are records, but no signed checkpoint"};
  return state;
}

Result<std::vector<std::string>> ledger_checkpoints(Files& files, const std::string& directory) {
  std::vector<std::string> out;
  const auto file = TRY(open_checkpoint_file(files, directory));
  if (!file) return out;
  LineReader lines(*file, 0);
  while (const auto line = TRY(lines.next())) out.emplace_back(*line);
  return out;
}

Result<std::vector<LedgerRecord>> tail_ledger(Files& files, const std::string& directory, std::size_t count) {
  const auto segments = TRY(list_segments(files, directory));
  std::vector<LedgerRecord> newest_first;
  for (auto segment = segments.rbegin(); segment != segments.rend() && newest_first.size() < count; ++segment) {
    const auto file = TRY(files.open(join_path(directory, segment->name), OpenMode::read));
    constexpr std::uint64_t step = 256u << 10;
    std::string text;     // from `from` on, whole lines once its first newline is passed
    bool in_line = true;  // behind the last newline lies an unfinished line, or nothing
    for (std::uint64_t from = TRY(file->size()); from != 0 && newest_first.size() < count;) {
      const auto length = std::min(step, from);
      from -= length;
      std::string block(length, '\0');
      block.resize(TRY(file->read_at(from, {reinterpret_cast<std::uint8_t*>(block.data()), block.size()})));
      text.insert(0, block);
      while (newest_first.size() < count) {
        const auto newline = text.rfind('\n');
        if (newline == std::string::npos && from != 0) break;
        auto line = text.substr(newline == std::string::npos ? 0 : newline + 1);
        text.resize(newline == std::string::npos ? 0 : newline);
        if (!in_line) {
          const auto record = parse_record(line);
          newest_first.push_back({record ? record->sequence : 0, std::move(line)});
        }
        in_line = false;
        if (newline == std::string::npos) break;
      }
      if (text.size() > longest_line + step)
        return fail(Errc::corrupt, "a line is longer than any record; verify the ledger",
                    join_path(directory, segment->name));
    }
  }
  return std::vector<LedgerRecord>(std::make_move_iterator(newest_first.rbegin()),
                                   std::make_move_iterator(newest_first.rend()));
}

struct LedgerReader::Impl {
  Files& files;
  std::string directory;
  std::uint64_t wanted;
  std::uint64_t segment = 0;  // the one that is open
  std::unique_ptr<File> file;
  std::optional<LineReader> lines;

  // Opens the segment in which `wanted` is or will be, or the one after the present. False: there is none yet.
  Result<bool> advance() {
    const auto segments = TRY(list_segments(files, directory));
    const Segment* chosen = nullptr;
    for (const auto& s : segments) {
      if (segment == 0 && (chosen == nullptr || s.first <= wanted)) chosen = &s;
      if (segment != 0 && s.first > segment && chosen == nullptr) chosen = &s;
    }
    if (chosen == nullptr) return false;
    file = TRY(files.open(join_path(directory, chosen->name), OpenMode::read));
    segment = chosen->first;
    lines.emplace(*file, 0);
    return true;
  }
};

LedgerReader::LedgerReader(Files& files, std::string directory, std::uint64_t first)
    : impl_(new Impl{files, std::move(directory), first}) {}
LedgerReader::~LedgerReader() = default;

Result<std::optional<LedgerRecord>> LedgerReader::next() {
  if (!impl_->lines && !TRY(impl_->advance())) return std::nullopt;
  for (;;) {
    auto line = TRY(impl_->lines->next());
    if (!line) {
      if (!TRY(impl_->advance())) return std::nullopt;
      continue;
    }
    const auto record = parse_record(*line);
    if (!record)
      return fail(Errc::corrupt, "this is no record of the ledger; verify it",
                  join_path(impl_->directory, segment_name(impl_->segment)));
    if (record->sequence < impl_->wanted) continue;
    impl_->wanted = record->sequence + 1;
    return LedgerRecord{record->sequence, std::string(*line)};
  }
}

}  // namespace hauberk::adapters
