#include "gateway/snapshot.h"

#include <fmt/format.h>

#include <algorithm>

namespace hauberk::gateway {

void DeploymentMetrics::record(Operation operation, int status, double total, double upstream) {
  const auto row = static_cast<std::size_t>(operation);
  const auto column = static_cast<std::size_t>(std::clamp(status / 100, 0, 5));
  auto& requests = requests_[row][column];
  auto* counter = requests.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &registry_.counter("hauberk_requests_total", "Requests by deployment, operation and class of status.",
                                 {{"deployment", deployment_},
                                  {"operation", std::string(name(operation))},
                                  {"code", fmt::format("{}xx", column)}});
    requests.store(counter, std::memory_order_release);
  }
  counter->add();
  auto* seconds = seconds_.load(std::memory_order_acquire);
  if (seconds == nullptr) {
    seconds = &registry_.histogram("hauberk_request_seconds", "Time from the first byte in to the last byte out.",
                                   metrics::latency_bounds(), {{"deployment", deployment_}});
    overhead_.store(&registry_.histogram("hauberk_overhead_seconds", "The same without waiting for the engine.",
                                         metrics::latency_bounds(), {{"deployment", deployment_}}));
    seconds_.store(seconds, std::memory_order_release);
  }
  seconds->observe(total);
  overhead_.load(std::memory_order_acquire)->observe(std::max(0.0, total - upstream));
}

}  // namespace hauberk::gateway
