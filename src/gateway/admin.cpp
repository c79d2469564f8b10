#include "gateway/admin.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <unordered_set>

#include "base/sync.h"
#include "net/http_message.h"

namespace hauberk::gateway {
namespace {

constexpr std::size_t most_connections = 64;
constexpr auto patience = std::chrono::seconds(10);

}  // namespace

struct Admin::Impl {
  std::unique_ptr<net::Loop> loop;
  metrics::Registry& metrics;
  int listener = -1;
  std::uint16_t port = 0;
  std::atomic<bool> published{false};
  std::function<bool()> healthy;  // asked at each question: a ledger that cannot write makes us unready
  std::atomic<std::size_t> connections{0};
  std::unordered_set<net::Socket*> sockets;
  Thread thread;

  std::string respond(const net::HttpHead& head) const {
    const auto path = head.target.substr(0, head.target.find('?'));
    int status = 200;
    std::string_view type = "text/plain; charset=utf-8";
    std::string body;
    if (path == "/metrics") {
      type = "text/plain; version=0.0.4; charset=utf-8";
      body = metrics.prometheus_text();
    } else if (path == "/health/live") {
      body = "live\n";
    } else if (path == "/health/ready") {
      const bool ready = published && healthy();
      status = ready ? 200 : 503;
      body = ready ? "ready\n" : "not ready\n";
    } else {
      status = 404;
      body = "there is no such path\n";
    }
    if (head.method != "GET") {
      status = 405;
      body = "only GET\n";
    }
    const std::string_view text = status == 200   ? "OK"
                                  : status == 503 ? "Service Unavailable"
                                  : status == 404 ? "Not Found"
                                                  : "Method Not Allowed";
    return fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}", status, text, type,
                       body.size(), head.keep_alive ? "" : "Connection: close\r\n", body);
  }

  net::Task<void> serve(int fd) {
    ++connections;
    {
      net::Socket socket(*loop, fd, nullptr);
      sockets.insert(&socket);
      net::MessageReader reader(socket, {});
      net::HttpHead head;
      net::HttpFault fault;
      bool go_on = true;
      while (go_on) {
        const auto read = co_await reader.request_head(head, fault, loop->now() + patience, patience);
        if (read != net::HeadRead::complete) break;
        const std::string response = respond(head);
        auto sent = co_await socket.write(as_bytes(response), {}, loop->now() + patience);
        go_on = sent && head.keep_alive && reader.body_done();
      }
      sockets.erase(&socket);
    }
    --connections;
  }

  void accept() {
    std::string peer;
    for (int fd = net::accept_one(listener, peer); fd >= 0; fd = net::accept_one(listener, peer)) {
      if (connections >= most_connections)
        ::close(fd);
      else
        net::spawn(serve(fd));
    }
  }
};

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Admin>> Admin::start(const std::string& host, std::uint16_t port, const Clock& clock,
                                            metrics::Registry& metrics, std::function<bool()> healthy) {
  auto impl = std::unique_ptr<Impl>(
      new Impl{.loop = TRY(net::Loop::create(clock)), .metrics = metrics, .healthy = std::move(healthy)});
  impl->listener = TRY(net::listen_on(host, port));
  impl->port = net::local_port(impl->listener);
  CHECK(impl->loop->listen(impl->listener, [raw = impl.get()] { raw->accept(); }));
  impl->thread = Thread([loop = impl->loop.get()] { loop->run(); });
  return std::unique_ptr<Admin>(new Admin(std::move(impl)));
}

Admin::~Admin() {
  impl_->loop->post([impl = impl_.get()] {
    impl->loop->stop_listening();
    for (auto* socket : impl->sockets) socket->watched().cancel();
  });
  while (impl_->connections != 0) ::usleep(1'000);
  impl_->loop->stop();
  impl_->thread.join();
  ::close(impl_->listener);
}

void Admin::set_ready(bool ready) { impl_->published = ready; }
std::uint16_t Admin::port() const { return impl_->port; }

}  // namespace hauberk::gateway
