#include "core/token_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "crypto/token.h"

namespace hauberk {
namespace {

const Instant noon = *parse_rfc3339("2026-11-24T12:00:00Z");

class TokenTableTest : public testing::Test {
 protected:
  // A token of the environment and its record.
  std::string make(Environment environment, auto change) {
    const auto token = crypto::make_token(short_name(environment), random_);
    TokenRecord record{token.id, environment, "ci", {{"infer", "fraud-*"}}, {}, noon, {}, {}};
    change(record);
    record.mac = *token_record_mac(*keys_, record, token.text);
    records_.push_back(record);
    return std::string(crypto::presented(token.text));
  }
  std::string make(Environment environment = Environment::dev) {
    return make(environment, [](TokenRecord&) {});
  }
  Result<Principal> verify(std::string_view token, Instant when = noon) {
    return TokenTable(Environment::dev, records_, keys_).verify(token, when);
  }
  void expect_refused(std::string_view token, std::string_view message = "the API token is not valid here",
                      Instant when = noon) {
    const auto principal = verify(token, when);
    ASSERT_FALSE(principal) << message;
    EXPECT_EQ(principal.error().code, Errc::unauthenticated);
    EXPECT_EQ(principal.error().message, message);
  }

  SystemRandom random_;
  std::shared_ptr<crypto::KeyProvider> keys_ = crypto::make_memory_keys(random_);
  std::vector<TokenRecord> records_;
};

TEST_F(TokenTableTest, knows_the_bearer_by_the_whole_token) {
  const auto token = make();
  make();
  const auto principal = verify(token);
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->subject, "ci");
  EXPECT_EQ(principal->token_id, records_[0].id);
  EXPECT_EQ(principal->credential, CredentialKind::api_token);
  EXPECT_TRUE(principal->allowed("infer", "fraud-eu"));
  EXPECT_FALSE(principal->allowed("read", "fraud-eu"));
}

TEST_F(TokenTableTest, says_the_same_of_a_wrong_form_an_unknown_id_and_a_wrong_secret) {
  const auto token = make();
  for (const std::string_view bad : {"", "hbk_", "Bearer x", "hbk_dev_000000000000_"}) expect_refused(bad);
  expect_refused(token + "0");
  expect_refused(token.substr(0, token.size() - 1));
  expect_refused(crypto::presented(crypto::make_token("dev", random_).text));  // well formed, never made here

  // The id of one token with the secret of another, and a CRC that fits.
  const auto other = make();
  auto body = token.substr(0, 21) + other.substr(21, other.size() - 21 - 9);
  const auto sum = crc32(as_bytes(body));
  std::uint8_t digits[4];
  store_be(digits, sum);
  const auto mixed = body + "_" + hex(digits);
  ASSERT_TRUE(crypto::parse_token(mixed));
  expect_refused(mixed);
}

TEST_F(TokenTableTest, holds_no_token_of_another_environment) {
  const auto production = make(Environment::production);
  expect_refused(production);
  EXPECT_EQ(TokenTable(Environment::dev, records_, keys_).size(), 0u);
  EXPECT_TRUE(TokenTable(Environment::production, records_, keys_).verify(production, noon));
}

TEST_F(TokenTableTest, does_not_accept_a_record_made_with_other_keys) {
  const auto token = make();
  const auto others = std::shared_ptr(crypto::make_memory_keys(random_));
  EXPECT_FALSE(TokenTable(Environment::dev, records_, others).verify(token, noon));
}

// Who can write the catalogue, but has not the token key, gains nothing by it.
TEST_F(TokenTableTest, opens_to_nobody_whose_record_was_changed) {
  const auto token = make(Environment::dev, [](TokenRecord& record) { record.made_by = {"alice"}; });
  const auto as_made = records_;
  ASSERT_TRUE(verify(token));
  EXPECT_EQ(verify(token)->made_by, std::vector<std::string>{"alice"});
  const std::vector<std::function<void(TokenRecord&)>> changes = {
      [](TokenRecord& record) { record.subject = "alice"; },
      [](TokenRecord& record) { record.scopes = {{"admin", "*"}}; },
      [](TokenRecord& record) { record.scopes.push_back({"read", "*"}); },
      [](TokenRecord& record) { record.scopes.clear(); },
      [](TokenRecord& record) { record.service = true; },
      [](TokenRecord& record) { record.inherit = true; },
      [](TokenRecord& record) { record.expires = noon + std::chrono::hours(1); },
      [](TokenRecord& record) { record.made_by.clear(); },
      [](TokenRecord& record) { record.made_by = {"alice", "bob"}; },
      // One value with the text of two, and two with the text of one.
      [](TokenRecord& record) { record.subject = "ci\",[\"infer"; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    records_ = as_made;
    changes[i](records_[0]);
    SCOPED_TRACE(i);
    expect_refused(token);
  }
}

TEST_F(TokenTableTest, tells_the_bearer_of_a_revoked_token_and_opens_it_to_nobody_again) {
  const auto token = make(), other = make();
  records_[0].revoked = noon;
  records_[0].mac = to_bytes(as_text(spent_mac(records_[0].mac).bytes));
  expect_refused(token, "the API token was revoked");
  EXPECT_TRUE(verify(other));
  records_[0].revoked.reset();  // in the catalogue, by somebody
  expect_refused(token);
}

TEST_F(TokenTableTest, judges_a_record_without_its_token) {
  make();
  auto& record = records_[0];
  EXPECT_TRUE(*record_holds(*keys_, record)) << "of release 0.1: nobody can tell";
  record.mark = *record_mark(*keys_, record);
  EXPECT_TRUE(*record_holds(*keys_, record));
  const auto others = crypto::make_memory_keys(random_);
  EXPECT_FALSE(*record_holds(*others, record)) << "its key is gone";
  const auto as_made = record;
  record.scopes.push_back({"admin", "*"});
  EXPECT_FALSE(*record_holds(*keys_, record));
  record = as_made;
  record.mac[0] ^= 1;
  EXPECT_FALSE(*record_holds(*keys_, record));
}

TEST_F(TokenTableTest, adds_what_is_inherited_without_binding_it) {
  const auto token = make(Environment::dev, [](TokenRecord& record) { record.inherit = true; });
  records_[0].inherited = {{"read", "*"}};
  ASSERT_TRUE(verify(token));
  EXPECT_TRUE(verify(token)->allowed("read", "x"));
}

TEST_F(TokenTableTest, knows_tokens_of_release_0_1_which_are_bound_to_themselves_alone) {
  const auto token = make();
  records_[0].mac = *keys_->mac(crypto::KeyPurpose::token, as_bytes(token));
  ASSERT_TRUE(verify(token));
  records_[0].mac = *keys_->mac(crypto::KeyPurpose::token, as_bytes(token + "x"));
  expect_refused(token);
}

TEST_F(TokenTableTest, ends_with_the_hour_of_expiry) {
  const auto token = make(Environment::dev, [](TokenRecord& record) { record.expires = noon; });
  EXPECT_TRUE(verify(token, noon - Duration(1)));
  expect_refused(token, "the API token has expired", noon);
}

TEST_F(TokenTableTest, refuses_the_revoked) {
  expect_refused(make(Environment::dev, [](TokenRecord& record) { record.revoked = noon; }),
                 "the API token was revoked");
}

TEST_F(TokenTableTest, refuses_a_record_without_an_hmac) {
  const auto token = make();
  records_[0].mac.clear();
  expect_refused(token);
}

}  // namespace
}  // namespace hauberk
