// SmallServer: a listener for few and short questions (metrics, health, a log's witness), on a thread and a loop of its
// own. At most 64 connections, bodies up to a limit, plain HTTP: it belongs on loopback or a private network. The
// handler runs on the server's thread, one question at a time, and must not block for long. Thread safety: start and
// destruction by one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace hauberk::net {

struct SmallRequest {
  std::string_view method;
  std::string_view path;  // without the query
  std::string_view body;
};
struct SmallReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};
using SmallHandler = std::function<SmallReply(const SmallRequest&)>;

class SmallServer {
 public:
  static Result<std::unique_ptr<SmallServer>> start(const std::string& host, std::uint16_t port, const Clock& clock,
                                                    SmallHandler handler, std::size_t most_body_bytes = 0);
  ~SmallServer();  // stops and joins
  std::uint16_t port() const;

 private:
  struct Impl;
  explicit SmallServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hauberk::net
