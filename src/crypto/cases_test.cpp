// tests/cases/crypto/*.json: what must verify or open, and above all what must not. generate.py there makes them.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "base/json.h"
#include "crypto/aead.h"
#include "crypto/signature.h"

namespace hauberk::crypto {
namespace {

json::Value read_cases(const std::string& file) {
  std::ifstream in(HAUBERK_SOURCE_DIR "/tests/cases/crypto/" + file);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  auto value = json::parse(text);
  EXPECT_TRUE(value) << file;
  return value ? *std::move(value) : json::Value();
}

Bytes bytes_of(const json::Value& one, std::string_view member) {
  const auto* value = one.find(member);
  const auto bytes = value != nullptr && value->as_string() != nullptr ? from_hex(*value->as_string()) : std::nullopt;
  EXPECT_TRUE(bytes) << "member " << member;
  return bytes.value_or(Bytes{});
}

// Runs every case and compares what comes out with what is expected; as many as the file says that it has.
template <class Outcome>
void run_cases(const std::string& file, std::set<std::string> outcomes, Outcome outcome) {
  const auto document = read_cases(file);
  const auto* cases = document.find("cases");
  ASSERT_TRUE(cases != nullptr && cases->as_array() != nullptr);
  std::set<std::string> seen;
  std::int64_t run = 0;
  for (const auto& one : *cases->as_array()) {
    ++run;
    const auto comment = one.text_or("comment", "");
    const std::string expected(one.text_or("expected", ""));
    EXPECT_EQ(one.int_or("id", 0), run);
    EXPECT_FALSE(comment.empty()) << run;
    EXPECT_TRUE(outcomes.contains(expected)) << run << ": " << expected;
    EXPECT_EQ(outcome(one), expected) << file << " " << run << ": " << comment;
    seen.insert(expected);
  }
  EXPECT_EQ(run, document.int_or("count", -1));
  EXPECT_EQ(seen, outcomes) << "cases of every kind";
}

std::string verified(const json::Value& one) {
  const auto key = VerifyingKey::from_der(bytes_of(one, "key"));
  if (!key) return "bad_key";
  return key->verify(bytes_of(one, "message"), bytes_of(one, "signature")) ? "valid" : "invalid";
}

TEST(Cases, of_ecdsa_verify_or_not) { run_cases("ecdsa.json", {"valid", "invalid", "bad_key"}, verified); }

TEST(Cases, of_ed25519_verify_or_not) { run_cases("ed25519.json", {"valid", "invalid", "bad_key"}, verified); }

TEST(Cases, of_ed25519_keys_are_refused_in_pem_too) {
  const auto document = read_cases("ed25519.json");
  int refused = 0;
  for (const auto& one : *document.find("cases")->as_array())
    if (one.text_or("expected", "") == "bad_key") {
      ++refused;
      const auto pem = "-----BEGIN PUBLIC KEY-----\n" + base64(bytes_of(one, "key")) + "\n-----END PUBLIC KEY-----\n";
      EXPECT_FALSE(VerifyingKey::from_pem(pem)) << one.text_or("comment", "");
    }
  EXPECT_GT(refused, 40);
}

TEST(Cases, of_aes_gcm_open_or_not) {
  run_cases("aes_gcm.json", {"valid", "invalid"}, [](const json::Value& one) -> std::string {
    Gcm gcm(Secret(bytes_of(one, "key")));
    const auto ciphertext = bytes_of(one, "ciphertext");
    Bytes plaintext(ciphertext.size());
    const bool good = gcm.open(bytes_of(one, "nonce"), bytes_of(one, "associated"), ciphertext, bytes_of(one, "tag"),
                               plaintext.data());
    if (good) EXPECT_EQ(plaintext, bytes_of(one, "plaintext")) << one.int_or("id", 0);
    return good ? "valid" : "invalid";
  });
}

// What is sealed by us is what the cases say, byte for byte.
TEST(Cases, of_aes_gcm_that_are_valid_are_what_sealing_makes) {
  const auto document = read_cases("aes_gcm.json");
  int sealed = 0;
  for (const auto& one : *document.find("cases")->as_array())
    if (one.text_or("expected", "") == "valid") {
      ++sealed;
      const auto plaintext = bytes_of(one, "plaintext");
      Bytes out(plaintext.size() + gcm_tag_size);
      Gcm(Secret(bytes_of(one, "key")))
          .seal(bytes_of(one, "nonce"), bytes_of(one, "associated"), plaintext, out.data());
      auto expected = bytes_of(one, "ciphertext");
      const auto tag = bytes_of(one, "tag");
      expected.insert(expected.end(), tag.begin(), tag.end());
      EXPECT_EQ(out, expected) << one.text_or("comment", "");
    }
  EXPECT_GT(sealed, 50);
}

}  // namespace
}  // namespace hauberk::crypto
