// Settings: the one configuration file as one struct. Defaults are the initialisers below; the field lists in
// settings.cpp say what is accepted and are the source of `hauberk config schema` and docs/reference/config.md. Secrets
// stand in it as references only. Values; pure; any thread.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/secret.h"
#include "base/time.h"
#include "config/yaml.h"
#include "core/fields.h"
#include "core/ledger.h"
#include "core/principal.h"

namespace hauberk::config {

struct AdminSettings {
  std::string listen = "127.0.0.1:9090";
  static const Fields<AdminSettings>& fields();
};

enum class TlsVersion { tls1_2, tls1_3 };

// Without a certificate the gateway speaks plain HTTP.
struct TlsSettings {
  std::string certificate;       // PEM file with the chain, leaf first
  std::optional<SecretRef> key;  // PEM
  TlsVersion min_version = TlsVersion::tls1_2;
  static const Fields<TlsSettings>& fields();
};

struct LimitSettings {
  std::uint32_t head_bytes = 16 << 10;
  std::uint64_t body_bytes = 32u << 20;
  std::uint32_t connections = 4096;
  Duration head_timeout = std::chrono::seconds(10);  // from the first byte to the end of the head
  Duration body_timeout = std::chrono::seconds(60);
  Duration idle_timeout = std::chrono::seconds(75);   // between requests
  Duration total_timeout = std::chrono::minutes(10);  // one request, streams included
  Duration drain = std::chrono::seconds(30);          // at shutdown
  static const Fields<LimitSettings>& fields();
  bool operator==(const LimitSettings&) const = default;
};

struct UpstreamSettings {
  std::string url;                      // http://host:port or https://…, without a path or with a prefix
  std::optional<SecretRef> credential;  // sent as a bearer token
  std::string model;                    // what the upstream calls it; empty: as in the request
  std::vector<std::string> models;      // names accepted in requests; empty: the deployment's name only
  Duration connect_timeout = std::chrono::seconds(5);
  Duration first_byte_timeout = std::chrono::seconds(120);
  Duration idle_timeout = std::chrono::seconds(60);  // between two chunks of an answer
  static const Fields<UpstreamSettings>& fields();
};

struct DeploymentSettings {
  std::string name;
  std::optional<std::string> model;      // registry name; by default the deployment's name, unless upstream is given
  std::optional<std::uint32_t> version;  // serve this one only; by default what was promoted
  std::optional<UpstreamSettings> upstream;
  json::Value guards;  // null: the list of the root
  static const Fields<DeploymentSettings>& fields();
};

struct LedgerSettings {
  WhenFull when_full = WhenFull::refuse;
  Duration sync_interval = std::chrono::milliseconds(10);
  std::uint64_t segment_bytes = 64u << 20;
  std::uint64_t checkpoint_every = 10'000;  // records
  static const Fields<LedgerSettings>& fields();
};

struct LogSettings {
  log::Level level = log::Level::info;
  log::Format format = log::Format::automatic;
  static const Fields<LogSettings>& fields();
};

enum class IsolationLayer { namespaces, landlock, seccomp };

struct IsolationSettings {
  std::vector<IsolationLayer> require{IsolationLayer::namespaces, IsolationLayer::landlock, IsolationLayer::seccomp};
  std::uint64_t memory = 1ull << 30;              // bytes, of one scan
  Duration time_limit = std::chrono::minutes(5);  // for one file
  static const Fields<IsolationSettings>& fields();
};

// Where vault: references lead. Without `url`: VAULT_ADDR. Without a way to sign in: VAULT_TOKEN.
struct VaultSettings {
  std::string url;
  std::string name_space;
  std::string authorities;
  std::optional<SecretRef> token;  // of env: or file:, as secret_id
  std::string role_id;
  std::optional<SecretRef> secret_id;
  static const Fields<VaultSettings>& fields();
};

// Where aws-sm: and aws-kms: references lead. Credentials are those of the usual chain.
struct AwsSettings {
  std::string region;
  std::string endpoint;
  std::string kms_endpoint;
  static const Fields<AwsSettings>& fields();
};

// Where the keys of one environment are wanted: "file", or a keeper's reference such as "vault:transit/hauberk-model".
struct KeyPlaces {
  std::string model = "file";
  std::string evidence = "file";
  std::string ledger = "file";
  std::string wrap = "file";
  static const Fields<KeyPlaces>& fields();
};

struct KeySettings {
  std::optional<SecretRef> passphrase;  // of env: or file:
  KeyPlaces dev;
  KeyPlaces staging;
  KeyPlaces production;
  const KeyPlaces& of(Environment environment) const;
  static const Fields<KeySettings>& fields();
};

// The security module of pkcs11: references.
struct Pkcs11Settings {
  std::string module;            // a shared library
  std::optional<SecretRef> pin;  // of env: or file:
  static const Fields<Pkcs11Settings>& fields();
};

struct Settings {
  std::string data = "hauberk-data";
  Environment environment = Environment::production;
  std::string listen = "127.0.0.1:8080";
  AdminSettings admin;
  TlsSettings tls;
  LimitSettings limits;
  json::Value guards;  // null: the default list
  std::vector<DeploymentSettings> deployments;
  LedgerSettings ledger;
  LogSettings log;
  std::uint32_t workers = 0;  // 0: one a core
  IsolationSettings isolation;
  VaultSettings vault;
  AwsSettings aws;
  KeySettings keys;
  Pkcs11Settings pkcs11;
  static const Fields<Settings>& fields();

  const DeploymentSettings* deployment(std::string_view name) const;
};

// What this layer does not know: the guards. `guards_schema` and `guards_reference` describe the list of guards.
struct Hooks {
  std::function<FieldErrors(const json::Value& guards, const std::string& pointer)> check_guards;
  std::function<json::Value()> guards_schema;
  std::function<std::string()> guards_reference;
};

// `file` is only a name, for errors; all mistakes are told at once, in the order of the file.
std::expected<Settings, std::vector<ConfigError>> load_settings(std::string_view text, std::string_view file,
                                                                const Hooks& hooks);

struct NamedReference {
  std::string pointer;  // RFC 6901, where it stands in the configuration
  SecretRef reference;
};
// Every reference to a secret that the settings hold.
std::vector<NamedReference> references(const Settings& settings);

// The settings in effect, defaults included.
json::Value show(const Settings& settings);
json::Value schema(const Hooks& hooks);
std::string reference_markdown(const Hooks& hooks);

struct HostPort {
  std::string host;  // an IPv6 address without its brackets
  std::uint16_t port = 0;
  std::string text() const;  // as parse_host_port() reads it
};
// "127.0.0.1:8080", "[::1]:8080", "localhost:0".
Result<HostPort> parse_host_port(std::string_view text);

}  // namespace hauberk::config
