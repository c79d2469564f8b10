#include "net/tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

namespace hauberk::net {
namespace {

struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, ContextDeleter>;

SSL* of(TlsHandle* handle) { return reinterpret_cast<SSL*>(handle); }

std::string library_reason() {
  const auto code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason != nullptr ? reason : "unknown reason";
}

IoNeed need_of(SSL* ssl, int result) {
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return IoNeed::read;
    case SSL_ERROR_WANT_WRITE:
      return IoNeed::write;
    case SSL_ERROR_ZERO_RETURN:
      return IoNeed::closed;
    default:
      ERR_clear_error();
      return IoNeed::failed;
  }
}

void common_options(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}

constexpr unsigned char http11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, http11, sizeof http11, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

TlsSession::~TlsSession() { SSL_free(of(handle_)); }

IoNeed TlsSession::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(of(handle_));
  return result == 1 ? IoNeed::done : need_of(of(handle_), result);
}

IoNeed TlsSession::read(MutableBytes out, std::size_t& count) {
  ERR_clear_error();
  const int result = SSL_read_ex(of(handle_), out.data(), out.size(), &count);
  return result == 1 ? IoNeed::done : need_of(of(handle_), result);
}

IoNeed TlsSession::write(ByteView bytes, std::size_t& count) {
  ERR_clear_error();
  const int result = SSL_write_ex(of(handle_), bytes.data(), bytes.size(), &count);
  return result == 1 ? IoNeed::done : need_of(of(handle_), result);
}

void TlsSession::shutdown() {
  ERR_clear_error();
  (void)SSL_shutdown(of(handle_));
}

struct TlsServer::Impl {
  Context context;
};
TlsServer::TlsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsServer::~TlsServer() = default;

Result<std::shared_ptr<TlsServer>> TlsServer::create(const Options& options) {
  struct stat info{};
  if (::stat(options.key.c_str(), &info) != 0)
    return fail(Errc::not_found, "cannot read the TLS key: check tls.key", options.key);
  if ((info.st_mode & 077) != 0)
    return fail(
        Errc::denied,
        fmt::format("others may read the TLS key (mode {:04o}); run: chmod 600 {}", info.st_mode & 07777, options.key),
        options.key);
  Context context(SSL_CTX_new(TLS_server_method()));
  if (!context) return fail(Errc::internal, "the TLS library gives no context");
  common_options(context.get());
  if (options.tls13_only) SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  // Forward secrecy and authenticated encryption only.
  SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), options.certificate.c_str()) != 1)
    return fail(
        Errc::invalid,
        fmt::format("cannot load the TLS certificate ({}): tls.certificate must be a PEM chain", library_reason()),
        options.certificate);
  if (SSL_CTX_use_PrivateKey_file(context.get(), options.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail(
        Errc::invalid,
        fmt::format("cannot load the TLS key ({}): tls.key must be the PEM key of tls.certificate", library_reason()),
        options.key);
  if (SSL_CTX_check_private_key(context.get()) != 1)
    return fail(Errc::invalid, "the TLS key does not belong to the certificate", options.key);
  return std::shared_ptr<TlsServer>(new TlsServer(std::make_unique<Impl>(std::move(context))));
}

std::unique_ptr<TlsSession> TlsServer::session(int fd) const {
  SSL* ssl = SSL_new(impl_->context.get());
  if (ssl == nullptr || SSL_set_fd(ssl, fd) != 1) {
    SSL_free(ssl);
    return nullptr;
  }
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsSession>(reinterpret_cast<TlsHandle*>(ssl));
}

struct TlsClient::Impl {
  Context context;
};
TlsClient::TlsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsClient::~TlsClient() = default;

Result<std::shared_ptr<TlsClient>> TlsClient::create(const std::string& ca_file) {
  Context context(SSL_CTX_new(TLS_client_method()));
  if (!context) return fail(Errc::internal, "the TLS library gives no context");
  common_options(context.get());
  const int trusted = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                                      : SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr);
  if (trusted != 1)
    return fail(Errc::invalid, fmt::format("cannot load the certificates to trust ({})", library_reason()), ca_file);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return std::shared_ptr<TlsClient>(new TlsClient(std::make_unique<Impl>(std::move(context))));
}

std::unique_ptr<TlsSession> TlsClient::session(int fd, const std::string& host) const {
  SSL* ssl = SSL_new(impl_->context.get());
  if (ssl == nullptr || SSL_set_fd(ssl, fd) != 1) {
    SSL_free(ssl);
    return nullptr;
  }
  SSL_set_connect_state(ssl);
  std::uint8_t address[16];
  const bool is_address =
      ::inet_pton(AF_INET, host.c_str(), address) == 1 || ::inet_pton(AF_INET6, host.c_str(), address) == 1;
  const int named =
      is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) : SSL_set1_host(ssl, host.c_str());
  if (!is_address) SSL_set_tlsext_host_name(ssl, host.c_str());
  if (named != 1) {
    SSL_free(ssl);
    return nullptr;
  }
  return std::make_unique<TlsSession>(reinterpret_cast<TlsHandle*>(ssl));
}

}  // namespace hauberk::net
