#include "net/socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace hauberk::net {

IoNeed Socket::try_read(MutableBytes out, std::size_t& count) {
  if (tls_) return tls_->read(out, count);
  const auto n = ::recv(watched_.fd(), out.data(), out.size(), 0);
  if (n > 0) {
    count = static_cast<std::size_t>(n);
    drained_ = count < out.size();
    return IoNeed::done;
  }
  if (n == 0) return IoNeed::closed;
  if (errno == EINTR) return try_read(out, count);
  return errno == EAGAIN || errno == EWOULDBLOCK ? IoNeed::read : IoNeed::failed;
}

IoNeed Socket::try_write(ByteView first, ByteView second, std::size_t& count) {
  if (tls_) return tls_->write(first.empty() ? second : first, count);
  iovec parts[2] = {{const_cast<std::uint8_t*>(first.data()), first.size()},
                    {const_cast<std::uint8_t*>(second.data()), second.size()}};
  msghdr message{};
  message.msg_iov = first.empty() ? parts + 1 : parts;
  message.msg_iovlen = first.empty() || second.empty() ? 1 : 2;
  const auto n = ::sendmsg(watched_.fd(), &message, MSG_NOSIGNAL);
  if (n >= 0) {
    count = static_cast<std::size_t>(n);
    return IoNeed::done;
  }
  if (errno == EINTR) return try_write(first, second, count);
  return errno == EAGAIN || errno == EWOULDBLOCK ? IoNeed::write : IoNeed::failed;
}

Task<Status> Socket::wait(IoNeed need, Tick deadline) {
  if (need == IoNeed::failed) co_return fail(Errc::unavailable, "the connection was reset");
  if (need == IoNeed::closed) co_return fail(Errc::unavailable, "the connection was closed");
  const auto wake = need == IoNeed::read ? co_await watched_.readable(deadline) : co_await watched_.writable(deadline);
  if (wake == Wake::timed_out) co_return fail(Errc::deadline, "the other side is too slow");
  if (wake == Wake::cancelled) co_return fail(Errc::unavailable, "the connection was given up");
  co_return Status{};
}

Task<Result<std::size_t>> Socket::read(MutableBytes out, Tick deadline) {
  while (true) {
    std::size_t count = 0;
    // After a read that did not fill its buffer there is nothing to read until the next event, unless the end was told
    // together with the last bytes.
    const bool empty = std::exchange(drained_, false) && !watched_.hung_up();
    const auto need = empty ? IoNeed::read : try_read(out, count);
    if (need == IoNeed::done) co_return count;
    if (need == IoNeed::closed) co_return std::size_t{0};
    auto waited = co_await wait(need, deadline);
    if (!waited) co_return std::unexpected(std::move(waited).error());
  }
}

Task<Status> Socket::write(ByteView first, ByteView second, Tick deadline) {
  while (!first.empty() || !second.empty()) {
    std::size_t count = 0;
    const auto need = try_write(first, second, count);
    if (need == IoNeed::done) {
      const auto of_first = std::min(count, first.size());
      first = first.subspan(of_first);
      second = second.subspan(count - of_first);
      continue;
    }
    auto waited = co_await wait(need, deadline);
    if (!waited) co_return std::unexpected(std::move(waited).error());
  }
  co_return Status{};
}

Task<Status> Socket::handshake(Tick deadline) {
  while (tls_) {
    const auto need = tls_->handshake();
    if (need == IoNeed::done) break;
    auto waited = co_await wait(need, deadline);
    if (!waited) co_return std::unexpected(std::move(waited).error());
  }
  co_return Status{};
}

void Socket::shutdown() {
  if (tls_) tls_->shutdown();
  ::shutdown(watched_.fd(), SHUT_WR);
}

Result<int> listen_on(const std::string& host, std::uint16_t port) {
  const auto addresses = TRY(resolve_host(host, port));
  const auto& address = addresses.front();
  const auto* raw = reinterpret_cast<const sockaddr*>(address.bytes.data());
  const int fd = ::socket(raw->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int yes = 1;
  if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (fd >= 0 && ::bind(fd, raw, address.size) == 0 && ::listen(fd, 4096) == 0) return fd;
  const int e = errno;
  if (fd >= 0) ::close(fd);
  const auto place = fmt::format("{}:{}", host, port);
  if (e == EADDRINUSE)
    return fail(Errc::unavailable,
                fmt::format("the address {} is in use by another program; stop it or choose another port", place));
  if (e == EACCES)
    return fail(Errc::denied, fmt::format("no permission to listen on {}; ports below 1024 need a privilege", place));
  return fail(Errc::unavailable, fmt::format("cannot listen on {}: {}", place, ::strerror(e)));
}

std::uint16_t local_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

int accept_one(int listener, std::string& peer) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int fd = ::accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -1;
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  else
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(address).sin_addr, text, sizeof text);
  peer = text;
  return fd;
}

Result<std::vector<Address>> resolve_host(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (error != 0 || list == nullptr)
    return fail(Errc::unavailable, fmt::format("the host '{}' is not known: {}", host, ::gai_strerror(error)));
  std::vector<Address> addresses;
  for (const auto* one = list; one != nullptr; one = one->ai_next) {
    auto& address = addresses.emplace_back();
    address.size = static_cast<std::uint32_t>(one->ai_addrlen);
    __builtin_memcpy(address.bytes.data(), one->ai_addr, one->ai_addrlen);
  }
  ::freeaddrinfo(list);
  return addresses;
}

Task<Result<std::unique_ptr<Socket>>> connect_to(Loop& loop, const Address& address, Tick deadline) {
  const auto* raw = reinterpret_cast<const sockaddr*>(address.bytes.data());
  const int fd = ::socket(raw->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return fail(Errc::exhausted, fmt::format("cannot make a socket: {}", ::strerror(errno)));
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const int result = ::connect(fd, raw, address.size);
  const int e = errno;
  auto socket = std::make_unique<Socket>(loop, fd, nullptr);
  if (result != 0 && e != EINPROGRESS)
    co_return fail(Errc::unavailable, fmt::format("cannot connect: {}", ::strerror(e)));
  if (result != 0) {
    const auto wake = co_await socket->watched().writable(deadline);
    if (wake == Wake::timed_out) co_return fail(Errc::deadline, "cannot connect in time");
    if (wake == Wake::cancelled) co_return fail(Errc::unavailable, "the connection was given up");
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
      co_return fail(Errc::unavailable, fmt::format("cannot connect: {}", ::strerror(error)));
  }
  co_return socket;
}

}  // namespace hauberk::net
