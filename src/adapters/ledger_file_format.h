// How the ledger is written: the lines of records and checkpoints, the names of segments, and a bounded reader of
// lines. docs/formats/ledger.md is the description for people. A record's hash is SHA-256 over the bytes of its line
// before
// `,"hash":`, among them the hash of the record before; a checkpoint's signature covers the bytes before
// `,"signature":`. Parsing accepts exactly the bytes that writing makes, so that every changed byte is found. Pure; any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/file.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "crypto/key_provider.h"

namespace hauberk::adapters {

using HexHash = std::array<char, 64>;
HexHash hex_hash(const Digest& digest);
inline constexpr HexHash no_hash = [] {
  HexHash zeros{};
  zeros.fill('0');
  return zeros;
}();
inline std::string_view text(const HexHash& hash) { return {hash.data(), hash.size()}; }

inline constexpr std::size_t longest_line = 1u << 20;
inline constexpr std::string_view checkpoint_file = "checkpoints.jsonl";

// Where a chain is: after `sequence` records, the last of which ends at `offset` of the segment that begins with
// `segment`.
struct ChainPosition {
  std::uint64_t sequence = 0;
  HexHash head = no_hash;
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  bool operator==(const ChainPosition&) const = default;
};

// Appends the line of the next record and returns its hash. `event` is a JSON object in one line, as append_json makes.
HexHash append_record(std::string& out, crypto::Sha256& sha256, std::uint64_t sequence, const HexHash& previous,
                      std::string_view event);

struct RecordLine {
  std::uint64_t sequence = 0;
  std::string_view previous;  // 64 hex digits
  std::string_view hash;      // 64 hex digits
  std::string_view hashed;    // the bytes that it covers
};
std::optional<RecordLine> parse_record(std::string_view line);

struct Checkpoint {
  ChainPosition position;
  Digest root;         // of the Merkle tree over all records so far
  std::string origin;  // the log's name, the same for good
  std::string time;
  std::string key_id;
  std::string line;  // as stored, without its newline
};
Result<Checkpoint> make_checkpoint(const ChainPosition& position, const Digest& root, std::string origin, Instant now,
                                   crypto::KeyProvider& keys);
// Errc::corrupt if it is not one, or if the signature does not fit; Errc::denied if the key is unknown.
Result<Checkpoint> open_checkpoint(std::string_view line, crypto::KeyProvider& keys);

// The writer puts a new note there, others add cosignatures to the one that is there: one after the other.
Result<Descriptor> lock_note(const std::string& directory);

// Ids of the keys that sign or signed the ledger, today's first.
Result<std::vector<std::string>> ledger_key_ids(crypto::KeyProvider& keys);

// The same for everybody (C2SP tlog-checkpoint): a note signed by the key that signed the checkpoint.
Result<std::string> make_note(const Checkpoint& checkpoint, crypto::KeyProvider& keys);

struct Segment {
  std::uint64_t first = 0;  // sequence of its first record
  std::string name;
};
std::string segment_name(std::uint64_t first);
// Ascending; a missing folder has none. Files of other names are left alone.
Result<std::vector<Segment>> list_segments(Files& files, const std::string& directory);

// Lines of a file one by one, each at most longest_line bytes. A last line without its newline is not a line.
class LineReader {
 public:
  LineReader(const File& file, std::uint64_t offset, std::uint64_t end = UINT64_MAX)
      : file_(&file), offset_(offset), end_(end) {}
  // The line without its newline, valid until the next call; nullopt at the end. Called again, it sees what was added.
  Result<std::optional<std::string_view>> next();
  std::uint64_t offset() const { return offset_; }            // of the line that next() will give
  std::uint64_t unfinished() const { return filled_ - at_; }  // bytes behind the last line, after the end was seen
  bool too_long() const { return too_long_; }                 // the end that was seen is a line longer than is accepted

 private:
  const File* file_;
  std::uint64_t offset_;
  std::uint64_t end_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  bool too_long_ = false;
};

}  // namespace hauberk::adapters
