#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <thread>

#include "adapters/engine_onnx.h"
#include "adapters/ledger_file.h"
#include "app/output.h"
#include "app/serving.h"
#include "app/wiring.h"
#include "app/workspace.h"
#include "base/log.h"
#include "gateway/gateway.h"

namespace hauberk::app {
namespace {

struct ServeArguments {
  std::string environment;
  std::string listen;
  std::string admin_listen;
};

// Signals are taken by the control thread only; the others, which are made later, inherit the block.
sigset_t block_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

Result<gateway::GatewayConfig> gateway_config(const config::Settings& settings) {
  const auto place = TRY(config::parse_host_port(settings.listen));
  const auto admin = TRY(config::parse_host_port(settings.admin.listen));
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  gateway::GatewayConfig out;
  out.host = place.host;
  out.port = place.port;
  out.admin_host = admin.host;
  out.admin_port = admin.port;
  out.workers = settings.workers != 0 ? settings.workers : cores;
  out.compute_threads = cores;
  out.http.head_bytes = settings.limits.head_bytes;
  out.body_bytes = settings.limits.body_bytes;
  out.connections = settings.limits.connections;
  out.head_timeout = settings.limits.head_timeout;
  out.body_timeout = settings.limits.body_timeout;
  out.idle_timeout = settings.limits.idle_timeout;
  out.total_timeout = settings.limits.total_timeout;
  return out;
}

void apply(const ServeArguments& arguments, config::Settings& settings) {
  if (!arguments.listen.empty()) settings.listen = arguments.listen;
  if (!arguments.admin_listen.empty()) settings.admin.listen = arguments.admin_listen;
  if (!arguments.environment.empty()) settings.environment = *parse_environment(arguments.environment);
}

bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

void tell_problems(const std::vector<ServingProblem>& problems) {
  for (const auto& problem : problems)
    log::error("a deployment is not served", {{"deployment", problem.deployment}, {"error", problem.error.text()}});
}

// What runs while the gateway is up: signals, and a look at the catalogue twice a second.
class Control {
 public:
  Control(const ServeArguments& arguments, Context& context, Workspace& workspace, SnapshotBuilder& builder,
          gateway::Gateway& gateway, Ledger& ledger, const Principal& principal, SecretResolver& secrets,
          std::uint64_t counter)
      : arguments_(arguments),
        context_(context),
        workspace_(workspace),
        builder_(builder),
        gateway_(gateway),
        ledger_(ledger),
        principal_(principal),
        secrets_(secrets),
        settings_(workspace.settings()),
        counter_(counter) {
    apply(arguments_, settings_);
  }

  // Returns when a signal asks to stop.
  void run(const sigset_t& signals) {
    while (true) {
      const timespec wait{.tv_sec = 0, .tv_nsec = 500'000'000};
      const int signal = ::sigtimedwait(&signals, nullptr, &wait);
      if (signal == SIGINT || signal == SIGTERM) return;
      if (signal == SIGHUP)
        reload();
      else
        look();
    }
  }

 private:
  void look() {
    const auto counter = workspace_.catalog().change_counter();
    if (!counter) {
      log::error("the catalogue cannot be read; what is served stays as it is", {{"error", counter.error().text()}});
      return;
    }
    rotated_ = secrets_.refresh() || rotated_;
    if (*counter == counter_ && !rotated_) return;
    // What could not be published is tried again: it may be that a token is revoked.
    if (!publish(settings_, SnapshotBuilder::Tls::as_before, rotated_ ? "a secret changed" : "catalogue")) return;
    counter_ = *counter;
    rotated_ = false;
  }

  // A bad file changes nothing.
  void reload() {
    auto loaded = load_settings(context_);
    if (!loaded) {
      log::error("the new configuration is refused; the old one stays", {{"error", loaded.error().text()}});
      return record("config.reload", "denied");
    }
    auto settings = std::move(loaded->settings);
    apply(arguments_, settings);
    if (settings.listen != settings_.listen || settings.admin.listen != settings_.admin.listen ||
        settings.environment != settings_.environment || settings.workers != settings_.workers ||
        settings.limits != settings_.limits)
      log::warning("listen, admin.listen, environment, workers and limits take effect at the next start");
    settings.environment = settings_.environment;
    (void)secrets_.refresh(SecretResolver::Which::all);
    if (auto applied = builder_.apply_configuration(settings, settings.environment, principal_); !applied) {
      log::error("the new configuration cannot be applied; the old one stays", {{"error", applied.error().text()}});
      return record("config.reload", "denied");
    }
    const auto counter = workspace_.catalog().change_counter();  // before it is read
    if (!publish(settings, SnapshotBuilder::Tls::fresh, "configuration")) return record("config.reload", "denied");
    settings_ = std::move(settings);
    if (counter) counter_ = *counter;
    record("config.reload", "ok");
  }

  bool publish(const config::Settings& settings, SnapshotBuilder::Tls tls, std::string_view why) {
    auto built = builder_.build(settings, settings.environment, context_.clock.now(), tls);
    if (!built) {
      log::error("no new snapshot; what is served stays as it is", {{"error", built.error().text()}});
      return false;
    }
    tell_problems(built->problems);
    log::info("snapshot published", {{"because", std::string(why)},
                                     {"deployments", std::to_string(built->snapshot->deployments.size())},
                                     {"problems", std::to_string(built->problems.size())}});
    gateway_.publish(std::move(built->snapshot));
    return true;
  }

