#include "app/serving.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/wiring.h"
#include "base/log.h"
#include "registry/loading.h"
#include "registry/promotion.h"
#include "registry/tokens.h"

namespace hauberk::app {
namespace {

constexpr std::uint64_t largest_served_model = 16ull << 30;

// http://host:port/prefix, taken apart. No user, no query: a place for secrets and tricks.
struct UrlParts {
  bool tls = false;
  std::string host, path;
  std::uint16_t port = 80;
  std::string authority;
};
Result<UrlParts> parse_url(std::string_view url) {
  const auto bad = [&] {
    return fail(Errc::invalid, fmt::format("'{:.128}' is no upstream address such as http://127.0.0.1:8000", url));
  };
  UrlParts parts;
  if (url.starts_with("https://"))
    parts.tls = true;
  else if (!url.starts_with("http://"))
    return bad();
  auto rest = url.substr(parts.tls ? 8 : 7);
  if (rest.empty() || rest.find_first_of("@?#\\ ") != std::string_view::npos) return bad();
  const auto slash = rest.find('/');
  parts.authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) parts.path = rest.substr(slash);
  while (parts.path.ends_with('/')) parts.path.pop_back();
  // Clients write the base address with /v1; the surface adds it itself.
  if (parts.path.ends_with("/v1")) parts.path.resize(parts.path.size() - 3);
  const bool has_port =
      parts.authority.find(':', parts.authority.starts_with('[') ? parts.authority.find(']') : 0) != std::string::npos;
  const auto place = TRY(config::parse_host_port(
      has_port ? parts.authority : fmt::format("{}:{}", parts.authority, parts.tls ? 443 : 80)));
  parts.host = place.host;
  parts.port = place.port;
  if (parts.port == 0) return bad();
  return parts;
}

Result<std::shared_ptr<const gateway::Upstream>> make_upstream(const json::Value& config, SecretResolver& secrets) {
  auto parsed = parse_fields<config::UpstreamSettings>(config, "/upstream");
  if (!parsed) return std::unexpected(to_error(parsed.error()));
  const auto url = TRY(parse_url(parsed->url));
  auto upstream = std::make_shared<gateway::Upstream>();
  upstream->host = url.host;
  upstream->port = url.port;
  upstream->authority = url.authority;
  upstream->base_path = url.path;
  upstream->model = parsed->model;
  upstream->connect_timeout = parsed->connect_timeout;
  upstream->first_byte_timeout = parsed->first_byte_timeout;
  upstream->idle_timeout = parsed->idle_timeout;
  if (parsed->credential) upstream->credential = TRY(secrets.resolve(*parsed->credential));
  if (url.tls) upstream->tls = TRY(net::TlsClient::create(""));
  upstream->addresses = TRY(net::resolve_host(url.host, url.port));
  return upstream;
}

Result<std::shared_ptr<net::TlsServer>> make_tls(const config::TlsSettings& settings) {
  if (settings.certificate.empty() && !settings.key) return nullptr;
  if (settings.certificate.empty() || !settings.key)
    return fail(Errc::invalid, "tls needs both a certificate and a key");
  if (settings.key->scheme != "file") return fail(Errc::unsupported, "tls.key must be a file: reference");
  return net::TlsServer::create({.certificate = settings.certificate,
                                 .key = settings.key->place,
                                 .tls13_only = settings.min_version == config::TlsVersion::tls1_3});
}

}  // namespace

Status SnapshotBuilder::apply_configuration(const config::Settings& settings, Environment environment,
                                            const Principal& principal) {
  const auto ports = workspace_.ports();
  const auto existing = TRY(ports.catalog.deployments(environment));
  const auto newest = [&](std::string_view name) -> const DeploymentEntry* {
    const auto found = std::ranges::find(existing, name, &Deployment::name);
    return found == existing.end() || found->history.empty() ? nullptr : &found->history.back();
  };
  const auto deploy = [&](const std::string& name, DeploymentSpec spec) -> Status {
    CHECK(registry::deploy(ports, environment, name, std::move(spec), "configuration", principal));
    Event event;
    event.kind = "deploy";
    event.target = name;
    event.outcome = "ok";
    event.reason = "configuration";
    return workspace_.record(environment, std::move(event), principal);
  };
  for (const auto& section : settings.deployments) {
    const auto* last = newest(section.name);
    auto config = deployment_section(settings, section.name);
    if (last != nullptr && last->spec.config == config) continue;
    if (section.upstream) {
      CHECK(deploy(section.name, DeploymentSpec{.config = std::move(config)}));
    } else if (last != nullptr) {
      const auto found = std::ranges::find(existing, section.name, &Deployment::name);
      auto spec = found->entry()->spec;
      spec.config = std::move(config);
      CHECK(deploy(section.name, std::move(spec)));
    }
  }
  // Deployments without a section follow the root's guard list.
  for (const auto& deployment : existing) {
    if (settings.deployment(deployment.name) != nullptr || deployment.history.empty() ||
        deployment.entry() == nullptr || deployment.entry()->spec.model.empty())
      continue;
    auto config = deployment_section(settings, deployment.name);
    if (deployment.history.back().spec.config == config) continue;
    auto spec = deployment.entry()->spec;
    spec.config = std::move(config);
    CHECK(deploy(deployment.name, std::move(spec)));
  }
  return {};
}

