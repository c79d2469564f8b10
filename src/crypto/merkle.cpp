#include "crypto/merkle.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace hauberk::crypto {

Digest merkle_leaf(ByteView entry) {
  const std::uint8_t prefix = 0;
  Sha256 hash;
  hash.update({&prefix, 1});
  hash.update(entry);
  return hash.finish();
}

Digest merkle_node(const Digest& left, const Digest& right) {
  std::array<std::uint8_t, 65> bytes{1};
  std::ranges::copy(left.bytes, bytes.begin() + 1);
  std::ranges::copy(right.bytes, bytes.begin() + 33);
  return sha256(bytes);
}

Digest complete_root(std::vector<Digest> row) {
  for (; row.size() > 1; row.resize(row.size() / 2))
    for (std::size_t i = 0; i < row.size() / 2; ++i) row[i] = merkle_node(row[2 * i], row[2 * i + 1]);
  return row.front();
}

bool verify_inclusion(const Digest& leaf, std::uint64_t index, std::uint64_t size, std::span<const Digest> proof,
                      const Digest& root) {
  if (index >= size) return false;
  const auto inner = static_cast<std::size_t>(std::bit_width(index ^ (size - 1)));
  const auto border = static_cast<std::size_t>(inner < 64 ? std::popcount(index >> inner) : 0);
  if (proof.size() != inner + border) return false;
  auto hash = leaf;
  for (std::size_t k = 0; k < proof.size(); ++k) {
    const bool leaf_is_left = k < inner && ((index >> k) & 1) == 0;
    hash = leaf_is_left ? merkle_node(hash, proof[k]) : merkle_node(proof[k], hash);
  }
  return hash == root;
}

bool verify_consistency(std::uint64_t old_size, const Digest& old_root, std::uint64_t size, const Digest& root,
                        std::span<const Digest> proof) {
  if (old_size > size) return false;
  if (old_size == size) return proof.empty() && old_root == root;
  if (old_size == 0) return proof.empty();
  // RFC 9162, 2.1.4.2: walk up from the last entry of the old tree, building both roots.
  std::uint64_t node = old_size - 1, last = size - 1;
  for (; (node & 1) != 0; node >>= 1) last >>= 1;
  std::size_t next = 0;
  Digest old_hash = old_root;
  if (!std::has_single_bit(old_size)) {  // else the old root is itself a node of the new tree
    if (proof.empty()) return false;
    old_hash = proof[next++];
  }
  auto hash = old_hash;
  for (; next < proof.size(); ++next) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      old_hash = merkle_node(proof[next], old_hash);
      hash = merkle_node(proof[next], hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = merkle_node(hash, proof[next]);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == old_root && hash == root;
}

void MerkleEdge::append(const Digest& leaf, const OnFullTile& on_full) {
  auto hash = leaf;
  auto place = size_++;  // of the hash in its level
  for (unsigned level = 0;; ++level, place /= tile_width) {
    if (levels_.size() <= level) levels_.emplace_back();
    auto& tile = levels_[level];
    tile.push_back(hash);
    if (tile.size() < tile_width) return;
    if (on_full) on_full(level, place / tile_width, tile);
    hash = complete_root(std::exchange(tile, {}));
  }
}

MerkleEdge MerkleEdge::restored(std::uint64_t size, std::vector<std::vector<Digest>> partial_tiles) {
  MerkleEdge edge;
  edge.size_ = size;
  edge.levels_ = std::move(partial_tiles);
  return edge;
}

Digest MerkleEdge::root() const {
  if (size_ == 0) return sha256({});
  // The complete subtrees from left to right: of each level, the highest first, those of the bits of its count.
  std::vector<Digest> peaks;
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
    auto rest = std::span(*level);
    while (!rest.empty()) {
      std::vector<Digest> row(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(std::bit_floor(rest.size())));
      rest = rest.subspan(row.size());
      peaks.push_back(complete_root(std::move(row)));
    }
  }
  auto root = peaks.back();
  for (auto peak = peaks.rbegin() + 1; peak != peaks.rend(); ++peak) root = merkle_node(*peak, root);
  return root;
}

namespace {

// The root of the entries from `begin` on, `count` of them, which begin where a complete subtree may begin.
Result<Digest> range_root(std::uint64_t begin, std::uint64_t count, const NodeSource& node) {
  if (std::has_single_bit(count)) {
    const auto height = static_cast<unsigned>(std::countr_zero(count));
    return node(height, begin >> height);
  }
  const auto split = std::bit_floor(count);
  const auto left = TRY(range_root(begin, split, node));
  return merkle_node(left, TRY(range_root(begin + split, count - split, node)));
}

// Where RFC 6962 splits a tree of more than one entry.
std::uint64_t split_of(std::uint64_t count) { return std::bit_floor(count - 1); }

}  // namespace

Result<Digest> tree_root(std::uint64_t size, const NodeSource& node) {
  return size == 0 ? Result<Digest>(sha256({})) : range_root(0, size, node);
}

Result<std::vector<Digest>> inclusion_proof(std::uint64_t index, std::uint64_t size, const NodeSource& node) {
  if (index >= size) return fail(Errc::invalid, "there is no such entry in the tree");
  std::vector<Digest> from_root;
  for (std::uint64_t begin = 0, count = size; count > 1;) {
    const auto split = split_of(count);
    if (index < begin + split) {
      from_root.push_back(TRY(range_root(begin + split, count - split, node)));
      count = split;
    } else {
      from_root.push_back(TRY(range_root(begin, split, node)));
      begin += split;
      count -= split;
    }
  }
  return std::vector<Digest>(from_root.rbegin(), from_root.rend());
}

Result<std::vector<Digest>> consistency_proof(std::uint64_t old_size, std::uint64_t size, const NodeSource& node) {
  if (old_size > size) return fail(Errc::invalid, "the older tree is larger than the newer one");
  std::vector<Digest> from_root;
  if (old_size == 0 || old_size == size) return from_root;
  // RFC 6962, 2.1.2: down to the subtree where the old tree ends; it itself leads the proof unless it begins at 0.
  std::uint64_t begin = 0, count = size, old = old_size;
  while (old != count) {
    const auto split = split_of(count);
    if (old <= split) {
      from_root.push_back(TRY(range_root(begin + split, count - split, node)));
      count = split;
    } else {
      from_root.push_back(TRY(range_root(begin, split, node)));
      begin += split;
      count -= split;
      old -= split;
    }
  }
  if (begin != 0) from_root.push_back(TRY(range_root(begin, count, node)));
  return std::vector<Digest>(from_root.rbegin(), from_root.rend());
}

}  // namespace hauberk::crypto
