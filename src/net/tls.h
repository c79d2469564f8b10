// TLS 1.2 and 1.3 by OpenSSL. A TlsServer holds certificate and key, a TlsClient the trust store; both are immutable
// and shared by connections of any worker, so that a reload is a new object. TlsSession is one connection's state over
// a socket that does not block. Errors say which file and what to do. Thread safety: contexts any thread, sessions one.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace hauberk::net {

// The TLS library's own name for a connection, kept out of this header.
struct TlsHandle;

enum class IoNeed { done, read, write, closed, failed };

class TlsSession {
 public:
  explicit TlsSession(TlsHandle* handle) : handle_(handle) {}
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  IoNeed handshake();
  IoNeed read(MutableBytes out, std::size_t& count);
  IoNeed write(ByteView bytes, std::size_t& count);
  void shutdown();  // says goodbye, does not wait for an answer

 private:
  TlsHandle* handle_;
};

class TlsServer {
 public:
  struct Options {
    std::string certificate;  // PEM chain
    std::string key;          // PEM, mode 0600
    bool tls13_only = false;
  };
  static Result<std::shared_ptr<TlsServer>> create(const Options& options);
  ~TlsServer();
  std::unique_ptr<TlsSession> session(int fd) const;

 private:
  struct Impl;
  explicit TlsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class TlsClient {
 public:
  // `ca_file`: PEM; empty for the system's trust store.
  static Result<std::shared_ptr<TlsClient>> create(const std::string& ca_file);
  ~TlsClient();
  // Verifies the chain and the host's name.
  std::unique_ptr<TlsSession> session(int fd, const std::string& host) const;

 private:
  struct Impl;
  explicit TlsClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hauberk::net
