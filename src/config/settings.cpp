#include "config/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "core/artifact.h"

namespace hauberk::config {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

void check_listen(const std::string& listen, const FieldPlace& place) {
  if (auto parsed = parse_host_port(listen); !parsed) place.fail(std::move(parsed).error().message);
}

// http or https, a host, perhaps a port and a path; no user, no query: credentials have a field of their own.
void check_url(const std::string& url, const FieldPlace& place) {
  std::string_view rest = url;
  if (rest.starts_with("https://"))
    rest.remove_prefix(8);
  else if (rest.starts_with("http://"))
    rest.remove_prefix(7);
  else
    return place.fail("expected an address such as http://127.0.0.1:8000 or https://models.example.com/v1");
  const auto host = rest.substr(0, rest.find('/'));
  if (host.empty()) return place.fail("the address names no host");
  if (url.find_first_of("?#@ \t\\\"<>") != std::string::npos ||
      std::ranges::any_of(url, [](char c) { return c < 0x20 || c == 0x7f; }))
    return place.fail("an address without user, password, query and spaces is expected; a key goes into `credential`");
  if (const auto colon = host.rfind(':'); colon != std::string_view::npos && !host.ends_with(']'))
    if (!parse_host_port(host)) place.fail("the port of the address is not a number from 0 to 65535");
}

// What opens a keeper of secrets cannot lie in it.
void check_local(const std::optional<SecretRef>& reference, const FieldPlace& place) {
  if (reference && reference->scheme != "env" && reference->scheme != "file")
    place.fail("expected a reference of env: or file:, because it is needed to reach the others");
}

// "file", or the reference of a keeper that can do what the purpose needs. The place itself is the keeper's to judge.
void check_key_place(const std::string& place, std::string_view purpose, const FieldPlace& field) {
  if (place == "file") return;
  const auto scheme = std::string_view(place).substr(0, place.find(':'));
  const bool known = scheme == "vault" || scheme == "aws-kms" || scheme == "pkcs11";
  if (!known || scheme.size() + 1 >= place.size())
    return field.fail(
        "expected file, vault:MOUNT/NAME, aws-kms:alias/NAME or pkcs11:token=LABEL;object=LABEL, where the key is");
  if (place.contains("pin-value=") || place.contains("pin-source="))
    return field.fail("a PIN does not belong here: say in pkcs11.pin where it is");
  if (std::ranges::any_of(place, [](char c) { return c <= 0x20 || c >= 0x7f; }))
    return field.fail("expected a reference without spaces and other signs than those of ASCII");
  if (purpose == "ledger" && scheme == "aws-kms")
    field.fail(
        "the ledger is signed by Ed25519, which is not offered over AWS KMS: keep its key in a file, in Vault or in a "
        "security module");
}

void check_deployment(const DeploymentSettings& deployment, const FieldPlace& place) {
  if (auto named = check_name(deployment.name); !named) place.at("name").fail(std::move(named).error().message);
  if (deployment.model)
    if (auto named = check_name(*deployment.model); !named) place.at("model").fail(std::move(named).error().message);
  if (deployment.upstream && (deployment.model || deployment.version))
    place.at("upstream")
        .fail(
            "a deployment serves either a model of the registry or an upstream: remove `upstream`, or `model` and "
            "`version`");
}

void check_settings(const Settings& settings, const FieldPlace& place) {
  check_listen(settings.listen, place.at("listen"));
  if (settings.listen == settings.admin.listen && !settings.listen.ends_with(":0"))
    place.at("admin").at("listen").fail(
        "the admin listener needs an address of its own; metrics and health are not for everybody");
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < settings.deployments.size(); ++i)
    if (!names.insert(settings.deployments[i].name).second)
      place.at("deployments")
          .at(std::to_string(i))
          .at("name")
          .fail(fmt::format("a second deployment is named '{}'", settings.deployments[i].name));
}

