// The ledger's Merkle tree as files (C2SP tlog-tiles): tile/<level>/<number> with 256 hashes each,
// tile/entries/<number> with the 256 records under a tile of level 0, and partial ones of both, <number>.p/<width>. All
// of them follow from the records in the segments: a writer that finds them missing or unfinished makes them anew.
// Entries are the lines of the records; one longer than 65,535 bytes is entered as "sha256:" and its digest. One thread
// at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "crypto/merkle.h"

namespace hauberk::adapters {

inline constexpr std::string_view tile_folder = "tile";
inline constexpr std::string_view note_file = "checkpoint";

// "tile/0/x001/067", "tile/entries/003.p/17"; without a level it is a bundle of entries.
std::string tile_name(std::optional<unsigned> level, std::uint64_t number, std::size_t width);
// The same tile or bundle when it is full; the partial one is its beginning, and may go once that is there.
std::string full_name(std::string_view partial);
// What goes into the tree for a record's line.
std::string entry_of(std::string_view line);

// Collects what the tree grows by, and hands out the files that come of it.
class TileBuilder {
 public:
  struct Part {
    std::string name;
    Bytes content;
  };
  TileBuilder() = default;
  // Goes on behind `size` entries, whose tiles that are not full are in the folder. Errc::corrupt: they are not those
  // of a tree with that root.
  static Result<TileBuilder> open(Files& files, const std::string& directory, std::uint64_t size, const Digest& root);

  // Parts that became full are given to `full`, which may be empty.
  void append(std::string_view line, const std::function<void(Part)>& full);
  std::vector<Part> partial() const;
  std::uint64_t size() const { return edge_.size(); }
  Digest root() const { return edge_.root(); }

 private:
  crypto::MerkleEdge edge_;
  Bytes entries_;  // of the bundle that is not full
};

// Looks complete subtrees up in the tiles of a tree of that size.
crypto::NodeSource tile_source(Files& files, std::string directory, std::uint64_t size);

}  // namespace hauberk::adapters
