#include <fmt/format.h>

#include <memory>

#include "app/output.h"
#include "app/token_display.h"
#include "app/workspace.h"
#include "registry/tokens.h"

namespace hauberk::app {
namespace {

Result<int> run_init(Context& context) {
  auto workspace = TRY(Workspace::create(context, TRY(load_settings(context))));
  json::Value tokens = json::Value::object();
  std::vector<std::vector<std::string>> rows;
  for (const auto environment : all_environments) {
    const auto principal = TRY(workspace->principal(environment));
    // Of a run that was killed: nobody was shown it.
    for (const auto& lost : TRY(workspace->catalog().tokens(environment)))
      CHECK(registry::revoke_token(workspace->ports(), environment, lost.id, principal));
    const registry::TokenRequest request{.environment = environment,
                                         .subject = "admin",
                                         .scopes = {TRY(Scope::parse("admin:*"))},
                                         .lifetime = std::chrono::hours(24 * 365)};
    const auto created = TRY(registry::create_token(workspace->ports(), context.random, request, principal));
    Event event;
    event.kind = "init";
    event.target = created.record.id;
    event.outcome = "ok";
    CHECK(workspace->record(environment, std::move(event), principal));
    tokens.set(name(environment), TokenDisplay::text(created.text));
    rows.push_back({std::string(name(environment)), TokenDisplay::text(created.text)});
  }
  if (context.json) {
    context.out.json(
        json::Value().set("data", workspace->loaded().data).set("subject", "admin").set("tokens", std::move(tokens)));
    return 0;
  }
  context.out.good(
      fmt::format("made {}: keys, catalogue and policies of dev, staging and production", workspace->loaded().data));
  context.out.line("");
  context.out.table({"ENVIRONMENT", "ADMINISTRATOR'S TOKEN (shown this once)"}, rows);
  context.out.hint("Keep them like passwords. To act with one: export HAUBERK_TOKEN=…");
  context.out.hint("next: hauberk model import FILE --name NAME");
  return 0;
}

}  // namespace

Command init_command() {
  return {.name = "init",
          .access = Access::anybody("it makes the data folder and its first administrators"),
          .summary = "make a data folder: keys, catalogue, policies, an administrator's token per environment",
          .details = "",
          .declare = [](Args&) -> Run { return run_init; }};
}

}  // namespace hauberk::app
