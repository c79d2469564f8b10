#include "core/evidence.h"

#include <gtest/gtest.h>

#include "crypto/envelope.h"

namespace hauberk {
namespace {

class EvidenceTest : public ::testing::Test {
 protected:
  Statement statement() const {
    return {
        .subjects = {{"fraud@1", crypto::sha256(as_bytes("model"))}},
        .predicate_type = std::string(predicate::scan),
        .predicate = json::Value().set("verdict", "CLEAN").set("issuer", "alice").set("time", "2026-11-24T00:00:00Z")};
  }
  SystemRandom random_;
  std::unique_ptr<crypto::KeyProvider> keys_ = crypto::make_memory_keys(random_);
  std::unique_ptr<crypto::KeyProvider> others_ = crypto::make_memory_keys(random_);
};

TEST_F(EvidenceTest, opens_to_what_was_sealed) {
  const auto sealed = seal(statement(), *keys_);
  ASSERT_TRUE(sealed);
  const auto opened = open_evidence(sealed->envelope, *keys_);
  ASSERT_TRUE(opened) << opened.error().text();
  EXPECT_EQ(opened->id, sealed->id);
  EXPECT_EQ(opened->statement.subjects, statement().subjects);
  EXPECT_EQ(opened->statement.predicate, statement().predicate);
  EXPECT_EQ(opened->statement.issuer(), "alice");
  EXPECT_TRUE(opened->statement.time());
}

TEST_F(EvidenceTest, a_stranger_is_denied_and_a_change_is_corruption) {
  const auto sealed = *seal(statement(), *keys_);
  EXPECT_EQ(open_evidence(sealed.envelope, *others_).error().code, Errc::denied);
  auto envelope = *crypto::parse_envelope(sealed.envelope);
  envelope.payload.replace(envelope.payload.find("CLEAN"), 5, "clean");
  EXPECT_EQ(open_evidence(crypto::write_envelope(envelope), *keys_).error().code, Errc::corrupt);
}

TEST_F(EvidenceTest, every_changed_byte_of_an_envelope_is_noticed_or_changes_nothing) {
  const auto sealed = *seal(statement(), *keys_);
  for (std::size_t at = 0; at < sealed.envelope.size(); ++at) {
    auto changed = sealed.envelope;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const auto opened = open_evidence(changed, *keys_);
    if (opened) EXPECT_EQ(opened->statement.predicate, statement().predicate) << at;
  }
}

TEST_F(EvidenceTest, a_known_signer_with_a_wrong_signature_spoils_all) {
  auto envelope = *crypto::parse_envelope(seal(statement(), *keys_)->envelope);
  auto twice = envelope;
  twice.signatures.push_back(twice.signatures.front());
  twice.signatures.back().signature[0] ^= 1;
  EXPECT_EQ(open_evidence(crypto::write_envelope(twice), *keys_).error().code, Errc::corrupt);
  auto beside = envelope;
  beside.signatures.insert(beside.signatures.begin(), crypto::EnvelopeSignature{"somebody-else", Bytes(64)});
  EXPECT_TRUE(open_evidence(crypto::write_envelope(beside), *keys_)) << "signatures of strangers may lie beside";
}

TEST_F(EvidenceTest, statements_must_be_whole) {
  const std::string good = json::write(statement().to_json());
  EXPECT_TRUE(Statement::parse(good));
  for (const std::string_view part : {"\"_type\"", "\"subject\"", "\"sha256\"", "\"predicateType\"", "Statement/v1"}) {
    auto text = good;
    text[text.find(part) + part.size() / 2] = 'X';
    EXPECT_FALSE(Statement::parse(text)) << part;
  }
}

}  // namespace
}  // namespace hauberk
