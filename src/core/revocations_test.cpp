#include "core/revocations.h"

#include <gtest/gtest.h>

namespace hauberk {
namespace {

const Instant issued_at = *parse_rfc3339("2026-11-27T12:00:00Z");

RevocationList a_list_of(std::vector<Revocation> entries) {
  return {Environment::production, entries.size(), issued_at, issued_at + std::chrono::hours(24), std::move(entries)};
}
Revocation key_revoked() {
  return {Environment::production, Revocable::key, "ecdsa-p256:0123456789abcdef", "lost", issued_at};
}

TEST(Revocations, go_out_as_a_statement_and_come_back) {
  const Revocation content{Environment::production, Revocable::model, "sha256:" + std::string(64, 'a'), "backdoor",
                           issued_at};
  const auto list = a_list_of({key_revoked(), content});
  const auto back = RevocationList::of(*Statement::parse(json::write(list.statement("olga").to_json())));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->entries, list.entries);
  EXPECT_EQ(back->until, list.until);
  EXPECT_EQ(back->number, 2u);
  EXPECT_NE(back->find(Revocable::model, content.value), nullptr);
  EXPECT_EQ(back->find(Revocable::signature, content.value), nullptr);
  EXPECT_TRUE(RevocationList::of(a_list_of({}).statement("olga")));
}

TEST(Revocations, of_a_list_that_was_made_up_are_none) {
  const auto good = a_list_of({key_revoked()}).statement("olga");
  const auto changed = [&](auto change) {
    auto statement = good;
    change(statement);
    return RevocationList::of(statement).error().code;
  };
  EXPECT_EQ(changed([](Statement& s) { s.predicate_type = predicate::revocation; }), Errc::corrupt);
  EXPECT_EQ(changed([](Statement& s) { s.predicate.set("entries", json::Value::array()); }), Errc::corrupt);
  EXPECT_EQ(changed([](Statement& s) { s.predicate.set("number", 7); }), Errc::corrupt);
  EXPECT_EQ(changed([](Statement& s) { s.predicate.set("until", "soon"); }), Errc::corrupt);
  EXPECT_EQ(changed([](Statement& s) { s.predicate.erase("entries"); }), Errc::corrupt);
  EXPECT_EQ(changed([](Statement& s) { s.subjects.front().digest = Digest{}; }), Errc::corrupt);
}

TEST(Revocations, name_what_they_revoke_in_one_spelling) {
  auto one = key_revoked();
  EXPECT_TRUE(check_revocation(one));
  for (const std::string& bad :
       {"", "ecdsa-p256", "ecdsa-p256:0123", "ecdsa-p256:0123456789ABCDEF", ":0123456789abcdef"}) {
    one.value = bad;
    EXPECT_EQ(check_revocation(one).error().code, Errc::invalid) << bad;
  }
  one.thing = Revocable::model;
  for (const std::string& bad :
       {std::string(64, 'a'), "sha256:" + std::string(63, 'a'), "sha512:" + std::string(64, 'a')}) {
    one.value = bad;
    EXPECT_EQ(check_revocation(one).error().code, Errc::invalid) << bad;
  }
  one = key_revoked();
  one.reason.clear();
  EXPECT_EQ(check_revocation(one).error().code, Errc::invalid);
}

TEST(RevocationList, counts_from_the_earliest_time) {
  const Instant noon{};
  const RevocationList list{.entries = {{Environment::dev, Revocable::key, "k", "lost", noon},
                                        {Environment::dev, Revocable::key, "k", "seen", noon - std::chrono::hours(1)},
                                        {Environment::dev, Revocable::key, "k", "late", noon + std::chrono::hours(1)}}};
  EXPECT_EQ(list.find(Revocable::key, "k")->reason, "seen");
  EXPECT_EQ(list.find(Revocable::model, "k"), nullptr);
}

}  // namespace
}  // namespace hauberk
