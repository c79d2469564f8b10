// Merkle trees as transparency logs have them (RFC 6962, section 2; the checks are those of RFC 9162, section 2.1):
// leaf = SHA-256(00 || entry), node = SHA-256(01 || left || right). Proofs go from the leaf to the root. Pure; any
// thread.
#pragma once

#include <span>

#include "crypto/digest.h"

namespace hauberk::crypto {

Digest merkle_leaf(ByteView entry);
Digest merkle_node(const Digest& left, const Digest& right);

// Is `leaf` the entry number `index` of the tree of `size` entries with that root? Also false for a proof of another
// length than index and size ask for.
[[nodiscard]] bool verify_inclusion(const Digest& leaf, std::uint64_t index, std::uint64_t size,
                                    std::span<const Digest> proof, const Digest& root);
// Is the tree of `old_size` entries the beginning of the one of `size`? An empty old tree is the beginning of any.
[[nodiscard]] bool verify_consistency(std::uint64_t old_size, const Digest& old_root, std::uint64_t size,
                                      const Digest& root, std::span<const Digest> proof);

}  // namespace hauberk::crypto
