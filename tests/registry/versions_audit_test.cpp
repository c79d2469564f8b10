#include "registry/versions_audit.h"

#include "registry/recorded_catalog.h"
#include "support.h"

namespace hauberk::registry {
namespace {

// A registry whose catalogue says what it does, and an audit that hears it.
class VersionsAuditTest : public RegistryTest {
 protected:
  VersionsAuditTest() {
    recorded_ = record_before_change(std::move(catalog_), {.announce = [this](Environment, Event event) -> Status {
                                                             event.kind = "intent";
                                                             event.trace = "run";
                                                             event.outcome = "begun";
                                                             hear(std::move(event));
                                                             return {};
                                                           },
                                                           .done = {}});
    catalog_ = std::move(recorded_);
    new (&ports_) Ports{blobs_, *catalog_, ports_.keys, clock_};
  }
  void hear(Event event) { audit_.add(to_json(event)); }
  void done(std::string kind, const Version& version, std::string outcome = "ok", std::string reason = {}) {
    Event event;
    event.kind = std::move(kind);
    event.target = version.ref();
    event.principal = "ian";
    event.trace = trace_;
    event.artifact = version.manifest.digest().text();
    event.outcome = std::move(outcome);
    event.reason = std::move(reason);
    hear(std::move(event));
  }
  VersionsAudit::Found found() {
    VersionsAudit::Found all{*catalog_->versions(""), {}};
    for (const auto& version : all.versions)
      all.evidence[version.manifest.digest()] = *catalog_->evidence(version.manifest.digest());
    return all;
  }
  std::vector<std::string> differences() { return audit_.differences(found()); }
  std::vector<std::string> differences(auto change) {
    auto all = found();
    change(all);
    return audit_.differences(all);
  }

  std::unique_ptr<Catalog> recorded_;
  VersionsAudit audit_;
  std::string trace_ = "run";
};

TEST_F(VersionsAuditTest, follows_a_version_and_takes_an_open_intent_for_either) {
  using enum VersionState;
  const auto version = import("magika", "weights");
  EXPECT_TRUE(differences().empty()) << "killed after it was imported";
  done("import", version);
  EXPECT_TRUE(differences().empty());
  EXPECT_EQ(differences([](auto& all) { all.versions.clear(); }).size(), 1u);
  EXPECT_EQ(differences([](auto& all) { all.versions[0].state = scanned; }).size(), 1u);
  EXPECT_EQ(differences([](auto& all) { all.versions[0].imported_by = "eve"; }).size(), 1u);
  scan(version, "CLEAN");
  EXPECT_TRUE(differences().empty());
  EXPECT_TRUE(differences([](auto& all) { all.versions[0].state = quarantined; }).empty()) << "killed before";
  trace_ = "another";
  done("scan", version, "ok", "clean");
  done("scan", version, "denied", "malicious");
  EXPECT_TRUE(differences([](auto& all) { all.versions[0].state = quarantined; }).empty()) << "not its end";
  trace_ = "run";
  EXPECT_EQ(differences([](auto& all) { all.versions[0].state = approved; }).size(), 1u);
  done("scan", version, "ok", "clean");
  EXPECT_TRUE(differences().empty());
  EXPECT_EQ(differences([](auto& all) { all.versions[0].state = quarantined; }).size(), 1u);
  EXPECT_EQ(differences([](auto& all) { all.evidence.begin()->second.pop_back(); }).size(), 1u);
  EXPECT_EQ(differences([](auto& all) { all.evidence.clear(); }).size(), 2u) << "import and scan";
  scan(version, "MALICIOUS");
  done("scan", version, "denied", "malicious");
  EXPECT_TRUE(differences().empty());
  EXPECT_EQ(differences([](auto& all) { all.evidence.begin()->second.pop_back(); }).size(), 1u);
}

TEST_F(VersionsAuditTest, takes_the_events_of_release_0_1_as_far_as_they_go) {
  using enum VersionState;
  Version version{"magika", 1, VersionState::quarantined, {ArtifactKind::model, {}}, "ian", clock_.now(), "x"};
  const auto state = [&](VersionState one) {
    version.state = one;
    return audit_.differences({{version}, {}}).empty();
  };
  trace_.clear();
  done("import", version);
  EXPECT_TRUE(state(quarantined));
  done("scan", version, "denied", "malicious");
  done("scan", version, "ok", "clean");
  EXPECT_TRUE(state(scanned));
  EXPECT_FALSE(state(approved));
  done("approve", version);
  EXPECT_TRUE(state(scanned) && state(approved)) << "one approval may not have sufficed";
  done("promote", version, "denied", "staging");
  EXPECT_FALSE(state(staging));
  done("promote", version, "ok", "staging");
  EXPECT_TRUE(state(staging));
  done("revoke", version);
  EXPECT_TRUE(state(revoked));
  EXPECT_FALSE(state(staging));
}

}  // namespace
}  // namespace hauberk::registry
