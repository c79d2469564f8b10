#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "app/output.h"
#include "app/workspace.h"
#include "registry/tokens.h"

namespace hauberk::app {
namespace {

std::string grants_text(const std::vector<Scope>& scopes) {
  std::string text;
  for (const auto& scope : scopes) text += (text.empty() ? "" : " ") + scope.text();
  return text;
}

Result<int> run_roles(Context& context) {
  std::vector<std::vector<std::string>> rows;
  json::Value list = json::Value::array();
  for (const auto& role : roles()) {
    const auto grants = grants_text(TRY(grants_of_role(role.name)));
    rows.push_back({std::string(role.name), grants, std::string(role.summary)});
    list.push(json::Value().set("role", role.name).set("grants", grants).set("summary", role.summary));
  }
  if (context.json)
    context.out.json(list);
  else
    context.out.table({"ROLE", "GRANTS", "IS FOR WHO"}, rows);
  return 0;
}

struct ExplainArguments {
  std::string who;
  std::string action;
  std::string what;
  std::string environment;
};

// Answers out of the very values that decide: the records of the tokens and Principal::grant_for.
Result<int> run_access_explain(const ExplainArguments& arguments, Context& context) {
  const auto environment = TRY(parse_environment(arguments.environment));
  // An action that does not exist is a mistake, not a denial.
  if (TRY(Scope::parse(arguments.action)).action != arguments.action)
    return fail(Errc::invalid, "expected an action without a pattern, such as approve", "ACTION");
  auto workspace = TRY(Workspace::open(context));
  const auto asking = TRY(workspace->principal(environment));
  const auto now = context.clock.now();
  bool allowed = false;
  json::Value reasons = json::Value::array();
  std::vector<std::string> lines;
  for (const auto& record : TRY(registry::list_tokens(workspace->ports(), environment, asking))) {
    if (record.subject != arguments.who && record.id != arguments.who) continue;
    const Principal holder{.subject = record.subject, .token_id = record.id, .scopes = record.scopes};
    const auto* grant = holder.grant_for(arguments.action, arguments.what);
    std::string why = record.revoked                             ? "is revoked"
                      : record.expires && *record.expires <= now ? "is expired"
                      : grant != nullptr                         ? fmt::format("has the grant {}", grant->text())
                                         : fmt::format("has only {}", grants_text(record.scopes));
    const bool good = grant != nullptr && !record.revoked && !(record.expires && *record.expires <= now);
    allowed = allowed || good;
    reasons.push(
        json::Value().set("token", record.id).set("subject", record.subject).set("allowed", good).set("why", why));
    lines.push_back(fmt::format("token {} of {} {}", record.id, record.subject, why));
  }
  if (arguments.who.starts_with("os:")) {
    allowed = true;
    const std::string why =
        "who acts at the machine's shell without HAUBERK_TOKEN holds the key files, and with them "
        "every grant";
    reasons.push(json::Value().set("subject", arguments.who).set("allowed", true).set("why", why));
    lines.push_back(why);
  }
  if (lines.empty()) lines.push_back(fmt::format("{} has no token of {}", arguments.who, name(environment)));
  const auto needed = fmt::format("{}:{}", arguments.action, arguments.what);
  if (context.json) {
    context.out.json(json::Value().set("allowed", allowed).set("needs", needed).set("reasons", std::move(reasons)));
    return allowed ? 0 : 1;
  }
  const auto verdict = fmt::format("{} {} {} {} in {}", arguments.who, allowed ? "may" : "may not", arguments.action,
                                   arguments.what, name(environment));
  allowed ? context.out.good(verdict) : context.out.bad(verdict);
  for (const auto& line : lines) context.out.line("  " + line);
  if (!allowed) context.out.hint(fmt::format("It needs the grant {}, as of: hauberk access roles", needed));
  return allowed ? 0 : 1;
}

}  // namespace

std::vector<Command> access_commands() {
  return {
      {.name = "access explain",
       .summary = "tell whether somebody may do something, and by which grant",
       .details = "WHO is a subject or the id of a token. Exits with 1 where it is denied. Policies may still refuse "
                  "what a grant allows.\n"
                  "Example: hauberk access explain alice approve fraud-detector -e dev",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<ExplainArguments>();
         args.positional("WHO", a->who, "subject or id of a token");
         args.positional("ACTION", a->action, "infer, read, import, sign, approve, promote, rollback, revoke, …");
         args.positional("WHAT", a->what, "name of a model, a deployment or, for ledger, an environment");
         args.choice("-e,--environment", a->environment, {"dev", "staging", "production"}, "where").required();
         return [a](Context& context) { return run_access_explain(*a, context); };
       }},
      {.name = "access roles",
       .summary = "list the roles and what they grant",
       .details = "",
       .declare = [](Args&) -> Run { return run_roles; }}};
}

}  // namespace hauberk::app
