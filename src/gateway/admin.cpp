#include "gateway/admin.h"

#include <atomic>

#include "net/small_server.h"

namespace hauberk::gateway {

struct Admin::Impl {
  metrics::Registry& metrics;
  std::function<bool()> healthy;  // asked at each question: a ledger that cannot write makes us unready
  std::atomic<bool> published{false};
  std::unique_ptr<net::SmallServer> server;  // last: it uses all of the above

  net::SmallReply metrics_text() const {
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics.prometheus_text()};
  }
  net::SmallReply live() const { return {.body = "live\n"}; }
  net::SmallReply ready() const {
    const bool is = published && healthy();
    return {.status = is ? 200 : 503, .body = is ? "ready\n" : "not ready\n"};
  }

  struct Row {
    std::string_view path;
    Access access;
    net::SmallReply (Impl::*answer)() const;
  };
  static const Row table[3];

  net::SmallReply respond(const net::SmallRequest& request) const {
    if (request.method != "GET") return {.status = 405, .body = "only GET\n"};
    for (const auto& route : table)
      if (route.path == request.path) return (this->*route.answer)();
    return {.status = 404, .body = "there is no such path\n"};
  }
};

const Admin::Impl::Row Admin::Impl::table[] = {
    {"/metrics", Access::anybody("who reaches the admin address: counters, no payloads, no secrets"),
     &Impl::metrics_text},
    {"/health/live", Access::anybody("who reaches the admin address"), &Impl::live},
    {"/health/ready", Access::anybody("who reaches the admin address"), &Impl::ready}};

std::vector<AdminRoute> admin_routes() {
  std::vector<AdminRoute> routes;
  for (const auto& row : Admin::Impl::table) routes.push_back({row.path, row.access});
  return routes;
}

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