// By the field lists themselves, so that no field can be forgotten.
void collect_references(const FieldType& type, const json::Value& value, const std::string& pointer,
                        std::vector<NamedReference>& out) {
  if (type.kind == FieldKind::secret && value.is_string()) {
    if (auto reference = SecretRef::parse(*value.as_string())) out.push_back({pointer, std::move(*reference)});
  } else if (type.kind == FieldKind::section) {
    for (const auto& field : type.section->fields())
      if (const auto* member = value.find(field.name); member != nullptr)
        collect_references(field.type, *member, child_pointer(pointer, field.name), out);
  } else if (type.kind == FieldKind::list && value.is_array()) {
    for (std::size_t i = 0; i < value.as_array()->size(); ++i)
      collect_references(*type.item, (*value.as_array())[i], child_pointer(pointer, i), out);
  }
}

// Keys and tokens themselves, wherever they stand: fields of plain text would take them and show them again.
void check_no_secret(const json::Value& value, const std::string& pointer, FieldErrors& errors) {
  constexpr std::size_t least_token = 60;
  if (const auto* text = value.as_string()) {
    if (text->contains("PRIVATE KEY") || (text->size() >= least_token && text->contains("hbk_"))) {
      std::erase_if(errors, [&](const FieldError& other) { return other.pointer == pointer; });
      errors.push_back({pointer,
                        "this is a secret, which does not belong into the configuration: put it where only its reader "
                        "can see it, and end it if others saw this file",
                        ""});
    }
  } else if (const auto* items = value.as_array()) {
    for (std::size_t i = 0; i < items->size(); ++i) check_no_secret((*items)[i], child_pointer(pointer, i), errors);
  } else if (const auto* members = value.as_object()) {
    for (const auto& [key, member] : *members) check_no_secret(member, child_pointer(pointer, key), errors);
  }
}

FieldErrors check_guards(const json::Value& document, const Hooks& hooks) {
  FieldErrors errors;
  const auto check = [&](const json::Value& holder, const std::string& pointer) {
    const auto* guards = holder.find("guards");
    if (guards == nullptr || !hooks.check_guards) return;
    const auto found = hooks.check_guards(*guards, pointer);
    errors.insert(errors.end(), found.begin(), found.end());
  };
  check(document, "/guards");
  if (const auto* deployments = document.find("deployments"); deployments != nullptr && deployments->is_array())
    for (std::size_t i = 0; i < deployments->as_array()->size(); ++i)
      check((*deployments->as_array())[i], fmt::format("/deployments/{}/guards", i));
  return errors;
}

}  // namespace

const Fields<AdminSettings>& AdminSettings::fields() {
  static const Fields<AdminSettings> list =
      Fields<AdminSettings>{
          field("listen", &AdminSettings::listen, "address of /metrics and /health; keep it away from clients"),
      }
          .with_check([](const AdminSettings& admin, const FieldPlace& place) {
            check_listen(admin.listen, place.at("listen"));
          });
  return list;
}

const Fields<TlsSettings>& TlsSettings::fields() {
  static const Fields<TlsSettings> list =
      Fields<TlsSettings>{
          field(
              "certificate", &TlsSettings::certificate,
              "PEM file with the certificate chain, the server's own first; without it the gateway speaks plain HTTP"),
          field("key", &TlsSettings::key, "where the private key (PEM) of the certificate is"),
          field("min_version", &TlsSettings::min_version,
                choices<TlsVersion>({{"1.2", TlsVersion::tls1_2}, {"1.3", TlsVersion::tls1_3}}),
                "the oldest version of TLS that is spoken"),
      }
          .with_check([](const TlsSettings& tls, const FieldPlace& place) {
            if (tls.certificate.empty() != !tls.key.has_value())
              place.fail("certificate and key belong together: one of them is missing");
          });
  return list;
}

