#include "net/small_server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <unordered_set>

#include "base/sync.h"
#include "net/http_message.h"
#include "net/http_status.h"

namespace hauberk::net {
namespace {

constexpr std::size_t most_connections = 64;
constexpr auto patience = std::chrono::seconds(10);

std::string written(const SmallReply& reply, bool keep_alive) {
  return fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}", reply.status,
                     status_text(reply.status), reply.content_type, reply.body.size(),
                     keep_alive ? "" : "Connection: close\r\n", reply.body);
}

}  // namespace

struct SmallServer::Impl {
  std::unique_ptr<Loop> loop;
  SmallHandler handler;
  std::size_t most_body_bytes = 0;
  int listener = -1;
  std::uint16_t port = 0;
  std::atomic<std::size_t> connections{0};
  std::unordered_set<Socket*> sockets;
  Thread thread;

  Task<void> serve(int fd) {
    ++connections;
    {
      Socket socket(*loop, fd, nullptr);
      sockets.insert(&socket);
      MessageReader reader(socket, {});
      HttpHead head;
      HttpFault fault;
      std::string storage;
      for (bool go_on = true; go_on;) {
        const auto read = co_await reader.request_head(head, fault, loop->now() + patience, patience);
        if (read != HeadRead::complete) break;
        const std::string method(head.method), path(head.target.substr(0, head.target.find('?')));
        auto body = co_await reader.whole_body(storage, most_body_bytes, loop->now() + patience);
        SmallReply reply{.status = 413, .body = "the body is too long\n"};
        if (body)
          reply = handler({method, path, *body});
        else if (body.error().code != Errc::exhausted)
          break;
        go_on = body && head.keep_alive && reader.body_done();
        const auto response = written(reply, go_on);
        const auto sent = co_await socket.write(as_bytes(response), {}, loop->now() + patience);
        go_on = go_on && sent;
      }
      sockets.erase(&socket);
    }
    --connections;
  }

  void accept() {
    std::string peer;
    for (int fd = accept_one(listener, peer); fd >= 0; fd = accept_one(listener, peer)) {
      if (connections >= most_connections)
        ::close(fd);
      else
        spawn(serve(fd));
    }
  }
};

SmallServer::SmallServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<SmallServer>> SmallServer::start(const std::string& host, std::uint16_t port, const Clock& clock,
                                                        SmallHandler handler, std::size_t most_body_bytes) {
  auto impl = std::unique_ptr<Impl>(
      new Impl{.loop = TRY(Loop::create(clock)), .handler = std::move(handler), .most_body_bytes = most_body_bytes});
  impl->listener = TRY(listen_on(host, port));
  impl->port = local_port(impl->listener);
  CHECK(impl->loop->listen(impl->listener, [raw = impl.get()] { raw->accept(); }));
  impl->thread = Thread([loop = impl->loop.get()] { loop->run(); });
  return std::unique_ptr<SmallServer>(new SmallServer(std::move(impl)));
}

SmallServer::~SmallServer() {
  impl_->loop->post([impl = impl_.get()] {
    impl->loop->stop_listening();
    for (auto* socket : impl->sockets) socket->watched().cancel();
  });
  while (impl_->connections != 0) ::usleep(1'000);
  impl_->loop->stop();
  impl_->thread.join();
  ::close(impl_->listener);
}

std::uint16_t SmallServer::port() const { return impl_->port; }

}  // namespace hauberk::net
