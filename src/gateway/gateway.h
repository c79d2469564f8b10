// Gateway: listens, and serves snapshots. Made and driven by the control thread; requests run on its own workers.
// start() opens the sockets; publish() replaces what decides; drain() stops accepting, lets requests end until the
// deadline, cuts what is left, and returns when no worker runs any more. Errors of start(): unavailable, denied.
#pragma once

#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/random.h"
#include "core/ledger.h"
#include "gateway/snapshot.h"
#include "net/http_parser.h"

namespace hauberk::gateway {

struct GatewayConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string admin_host = "127.0.0.1";
  std::uint16_t admin_port = 9090;
  unsigned workers = 1;
  unsigned compute_threads = 1;
  net::HttpLimits http;
  std::uint64_t body_bytes = 16u << 20;
  std::size_t connections = 10'000;  // of all workers together
  std::size_t in_flight = 1024;      // requests of all workers together
  std::uint64_t tensor_elements = 64u << 20;
  Duration head_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(30);
  Duration idle_timeout = std::chrono::seconds(60);
  Duration total_timeout = std::chrono::seconds(600);
};

struct GatewayPorts {
  std::uint16_t gateway = 0;
  std::uint16_t admin = 0;
};

class Gateway {
 public:
  // The references must outlive the gateway.
  Gateway(const GatewayConfig& config, Ledger& ledger, const Clock& clock, Random& random, metrics::Registry& metrics);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  Result<GatewayPorts> start(const std::shared_ptr<const Snapshot>& first);
  void publish(const std::shared_ptr<const Snapshot>& snapshot);
  // Requests in flight that were cut at the deadline.
  std::size_t drain(Duration deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hauberk::gateway