const Fields<LimitSettings>& LimitSettings::fields() {
  static const Fields<LimitSettings> list{
      field("head_bytes", &LimitSettings::head_bytes, range(1024, 1 << 20), "request line and headers of a request"),
      field("body_bytes", &LimitSettings::body_bytes, range(1024, std::int64_t{1} << 34), "body of a request"),
      field("connections", &LimitSettings::connections, range(1, 1'000'000),
            "open connections of all workers together"),
      field("head_timeout", &LimitSettings::head_timeout, range(milliseconds(100), minutes(10)),
            "from a request's first byte to the end of its head"),
      field("body_timeout", &LimitSettings::body_timeout, range(milliseconds(100), hours(1)), "for the body to arrive"),
      field("idle_timeout", &LimitSettings::idle_timeout, range(milliseconds(100), hours(1)),
            "a connection without a request is closed then"),
      field("total_timeout", &LimitSettings::total_timeout, range(milliseconds(100), hours(24)),
            "for a whole request, streams included"),
      field("drain", &LimitSettings::drain, range(milliseconds(0), hours(1)),
            "how long requests in flight may take to end at shutdown"),
  };
  return list;
}

const Fields<UpstreamSettings>& UpstreamSettings::fields() {
  static const Fields<UpstreamSettings> list =
      Fields<UpstreamSettings>{
          field("url", &UpstreamSettings::url, required,
                "server that speaks the OpenAI API, such as http://127.0.0.1:8000; a path is put before /v1/…"),
          field("credential", &UpstreamSettings::credential,
                "where the key is that the gateway sends to the upstream as a bearer token; clients never see it"),
          field("model", &UpstreamSettings::model, length(0, 256),
                "name under which the upstream knows the model; if empty, the name in the request"),
          field("models", &UpstreamSettings::models, length(0, 1000),
                "model names accepted in requests; if empty, the deployment's name"),
          field("connect_timeout", &UpstreamSettings::connect_timeout, range(milliseconds(10), minutes(5)),
                "to connect to the upstream"),
          field("first_byte_timeout", &UpstreamSettings::first_byte_timeout, range(milliseconds(10), hours(1)),
                "until the upstream begins to answer"),
          field("idle_timeout", &UpstreamSettings::idle_timeout, range(milliseconds(10), hours(1)),
                "between two pieces of an answer"),
      }
          .with_check([](const UpstreamSettings& upstream, const FieldPlace& place) {
            check_url(upstream.url, place.at("url"));
          });
  return list;
}

