#include <fmt/format.h>

#include <memory>

#include "adapters/ledger_file.h"
#include "app/output.h"
#include "app/workspace.h"
#include "core/token_table.h"
#include "registry/grants.h"
#include "registry/grants_audit.h"
#include "registry/versions_audit.h"

namespace hauberk::app {
namespace {

constexpr int most_attempts = 200;

using Differences = std::vector<std::string>;

// The ledgers, read on from where they were left each time.
class Ledgers {
 public:
  Ledgers(Context& context, Workspace& workspace, std::vector<Environment> environments) : workspace_(workspace) {
    for (const auto environment : environments) {
      const auto folder = workspace.ledger_folder(environment, "registry");
      parts_.push_back({environment, folder, std::make_unique<adapters::LedgerReader>(context.files, folder)});
    }
    files_ = &context.files;
  }
  // The record itself must be whole before anything is compared with it.
  Result<Differences> verify() {
    for (const auto& part : parts_) {
      const auto state = TRY(adapters::verify_ledger(*files_, part.folder, *workspace_.keys(part.environment)));
      if (state.problem)
        return Differences{fmt::format("the ledger of {} is not whole, see `hauberk ledger verify`: {}",
                                       name(part.environment), state.problem->message)};
    }
    return Differences{};
  }
  Status read_on(auto add) {
    for (auto& part : parts_)
      for (auto record = TRY(part.reader->next()); record; record = TRY(part.reader->next()))
        add(TRY(json::parse(record->line)));
    return {};
  }

 private:
  struct Part {
    Environment environment;
    std::string folder;
    std::unique_ptr<adapters::LedgerReader> reader;
  };
  Workspace& workspace_;
  Files* files_ = nullptr;
  std::vector<Part> parts_;
};

// What others change meanwhile would stand in the one and not yet in the other: then once more.
Result<Differences> compare(Context& context, Workspace& workspace, std::vector<Environment> environments, auto& audit,
                            auto look) {
  Ledgers ledgers(context, workspace, std::move(environments));
  if (auto broken = TRY(ledgers.verify()); !broken.empty()) return broken;
  auto& catalog = workspace.catalog();
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    const auto before = TRY(catalog.change_counter());
    CHECK(ledgers.read_on([&](const json::Value& record) { audit.add(record); }));
    const auto found = TRY(look(catalog));
    if (TRY(catalog.change_counter()) == before) return audit.differences(found);
  }
  return fail(Errc::unavailable, "others change the catalogue all the time; try again later");
}

Result<Differences> differing_grants(Context& context, Workspace& workspace, Environment environment) {
  registry::GrantsAudit audit;
  registry::GrantsAudit::Found last;
  auto differences = TRY(
      compare(context, workspace, {environment}, audit, [&](Catalog& catalog) -> Result<registry::GrantsAudit::Found> {
        last = {TRY(catalog.tokens(environment)), TRY(catalog.roles(environment)), TRY(catalog.bindings(environment)),
                TRY(catalog.revocations(environment))};
        return last;
      }));
  // What says the right thing and does not hold takes a right from somebody.
  auto& keys = *workspace.keys(environment);
  for (const auto& token : last.tokens)
    if (!TRY(record_holds(keys, token)))
      differences.push_back(fmt::format("token {}: does not hold, or its token key was removed", token.id));
  for (const auto& role : last.roles)
    if (!registry::is_sealed(role, keys)) differences.push_back(fmt::format("role {}: is not signed here", role.name));
  for (const auto& binding : last.bindings)
    if (!registry::is_sealed(binding, keys))
      differences.push_back(fmt::format("role {} of {}: is not signed here", binding.text(), binding.subject));
  return differences;
}

Result<Differences> differing_versions(Context& context, Workspace& workspace) {
  registry::VersionsAudit audit;
  return compare(context, workspace, {std::begin(all_environments), std::end(all_environments)}, audit,
                 [](Catalog& catalog) -> Result<registry::VersionsAudit::Found> {
                   registry::VersionsAudit::Found found{TRY(catalog.versions("")), {}};
                   for (const auto& version : found.versions) {
                     const auto artifact = version.manifest.digest();
                     if (!found.evidence.contains(artifact)) found.evidence[artifact] = TRY(catalog.evidence(artifact));
                   }
                   return found;
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
