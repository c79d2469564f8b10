#include "registry/recorded_catalog.h"

#include <functional>

#include "registry/tokens.h"
#include "support.h"

namespace hauberk::registry {
namespace {

// A catalogue on one in memory, and what it announced.
class RecordedCatalogTest : public RegistryTest {
 protected:
  RecordedCatalogTest() {
    version_ = in_production("magika", "weights");  // by the bare catalogue, so that every change is possible
    digest_ = version_.manifest.digest();
    bare_ = catalog_.get();
    recorded_ = record_before_change(std::move(catalog_), {.announce = [this](Environment where, Event event) -> Status {
                                                             if (full_) return fail(Errc::exhausted, "the disk is full");
                                                             counters_.push_back(*bare_->change_counter());
                                                             said_.emplace_back(where, std::move(event));
                                                             return {};
                                                           },
                                                           .done = [this] { ++done_; }});
  }

  Version version_;
  Digest digest_;
  Catalog* bare_ = nullptr;
  bool full_ = false;
  int done_ = 0;
  std::vector<std::pair<Environment, Event>> said_;
  std::vector<std::uint64_t> counters_;  // of the catalogue, when it was said
  std::unique_ptr<Catalog> recorded_;
};

struct Case {
  std::string_view operation;
  Environment where;
  std::function<bool(Catalog&)> change;
};

TEST_F(RecordedCatalogTest, announces_every_change_before_it_and_changes_nothing_that_it_cannot_announce) {
  using enum Environment;
  const TokenRecord token{"abcdefghijkl", staging, "ci", {{"read", "*"}}, Bytes(32, 7), clock_.now(), {}, {}};
  const CustomRole role{staging, "tester", {{"read", "*"}}, "tries"};
  const Binding binding{staging, "ci", "viewer", "m-*"};
  const auto seal = [&](std::string_view type) {
    return *seal_about(ports_, dev, type, {"x", digest_}, json::Value::object(), ann_);
  };
  Version fresh{"other", 0, VersionState::quarantined, version_.manifest, "ian", clock_.now(), "x"};
  const DeploymentEntry entry{0, {}, clock_.now(), "paula", "configuration"};
  const Case cases[] = {
      {"import", dev, [&](Catalog& c) { return c.add_version(fresh, {}, {}).has_value(); }},
      {"evidence", dev, [&](Catalog& c) { return c.add_evidence(digest_, {seal(predicate::scan)}).has_value(); }},
      {"deploy", production, [&](Catalog& c) { return c.deploy(production, "magika", entry).has_value(); }},
      {"rollback", production,
       [&](Catalog& c) { return c.point_at(production, "magika", 2, 1, {}, digest_).has_value(); }},
      {"state", dev,
       [&](Catalog& c) {
         return c
             .change_state({{"magika", 1}, VersionState::production, VersionState::retired, {}, {}, {}, {}, {}})
             .has_value();
       }},
      {"token.create", staging, [&](Catalog& c) { return c.add_token(token).has_value(); }},
      {"token.revoke", staging,
       [&](Catalog& c) { return c.revoke_token(staging, token.id, clock_.now(), Digest{}).has_value(); }},
      {"access.define", staging, [&](Catalog& c) { return c.put_role(role).has_value(); }},
      {"access.forget", staging, [&](Catalog& c) { return c.remove_role(staging, "tester").has_value(); }},
      {"access.bind", staging, [&](Catalog& c) { return c.bind(binding).has_value(); }},
      {"access.unbind", staging, [&](Catalog& c) { return c.unbind(binding).has_value(); }},
      {"revocation.add", production,
       [&](Catalog& c) {
         return c.add_revocation({production, Revocable::model, digest_.text(), "bad", clock_.now()}, "olga")
             .has_value();
       }},
  };
  for (const auto& [operation, where, change] : cases) {
    SCOPED_TRACE(operation);
    const auto before = *bare_->change_counter();
    full_ = true;
    EXPECT_FALSE(change(*recorded_));
    EXPECT_EQ(*bare_->change_counter(), before);
    full_ = false;
    said_.clear();
    done_ = 0;
    ASSERT_TRUE(change(*recorded_));
    EXPECT_EQ(done_, 1);
    ASSERT_EQ(said_.size(), 1u);
    EXPECT_EQ(said_[0].second.operation, operation);
    EXPECT_EQ(said_[0].first, where);
    EXPECT_EQ(counters_.back(), before);
    EXPECT_GT(*bare_->change_counter(), before);
  }
}

TEST_F(RecordedCatalogTest, does_not_say_of_a_failed_change_that_it_was_done) {
  EXPECT_FALSE(recorded_->remove_role(Environment::dev, "nobody"));
  EXPECT_EQ(said_.size(), 1u);
  EXPECT_EQ(done_, 0);
}

TEST_F(RecordedCatalogTest, says_whole_what_is_granted) {
  TokenRecord token{"abcdefghijkl", Environment::dev, "ci", {{"read", "m-*"}, {"infer", "*"}}, Bytes(32, 7),
                    clock_.now(),   {},               {}};
  token.service = true;
  ASSERT_TRUE(recorded_->add_token(token));
  EXPECT_EQ(said_.back().second.target, token.id);
  EXPECT_EQ(said_.back().second.reason, "for ci (service account), without end: read:m-* infer:*");
  EXPECT_EQ(said_.back().second.artifact, digest_of(token).text());
  auto other = token;
  other.scopes.pop_back();
  EXPECT_NE(digest_of(other), digest_of(token));
  const CustomRole role{Environment::dev, "tester", {{"read", "*"}}, "tries"};
  auto wider = role;
  wider.grants.push_back({"admin", "*"});
  EXPECT_NE(digest_of(role), digest_of(wider));
}

}  // namespace
}  // namespace hauberk::registry
