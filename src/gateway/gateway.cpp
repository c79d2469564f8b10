#include "gateway/gateway.h"

#include <fmt/format.h>
#include <unistd.h>

#include <latch>
#include <vector>

#include "base/log.h"
#include "base/sync.h"
#include "gateway/admin.h"
#include "gateway/worker.h"

namespace hauberk::gateway {

struct Gateway::Impl {
  Shared shared;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<Thread> threads;
  std::unique_ptr<Admin> admin;
  int listener = -1;
};

Gateway::Gateway(const GatewayConfig& config, Ledger& ledger, const Clock& clock, Random& random,
                 metrics::Registry& metrics)
    : impl_(
          new Impl{.shared = {.config = config,
                              .ledger = ledger,
                              .clock = clock,
                              .random = random,
                              .metrics = metrics,
                              .compute = ComputePool(std::max(1u, config.compute_threads), 256),
                              .in_flight_gauge = metrics.gauge("hauberk_inflight_requests", "Requests in flight."),
                              .connections_gauge = metrics.gauge("hauberk_connections", "Open client connections.")}}) {
}

Gateway::~Gateway() {
  if (!impl_->threads.empty()) (void)drain(Duration(0));
}

Result<GatewayPorts> Gateway::start(const std::shared_ptr<const Snapshot>& first) {
  auto& impl = *impl_;
  const auto& config = impl.shared.config;
  impl.listener = TRY(net::listen_on(config.host, config.port));
  auto admin = Admin::start(config.admin_host, config.admin_port, impl.shared.clock, impl.shared.metrics,
                            [&ledger = impl.shared.ledger] { return ledger.healthy(); });
  if (!admin) {
    ::close(std::exchange(impl.listener, -1));
    return std::unexpected(std::move(admin).error());
  }
  impl.admin = std::move(*admin);
  impl.admin->set_ready(first->ready);
  for (unsigned i = 0; i < std::max(1u, config.workers); ++i) {
    auto& worker =
        *impl.workers.emplace_back(std::make_unique<Worker>(impl.shared, TRY(net::Loop::create(impl.shared.clock))));
    worker.set_snapshot(first);
    CHECK(worker.loop().listen(impl.listener, [&worker, listener = impl.listener] { worker.accept_from(listener); }));
  }
  for (auto& worker : impl.workers) impl.threads.emplace_back([loop = &worker->loop()] { loop->run(); });
  return GatewayPorts{net::local_port(impl.listener), impl.admin->port()};
}

void Gateway::publish(const std::shared_ptr<const Snapshot>& snapshot) {
  impl_->admin->set_ready(snapshot->ready);
  for (auto& worker : impl_->workers)
    worker->loop().post([worker = worker.get(), snapshot] { worker->set_snapshot(snapshot); });
}

std::size_t Gateway::drain(Duration deadline) {
  auto& impl = *impl_;
  auto& shared = impl.shared;
  impl.admin->set_ready(false);
  shared.draining = true;
  std::latch stopped(static_cast<std::ptrdiff_t>(impl.workers.size()));
  for (auto& worker : impl.workers)
    worker->loop().post([&stopped, worker = worker.get()] {
      worker->loop().stop_listening();
      worker->cancel_idle();
      stopped.count_down();
    });
  stopped.wait();
  ::close(std::exchange(impl.listener, -1));

  const Tick until = shared.clock.tick() + deadline;
  const auto pause = [] { ::usleep(10'000); };
  while (shared.connections.load() != 0 && shared.clock.tick() < until) pause();
  const std::size_t cut = shared.connections.load();
  // Whoever is left is cut; then it is a matter of microseconds, but for work inside the engine, which cannot be
  // stopped.
  while (shared.connections.load() != 0) {
    for (auto& worker : impl.workers) worker->loop().post([worker = worker.get()] { worker->cancel_all(); });
    pause();
  }
  for (auto& worker : impl.workers) worker->loop().stop();
  impl.threads.clear();
  impl.workers.clear();
  impl.admin.reset();
  return cut;
}

}  // namespace hauberk::gateway
