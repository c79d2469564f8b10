// Socket: a TCP connection, plain or under TLS, whose reads and writes are awaited with a deadline. Reads and writes
// that can go on at once cost one system call and no coroutine. One thread; one reader or writer at a time.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "net/loop.h"
#include "net/task.h"
#include "net/tls.h"

namespace hauberk::net {

class Socket {
 public:
  Socket(Loop& loop, int fd, std::unique_ptr<TlsSession> tls) : watched_(loop, fd), tls_(std::move(tls)) {}

  // 0 at the end of the stream. Errors: deadline, unavailable (reset, cancelled).
  Task<Result<std::size_t>> read(MutableBytes out, Tick deadline);
  // All of both, in one system call where the kernel takes them.
  Task<Status> write(ByteView first, ByteView second, Tick deadline);
  Task<Status> handshake(Tick deadline);
  // From now on under TLS; a handshake must follow.
  void start_tls(std::unique_ptr<TlsSession> tls) { tls_ = std::move(tls); }
  void shutdown();

  // What a read or write can do without waiting; IoNeed says what to wait for otherwise.
  IoNeed try_read(MutableBytes out, std::size_t& count);
  IoNeed try_write(ByteView first, ByteView second, std::size_t& count);
  Watched& watched() { return watched_; }

 private:
  Task<Status> wait(IoNeed need, Tick deadline);
  Watched watched_;
  std::unique_ptr<TlsSession> tls_;
  bool drained_ = false;  // the last read left nothing behind
};

// A listening socket that does not block. `port` 0: any; see local_port(). Errors say which address and why.
Result<int> listen_on(const std::string& host, std::uint16_t port);
std::uint16_t local_port(int fd);
// The next connection, without blocking; -1 if there is none. `peer` gets the address as text.
int accept_one(int listener, std::string& peer);

struct Address {
  std::array<std::uint8_t, 128> bytes{};  // a sockaddr
  std::uint32_t size = 0;
};
// Blocks where the host is a name; call it on a thread that may.
Result<std::vector<Address>> resolve_host(const std::string& host, std::uint16_t port);
Task<Result<std::unique_ptr<Socket>>> connect_to(Loop& loop, const Address& address, Tick deadline);

}  // namespace hauberk::net
