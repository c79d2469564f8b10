#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "app/output.h"
#include "app/token_display.h"
#include "app/workspace.h"
#include "core/token_table.h"
#include "registry/grants.h"
#include "registry/tokens.h"

namespace hauberk::app {
namespace {

json::Value record_json(const TokenRecord& record) {
  json::Value scopes = json::Value::array();
  for (const auto& scope : record.all_scopes()) scopes.push(scope.text());
  json::Value value;
  value.set("id", record.id)
      .set("environment", name(record.environment))
      .set("subject", record.subject)
      .set("scopes", std::move(scopes))
      .set("inherit", record.inherit)
      .set("service", record.service)
      .set("created", rfc3339(record.created));
  if (record.expires) value.set("expires", rfc3339(*record.expires));
  if (record.revoked) value.set("revoked", rfc3339(*record.revoked));
  return value;
}

Status record_token_event(Workspace& workspace, std::string kind, const TokenRecord& record,
                          const Principal& principal) {
  Event event;
  event.kind = std::move(kind);
  event.target = record.id;
  event.artifact = registry::digest_of(record).text();
  event.reason = registry::described(record);
  event.outcome = "ok";
  return workspace.record(record.environment, std::move(event), principal);
}

struct CreateArguments {
  std::string subject;
  std::string environment;
  std::vector<std::string> scopes;
  std::vector<std::string> roles;
  std::string expires = "90d";
  bool inherit = false;
  bool service = false;
};

Result<int> run_create(const CreateArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  registry::TokenRequest request{.environment = TRY(parse_environment(arguments.environment)),
                                 .subject = arguments.subject,
                                 .scopes = {},
                                 .lifetime = {},
                                 .service = arguments.service,
                                 .inherit = arguments.inherit};
  for (const auto& scope : arguments.scopes) request.scopes.push_back(TRY(Scope::parse(scope)));
  if (!arguments.roles.empty()) {
    const auto& keys = workspace->keys(request.environment);
    const auto grants = TRY(registry::sealed_grants(workspace->catalog(), request.environment, *keys));
    for (const auto& role : arguments.roles)
      std::ranges::move(TRY(grants_of_role(role, grants.roles)), std::back_inserter(request.scopes));
  }
  if (arguments.expires != "never") request.lifetime = TRY(parse_duration(arguments.expires));
  const auto principal = TRY(workspace->principal(request.environment));
  const auto created = TRY(registry::create_token(workspace->ports(), context.random, request, principal));
  CHECK(record_token_event(*workspace, "token.create", created.record, principal));
  if (context.json) {
    context.out.json(record_json(created.record).set("token", TokenDisplay::text(created.text)));
    return 0;
  }
  context.out.good(fmt::format("token {} for {} in {}: {}", created.record.id, created.record.subject,
                               name(created.record.environment), registry::described(created.record.scopes)));
  context.out.line(TokenDisplay::text(created.text));
  context.out.hint("It is shown this once; only a keyed hash of it is kept.");
  return 0;
}

Result<int> run_token_list(const std::string& wanted, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  std::vector<std::vector<std::string>> rows;
  json::Value list = json::Value::array();
  for (const auto environment : all_environments) {
    if (!wanted.empty() && name(environment) != wanted) continue;
    const auto principal = TRY(workspace->principal(environment));
    for (const auto& record : TRY(registry::list_tokens(workspace->ports(), environment, principal))) {
      const bool holds = TRY(record_holds(*workspace->keys(environment), record));
      std::string state = record.revoked                                             ? "revoked"
                          : record.expires && *record.expires <= context.clock.now() ? "expired"
                          : !holds                                                   ? "void"
                                                                                     : "good";
      rows.push_back({record.id, std::string(name(environment)), record.subject + (record.service ? " (service)" : ""),
                      registry::described(record.all_scopes()) + (record.inherit ? " (inherits)" : ""),
                      rfc3339(record.created).substr(0, 10),
                      record.expires ? rfc3339(*record.expires).substr(0, 10) : "never", state});
      list.push(record_json(record).set("state", state));
    }
  }
  if (context.json)
    context.out.json(list);
  else if (rows.empty())
    context.out.line(
        "no tokens; make one: hauberk token create --environment production --subject NAME --scope infer:*");
  else
    context.out.table({"ID", "ENVIRONMENT", "SUBJECT", "SCOPES", "CREATED", "EXPIRES", "STATE"}, rows);
  return 0;
}

struct RevokeTokenArguments {
  std::string id;
  std::string environment;
};

Result<int> run_token_revoke(const RevokeTokenArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto environment = TRY(parse_environment(arguments.environment));
  const auto principal = TRY(workspace->principal(environment));
  const auto record = TRY(registry::revoke_token(workspace->ports(), environment, arguments.id, principal));
  CHECK(record_token_event(*workspace, "token.revoke", record, principal));
  if (context.json)
    context.out.json(record_json(record));
  else
    context.out.good(fmt::format("token {} of {} is revoked; a running gateway refuses it within a second", record.id,
                                 record.subject));
  return 0;
}

const std::vector<std::string> token_environments = {"dev", "staging", "production"};

}  // namespace

std::vector<Command> token_commands() {
  return {
      {.name = "token create",
       .access = Access::grant("token", "the subject; and every grant that is given"),
       .summary = "make an API token and show it once",
       .details =
           "Scopes are ACTION:PATTERN or ACTION:KIND/PATTERN; actions: infer, read, import, sign, approve, promote, "
           "rollback, revoke, token, "
           "ledger, admin.\n"
           "Roles: viewer, data-scientist, validator, deployer, operator, auditor, admin; `hauberk access roles` says "
           "what they grant.\n"
           "Example: hauberk token create --environment production --subject web --scope 'infer:fraud-*' --expires 30d",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<CreateArguments>();
         args.choice("-e,--environment", a->environment, token_environments, "where it is valid").required();
         args.option("-s,--subject", a->subject, "NAME", "whom it stands for").required();
         args.option("--scope", a->scopes, "SCOPE", "what it may do; may be given several times");
         args.option("--role", a->roles, "ROLE", "the grants of a role, or ROLE:PATTERN for some names");
         args.flag("--inherit", a->inherit,
                   "it has what the roles of its subject grant (`access bind`), as they change");
         args.flag("--service", a->service, "of a service account: a program, which approves nothing");
         args.option("--expires", a->expires, "DURATION", "lifetime such as 12h or 30d, or never");
         return [a](Context& context) { return run_create(*a, context); };
       }},
      {.name = "token list",
       .access = Access::grant("token", "the subject; others are not listed"),
       .summary = "list tokens, never their secrets",
       .details = "States: good; revoked; expired; void: opens to nobody, because its record was changed in the "
                  "catalogue or its token key was removed.",
       .declare = [](Args& args) -> Run {
         auto wanted = std::make_shared<std::string>();
         args.choice("-e,--environment", *wanted, token_environments, "only this environment");
         return [wanted](Context& context) { return run_token_list(*wanted, context); };
       }},
      {.name = "token revoke",
       .access = Access::grant("token", "the subject"),
       .summary = "end a token now",
       .details = "",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<RevokeTokenArguments>();
         args.positional("ID", a->id, "the id that `hauberk token list` shows, or the token itself");
         args.choice("-e,--environment", a->environment, token_environments, "where it is valid").required();
         return [a](Context& context) { return run_token_revoke(*a, context); };
       }},
  };
}

}  // namespace hauberk::app
