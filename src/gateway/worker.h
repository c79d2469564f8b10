// Worker: one thread's share of the gateway: its loop, its snapshot, its connections to upstreams. Everything in it
// belongs to that thread; what all workers share (limits, ledger, metrics, compute pool) is thread-safe by itself.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "gateway/compute.h"
#include "gateway/gateway.h"
#include "net/http_message.h"

namespace hauberk::gateway {

// Shared by all workers.
struct Shared {
  GatewayConfig config;
  Ledger& ledger;
  const Clock& clock;
  Random& random;
  metrics::Registry& metrics;
  ComputePool compute;
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> in_flight{0};
  std::atomic<bool> draining{false};
  metrics::Gauge& in_flight_gauge;
  metrics::Gauge& connections_gauge;
};

// Random numbers for ids, drawn a page at a time. One thread.
class IdSource final : public Random {
 public:
  explicit IdSource(Random& source) : source_(source) {}
  void fill(MutableBytes out) override;

 private:
  Random& source_;
  Bytes pool_;
};

// A connection to an upstream, with its reader.
struct UpstreamConnection {
  std::unique_ptr<net::Socket> socket;
  std::unique_ptr<net::MessageReader> reader;
  bool reused = false;
};

class Session;

class Worker {
 public:
  Worker(Shared& shared, std::unique_ptr<net::Loop> loop);
  ~Worker();

  net::Loop& loop() { return *loop_; }
  Shared& shared() { return shared_; }
  const std::shared_ptr<const Snapshot>& snapshot() const { return snapshot_; }
  void set_snapshot(std::shared_ptr<const Snapshot> snapshot) { snapshot_ = std::move(snapshot); }
  IdSource& ids() { return ids_; }
  std::string_view http_date();

  void accept_from(int listener);
  void enter(Session* session) { sessions_.insert(session); }
  void leave(Session* session) { sessions_.erase(session); }
  void cancel_idle();
  void cancel_all();

  // A connection that is idle in the pool or a new one, made before `limit`. `fresh`: never a pooled one.
  net::Task<Result<UpstreamConnection>> connect(const Upstream& upstream, bool fresh, Tick limit);
  void give_back(const Upstream& upstream, UpstreamConnection connection);

 private:
  net::Task<void> serve(int fd, std::string peer);

  Shared& shared_;
  std::unique_ptr<net::Loop> loop_;
  std::shared_ptr<const Snapshot> snapshot_;
  IdSource ids_;
  std::string date_;
  std::int64_t date_second_ = 0;
  std::unordered_set<Session*> sessions_;
  std::map<std::string, std::vector<UpstreamConnection>> idle_;  // by authority
};

}  // namespace hauberk::gateway
