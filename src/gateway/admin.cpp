#include "gateway/admin.h"

#include <atomic>

#include "net/small_server.h"

namespace hauberk::gateway {

struct Admin::Impl {
  metrics::Registry& metrics;
  std::function<bool()> healthy;  // asked at each question: a ledger that cannot write makes us unready
  std::atomic<bool> published{false};
  std::unique_ptr<net::SmallServer> server;  // last: it uses all of the above

  net::SmallReply respond(const net::SmallRequest& request) const {
    if (request.method != "GET") return {.status = 405, .body = "only GET\n"};
    if (request.path == "/metrics")
      return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics.prometheus_text()};
    if (request.path == "/health/live") return {.body = "live\n"};
    if (request.path == "/health/ready") {
      const bool ready = published && healthy();
      return {.status = ready ? 200 : 503, .body = ready ? "ready\n" : "not ready\n"};
    }
    return {.status = 404, .body = "there is no such path\n"};
  }
};

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Admin>> Admin::start(const std::string& host, std::uint16_t port, const Clock& clock,
                                            metrics::Registry& metrics, std::function<bool()> healthy) {
  auto impl = std::unique_ptr<Impl>(new Impl{.metrics = metrics, .healthy = std::move(healthy)});
  impl->server = TRY(net::SmallServer::start(
      host, port, clock, [raw = impl.get()](const net::SmallRequest& request) { return raw->respond(request); }));
  return std::unique_ptr<Admin>(new Admin(std::move(impl)));
}

Admin::~Admin() = default;

void Admin::set_ready(bool ready) { impl_->published = ready; }
std::uint16_t Admin::port() const { return impl_->server->port(); }

}  // namespace hauberk::gateway
