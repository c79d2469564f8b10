// Secret: bytes that must not leak. It wipes itself, moves but does not copy, and has no ==, no print, no JSON. Reading
// needs a SecretAccess, whose constructor is private to the short list below: an audit is one grep for SecretAccess.
// SecretRef says where a secret is, never what it is; only references stand in configuration.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hauberk {

namespace crypto {
struct KeyMaterial;
}  // namespace crypto
namespace adapters {
struct KeyFile;
}  // namespace adapters
namespace net {
struct TlsIdentity;
struct AwsKey;
struct ServiceSecret;
struct SecretHeader;
}  // namespace net
namespace gateway {
struct UpstreamCredential;
}  // namespace gateway
namespace app {
struct TokenDisplay;
}  // namespace app

class SecretAccess {
 private:
  SecretAccess() = default;
  friend struct crypto::KeyMaterial;
  friend struct adapters::KeyFile;
  friend struct net::TlsIdentity;
  friend struct net::AwsKey;
  friend struct net::ServiceSecret;
  friend struct net::SecretHeader;
  friend struct gateway::UpstreamCredential;
  friend struct app::TokenDisplay;
};

class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes value) : value_(std::move(value)) {}
  explicit Secret(std::string_view text) : value_(to_bytes(text)) {}
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  bool operator==(const Secret&) const = delete;
  ~Secret() { wipe(); }

  ByteView reveal(SecretAccess) const { return value_; }
  std::string_view reveal_text(SecretAccess) const { return as_text(value_); }
  bool empty() const { return value_.empty(); }
  std::size_t size() const { return value_.size(); }
  bool same_as(const Secret& other) const { return equal_constant_time(value_, other.value_); }
  Secret clone(SecretAccess) const { return Secret(Bytes(value_)); }

 private:
  void wipe() noexcept;
  Bytes value_;
};

// "env:NAME", "file:/run/secrets/x"; "vault:PATH#KEY", "aws-sm:NAME#KEY" and "pkcs11:token=T;object=O" need a
// SecretResolver with a source for them.
struct SecretRef {
  std::string scheme;
  std::string place;

  static Result<SecretRef> parse(std::string_view text);
  std::string text() const { return scheme + ":" + place; }
  bool operator==(const SecretRef&) const = default;
};

// Reads a secret of env: or file: now; unsupported for the others.
// The only place that reads the environment. A final newline of a file is dropped; a file that
// group or others may read is refused with the chmod that mends it.
Result<Secret> resolve(const SecretRef& reference);

// Is the variable there, though it may be empty?
bool environment_has(const char* name);

// What is no secret: addresses, regions, names of profiles. Empty and missing are the same.
std::optional<std::string> environment_variable(const char* name);

}  // namespace hauberk