Result<std::shared_ptr<LoadedModel>> SnapshotBuilder::load(Environment environment, const DeploymentSpec& spec) {
  const auto ports = workspace_.ports();
  const VersionRef ref{spec.model, spec.version};
  if (const auto found = models_.find(spec.artifact); found != models_.end()) {
    CHECK(registry::check_for_serving(ports, workspace_.policies(), environment, ref, spec.artifact));
    return used_[spec.artifact] = found->second;
  }
  auto version = TRY(
      registry::load_for_serving(ports, workspace_.policies(), environment, ref, spec.artifact, largest_served_model));
  const auto file = std::ranges::find_if(
      version.files, [&](const registry::LoadedFile& one) { return engine_.can_load(one.content); });
  if (file == version.files.end())
    return fail(Errc::unsupported, fmt::format("{} holds no file that this gateway can run itself (ONNX); put a server "
                                               "for it behind an upstream deployment",
                                               version.version.ref()));
  auto model = TRY(engine_.load(std::move(file->content)));
  return used_[spec.artifact] = std::shared_ptr<LoadedModel>(std::move(model));
}

Result<std::shared_ptr<const gateway::ServedDeployment>> SnapshotBuilder::serve(const config::Settings& settings,
                                                                                const Deployment& deployment) {
  const auto* entry = deployment.entry();
  if (entry == nullptr) return fail(Errc::corrupt, "the deployment's history has no current entry");
  const auto& spec = entry->spec;
  auto served = std::make_shared<gateway::ServedDeployment>();
  served->name = deployment.name;
  served->entry = entry->id;
  served->version = spec.model.empty() ? "1" : std::to_string(spec.version);
  std::shared_ptr<const ModelInfo> info;
  if (spec.model.empty()) {
    const auto* upstream = spec.config.find("upstream");
    served->upstream = TRY(make_upstream(upstream != nullptr ? *upstream : json::Value(), secrets_));
  } else {
    if (const auto* section = settings.deployment(deployment.name);
        section != nullptr && section->version && *section->version != spec.version)
      return fail(Errc::precondition, fmt::format("the configuration allows version {} only, but {}@{} was promoted",
                                                  *section->version, spec.model, spec.version));
    served->artifact = spec.artifact.text();
    served->model = TRY(load(deployment.environment, spec));
    info = std::shared_ptr<const ModelInfo>(served->model, &served->model->info());
  }
  const auto* guards = spec.config.find("guards");
  auto chain =
      guard::build_chain(guards != nullptr ? *guards : json::Value(), "/guards", {.limiter = limiter_, .model = info});
  if (!chain) return std::unexpected(to_error(chain.error()));
  served->chain = std::move(*chain);
  auto& series = series_[deployment.name];
  if (!series) series = std::make_shared<gateway::DeploymentMetrics>(metrics_, deployment.name);
  served->metrics = series;
  return served;
}

Result<BuiltSnapshot> SnapshotBuilder::build(const config::Settings& settings, Environment environment, Instant now,
                                             Tls tls) {
  BuiltSnapshot built;
  auto snapshot = std::make_shared<gateway::Snapshot>();
  snapshot->environment = environment;
  snapshot->built_unix_seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  snapshot->tokens = std::make_shared<const TokenTable>(
      environment, TRY(registry::effective_tokens(workspace_.catalog(), environment, *workspace_.keys(environment))),
      workspace_.keys(environment));
  if (auto fresh = make_tls(settings.tls))
    tls_ = std::move(*fresh);
  else if (tls == Tls::fresh)
    return std::unexpected(std::move(fresh).error());
  else
    log::error("the certificate cannot be read; the one of before goes on", {{"error", fresh.error().text()}});
  snapshot->tls = tls_;
  auto front = guard::build_chain(json::Value::array().push("authn").push("authz"), "", {.limiter = limiter_});
  if (!front) return std::unexpected(to_error(front.error()));
  snapshot->front = std::move(*front);
  used_.clear();
  for (const auto& deployment : TRY(workspace_.catalog().deployments(environment))) {
    const auto* section = settings.deployment(deployment.name);
    const auto* entry = deployment.entry();
    // An upstream that left the configuration is not served any more.
    if (entry != nullptr && entry->spec.model.empty() && (section == nullptr || !section->upstream)) continue;
    auto served = serve(settings, deployment);
    if (!served) {
      built.problems.push_back({deployment.name, std::move(served).error()});
      continue;
    }
    snapshot->any_public = snapshot->any_public || (*served)->chain.has("public");
    snapshot->deployments[deployment.name] = *served;
    if (section != nullptr && section->upstream)
      for (const auto& alias : section->upstream->models) snapshot->deployments.emplace(alias, *served);
  }
  models_ = std::move(used_);
  used_.clear();
  snapshot->ready = built.problems.empty();
  built.snapshot = std::move(snapshot);
  return built;
}

}  // namespace hauberk::app
