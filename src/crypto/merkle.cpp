#include "crypto/merkle.h"

#include <bit>

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

}  // namespace hauberk::crypto
