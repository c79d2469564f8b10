#include "gateway/worker.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "gateway/session.h"

namespace hauberk::gateway {
namespace {

constexpr std::size_t idle_connections_per_upstream = 64;

constexpr std::string_view weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

}  // namespace

void IdSource::fill(MutableBytes out) {
  if (pool_.size() < out.size()) pool_ = source_.bytes(4096 + out.size());
  std::copy(pool_.end() - static_cast<std::ptrdiff_t>(out.size()), pool_.end(), out.begin());
  pool_.resize(pool_.size() - out.size());
}

Worker::Worker(Shared& shared, std::unique_ptr<net::Loop> loop)
    : shared_(shared), loop_(std::move(loop)), ids_(shared.random) {}
Worker::~Worker() { idle_.clear(); }

// IMF-fixdate (RFC 9110, section 5.6.7), made once a second.
std::string_view Worker::http_date() {
  const auto now = std::chrono::floor<std::chrono::seconds>(shared_.clock.now());
  if (const auto second = now.time_since_epoch().count(); second != date_second_ || date_.empty()) {
    date_second_ = second;
    const auto day = std::chrono::floor<std::chrono::days>(now);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(now - day);
    date_ = fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", weekdays[std::chrono::weekday(day).c_encoding()],
                        static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
                        static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                        time.seconds().count());
  }
  return date_;
}

void Worker::accept_from(int listener) {
  // A few at a time: the other workers want some, too.
  for (int i = 0; i < 16; ++i) {
    std::string peer;
    const int fd = net::accept_one(listener, peer);
    if (fd < 0) return;
    if (shared_.connections.load(std::memory_order_relaxed) >= shared_.config.connections ||
        shared_.draining.load(std::memory_order_relaxed)) {
      ::close(fd);
      log::warning("a connection was refused",
                   {{"reason", "too many connections"}, {"limit", std::to_string(shared_.config.connections)}});
      continue;
    }
    net::spawn(serve(fd, std::move(peer)));
  }
}

net::Task<void> Worker::serve(int fd, std::string peer) {
  shared_.connections_gauge.set(static_cast<std::int64_t>(++shared_.connections));
  {
    const auto tls = snapshot_->tls;
    auto state = tls ? tls->session(fd) : nullptr;
    net::Socket socket(*loop_, fd, std::move(state));
    Status ready;
    if (tls) ready = co_await socket.handshake(loop_->now() + shared_.config.head_timeout);
    if (ready) {
      Session session(*this, socket, std::move(peer));
      co_await session.run();
      socket.shutdown();
    }
  }
  shared_.connections_gauge.set(static_cast<std::int64_t>(--shared_.connections));
}

void Worker::cancel_idle() {
  for (auto* session : sessions_)
    if (session->idle()) session->cancel();
}

void Worker::cancel_all() {
  for (auto* session : sessions_) session->cancel();
}

net::Task<Result<UpstreamConnection>> Worker::connect(const Upstream& upstream, bool fresh, Tick limit) {
  auto& pool = idle_[upstream.authority];
  while (!fresh && !pool.empty()) {
    auto connection = std::move(pool.back());
    pool.pop_back();
    if (connection.socket->watched().hung_up()) continue;
    connection.reused = true;
    co_return connection;
  }
  Error last{Errc::unavailable, "the upstream's host has no address", {}};
  const Tick until = std::min(loop_->now() + upstream.connect_timeout, limit);
  for (const auto& address : upstream.addresses) {
    auto socket = co_await net::connect_to(*loop_, address, until);
    if (socket && upstream.tls) {
      auto tls = upstream.tls->session((*socket)->watched().fd(), upstream.host);
      if (!tls) co_return fail(Errc::internal, "the TLS library gives no session");
      (*socket)->start_tls(std::move(tls));
      auto shaken = co_await (*socket)->handshake(until);
      if (!shaken) socket = std::unexpected(std::move(shaken).error().in("TLS handshake with the upstream"));
    }
    if (!socket) {
      last = std::move(socket).error();
      continue;
    }
    UpstreamConnection connection{.socket = std::move(*socket)};
    connection.reader = std::make_unique<net::MessageReader>(*connection.socket, shared_.config.http);
    co_return connection;
  }
  co_return std::unexpected(std::move(last));
}

void Worker::give_back(const Upstream& upstream, UpstreamConnection connection) {
  auto& pool = idle_[upstream.authority];
  if (pool.size() < idle_connections_per_upstream) pool.push_back(std::move(connection));
}

}  // namespace hauberk::gateway
