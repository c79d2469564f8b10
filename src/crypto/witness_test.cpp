#include "crypto/witness.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace hauberk::crypto {
namespace {

class WitnessTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/hauberk-witness-XXXXXX";
    folder_ = ::mkdtemp(name);
    for (int i = 0; i < 40; ++i) leaves_.push_back(merkle_leaf(as_bytes("entry-" + std::to_string(i))));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  NodeSource node() const {
    return [this](unsigned height, std::uint64_t index) -> Result<Digest> {
      auto row = std::vector(leaves_.begin() + static_cast<std::ptrdiff_t>(index << height),
                             leaves_.begin() + static_cast<std::ptrdiff_t>((index + 1) << height));
      for (; row.size() > 1; row.resize(row.size() / 2))
        for (std::size_t i = 0; i < row.size() / 2; ++i) row[i] = merkle_node(row[2 * i], row[2 * i + 1]);
      return row.front();
    };
  }
  Digest root(std::uint64_t size) const { return *tree_root(size, node()); }
  std::string checkpoint(std::uint64_t size, const Digest& root, const SigningKey& key,
                         const std::string& origin = "log.example") const {
    Note note{.text = write_checkpoint({origin, size, root}), .signatures = {}};
    const auto verifier = *NoteVerifier::of(origin, key.verifying());
    note.signatures.push_back({origin, verifier.hint, key.sign(as_bytes(note.text))});
    return write_note(note);
  }
  std::string request(std::uint64_t old, std::uint64_t size) const {
    return witness_request(old, *consistency_proof(old, size, node()), checkpoint(size, root(size), log_key_));
  }
  Witness witness() {
    return *Witness::open(files_, folder_, "witness.example", key_,
                          {*NoteVerifier::of("log.example", log_key_.verifying())});
  }
  std::string state_file() const { return folder_ + "/" + sha256(as_bytes("log.example")).hex() + ".note"; }
  int status(std::string_view body) { return witness().add_checkpoint(body, now_).status; }

  std::string folder_;
  SystemFiles files_;
  std::vector<Digest> leaves_;
  SigningKey key_ = SigningKey::generate(), log_key_ = SigningKey::generate();
  Instant now_{std::chrono::seconds(1'800'000'000)};
};

TEST_F(WitnessTest, cosigns_what_grew_out_of_what_it_has_seen) {
  const auto first = witness().add_checkpoint(request(0, 7), now_);
  ASSERT_EQ(first.status, 200) << first.body;
  const auto cosigned = parse_note(checkpoint(7, root(7), log_key_) + first.body);
  ASSERT_TRUE(cosigned) << cosigned.error().text();
  const auto text = witness().verifier().text();
  EXPECT_TRUE(*NoteVerifier::parse(text)->signed_note(*cosigned));
  EXPECT_EQ(NoteVerifier::parse(text)->kind, NoteKind::cosignature);
  EXPECT_EQ(status(request(7, 20)), 200) << "by what is on the disk: each time a new object";
  EXPECT_EQ(status(request(20, 20)), 200) << "the same again";
  const auto stale = witness().add_checkpoint(request(7, 30), now_);
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(stale.content_type, "text/x.tlog.size");
  EXPECT_EQ(stale.body, "20\n");
  EXPECT_EQ(status(request(20, 40)), 200);
}

TEST_F(WitnessTest, cosigns_no_second_history) {
  ASSERT_EQ(status(request(0, 20)), 200);
  const auto before = leaves_;
  leaves_[3] = merkle_leaf(as_bytes("another"));
  EXPECT_EQ(status(request(20, 40)), 422);
  EXPECT_EQ(status(request(20, 20)), 422) << "another root of the same size";
  EXPECT_EQ(status(request(0, 40)), 409) << "nor from the beginning";
  leaves_ = before;
  EXPECT_EQ(status(request(20, 40)), 200) << "what it has seen is as before";
}

TEST_F(WitnessTest, knows_its_logs_and_refuses_what_is_malformed) {
  const auto stranger = SigningKey::generate();
  EXPECT_EQ(status(witness_request(0, {}, checkpoint(7, root(7), stranger))), 403);
  EXPECT_EQ(status(witness_request(0, {}, checkpoint(7, root(7), log_key_, "other.example"))), 404);
  EXPECT_EQ(status(witness_request(0, {}, checkpoint(0, root(7), log_key_))), 422) << "no empty tree has that root";
  EXPECT_EQ(status(witness_request(9, {}, checkpoint(7, root(7), log_key_))), 400);
  const auto good = request(0, 7);
  for (const auto& bad : {std::string(), std::string("old\n"), "old 00" + good.substr(5), "old -1" + good.substr(5),
                          good.substr(0, 6), good.substr(0, good.size() - 20), std::string("old 0\nAAAA\n\n") + good})
    EXPECT_EQ(status(bad), 400) << bad;
  std::vector<Digest> many(64);
  EXPECT_EQ(status(witness_request(0, many, checkpoint(7, root(7), log_key_))), 400);
}

TEST_F(WitnessTest, forgets_nothing_silently) {
  ASSERT_EQ(status(request(0, 20)), 200);
  const auto state = state_file();
  const auto whole = *read_file(files_, state, 10'000);
  for (std::size_t i = 0; i < whole.size(); ++i) {  // its own cosignature covers what it has seen
    auto changed = whole;
    changed[i] = changed[i] == '1' ? '2' : '1';
    ASSERT_TRUE(write_file_atomically(files_, state, changed));
    EXPECT_EQ(status(request(20, 30)), 500) << i;
  }
  ASSERT_TRUE(write_file_atomically(files_, state, as_bytes("torn")));
  EXPECT_EQ(status(request(0, 20)), 500);
  ASSERT_TRUE(write_file_atomically(files_, state, whole));
  EXPECT_EQ(status(request(20, 30)), 200);
}

TEST_F(WitnessTest, knows_what_release_0_1_has_seen) {
  const auto place = folder_ + "/" + sha256(as_bytes("log.example")).hex() + ".json";
  const auto text = R"({"origin":"log.example","size":20,"root":")" + root(20).text() + "\"}\n";
  ASSERT_TRUE(write_file_atomically(files_, place, as_bytes(text)));
  EXPECT_EQ(status(request(0, 30)), 409);
  EXPECT_EQ(status(request(20, 30)), 200);
  EXPECT_EQ(status(request(20, 30)), 409);
}

TEST_F(WitnessTest, is_one_process_to_a_folder) {
  const auto one = witness();
  const auto two = Witness::open(files_, folder_, "witness.example", key_, {});
  ASSERT_FALSE(two);
  EXPECT_EQ(two.error().code, Errc::unavailable);
}

}  // namespace
}  // namespace hauberk::crypto
