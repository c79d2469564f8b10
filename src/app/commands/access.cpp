#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/output.h"
#include "app/workspace.h"
#include "gateway/admin.h"
#include "gateway/router.h"
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

// Whoever can read the key files may do everything: the folder's owner, and root.
Result<std::string> why_local_user(const std::string& user, const std::string& data, bool& allowed) {
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr) return fail(Errc::not_found, "this machine has no such user", "os:" + user);
  struct stat folder{};
  if (::stat(join_path(data, "keys").c_str(), &folder) != 0)
    return fail(Errc::unavailable, "the folder of the keys cannot be examined", data);
  allowed = entry->pw_uid == 0 || entry->pw_uid == folder.st_uid;
  return std::string(allowed ? "who acts at the machine's shell without HAUBERK_TOKEN holds the key files, and with "
                               "them every grant"
                             : "does not own the key files and is not root");
}

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
  for (const auto& record : TRY(registry::tokens_of(workspace->ports(), environment, arguments.who, asking))) {
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
    const auto why = TRY(why_local_user(arguments.who.substr(3), workspace->loaded().data, allowed));
    reasons.push(json::Value().set("subject", arguments.who).set("allowed", allowed).set("why", why));
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

// Every verb and every route, with what it asks for: out of the tables that decide.
Result<int> run_access_table(const bool& markdown, Context& context) {
  struct Row {
    std::string kind, name;
    Access access;
  };
  std::vector<Row> all;
  for (const auto& command : all_commands()) all.push_back({"verb", std::string(command.name), command.access});
  for (const auto& route : gateway::routes()) {
    const auto access = access_of(route.operation);
    if (!access) return fail(Errc::internal, "a route says nothing of who may use it", std::string(route.path));
    all.push_back({"gateway", fmt::format("{} {}", route.method, route.path), *access});
  }
  for (const auto& route : gateway::admin_routes())
    all.push_back({"admin", fmt::format("GET {}", route.path), route.access});

  json::Value list = json::Value::array();
  std::vector<std::vector<std::string>> rows;
  std::string text =
      "# What every verb and every route asks for\n\nGenerated by `hauberk access table --markdown` from the tables "
      "that decide. What does not stand here does not exist.\nWho acts "
      "at the machine's shell without `HAUBERK_TOKEN` holds every grant (`docs/access.md`).\n\n"
      "| what | asks for | over |\n|---|---|---|\n";
  for (const auto& row : all) {
    list.push(json::Value()
                  .set("kind", row.kind)
                  .set("name", row.name)
                  .set("asks", row.access.text())
                  .set("about", row.access.about()));
    rows.push_back({row.kind, row.name, row.access.text(), std::string(row.access.about())});
    text += fmt::format("| {} `{}` | {} | {} |\n", row.kind, row.name, row.access.text(), row.access.about());
  }
  if (context.json)
    context.out.json(list);
  else if (markdown)
    std::fputs(text.c_str(), stdout);
  else
    context.out.table({"KIND", "NAME", "ASKS FOR", "OVER"}, rows);
  return 0;
}

}  // namespace

std::vector<Command> access_commands() {
  return {
      {.name = "access explain",
       .access = Access::either("token", "ledger", "the subject, or the environment's ledger"),
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
      {.name = "access table",
       .access = Access::anybody("it prints what the program knows"),
       .summary = "list every verb and every route with the grant it asks for",
       .details = "",
       .declare = [](Args& args) -> Run {
         auto markdown = std::make_shared<bool>(false);
         args.flag("--markdown", *markdown, "as docs/reference/access.md has it");
         return [markdown](Context& context) { return run_access_table(*markdown, context); };
       }},
      {.name = "access roles",
       .access = Access::anybody("it prints what the program knows"),
       .summary = "list the roles and what they grant",
       .details = "",
       .declare = [](Args&) -> Run { return run_roles; }}};
}

}  // namespace hauberk::app
