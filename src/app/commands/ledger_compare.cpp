#include <fmt/format.h>

#include <memory>

#include "adapters/ledger_file.h"
#include "app/output.h"
#include "app/workspace.h"
#include "registry/grants_audit.h"
#include "registry/versions_audit.h"

namespace hauberk::app {
namespace {

constexpr int most_attempts = 5;

using Differences = std::vector<std::string>;

// What the ledger tells, given to `add`; the record itself must be whole before anything is compared with it.
Result<Differences> read_ledger(Context& context, Workspace& workspace, Environment environment, auto add) {
  const auto folder = workspace.ledger_folder(environment, "registry");
  const auto state = TRY(adapters::verify_ledger(context.files, folder, *workspace.keys(environment)));
  if (state.problem)
    return Differences{fmt::format("the ledger is not whole, see `hauberk ledger verify`: {}", state.problem->message)};
  adapters::LedgerReader reader(context.files, folder);
  for (auto record = TRY(reader.next()); record; record = TRY(reader.next())) add(TRY(json::parse(record->line)));
  return Differences{};
}

// What others change meanwhile would stand in the one and not yet in the other: then once more.
Result<Differences> while_nobody_changes(Catalog& catalog, auto compare) {
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    const auto before = TRY(catalog.change_counter());
    auto differences = TRY(compare());
    if (TRY(catalog.change_counter()) == before) return differences;
  }
  return fail(Errc::unavailable, "others change the catalogue all the time; try again later");
}

Result<Differences> differing_grants(Context& context, Workspace& workspace, Environment environment) {
  auto& catalog = workspace.catalog();
  return while_nobody_changes(catalog, [&]() -> Result<Differences> {
    registry::GrantsAudit audit;
    auto broken = TRY(read_ledger(context, workspace, environment, [&](const json::Value& one) { audit.add(one); }));
    if (!broken.empty()) return broken;
    return audit.differences({TRY(catalog.tokens(environment)), TRY(catalog.roles(environment)),
                              TRY(catalog.bindings(environment)), TRY(catalog.revocations(environment))});
  });
}

Result<Differences> differing_versions(Context& context, Workspace& workspace) {
  auto& catalog = workspace.catalog();
  return while_nobody_changes(catalog, [&]() -> Result<Differences> {
    registry::VersionsAudit audit;
    for (const auto environment : all_environments) {
      auto broken = TRY(read_ledger(context, workspace, environment, [&](const json::Value& one) { audit.add(one); }));
      if (!broken.empty()) return broken;
    }
    registry::VersionsAudit::Found found{TRY(catalog.versions("")), {}};
    for (const auto& version : found.versions) {
      const auto artifact = version.manifest.digest();
      if (!found.evidence.contains(artifact)) found.evidence[artifact] = TRY(catalog.evidence(artifact));
    }
    return audit.differences(found);
  });
}

Result<int> run_compare(const std::string& wanted, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  json::Value list = json::Value::array();
  int code = 0;
  const auto tell = [&](std::string_view place, std::string_view good, const Differences& found) {
    json::Value said = json::Value::array();
    for (const auto& one : found) {
      context.out.bad(fmt::format("{}: {}", place, cleaned(one)));
      said.push(one);
    }
    if (found.empty())
      context.out.good(fmt::format("{}: {} are what the ledger tells", place, good));
    else
      code = 1;
    list.push(json::Value().set("place", place).set("verified", found.empty()).set("differences", std::move(said)));
  };
  for (const auto environment : all_environments) {
    if (!wanted.empty() && name(environment) != wanted) continue;
    CHECK(workspace->require_ledger_reader(environment));
    tell(name(environment), "tokens, roles, who has them and revocations",
         TRY(differing_grants(context, *workspace, environment)));
  }
  if (wanted.empty())  // a version goes through all environments
    tell("versions", "states and evidence", TRY(differing_versions(context, *workspace)));
  if (context.json) context.out.json(list);
  return code;
}

}  // namespace

Command ledger_compare_command() {
  return {.name = "ledger compare",
          .access = Access::grant("ledger", "the environment"),
          .summary = "compare the catalogue with the ledger: was something changed, removed or put back?",
          .details =
              "Tokens, roles of one's own, who has them, revocations; and, of all environments together, versions, "
              "their states and evidence.\nExit code 1 if something differs. It is as good as the ledger is "
              "whole: hauberk ledger verify --checkpoint FILE",
          .declare = [](Args& args) -> Run {
            auto environment = std::make_shared<std::string>();
            args.choice("-e,--environment", *environment, {"dev", "staging", "production"},
                        "only this one, without the versions");
            return [environment](Context& context) { return run_compare(*environment, context); };
          }};
}

}  // namespace hauberk::app
