// Merkle trees, notes and checkpoints against vectors made elsewhere (shared data) and a tree built the plain way.
#include "crypto/merkle.h"

#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "base/json.h"
#include "crypto/note.h"
#include "crypto/signature.h"

namespace hauberk::crypto {
namespace {

const std::filesystem::path registry = std::filesystem::path(HAUBERK_SOURCE_DIR) / "../shared/data/registry";

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// RFC 6962, 2.1, word for word.
Digest root_of(std::span<const Digest> leaves) {
  if (leaves.empty()) return sha256({});
  if (leaves.size() == 1) return leaves[0];
  const auto split = std::bit_floor(leaves.size() - 1);
  return merkle_node(root_of(leaves.first(split)), root_of(leaves.subspan(split)));
}
std::vector<Digest> inclusion(std::span<const Digest> leaves, std::size_t index) {
  if (leaves.size() <= 1) return {};
  const auto split = std::bit_floor(leaves.size() - 1);
  auto proof = index < split ? inclusion(leaves.first(split), index) : inclusion(leaves.subspan(split), index - split);
  proof.push_back(root_of(index < split ? leaves.subspan(split) : leaves.first(split)));
  return proof;
}

std::vector<Digest> entries(std::size_t count) {
  std::vector<Digest> leaves;
  for (std::size_t i = 0; i < count; ++i) leaves.push_back(merkle_leaf(as_bytes("entry-" + std::to_string(i))));
  return leaves;
}

std::vector<Digest> digests_of(const json::Value& list) {
  std::vector<Digest> digests;
  for (const auto& one : *list.as_array()) digests.push_back(*Digest::parse(*one.as_string()));
  return digests;
}

TEST(Merkle, proves_each_entry_of_small_trees_and_no_other) {
  const auto leaves = entries(40);
  for (std::size_t size = 1; size <= leaves.size(); ++size) {
    const auto tree = std::span(leaves).first(size);
    const auto root = root_of(tree);
    for (std::size_t i = 0; i < size; ++i) {
      auto proof = inclusion(tree, i);
      EXPECT_TRUE(verify_inclusion(leaves[i], i, size, proof, root));
      EXPECT_FALSE(verify_inclusion(leaves[(i + 1) % 40], i, size, proof, root));
      EXPECT_FALSE(verify_inclusion(leaves[i], i, size, proof, leaves[0]) && size > 1);
      if (!proof.empty()) {
        proof.back().bytes[0] ^= 1;
        EXPECT_FALSE(verify_inclusion(leaves[i], i, size, proof, root));
        proof.pop_back();
      }
      EXPECT_FALSE(verify_inclusion(leaves[i], i, size, proof, root) && size > 1) << "a shorter proof";
      proof.resize(proof.size() + 2);
      EXPECT_FALSE(verify_inclusion(leaves[i], i, size, proof, root)) << "a longer proof";
    }
    EXPECT_FALSE(verify_inclusion(leaves[0], size, size, inclusion(tree, 0), root)) << "an index outside";
  }
}

TEST(Merkle, agrees_with_proofs_made_elsewhere) {
  const auto file = registry / "vectors/tlog/tlog_vectors.json";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no " << file << ": it is part of the shared data";
  const auto vectors = *json::parse(text_of(file));
  const auto leaves = entries(1000);
  const auto root = [&](std::size_t size) { return root_of(std::span(leaves).first(size)); };
  for (const auto& [size, text] : *vectors.find("roots_entry_%d")->as_object())
    if (const auto n = std::stoul(size); n <= leaves.size()) EXPECT_EQ(root(n).hex(), *text.as_string()) << size;
  for (const auto& [index, proof] : *vectors.find("inclusion_1000")->as_object())
    EXPECT_TRUE(verify_inclusion(leaves[std::stoul(index)], std::stoul(index), 1000, digests_of(proof), root(1000)));
  std::size_t checked = 0;
  for (const auto& [sizes, list] : *vectors.find("consistency")->as_object()) {
    const auto from = std::stoul(sizes), to = std::stoul(sizes.substr(sizes.find('>') + 1));
    auto proof = digests_of(list);
    EXPECT_TRUE(verify_consistency(from, root(from), to, root(to), proof)) << sizes;
    EXPECT_FALSE(verify_consistency(from, root(to), to, root(to), proof)) << sizes;
    EXPECT_FALSE(verify_consistency(from, root(from), to, root(from), proof)) << sizes;
    EXPECT_FALSE(verify_consistency(from + 1, root(from), to, root(to), proof)) << sizes;
    proof.emplace_back();
    EXPECT_FALSE(verify_consistency(from, root(from), to, root(to), proof)) << sizes;
    ++checked;
  }
  EXPECT_GT(checked, 4u);
}

TEST(Merkle, grows_tile_by_tile_to_roots_and_tiles_made_elsewhere) {
  const auto file = registry / "vectors/tlog/tlog_vectors.json";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no " << file << ": it is part of the shared data";
  const auto vectors = *json::parse(text_of(file));
  const auto* roots = vectors.find("roots_entry_%d");
  std::map<std::string, Digest> tiles;
  const auto keep = [&](const std::string& name, std::span<const Digest> hashes) {
    Sha256 hash;
    for (const auto& one : hashes) hash.update(one.bytes);
    tiles[name] = hash.finish();
  };
  MerkleEdge edge;
  for (std::size_t i = 0; i < 70'000; ++i) {
    edge.append(merkle_leaf(as_bytes("entry-" + std::to_string(i))),
                [&](unsigned level, std::uint64_t tile, std::span<const Digest> hashes) {
                  keep("tile/" + std::to_string(level) + "/" +
                           (tile < 10    ? "00"
                            : tile < 100 ? "0"
                                         : "") +
                           std::to_string(tile),
                       hashes);
                });
    if (const auto* root = roots->find(std::to_string(i + 1))) EXPECT_EQ(edge.root().hex(), *root->as_string()) << i;
  }
  keep("tile/0/273.p/112", edge.partial_tiles()[0]);
  keep("tile/1/001.p/17", edge.partial_tiles()[1]);
  keep("tile/2/000.p/1", edge.partial_tiles()[2]);
  for (const auto& [name, hash] : *vectors.find("tile_sha256")->as_object())
    EXPECT_EQ(tiles[name].hex(), *hash.as_string()) << name;
}

TEST(Merkle, proves_out_of_complete_subtrees_what_the_plain_way_proves) {
  const auto leaves = entries(600);
  const NodeSource node = [&](unsigned height, std::uint64_t index) -> Result<Digest> {
    const auto count = std::size_t{1} << height;
    if ((index + 1) * count > leaves.size()) return fail(Errc::not_found, "not complete");
    return root_of(std::span(leaves).subspan(index * count, count));
  };
  for (const std::uint64_t size : {1u, 2u, 3u, 7u, 255u, 256u, 257u, 600u}) {
    const auto tree = std::span(leaves).first(size);
    EXPECT_EQ(*tree_root(size, node), root_of(tree));
    for (std::uint64_t i = 0; i < size; i += 1 + size / 9)
      EXPECT_EQ(*inclusion_proof(i, size, node), inclusion(tree, i)) << i << " of " << size;
    for (std::uint64_t old = 0; old <= size; old += 1 + size / 11) {
      const auto proof = consistency_proof(old, size, node);
      ASSERT_TRUE(proof);
      EXPECT_TRUE(verify_consistency(old, *tree_root(old, node), size, root_of(tree), *proof)) << old << " -> " << size;
    }
    EXPECT_FALSE(inclusion_proof(size, size, node));
    EXPECT_FALSE(consistency_proof(size + 1, size, node));
  }
}

TEST(Merkle, an_equal_tree_and_an_empty_one_need_no_proof) {
  const auto leaves = entries(5);
  const auto root = root_of(leaves);
  EXPECT_TRUE(verify_consistency(5, root, 5, root, {}));
  EXPECT_FALSE(verify_consistency(5, root, 5, leaves[0], {}));
  EXPECT_TRUE(verify_consistency(0, sha256({}), 5, root, {}));
  EXPECT_FALSE(verify_consistency(6, root, 5, root, {}));
}

// The example of C2SP's signed-note; its key as SubjectPublicKeyInfo is that of its verifier text.
TEST(Note, reads_the_published_example) {
  const auto note = parse_note(
      "This is an example message.\n\n\xe2\x80\x94 example.com/foo "
      "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n");
  ASSERT_TRUE(note) << note.error().text();
  ASSERT_EQ(note->signatures.size(), 1u);
  EXPECT_EQ(note->signatures[0].name, "example.com/foo");
  EXPECT_EQ(hex(note->signatures[0].hint), "530d903a");
  auto der = *from_hex("302a300506032b6570032100");
  const auto vkey = *from_base64("AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
  der.insert(der.end(), vkey.begin() + 1, vkey.end());
  const auto key = VerifyingKey::from_der(der);
  ASSERT_TRUE(key);
  EXPECT_TRUE(key->verify(as_bytes(note->text), note->signatures[0].signature));
}

TEST(Note, is_signed_and_verified_under_a_verifier_key) {
  const std::string published = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
  const auto parsed = NoteVerifier::parse(published);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->text(), published);
  for (const auto& bad :
       {std::string("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
        std::string("530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"), std::string("a+b+c"), std::string("")})
    EXPECT_FALSE(NoteVerifier::parse(bad)) << bad;

  const auto key = SigningKey::generate();
  const auto verifier = *NoteVerifier::of("log.example", key.verifying());
  Note note{.text = write_checkpoint({"log.example", 3, {}}), .signatures = {}};
  EXPECT_FALSE(*verifier.signed_note(note));
  note.signatures.push_back({"log.example", verifier.hint, key.sign(as_bytes(note.text))});
  const auto read = parse_note(write_note(note));
  ASSERT_TRUE(read);
  EXPECT_TRUE(*verifier.signed_note(*read));
  EXPECT_EQ(parse_checkpoint(read->text)->size, 3u);
  auto changed = *read;
  changed.text[0] = 'L';
  EXPECT_EQ(verifier.signed_note(changed).error().code, Errc::corrupt);
  EXPECT_FALSE(*NoteVerifier::of("log.example", SigningKey::generate().verifying())->signed_note(*read));
  EXPECT_FALSE(NoteVerifier::of("x", SigningKey::generate(SignatureAlgorithm::ecdsa_p256).verifying()));
}

TEST(Note, refuses_what_is_not_one) {
  const std::string dash = "\xe2\x80\x94 ";
  const std::string good = "text\n\n" + dash + "name AAAAAAAA\n";
  ASSERT_TRUE(parse_note(good));
  const std::string bad[] = {"",
                             "text\n",
                             "text\n\n",
                             good.substr(0, good.size() - 1),
                             "text\n\nname AAAAAAAA\n",
                             "text\n\n" + dash + "AAAAAAAA\n",
                             "text\n\n" + dash + " AAAAAAAA\n",
                             "text\n\n" + dash + "name AAAA\n",
                             "text\n\n" + dash + "name !!!!\n",
                             "te\txt\n\n" + dash + "name AAAAAAAA\n"};
  for (const auto& one : bad) EXPECT_FALSE(parse_note(one)) << one;
}

TEST(Checkpoint, reads_those_of_a_foreign_log) {
  const auto folder = registry / "open/tessera/testdata/log";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder << ": it is part of the shared data";
  for (std::uint64_t size = 0; size <= 15; ++size) {
    const auto note = parse_note(text_of(folder / ("checkpoint." + std::to_string(size))));
    ASSERT_TRUE(note) << size;
    const auto checkpoint = parse_checkpoint(note->text);
    ASSERT_TRUE(checkpoint) << checkpoint.error().text();
    EXPECT_EQ(checkpoint->size, size);
    EXPECT_EQ(checkpoint->origin, "example.com/log/testdata");
  }
  const std::string root = base64(Bytes(32));
  for (const auto& bad :
       {std::string("\n1\n") + root + "\n", "log\n01\n" + root + "\n", "log\n-1\n" + root + "\n",
        std::string("log\n1\nAAAA\n"), std::string("log\n1\n"), "log\n18446744073709551616\n" + root + "\n"})
    EXPECT_FALSE(parse_checkpoint(bad)) << bad;
}

}  // namespace
}  // namespace hauberk::crypto
