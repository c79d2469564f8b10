// Merkle trees as transparency logs have them (RFC 6962, section 2; the checks are those of RFC 9162, section 2.1):
// leaf = SHA-256(00 || entry), node = SHA-256(01 || left || right). Proofs go from the leaf to the root. Pure; any
// thread.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "crypto/digest.h"

namespace hauberk::crypto {

Digest merkle_leaf(ByteView entry);
Digest merkle_node(const Digest& left, const Digest& right);
Digest complete_root(std::vector<Digest> row);  // over hashes of one level, a power of two of them

// Is `leaf` the entry number `index` of the tree of `size` entries with that root? Also false for a proof of another
// length than index and size ask for.
[[nodiscard]] bool verify_inclusion(const Digest& leaf, std::uint64_t index, std::uint64_t size,
                                    std::span<const Digest> proof, const Digest& root);
// Is the tree of `old_size` entries the beginning of the one of `size`? An empty old tree is the beginning of any.
[[nodiscard]] bool verify_consistency(std::uint64_t old_size, const Digest& old_root, std::uint64_t size,
                                      const Digest& root, std::span<const Digest> proof);

// A tree that grows, of which only the right edge is kept: for each level of tiles the hashes of the tile that is not
// full yet. A tile has 256 hashes; one of level 0 is the hash of an entry, one of level n + 1 the root of a full tile
// of level n (C2SP tlog-tiles).
inline constexpr std::size_t tile_width = 256;
class MerkleEdge {
 public:
  // Called for each tile that becomes full, the lowest level first.
  using OnFullTile = std::function<void(unsigned level, std::uint64_t tile, std::span<const Digest> hashes)>;
  void append(const Digest& leaf, const OnFullTile& on_full);
  // The edge of a tree of that size, given its tiles that are not full.
  static MerkleEdge restored(std::uint64_t size, std::vector<std::vector<Digest>> partial_tiles);

  std::uint64_t size() const { return size_; }
  Digest root() const;
  const std::vector<std::vector<Digest>>& partial_tiles() const { return levels_; }

 private:
  std::uint64_t size_ = 0;
  std::vector<std::vector<Digest>> levels_;
};

// Proofs out of a tree whose complete subtrees somebody can look up: node(height, index) is the root of the entries
// from index * 2^height on, 2^height of them.
using NodeSource = std::function<Result<Digest>(unsigned height, std::uint64_t index)>;
Result<std::vector<Digest>> inclusion_proof(std::uint64_t index, std::uint64_t size, const NodeSource& node);
Result<std::vector<Digest>> consistency_proof(std::uint64_t old_size, std::uint64_t size, const NodeSource& node);
Result<Digest> tree_root(std::uint64_t size, const NodeSource& node);

}  // namespace hauberk::crypto
