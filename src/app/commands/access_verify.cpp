#include <fmt/format.h>

#include <memory>

#include "adapters/ledger_file.h"
#include "app/output.h"
#include "app/workspace.h"
#include "registry/grants_audit.h"

namespace hauberk::app {
namespace {

constexpr int most_attempts = 5;

// The record itself must be whole before anything is compared with it.
Result<std::vector<std::string>> differences_of(Context& context, Workspace& workspace, Environment environment) {
  const auto folder = workspace.ledger_folder(environment, "registry");
  const auto state = TRY(adapters::verify_ledger(context.files, folder, *workspace.keys(environment)));
  if (state.problem)
    return std::vector{fmt::format("the ledger is not whole, see `hauberk ledger verify`: {}", state.problem->message)};
  auto& catalog = workspace.catalog();
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    const auto before = TRY(catalog.change_counter());
    registry::GrantsAudit audit;
    adapters::LedgerReader reader(context.files, folder);
    for (auto record = TRY(reader.next()); record; record = TRY(reader.next()))
      audit.add(TRY(json::parse(record->line)));
    auto differences = audit.differences({TRY(catalog.tokens(environment)), TRY(catalog.roles(environment)),
                                          TRY(catalog.bindings(environment)), TRY(catalog.revocations(environment))});
    // What others change meanwhile would stand in the one and not yet in the other.
    if (TRY(catalog.change_counter()) == before) return differences;
  }
  return fail(Errc::unavailable, "others change the catalogue all the time; try again later");
}

Result<int> run_access_verify(const std::string& wanted, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  json::Value list = json::Value::array();
  int code = 0;
  for (const auto environment : all_environments) {
    if (!wanted.empty() && name(environment) != wanted) continue;
    CHECK(workspace->require_ledger_reader(environment));
    const auto found = TRY(differences_of(context, *workspace, environment));
    json::Value said = json::Value::array();
    for (const auto& one : found) {
      context.out.bad(fmt::format("{}: {}", name(environment), cleaned(one)));
      said.push(one);
    }
    if (found.empty())
      context.out.good(
          fmt::format("{}: tokens, roles, who has them and revocations are what the ledger tells", name(environment)));
    else
      code = 1;
    list.push(json::Value()
                  .set("environment", name(environment))
                  .set("verified", found.empty())
                  .set("differences", std::move(said)));
  }
  if (context.json) context.out.json(list);
  return code;
}

}  // namespace

Command access_verify_command() {
  return {.name = "access verify",
          .access = Access::grant("ledger", "the environment"),
          .summary = "compare the catalogue's grants with the ledger's: was one changed, removed or put back?",
          .details =
              "Tokens, roles of one's own, who has them, revocations. Exit code 1 if something differs. Grants of "
              "another time are found as far as the ledger is whole: hauberk ledger verify --checkpoint FILE",
          .declare = [](Args& args) -> Run {
            auto environment = std::make_shared<std::string>();
            args.choice("-e,--environment", *environment, {"dev", "staging", "production"}, "only this one");
            return [environment](Context& context) { return run_access_verify(*environment, context); };
          }};
}

}  // namespace hauberk::app