const Fields<DeploymentSettings>& DeploymentSettings::fields() {
  static const Fields<DeploymentSettings> list =
      Fields<DeploymentSettings>{
          field("name", &DeploymentSettings::name, required, "name under which clients find it"),
          field("model", &DeploymentSettings::model,
                "name of the model in the registry; by default the name of the deployment"),
          field("version", &DeploymentSettings::version, range(1, 1'000'000'000),
                "serve this version only; by default what was promoted to the environment"),
          field("upstream", &DeploymentSettings::upstream,
                "a server to put the guards in front of, instead of a model of the registry"),
          field("guards", &DeploymentSettings::guards,
                "the guards of this deployment, in order; by default those of the root"),
      }
          .with_check(check_deployment);
  return list;
}

const Fields<LedgerSettings>& LedgerSettings::fields() {
  static const Fields<LedgerSettings> list{
      field("when_full", &LedgerSettings::when_full,
            choices<WhenFull>({{"refuse", WhenFull::refuse}, {"drop", WhenFull::drop}}),
            "while events cannot be recorded, such as on a full disk: refuse requests (503), or serve them and record "
            "how many events are missing"),
      field("sync_interval", &LedgerSettings::sync_interval, range(microseconds(0), seconds(10)),
            "longest time from an event to the disk; the loss if the machine dies"),
      field("segment_bytes", &LedgerSettings::segment_bytes, range(64 << 10, std::int64_t{1} << 34),
            "a new file is begun after so much"),
      field("checkpoint_every", &LedgerSettings::checkpoint_every, range(1, 10'000'000),
            "records between two signed checkpoints; one is also made every minute and at shutdown"),
  };
  return list;
}

const Fields<LogSettings>& LogSettings::fields() {
  static const Fields<LogSettings> list{
      field("level", &LogSettings::level,
            choices<log::Level>({{"debug", log::Level::debug},
                                 {"info", log::Level::info},
                                 {"warning", log::Level::warning},
                                 {"error", log::Level::error}}),
            "least level that is printed: error is for somebody now, warning in working hours, info for nobody"),
      field("format", &LogSettings::format,
            choices<log::Format>(
                {{"automatic", log::Format::automatic}, {"json", log::Format::json}, {"text", log::Format::text}}),
            "automatic is text on a terminal and JSON lines elsewhere"),
  };
  return list;
}

const Fields<IsolationSettings>& IsolationSettings::fields() {
  static const Fields<IsolationSettings> list{
      field("require", &IsolationSettings::require,
            choices<IsolationLayer>({{"namespaces", IsolationLayer::namespaces},
                                     {"landlock", IsolationLayer::landlock},
                                     {"seccomp", IsolationLayer::seccomp}}),
            "layers without which nothing is scanned; take one off only where the kernel lacks it"),
      field("memory", &IsolationSettings::memory, range(64 << 20, std::int64_t{1} << 40),
            "bytes of memory that one scan may use"),
      field("time_limit", &IsolationSettings::time_limit, range(seconds(1), hours(24)), "for the scan of one file"),
  };
  return list;
}

const Fields<VaultSettings>& VaultSettings::fields() {
  static const Fields<VaultSettings> list =
      Fields<VaultSettings>{
          field("url", &VaultSettings::url,
                "address of HashiCorp Vault or OpenBao, such as https://vault.example.com:8200; by default VAULT_ADDR"),
          field("namespace", &VaultSettings::name_space, length(0, 256), "by default VAULT_NAMESPACE"),
          field("authorities", &VaultSettings::authorities,
                "PEM file of the authorities that may certify the server; by default VAULT_CACERT, else the system's"),
          field("token", &VaultSettings::token, "where the token is (env: or file:); by default VAULT_TOKEN"),
          field("role_id", &VaultSettings::role_id, length(0, 256), "AppRole to sign in with instead of a token"),
          field("secret_id", &VaultSettings::secret_id, "where the AppRole's secret id is (env: or file:)"),
      }
          .with_check([](const VaultSettings& vault, const FieldPlace& place) {
            if (!vault.url.empty()) check_url(vault.url, place.at("url"));
            check_local(vault.token, place.at("token"));
            check_local(vault.secret_id, place.at("secret_id"));
            if (vault.role_id.empty() != !vault.secret_id)
              place.fail("role_id and secret_id belong together: one of them is missing");
            if (vault.token && vault.secret_id) place.fail("sign in with a token or by AppRole, not both");
          });
  return list;
}

const Fields<AwsSettings>& AwsSettings::fields() {
  static const Fields<AwsSettings> list =
      Fields<AwsSettings>{
          field("region", &AwsSettings::region, length(0, 64), "by default AWS_REGION, else the region of an ARN"),
          field("endpoint", &AwsSettings::endpoint,
                "address of Secrets Manager; by default AWS_ENDPOINT_URL_SECRETS_MANAGER, else the region's"),
          field("kms_endpoint", &AwsSettings::kms_endpoint,
                "address of KMS; by default AWS_ENDPOINT_URL_KMS, else the region's"),
      }
          .with_check([](const AwsSettings& aws, const FieldPlace& place) {
            if (!aws.endpoint.empty()) check_url(aws.endpoint, place.at("endpoint"));
            if (!aws.kms_endpoint.empty()) check_url(aws.kms_endpoint, place.at("kms_endpoint"));
          });
  return list;
}

const Fields<KeyPlaces>& KeyPlaces::fields() {
  static const Fields<KeyPlaces> list =
      Fields<KeyPlaces>{
          field("model", &KeyPlaces::model, length(1, 2048), "the key that signs models (ECDSA P-256)"),
          field("evidence", &KeyPlaces::evidence, length(1, 2048),
                "the key that signs evidence (Ed25519, or ECDSA P-256 at a keeper)"),
          field("ledger", &KeyPlaces::ledger, length(1, 2048),
                "the key that signs checkpoints of the ledger (Ed25519)"),
          field("wrap", &KeyPlaces::wrap, length(1, 2048), "the key that wraps the data keys of blobs"),
      }
          .with_check([](const KeyPlaces& keys, const FieldPlace& place) {
            check_key_place(keys.model, "model", place.at("model"));
            check_key_place(keys.evidence, "evidence", place.at("evidence"));
            check_key_place(keys.ledger, "ledger", place.at("ledger"));
            check_key_place(keys.wrap, "wrap", place.at("wrap"));
          });
  return list;
}

const KeyPlaces& KeySettings::of(Environment environment) const {
  switch (environment) {
    case Environment::dev:
      return dev;
    case Environment::staging:
      return staging;
    case Environment::production:
      break;
  }
  return production;
}

const Fields<KeySettings>& KeySettings::fields() {
  static const Fields<KeySettings> list =
      Fields<KeySettings>{
          field("passphrase", &KeySettings::passphrase,
                "where the passphrase is that seals key files (env: or file:); see `hauberk key protect`"),
          field("dev", &KeySettings::dev,
                "where keys are: file, vault:MOUNT/NAME, aws-kms:alias/NAME or pkcs11:token=LABEL;object=LABEL; a "
                "change takes effect with `hauberk key rotate` and `hauberk store rotate`"),
          field("staging", &KeySettings::staging, "the same"),
          field("production", &KeySettings::production, "the same"),
      }
          .with_check([](const KeySettings& keys, const FieldPlace& place) {
            check_local(keys.passphrase, place.at("passphrase"));
          });
  return list;
}

const Fields<Pkcs11Settings>& Pkcs11Settings::fields() {
  static const Fields<Pkcs11Settings> list =
      Fields<Pkcs11Settings>{
          field("module", &Pkcs11Settings::module, length(0, 4096),
                "the module's shared library, such as /usr/lib/softhsm/libsofthsm2.so"),
          field("pin", &Pkcs11Settings::pin, "where the user's PIN is (env: or file:)"),
      }
          .with_check([](const Pkcs11Settings& pkcs11, const FieldPlace& place) {
            check_local(pkcs11.pin, place.at("pin"));
            if (!pkcs11.module.empty() && !pkcs11.module.starts_with('/'))
              place.at("module").fail("expected an absolute path, so that nothing else is loaded in its stead");
          });
  return list;
}

const Fields<Settings>& Settings::fields() {
  static const Fields<Settings> list =
      Fields<Settings>{
          field("data", &Settings::data, length(1, 4096), "folder of keys, models, catalogue and ledger"),
          field("environment", &Settings::environment,
                choices<Environment>({{"dev", Environment::dev},
                                      {"staging", Environment::staging},
                                      {"production", Environment::production}}),
                "the environment that this gateway serves"),
          field("listen", &Settings::listen, "address of the gateway, such as 127.0.0.1:8080 or [::]:443"),
          field("admin", &Settings::admin, "metrics and health"),
          field("tls", &Settings::tls, "encryption of the gateway's listener"),
          field("limits", &Settings::limits, "bounds of sizes and times"),
          field("guards", &Settings::guards, "the guards of every deployment that lists none, in order"),
          field("deployments", &Settings::deployments, length(0, 1000),
                "what is served beside the promoted models, or otherwise than by default"),
          field("ledger", &Settings::ledger, "the record of what happened"),
          field("log", &Settings::log, "the operator's log on standard error"),
          field("workers", &Settings::workers, range(0, 1024), "threads that serve requests; 0 is one a core"),
          field("isolation", &Settings::isolation, "the confinement of scans"),
          field("vault", &Settings::vault, "the server of `vault:` references"),
          field("aws", &Settings::aws, "AWS Secrets Manager and KMS, for `aws-sm:` and `aws-kms:` references"),
          field("keys", &Settings::keys, "where the keys of each environment are kept"),
          field("pkcs11", &Settings::pkcs11, "the security module of `pkcs11:` references"),
      }
          .with_check(check_settings);
  return list;
}

const DeploymentSettings* Settings::deployment(std::string_view name) const {
  const auto found = std::ranges::find(deployments, name, &DeploymentSettings::name);
  return found != deployments.end() ? &*found : nullptr;
}

std::expected<Settings, std::vector<ConfigError>> load_settings(std::string_view text, std::string_view file,
                                                                const Hooks& hooks) {
  const auto document = parse_yaml(text, file);
  if (!document) return std::unexpected(std::vector{document.error()});
  auto settings = parse_fields<Settings>(document->value);
  FieldErrors errors = settings ? FieldErrors{} : std::move(settings.error());
  check_no_secret(document->value, "", errors);
  const auto guard_errors = check_guards(document->value, hooks);
  errors.insert(errors.end(), guard_errors.begin(), guard_errors.end());
  if (!errors.empty()) return std::unexpected(locate(errors, *document, text, file));
  return std::move(*settings);
}

std::vector<NamedReference> references(const Settings& settings) {
  std::vector<NamedReference> out;
  collect_references(FieldType{.kind = FieldKind::section, .section = &Settings::fields()}, write_fields(settings), "",
                     out);
  return out;
}

json::Value show(const Settings& settings) { return write_fields(settings); }

json::Value schema(const Hooks& hooks) {
  auto out = json_schema(Settings::fields());
  out.set("title", "hauberk.yaml");
  if (hooks.guards_schema) {
    const auto put = [&](json::Value* properties) {
      auto* guards = properties != nullptr ? properties->find("guards") : nullptr;
      if (guards == nullptr) return;
      auto list = hooks.guards_schema();
      list.set("description", guards->text_or("description", ""));
      *guards = std::move(list);
    };
    auto* properties = out.find("properties");
    put(properties);
    put(properties->find("deployments")->find("items")->find("properties"));
  }
  return out;
}

std::string reference_markdown(const Hooks& hooks) {
  std::string out =
      "# hauberk.yaml\n\nGenerated by `hauberk config schema --markdown` from the field lists in the code. "
      "Every key may be left out; what is\n"
      "not named here is refused. Durations carry a unit: `250ms`, `30s`, `15m`, `12h`, `30d`. Sizes are bytes. "
      "Secrets stand here as\n"
      "references only: `env:NAME`, `file:/run/secrets/name`, `vault:PATH#KEY`, `aws-sm:NAME#KEY`,\n"
      "`pkcs11:token=LABEL;object=LABEL`.\n\n";
  out += hauberk::reference_markdown(Settings::fields(), "The root");
  if (hooks.guards_reference) out += "\n## guards\n\n" + hooks.guards_reference();
  return out;
}

std::string HostPort::text() const {
  return fmt::format(fmt::runtime(host.contains(':') ? "[{}]:{}" : "{}:{}"), host, port);
}

Result<HostPort> parse_host_port(std::string_view text) {
  const auto bad = [&] {
    return fail(Errc::invalid, "expected an address and a port, such as 127.0.0.1:8080 or [::1]:8080");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad();
  HostPort out{std::string(text.substr(0, colon)), 0};
  const auto port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) return bad();
  const bool bracketed = out.host.starts_with('[') && out.host.ends_with(']') && out.host.size() > 2;
  if (bracketed) out.host = out.host.substr(1, out.host.size() - 2);
  const std::string_view allowed =
      bracketed ? "0123456789abcdefABCDEF:.%" : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  if (out.host.find_first_not_of(allowed) != std::string::npos) return bad();
  return out;
}

}  // namespace hauberk::config
