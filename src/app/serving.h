// Serving: from the catalogue and the configuration to a gateway's Snapshot. Everything is checked again on the way:
// state, evidence, digests. What cannot be served is told by name and left out; the rest is served. Loaded models are
// kept by their digest, so that a snapshot costs only what changed. Control thread only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/workspace.h"
#include "base/metrics.h"
#include "base/secret_resolver.h"
#include "core/engine.h"
#include "gateway/snapshot.h"

namespace hauberk::app {

struct ServingProblem {
  std::string deployment;
  Error error;
};

struct BuiltSnapshot {
  std::shared_ptr<const gateway::Snapshot> snapshot;
  std::vector<ServingProblem> problems;
};

class SnapshotBuilder {
 public:
  SnapshotBuilder(Workspace& workspace, Engine& engine, metrics::Registry& metrics, SecretResolver& secrets)
      : workspace_(workspace), engine_(engine), metrics_(metrics), secrets_(secrets) {}

  // Writes configuration that changed since the newest entry of a deployment into its history. Not undone by a
  // rollback: only a change of the file makes a new entry.
  Status apply_configuration(const config::Settings& settings, Environment environment, const Principal& principal);
  // Files of TLS that cannot be read are an error when they are asked for; while the gateway runs, what it has goes on:
  // a certificate that is away must not keep a revoked token good.
  enum class Tls { fresh, as_before };
  // An Error only where nothing can be served at all (the catalogue, the tokens, TLS).
  Result<BuiltSnapshot> build(const config::Settings& settings, Environment environment, Instant now,
                              Tls tls = Tls::fresh);

 private:
  Result<std::shared_ptr<const gateway::ServedDeployment>> serve(const config::Settings& settings,
                                                                 const Deployment& deployment);
  Result<std::shared_ptr<LoadedModel>> load(Environment environment, const DeploymentSpec& spec);

  Workspace& workspace_;
  Engine& engine_;
  metrics::Registry& metrics_;
  SecretResolver& secrets_;
  std::shared_ptr<guard::Limiter> limiter_ = std::make_shared<guard::Limiter>();
  std::map<std::string, std::shared_ptr<gateway::DeploymentMetrics>> series_;
  std::shared_ptr<net::TlsServer> tls_;  // of the newest snapshot
  std::map<Digest, std::shared_ptr<LoadedModel>> models_;
  std::map<Digest, std::shared_ptr<LoadedModel>> used_;  // by the snapshot in the making
};

}  // namespace hauberk::app
