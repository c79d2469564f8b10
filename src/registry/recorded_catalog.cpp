#include "registry/recorded_catalog.h"

#include <fmt/format.h>

#include "registry/grants_audit.h"
#include "registry/tokens.h"
#include "registry/versions_audit.h"

namespace hauberk::registry {
namespace {

std::string types_of(const std::vector<Evidence>& evidence) {
  std::string text;
  for (const auto& piece : evidence) text += (text.empty() ? "" : " ") + piece.statement.predicate_type;
  return text;
}

class RecordedCatalog final : public Catalog {
 public:
  RecordedCatalog(std::unique_ptr<Catalog> catalog, ChangeRecorder recorder)
      : catalog_(std::move(catalog)), recorder_(std::move(recorder)) {}

  Result<Version> add_version(Version version, std::vector<WrappedKey> keys, std::vector<Evidence> evidence) override {
    CHECK(announce(Environment::dev, {.operation = "import",
                                      .target = version.name,
                                      .artifact = version.manifest.digest().text(),
                                      .reason = named_in_reason(evidence) + std::string(name(version.manifest.kind))}));
    return told(catalog_->add_version(std::move(version), std::move(keys), std::move(evidence)));
  }
  Result<hauberk::Version> version(const VersionRef& ref) override { return catalog_->version(ref); }
  Result<std::vector<Version>> versions(std::string_view name) override { return catalog_->versions(name); }

  Status change_state(const StateChange& change) override {
    CHECK(announce(
        change.environment.value_or(Environment::dev),
        {.operation = "state",
         .target = change.version.text(),
         .artifact = change.entry ? change.entry->spec.artifact.text() : std::string(),
         .reason = fmt::format("{}{} -> {}{}{}", named_in_reason(change.evidence), name(change.expected),
                               name(change.next), change.deployment.empty() ? "" : ", as ", change.deployment)}));
    return told(catalog_->change_state(change));
  }
  Status add_evidence(const Digest& artifact, const std::vector<Evidence>& evidence) override {
    CHECK(announce(Environment::dev, {.operation = "evidence",
                                      .artifact = artifact.text(),
                                      .reason = named_in_reason(evidence) + types_of(evidence)}));
    return told(catalog_->add_evidence(artifact, evidence));
  }
  Result<std::vector<std::string>> evidence(const Digest& artifact) override { return catalog_->evidence(artifact); }

  Result<std::optional<WrappedKey>> wrapped_key(const Digest& blob, Environment environment) override {
    return catalog_->wrapped_key(blob, environment);
  }
  Status put_wrapped_keys(const std::vector<WrappedKey>& keys) override { return catalog_->put_wrapped_keys(keys); }

  Result<std::vector<Deployment>> deployments(Environment environment) override {
    return catalog_->deployments(environment);
  }
  Result<Deployment> deployment(Environment environment, std::string_view name) override {
    return catalog_->deployment(environment, name);
  }
  Result<std::uint64_t> deploy(Environment environment, std::string_view name, const DeploymentEntry& entry) override {
    CHECK(announce(environment, {.operation = "deploy",
                                 .target = std::string(name),
                                 .artifact = entry.spec.model.empty() ? std::string() : entry.spec.artifact.text(),
                                 .reason = entry.reason}));
    return told(catalog_->deploy(environment, name, entry));
  }
  Status point_at(Environment environment, std::string_view name, std::uint64_t expected_current, std::uint64_t entry,
                  const std::vector<Evidence>& evidence, const Digest& artifact) override {
    CHECK(announce(environment,
                   {.operation = "rollback",
                    .target = std::string(name),
                    .artifact = artifact.text(),
                    .reason = fmt::format("{}entry {} -> {}", named_in_reason(evidence), expected_current, entry)}));
    return told(catalog_->point_at(environment, name, expected_current, entry, evidence, artifact));
  }

  Status add_token(const TokenRecord& token) override {
    CHECK(announce(token.environment, {.operation = "token.create",
                                       .target = token.id,
                                       .artifact = digest_of(token).text(),
                                       .reason = described(token)}));
    return told(catalog_->add_token(token));
  }
  Status revoke_token(Environment environment, std::string_view id, Instant when, const Digest& spent) override {
    CHECK(announce(environment, {.operation = "token.revoke", .target = std::string(id)}));
    return told(catalog_->revoke_token(environment, id, when, spent));
  }
  Result<std::vector<TokenRecord>> tokens(Environment environment) override { return catalog_->tokens(environment); }

  Status put_role(const CustomRole& role) override {
    CHECK(announce(role.environment, {.operation = "access.define",
                                      .target = role.name,
                                      .artifact = digest_of(role).text(),
                                      .reason = described(role.grants)}));
    return told(catalog_->put_role(role));
  }
  Status remove_role(Environment environment, std::string_view name) override {
    CHECK(announce(environment, {.operation = "access.forget", .target = std::string(name)}));
    return told(catalog_->remove_role(environment, name));
  }
  Result<std::vector<CustomRole>> roles(Environment environment) override { return catalog_->roles(environment); }
  Status bind(const Binding& binding) override {
    CHECK(announce(binding.environment,
                   {.operation = "access.bind", .target = binding.subject, .reason = binding.text()}));
    return told(catalog_->bind(binding));
  }
  Status unbind(const Binding& binding) override {
    CHECK(announce(binding.environment,
                   {.operation = "access.unbind", .target = binding.subject, .reason = binding.text()}));
    return told(catalog_->unbind(binding));
  }
  Result<std::vector<Binding>> bindings(Environment environment) override { return catalog_->bindings(environment); }

  Status add_revocation(const Revocation& revocation, std::string_view subject) override {
    CHECK(announce(revocation.environment, {.operation = "revocation.add",
                                            .target = revocation.value,
                                            .artifact = digest_of(revocation).text(),
                                            .reason = revocation.reason}));
    return told(catalog_->add_revocation(revocation, subject));
  }
  Result<std::vector<Revocation>> revocations(Environment environment) override {
    return catalog_->revocations(environment);
  }

  Result<std::uint64_t> change_counter() override { return catalog_->change_counter(); }

 private:
  struct Change {
    std::string_view operation;
    std::string target = {};
    std::string artifact = {};
    std::string reason = {};
  };
  Status announce(Environment environment, Change change) {
    Event event;
    event.operation = change.operation;
    event.target = std::move(change.target);
    event.artifact = std::move(change.artifact);
    event.reason = std::move(change.reason);
    return recorder_.announce(environment, std::move(event));
  }
  template <typename T>
  T told(T result) {
    if (result && recorder_.done) recorder_.done();
    return result;
  }

  std::unique_ptr<Catalog> catalog_;
  ChangeRecorder recorder_;
};

}  // namespace

std::unique_ptr<Catalog> record_before_change(std::unique_ptr<Catalog> catalog, ChangeRecorder recorder) {
  return std::make_unique<RecordedCatalog>(std::move(catalog), std::move(recorder));
}

}  // namespace hauberk::registry