  void record(std::string kind, std::string outcome) {
    Event event;
    event.time = context_.clock.now();
    event.kind = std::move(kind);
    event.id = make_id(std::chrono::duration_cast<std::chrono::milliseconds>(event.time.time_since_epoch()).count(),
                       context_.random);
    event.principal = principal_.subject;
    event.outcome = std::move(outcome);
    if (auto appended = ledger_.append(event); !appended)
      log::error("an event cannot be recorded", {{"error", appended.error().text()}});
  }

  const ServeArguments& arguments_;
  Context& context_;
  Workspace& workspace_;
  SnapshotBuilder& builder_;
  gateway::Gateway& gateway_;
  Ledger& ledger_;
  const Principal& principal_;
  SecretResolver& secrets_;
  config::Settings settings_;
  std::uint64_t counter_;  // of the catalogue, read before what is published was
  bool rotated_ = false;   // a secret changed since then
};

// Who read which secret when stands in the record; its value never does.
void record_secret(Ledger& ledger, Context& context, const Principal& principal, const SecretRef& reference,
                   const Status& read) {
  Event event;
  event.time = context.clock.now();
  event.kind = "secret.read";
  event.id = make_id(std::chrono::duration_cast<std::chrono::milliseconds>(event.time.time_since_epoch()).count(),
                     context.random);
  event.principal = principal.subject;
  event.target = reference.text();
  event.outcome = read ? "ok" : "error";
  if (!read) event.reason = name(read.error().code);
  if (const auto appended = ledger.append(event); !appended)
    log::error("the reading of a secret could not be recorded", {{"error", appended.error().text()}});
}

Result<int> run_serve(const ServeArguments& arguments, Context& context) {
  auto loaded = TRY(load_settings(context));
  apply(arguments, loaded.settings);
  const auto settings = loaded.settings;
  log::configure(settings.log.level, settings.log.format);
  const sigset_t signals = block_signals();
  auto workspace = TRY(Workspace::open(context, std::move(loaded)));
  const auto principal = TRY(workspace->principal(settings.environment));
  const auto engine = TRY(adapters::make_engine_onnx(1));
  metrics::Registry metrics;
  const auto ledger =
      TRY(adapters::open_ledger_file({context.files, workspace->keys(settings.environment), context.clock},
                                     {.directory = workspace->ledger_folder(settings.environment, "gateway"),
                                      .when_full = settings.ledger.when_full,
                                      .sync_interval = settings.ledger.sync_interval,
                                      .segment_bytes = settings.ledger.segment_bytes,
                                      .checkpoint_every = settings.ledger.checkpoint_every}));
  const auto secrets = make_secret_resolver(settings, context.files, context.clock, context.random);
  secrets->observe([&](const SecretRef& reference, const Status& read) {
    record_secret(*ledger, context, principal, reference, read);
  });
  SnapshotBuilder builder(*workspace, *engine, metrics, *secrets);
  CHECK(builder.apply_configuration(settings, settings.environment, principal));
  const auto counter = TRY(workspace->catalog().change_counter());  // before the catalogue is read
  auto built = TRY(builder.build(settings, settings.environment, context.clock.now()));
  tell_problems(built.problems);

  const auto config = TRY(gateway_config(settings));
  if (!built.snapshot->tls && !is_loopback(config.host))
    log::warning(
        "the gateway speaks plain HTTP beyond this machine: set tls.certificate and tls.key, or put it behind "
        "something that ends TLS",
        {{"listen", settings.listen}});
  gateway::Gateway gateway(config, *ledger, context.clock, context.random, metrics);
  const auto names = [&] {
    std::string text;
    for (const auto& [name, served] : built.snapshot->deployments) text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? std::string("nothing yet") : text;
  }();
  const std::string scheme = built.snapshot->tls ? "https" : "http";
  const auto ports = TRY(gateway.start(built.snapshot));
  const auto listen = config::HostPort{config.host, ports.gateway}.text();
  const auto admin = config::HostPort{config.admin_host, ports.admin}.text();
  if (context.json)
    context.out.json(json::Value()
                         .set("listen", listen)
                         .set("admin", admin)
                         .set("environment", name(settings.environment))
                         .set("problems", built.problems.size()));
  context.out.good(fmt::format("serving {} on {}://{}: {}", name(settings.environment), scheme, listen, names));
  context.out.hint(fmt::format("metrics and health on http://{}; Ctrl-C drains and stops", admin));
  std::fflush(stdout);

  Control(arguments, context, *workspace, builder, gateway, *ledger, principal, *secrets, counter).run(signals);
  log::info("draining", {{"deadline", duration_text(settings.limits.drain)}});
  const auto cut = gateway.drain(settings.limits.drain);
  const auto flushed = ledger->flush();
  if (cut != 0) log::warning("connections were cut at the deadline", {{"count", std::to_string(cut)}});
  CHECK(flushed);
  context.out.good("stopped; every event is recorded");
  return 0;
}

}  // namespace

Command serve_command() {
  return {.name = "serve",
          .access = Access::grant("promote", "the deployments and models that the configuration names"),
          .summary = "serve the deployments of an environment through the gateway",
          .details =
              "SIGHUP reads the configuration again (a bad file changes nothing); SIGTERM and Ctrl-C drain and stop.",
          .declare = [](Args& args) -> Run {
            auto a = std::make_shared<ServeArguments>();
            args.choice("-e,--environment", a->environment, {"dev", "staging", "production"},
                        "instead of the configured one");
            args.option("--listen", a->listen, "HOST:PORT", "instead of the configured address");
            args.option("--admin-listen", a->admin_listen, "HOST:PORT",
                        "instead of the configured address of metrics and health");
            return [a](Context& context) { return run_serve(*a, context); };
          }};
}

}  // namespace hauberk::app
