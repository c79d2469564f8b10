// Reading the ledger: the walk along the chain, verification, the tail, and the reader that follows.
#include <fmt/format.h>

#include <algorithm>

#include "adapters/ledger_file_chain.h"
#include "crypto/note.h"

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
                          ChainPosition& position, ChainWalk& walk, const OnRecord& on_record) {
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
    if (on_record && !on_record(position, *line)) return false;
  }
  if (lines.too_long()) return problem(lines.offset(), "changed: a line is longer than any record");
  if (lines.unfinished() != 0 && !last) return problem(lines.offset(), "truncated: the segment ends within a record");
  walk.unfinished = lines.unfinished();
  return true;
}

}  // namespace

Result<ChainWalk> walk_chain(Files& files, const std::string& directory, const std::vector<Segment>& segments,
                             ChainPosition& position, const OnRecord& on_record) {
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
  bool agrees(const ChainPosition& position, const TileBuilder& tree) {
    for (;;) {
      if (!pending_ && !load()) return !problem && !error;
      if (pending_->position.sequence > position.sequence) return true;
      if (pending_->position != position || pending_->root != tree.root() ||
          (any && pending_->origin != newest.origin)) {
        problem = LedgerProblem{
            position.sequence,
            pending_->position.segment == 0 ? std::string(checkpoint_file) : segment_name(position.segment),
            position.offset, "replaced: the record is not the one that the signed checkpoint speaks of"};
        return false;
      }
      sealed = position.sequence;
      any = true;
      newest = std::move(*pending_);
      pending_.reset();
    }
  }

  // After the last record: is there a checkpoint that speaks of more?
  void end(const ChainPosition& position, const TileBuilder& tree) {
    if (!agrees(position, tree) || !pending_) return;
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
  Checkpoint newest;

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

// The newest line of the checkpoints, before they are walked: tiles and the note are looked at only as far as it goes.
Result<std::optional<Checkpoint>> newest_checkpoint(const File* file, std::uint64_t size, crypto::KeyProvider& keys) {
  if (file == nullptr) return std::nullopt;
  LineReader lines(*file, 0, size);
  std::string newest;
  while (const auto line = TRY(lines.next())) newest = *line;
  auto checkpoint = open_checkpoint(newest, keys);
  if (!checkpoint) return std::nullopt;  // the walk names it
  return std::move(*checkpoint);
}

// Grows the tree along the records and compares it with the tiles on the disk, the note and the checkpoints that the
// caller holds.
class TreeCheck {
 public:
  // `note`: read before the checkpoints were, so that it is not newer than they are.
  TreeCheck(Files& files, const std::string& directory, const std::optional<Checkpoint>& newest,
            std::span<const crypto::Checkpoint> held, const Result<Bytes>& note, crypto::KeyProvider& keys)
      : files_(files), directory_(directory), sealed_(newest ? newest->position.sequence : 0), held_(held) {
    if (newest && note) read_note(as_text(*note), *newest, keys);
  }

  bool agrees(const ChainPosition& position, std::string_view line) {
    tree_.append(line, [&](const TileBuilder::Part& part) {
      // What was written since the newest checkpoint has no tiles yet.
      if (position.sequence <= sealed_) compare(part, position);
    });
    return at(position);
  }
  // Also for the beginning, before any record.
  bool at(const ChainPosition& position) {
    if (!problem && position.sequence == sealed_)
      for (const auto& part : tree_.partial()) compare(part, position);
    if (!problem && note_ && note_->size == position.sequence && note_->root != tree_.root())
      problem = LedgerProblem{position.sequence, std::string(note_file), 0,
                              "replaced: the signed note speaks of other records"};
    for (const auto& one : held_)
      if (!problem && one.size == position.sequence && one.root != tree_.root())
        problem = LedgerProblem{position.sequence, segment_name(position.segment), position.offset,
                                "replaced: the records up to here are not those of the checkpoint that you hold"};
    return !problem;
  }
  void end(const ChainPosition& position) {
    for (const auto& one : held_)
      if (!problem && one.size > position.sequence)
        problem = LedgerProblem{position.sequence + 1, segment_name(position.segment), position.offset,
                                fmt::format("truncated: records {} to {} are missing, the checkpoint that you hold "
                                            "speaks of them",
                                            position.sequence + 1, one.size)};
  }

  const TileBuilder& tree() const { return tree_; }
  std::optional<LedgerProblem> problem;
  std::string note;

 private:
  void compare(const TileBuilder::Part& part, const ChainPosition& position) {
    if (problem) return;
    auto content = read_file(files_, join_path(directory_, part.name), part.content.size());
    if (!content && content.error().code == Errc::not_found && part.name.contains(".p/"))
      content = beginning_of(join_path(directory_, full_name(part.name)), part.content.size());
    if (content && *content == part.content) return;
    problem =
        LedgerProblem{position.sequence, part.name, 0,
                      content || content.error().code != Errc::not_found
                          ? "changed: the tile is not that of the records; remove the folder \"tile\", the next "
                            "writer makes it anew"
                          : "dropped: the tile is missing; remove the folder \"tile\", the next writer makes it anew"};
  }

  Result<Bytes> beginning_of(const std::string& path, std::size_t size) {
    const auto file = TRY(files_.open(path, OpenMode::read));
    Bytes content(size);
    content.resize(TRY(file->read_at(0, content)));
    return content;
  }

  void read_note(std::string_view text, const Checkpoint& newest, crypto::KeyProvider& keys) {
    const auto wrong = [&](std::string why) {
      problem = LedgerProblem{newest.position.sequence, std::string(note_file), 0, std::move(why)};
    };
    const auto parsed = crypto::parse_note(text);
    if (!parsed) return wrong("changed: " + parsed.error().message);
    const auto checkpoint = crypto::parse_checkpoint(parsed->text);
    if (!checkpoint) return wrong("changed: " + checkpoint.error().message);
    // The hint belongs to the key: that of today's key is known, an earlier one's is not.
    std::optional<crypto::NoteVerifier> own;
    if (keys.key_id(crypto::KeyPurpose::ledger) == newest.key_id)
      if (const auto pem = keys.public_key_pem(crypto::KeyPurpose::ledger))
        if (const auto key = crypto::VerifyingKey::from_pem(*pem))
          if (auto verifier = crypto::NoteVerifier::of(newest.origin, *key)) own = std::move(*verifier);
    // The note may be of before the last checkpoint, and then by the key of before; where it was missing after a
    // rotation, the key of then signed it anew.
    const auto ids = ledger_key_ids(keys).value_or(std::vector{newest.key_id});
    const bool signed_here = std::ranges::any_of(parsed->signatures, [&](const crypto::NoteSignature& one) {
      return one.name == newest.origin && std::ranges::any_of(ids, [&](const std::string& id) {
               const bool may_be =
                   id == newest.key_id ? !own || one.hint == own->hint : checkpoint->size <= newest.position.sequence;
               if (!may_be) return false;
               return keys.verify(crypto::KeyPurpose::ledger, id, as_bytes(parsed->text), one.signature).has_value();
             });
    });
    if (!signed_here || checkpoint->origin != newest.origin)
      return wrong("changed: the note is not signed by the ledger's key");
    if (checkpoint->size > newest.position.sequence)
      return wrong("truncated: the note speaks of more records than the last checkpoint");
    note_ = *checkpoint;
    note = text;
  }

  Files& files_;
  const std::string& directory_;
  const std::uint64_t sealed_;
  const std::span<const crypto::Checkpoint> held_;
  TileBuilder tree_;
  std::optional<crypto::Checkpoint> note_;
};

}  // namespace

Result<LedgerState> verify_ledger(Files& files, const std::string& directory, crypto::KeyProvider& keys,
                                  std::span<const crypto::Checkpoint> held) {
  // The checkpoints first, and only as many as there are now: a writer at work adds records before it seals them.
  // Without a note, not written yet or removed, the checkpoints say the same.
  const auto note = read_file(files, join_path(directory, note_file), 1 << 20);
  const auto checkpoints = TRY(open_checkpoint_file(files, directory));
  const auto checkpoints_size = checkpoints ? TRY(checkpoints->size()) : 0;
  const auto newest = TRY(newest_checkpoint(checkpoints.get(), checkpoints_size, keys));
  CheckpointWitness witness(checkpoints.get(), checkpoints_size, keys);
  const auto segments = TRY(list_segments(files, directory));
  TreeCheck tree(files, directory, newest, held, note, keys);
  ChainPosition position;
  ChainWalk walk;
  if (witness.agrees(position, tree.tree()) && tree.at(position))
    walk = TRY(walk_chain(files, directory, segments, position, [&](const ChainPosition& at, std::string_view line) {
      const bool grows = tree.agrees(at, line);
      return witness.agrees(at, tree.tree()) && grows;
    }));
  if (!walk.problem && !witness.problem && !tree.problem) witness.end(position, tree.tree());
  if (!walk.problem && !witness.problem) tree.end(position);
  if (witness.error) return std::unexpected(std::move(*witness.error));
  LedgerState state{.records = position.sequence, .head = std::string(text(position.head))};
  state.problem = walk.problem ? walk.problem : witness.problem ? witness.problem : tree.problem;
  state.unsealed = position.sequence - std::min(witness.sealed, position.sequence);
  state.root = tree.tree().root().text();
  state.origin = newest ? newest->origin : "";
  state.note = std::move(tree.note);
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
