// Snapshot: everything that decides about a request, built by the control thread, immutable, and replaced as a whole. A
// worker holds the one that its requests began with until they end. What counts (limits, metrics) lies outside of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/secret.h"
#include "core/engine.h"
#include "core/token_table.h"
#include "guard/chain.h"
#include "net/socket.h"
#include "net/tls.h"

namespace hauberk::gateway {

// A server of somebody else's, behind a deployment.
struct Upstream {
  std::string host;
  std::uint16_t port = 0;
  std::string authority;                     // for the Host header
  std::string base_path;                     // before /v1/…; empty or "/something"
  std::string model;                         // its name for the model; empty: the deployment's
  std::shared_ptr<const Secret> credential;  // sent as Bearer; null: none
  std::shared_ptr<net::TlsClient> tls;       // null: plain
  std::vector<net::Address> addresses;       // as resolved when the snapshot was built
  Duration connect_timeout = std::chrono::seconds(5);
  Duration first_byte_timeout = std::chrono::seconds(120);
  Duration idle_timeout = std::chrono::seconds(60);
  std::uint64_t max_response_bytes = 64u << 20;
};

// Series are looked up once and then counted without a lock.
class DeploymentMetrics {
 public:
  DeploymentMetrics(metrics::Registry& registry, std::string deployment)
      : registry_(registry), deployment_(std::move(deployment)) {}
  // Seconds; `upstream` of them were spent waiting for the engine.
  void record(Operation operation, int status, double total, double upstream);

 private:
  static constexpr std::size_t operations = 16, classes = 6;
  metrics::Registry& registry_;
  const std::string deployment_;
  std::atomic<metrics::Counter*> requests_[operations][classes] = {};
  std::atomic<metrics::Histogram*> seconds_{nullptr};
  std::atomic<metrics::Histogram*> overhead_{nullptr};
};

struct ServedDeployment {
  std::string name;
  std::uint64_t entry = 0;
  std::string artifact;                // digest text; empty for an upstream
  std::string version;                 // "3"; "1" for an upstream
  std::shared_ptr<LoadedModel> model;  // one of the two
  std::shared_ptr<const Upstream> upstream;
  guard::Chain chain;
  std::shared_ptr<DeploymentMetrics> metrics;
};

struct Snapshot {
  Environment environment = Environment::dev;
  std::shared_ptr<const TokenTable> tokens;
  guard::Chain front;       // for requests that name no deployment: authn and authz
  bool any_public = false;  // some deployment lets callers in without a token
  std::map<std::string, std::shared_ptr<const ServedDeployment>, std::less<>> deployments;
  std::shared_ptr<net::TlsServer> tls;  // null: plain HTTP
  bool ready = false;                   // everything that is configured is served
  std::int64_t built_unix_seconds = 0;

  const ServedDeployment* find(std::string_view name) const {
    const auto found = deployments.find(name);
    return found == deployments.end() ? nullptr : found->second.get();
  }
};

}  // namespace hauberk::gateway
