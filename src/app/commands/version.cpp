#include "core/version.h"

#include <fmt/format.h>

#include "app/command.h"
#include "app/isolate.h"
#include "app/output.h"
#include "app/wiring.h"
#include "app/workspace.h"
#include "core/rule_catalog.h"
#include "scan/scanner.h"

namespace hauberk::app {
namespace {

// Starts a worker to see what confines it; a configuration that cannot be read must not hide the version.
Result<IsolationReport> layers_here(Context& context) {
  const auto loaded = load_settings(context);
  return isolation_report(loaded ? isolation_options(loaded->settings) : IsolationOptions{});
}

Result<int> run_version(Context& context) {
  const auto layers = layers_here(context);
  if (context.json) {
    json::Value value;
    value.set("version", program_version).set("rules_version", scan::rules_version).set("rules", rule_catalog().size());
    value.set("isolation", layers ? layers->to_json() : json::Value().set("error", layers.error().text()));
    context.out.json(value);
    return 0;
  }
  context.out.line(fmt::format("hauberk {}", program_version));
  context.out.line(fmt::format("scan rules {} ({} rules)", scan::rules_version, rule_catalog().size()));
  if (!layers) {
    context.out.warn(fmt::format("scans cannot be isolated here: {}", layers.error().text()));
    return 0;
  }
  context.out.line("scans are isolated by:");
  for (const auto& layer : layers->layers) {
    const auto text = fmt::format("{}: {}", layer.name, layer.detail);
    layer.active ? context.out.good(text) : context.out.bad(text);
  }
  return 0;
}

}  // namespace

Command version_command() {
  return {.name = "version",
          .access = Access::anybody("it prints what the program knows"),
          .summary = "print the version, that of the scan rules, and what isolates scans on this machine",
          .details = "",
          .declare = [](Args&) -> Run { return run_version; }};
}

}  // namespace hauberk::app
