#include "core/policy.h"

#include <gtest/gtest.h>

namespace hauberk {
namespace {

const Digest model = crypto::sha256(as_bytes("model"));
const Instant now = *parse_rfc3339("2026-11-24T12:00:00Z");

Evidence piece(std::string_view type, std::string_view issuer, std::string_view time, std::string_view body = "{}",
               const Digest& about = model) {
  Statement statement{{{"magika", about}}, std::string(type), *json::parse(body)};
  statement.predicate.set("issuer", issuer).set("time", time);
  return {crypto::sha256(as_bytes(json::write(statement.predicate))), statement, "", ""};
}
Evidence scan(std::string_view verdict, std::string_view time = "2026-11-24T11:00:00Z") {
  return piece(predicate::scan, "scanner", time, R"({"verdict":")" + std::string(verdict) + "\"}");
}
Evidence approval(std::string_view by, std::string_view time = "2026-11-24T11:30:00Z") {
  return piece(predicate::approval, by, time);
}

Policy clean_scan() {
  return *policy_from_json(
      *json::parse(R"({"required":[{"evidence":"scan","where":{"/verdict":{"one_of":["CLEAN"]}},"max_age":"30d"}]})"));
}

Decision weigh(const Policy& policy, const std::vector<Evidence>& evidence, std::string_view importer = "ian") {
  return evaluate(policy, model, evidence, importer, now);
}

TEST(Policy, allows_when_all_that_it_requires_is_there) {
  const auto decision = weigh(clean_scan(), {scan("CLEAN")});
  EXPECT_TRUE(decision.allow);
  EXPECT_TRUE(decision.missing.empty());
  EXPECT_EQ(decision.reasons, std::vector<std::string>{"scan of 2026-11-24T11:00:00Z by scanner holds"});
}

TEST(Policy, without_requirements_allows_and_with_any_unmet_one_denies) {
  EXPECT_TRUE(weigh({}, {}).allow);
  const auto decision = weigh(clean_scan(), {});
  EXPECT_FALSE(decision.allow);
  EXPECT_EQ(decision.missing, std::vector<std::string>{"scan evidence on this artifact"});
}

TEST(Policy, lets_the_newest_evidence_decide_in_whatever_order_it_comes) {
  const auto old_clean = scan("CLEAN", "2026-11-20T00:00:00Z"), new_review = scan("REVIEW", "2026-11-21T00:00:00Z"),
             newer_clean = scan("CLEAN", "2026-11-22T00:00:00Z");
  EXPECT_FALSE(weigh(clean_scan(), {old_clean, new_review}).allow);
  EXPECT_FALSE(weigh(clean_scan(), {new_review, old_clean}).allow);
  EXPECT_TRUE(weigh(clean_scan(), {new_review, newer_clean, old_clean}).allow);
}

TEST(Policy, wants_all_to_hold_where_two_are_equally_new) {
  EXPECT_FALSE(weigh(clean_scan(), {scan("CLEAN"), scan("MALICIOUS")}).allow);
  EXPECT_FALSE(weigh(clean_scan(), {scan("MALICIOUS"), scan("CLEAN")}).allow);
}

TEST(Policy, says_what_is_wrong_with_a_value) {
  const auto decision = weigh(clean_scan(), {scan("MALICIOUS")});
  EXPECT_FALSE(decision.allow);
  EXPECT_EQ(decision.reasons,
            std::vector<std::string>{R"(scan: /verdict is "MALICIOUS" but must be one of ["CLEAN"])"});
}

TEST(Policy, does_not_count_evidence_about_another_digest) {
  EXPECT_FALSE(weigh(clean_scan(), {piece(predicate::scan, "scanner", "2026-11-24T11:00:00Z", R"({"verdict":"CLEAN"})",
                                          crypto::sha256(as_bytes("other")))})
                   .allow);
}

TEST(Policy, refuses_evidence_that_is_too_old_or_from_the_future) {
  EXPECT_TRUE(weigh(clean_scan(), {scan("CLEAN", "2026-10-25T12:00:00Z")}).allow);
  const auto old = weigh(clean_scan(), {scan("CLEAN", "2026-10-25T11:59:59Z")});
  EXPECT_FALSE(old.allow);
  EXPECT_EQ(old.missing,
            std::vector<std::string>{"newer scan evidence: the newest is of 2026-10-25T11:59:59Z, older than 30d"});
  EXPECT_TRUE(weigh(clean_scan(), {scan("CLEAN", "2026-11-24T12:04:00Z")}).allow);  // clocks differ a little
  EXPECT_FALSE(weigh(clean_scan(), {scan("CLEAN", "2026-11-24T12:06:00Z")}).allow);
}

TEST(Policy, fails_closed_where_a_time_cannot_be_read) {
  EXPECT_FALSE(weigh(clean_scan(), {scan("CLEAN", "yesterday")}).allow);
  EXPECT_FALSE(weigh(clean_scan(), {scan("CLEAN"), scan("MALICIOUS", "")}).allow);  // which is the newest?
}

TEST(Policy, denies_whatever_was_revoked) {
  const auto decision =
      weigh({}, {piece(predicate::revocation, "rita", "2026-11-24T11:00:00Z", R"({"reason":"backdoor"})")});
  EXPECT_FALSE(decision.allow);
  EXPECT_EQ(decision.reasons, std::vector<std::string>{"the artifact was revoked by rita: backdoor"});
}

TEST(Policy, counts_approvals_by_distinct_people_other_than_the_importer) {
  const Policy two{{}, 2, false};
  EXPECT_FALSE(weigh(two, {approval("ann")}).allow);
  EXPECT_FALSE(weigh(two, {approval("ann"), approval("ann", "2026-11-24T11:40:00Z")}).allow);
  EXPECT_FALSE(weigh(two, {approval("ann"), approval("ian")}).allow);
  EXPECT_FALSE(weigh(two, {approval("ann"), approval("")}).allow);
  const auto both = weigh(two, {approval("ann"), approval("bob"), approval("ian")});
  EXPECT_TRUE(both.allow);
  EXPECT_EQ(both.reasons, std::vector<std::string>{"approved by ann, bob"});
  EXPECT_EQ(
      weigh(two, {approval("ann"), approval("ian")}).missing,
      std::vector<std::string>{"1 more approval by other people (1 of 2 there; the importer's own does not count)"});
}

TEST(Policy, counts_the_importer_only_where_it_says_so) {
  EXPECT_TRUE(weigh(Policy{{}, 1, true}, {approval("ian")}).allow);
  EXPECT_FALSE(weigh(Policy{{}, 2, true}, {approval("ian")}).allow);
}

TEST(Policy, counts_nobody_twice_who_may_be_one) {
  const Policy one{{}, 1, false}, two{{}, 2, false};
  const auto made = [](std::string_view type, std::string_view who, std::string_view by) {
    return piece(type, who, "2026-11-24T11:30:00Z", R"({"issuer_made_by":[)" + std::string(by) + "]}");
  };
  // Upper and lower case.
  EXPECT_FALSE(weigh(one, {approval("Ian")}).allow);
  EXPECT_FALSE(weigh(two, {approval("ann"), approval("ANN")}).allow);
  // Who imported the same content as something else.
  EXPECT_FALSE(weigh(one, {piece(predicate::import, "ann", "2026-11-24T11:00:00Z"), approval("ann")}).allow);
  EXPECT_TRUE(weigh(one, {piece(predicate::import, "ann", "2026-11-24T11:00:00Z"), approval("bob")}).allow);
  // The importer made the approver's token, at one remove or two; or the approver the importer's.
  EXPECT_FALSE(weigh(one, {made(predicate::approval, "ann", R"("ian","os:root")")}).allow);
  EXPECT_FALSE(weigh(one, {made(predicate::approval, "ann", R"("bob","Ian")")}).allow);
  EXPECT_FALSE(weigh(one, {made(predicate::import, "ian", R"("ann")"), approval("ann")}).allow);
  // One approver made the other's; a third person is a second one.
  EXPECT_FALSE(weigh(two, {approval("ann"), made(predicate::approval, "bob", R"("ann")")}).allow);
  EXPECT_TRUE(weigh(two, {approval("ann"), made(predicate::approval, "bob", R"("ann")"), approval("cleo")}).allow);
  // Whoever acts at the shell makes the first tokens of all; somebody else may have made both.
  EXPECT_TRUE(weigh(one, {made(predicate::approval, "ann", R"("os:root")")}, "os:root").allow);
  EXPECT_FALSE(weigh(one, {approval("os:root")}, "os:root").allow);
  EXPECT_TRUE(
      weigh(one, {made(predicate::import, "ian", R"("tom")"), made(predicate::approval, "ann", R"("tom")")}).allow);
}

TEST(Policy, does_not_take_an_approval_of_another_artifact) {
  EXPECT_FALSE(
      weigh(Policy{{}, 1, false}, {piece(predicate::approval, "ann", "2026-11-24T11:00:00Z", "{}", Digest{})}).allow);
}

TEST(Policy, compares_values_at_json_pointers) {
  constexpr std::string_view body =
      R"({"verdict":"CLEAN","n":5,"x":0.5,"deep":{"a/b":[10,{"~":true}]},"big":18446744073709551615,"nothing":null,"list":[1]})";
  const struct {
    std::string_view where;
    bool holds;
  } cases[] = {
      {R"({"/verdict":"CLEAN"})", true},
      {R"({"/verdict":{"not_equal":"CLEAN"}})", false},
      {R"({"/verdict":{"not_equal":"REVIEW"}})", true},
      {R"({"/n":5})", true},
      {R"({"/n":5.0})", true},
      {R"({"/n":{"less":6}})", true},
      {R"({"/n":{"less":5}})", false},
      {R"({"/n":{"less_equal":5}})", true},
      {R"({"/n":{"greater":4.9}})", true},
      {R"({"/n":{"greater":5}})", false},
      {R"({"/n":{"greater_equal":5,"less_equal":5}})", true},
      {R"({"/n":{"greater_equal":5,"less":5}})", false},
      {R"({"/x":{"less":1}})", true},
      {R"({"/big":{"greater":9223372036854775807}})", true},
      {R"({"/big":{"less":18446744073709551615}})", false},
      {R"({"/deep/a~1b/0":10})", true},
      {R"({"/deep/a~1b/1/~0":true})", true},
      {R"({"/deep/a~1b/00":10})", false},
      {R"({"/deep/a~1b/2":10})", false},
      {R"({"/deep/a~1b/-":10})", false},
      {R"({"/verdict/x":"CLEAN"})", false},
      {R"({"/missing":{"not_equal":1}})", false},  // what is not said never satisfies
      {R"({"/verdict":{"less":5}})", false},       // text is no number
      {R"({"/n":"5"})", false},
      {R"({"/nothing":null})", true},
      {R"({"/n":{"one_of":[1,2.0,5.0]}})", true},
      {R"({"/list":{"equal":[1]}})", true},
  };
  for (const auto& c : cases) {
    const auto policy =
        policy_from_json(*json::parse(R"({"required":[{"evidence":"scan","where":)" + std::string(c.where) + "}]}"));
    ASSERT_TRUE(policy) << c.where << " " << policy.error().text();
    EXPECT_EQ(weigh(*policy, {piece(predicate::scan, "scanner", "2026-11-24T11:00:00Z", body)}).allow, c.holds)
        << c.where;
  }
}

TEST(Policy, shows_only_the_beginning_of_a_long_value) {
  const auto policy = *policy_from_json(*json::parse(R"({"required":[{"evidence":"scan","where":{"/report":"x"}}]})"));
  const auto decision =
      weigh(policy,
            {piece(predicate::scan, "s", "2026-11-24T11:00:00Z", R"({"report":")" + std::string(10'000, 'a') + "\"}")});
  ASSERT_EQ(decision.reasons.size(), 1u);
  EXPECT_LT(decision.reasons[0].size(), 200u);
}

}  // namespace
}  // namespace hauberk
