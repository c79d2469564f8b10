#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/output.h"
#include "app/workspace.h"
#include "core/token_table.h"
#include "gateway/admin.h"
#include "gateway/router.h"
#include "registry/grants.h"
#include "registry/tokens.h"

namespace hauberk::app {
namespace {

Result<registry::Grants> grants_at(Workspace& workspace, Environment environment) {
  return registry::sealed_grants(workspace.catalog(), environment, *workspace.keys(environment));
}

// A change of who may do what, in the record of its environment.
Status record_access(Workspace& workspace, Environment environment, std::string kind, std::string target,
                     std::string reason, const Principal& principal, std::string digest = {}) {
  Event event;
  event.kind = std::move(kind);
  event.artifact = std::move(digest);
  event.target = std::move(target);
  event.reason = std::move(reason);
  event.outcome = "ok";
  return workspace.record(environment, std::move(event), principal);
}

Result<int> run_roles(const std::string& wanted, Context& context) {
  std::vector<std::vector<std::string>> rows;
  json::Value list = json::Value::array();
  const auto add = [&](std::string_view name, const std::vector<Scope>& scopes, std::string_view summary) {
    const auto grants = registry::described(scopes);
    rows.push_back({std::string(name), grants, std::string(summary)});
    list.push(json::Value().set("role", name).set("grants", grants).set("summary", summary));
  };
  for (const auto& role : roles()) add(role.name, TRY(grants_of_role(role.name)), role.summary);
  if (!wanted.empty()) {
    const auto environment = TRY(parse_environment(wanted));
    auto workspace = TRY(Workspace::open(context));
    CHECK(workspace->principal(environment));
    for (const auto& role : TRY(grants_at(*workspace, environment)).roles) add(role.name, role.grants, role.summary);
  }
  if (context.json)
    context.out.json(list);
  else
    context.out.table({"ROLE", "GRANTS", "IS FOR WHO"}, rows);
  return 0;
}

struct RoleArguments {
  std::string environment;
  std::string role;
  std::vector<std::string> scopes;
  std::string summary;
};

Result<int> run_define(const RoleArguments& arguments, Context& context) {
  CustomRole role{TRY(parse_environment(arguments.environment)), arguments.role, {}, arguments.summary};
  for (const auto& scope : arguments.scopes) role.grants.push_back(TRY(Scope::parse(scope)));
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(role.environment));
  CHECK(registry::define_role(workspace->ports(), role, principal));
  const auto grants = registry::described(role.grants);
  CHECK(record_access(*workspace, role.environment, "access.define", role.name, grants, principal,
                      registry::digest_of(role).text()));
  if (context.json)
    context.out.json(json::Value().set("role", role.name).set("grants", grants).set("summary", role.summary));
  else
    context.out.good(fmt::format("the role {} grants {} in {}", role.name, grants, name(role.environment)));
  return 0;
}

Result<int> run_forget(const RoleArguments& arguments, Context& context) {
  const auto environment = TRY(parse_environment(arguments.environment));
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(environment));
  CHECK(registry::forget_role(workspace->ports(), environment, arguments.role, principal));
  CHECK(record_access(*workspace, environment, "access.forget", arguments.role, {}, principal));
  if (context.json)
    context.out.json(json::Value().set("role", arguments.role));
  else
    context.out.good(fmt::format("the role {} is no more in {}", arguments.role, name(environment)));
  return 0;
}

struct BindArguments {
  std::string environment;
  std::string subject;
  std::string role;
};

Result<Binding> binding_of(const BindArguments& arguments) {
  const auto colon = arguments.role.find(':');
  return Binding{TRY(parse_environment(arguments.environment)), arguments.subject, arguments.role.substr(0, colon),
                 colon == std::string::npos ? "*" : arguments.role.substr(colon + 1)};
}

Result<int> change_binding(const BindArguments& arguments, Context& context, bool gain) {
  const auto binding = TRY(binding_of(arguments));
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(binding.environment));
  CHECK(gain ? registry::bind_role(workspace->ports(), binding, principal)
             : registry::unbind_role(workspace->ports(), binding, principal));
  CHECK(record_access(*workspace, binding.environment, gain ? "access.bind" : "access.unbind", binding.subject,
                      binding.text(), principal));
  if (context.json) {
    context.out.json(json::Value().set("subject", binding.subject).set("role", binding.text()));
    return 0;
  }
  context.out.good(fmt::format("{} {} the role {} in {}", binding.subject, gain ? "has" : "no longer has",
                               binding.text(), name(binding.environment)));
  context.out.hint("It counts for tokens made with --inherit; a running gateway follows within a second.");
  return 0;
}

Result<int> run_bind(const BindArguments& arguments, Context& context) {
  return change_binding(arguments, context, true);
}
Result<int> run_unbind(const BindArguments& arguments, Context& context) {
  return change_binding(arguments, context, false);
}

Result<int> run_bindings(const BindArguments& arguments, Context& context) {
  const auto environment = TRY(parse_environment(arguments.environment));
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(environment));
  const auto custom = TRY(grants_at(*workspace, environment)).roles;
  std::vector<std::vector<std::string>> rows;
  json::Value list = json::Value::array();
  for (const auto& binding : TRY(registry::list_bindings(workspace->ports(), environment, principal))) {
    const auto scopes = grants_of_role(binding.text(), custom);
    auto grants = scopes ? registry::described(*scopes) : std::string("nothing: there is no such role");
    list.push(json::Value().set("subject", binding.subject).set("role", binding.text()).set("grants", grants));
    rows.push_back({binding.subject, binding.text(), std::move(grants)});
  }
  if (context.json)
    context.out.json(list);
  else if (rows.empty())
    context.out.line("nobody has a role; give one: hauberk access bind SUBJECT ROLE -e ENVIRONMENT");
  else
    context.out.table({"SUBJECT", "ROLE", "GRANTS"}, rows);
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
  // "run_log/fraud": the kind, where it is not a model.
  const auto slash = arguments.what.find('/');
  const auto what = arguments.what.substr(slash == std::string::npos ? 0 : slash + 1);
  std::optional<ArtifactKind> kind = ArtifactKind::model;
  if (slash != std::string::npos)
    kind = TRY(parse_artifact_kind(arguments.what.substr(0, slash)));
  else if (arguments.action == "token" || arguments.action == "ledger" || arguments.action == "admin" ||
           (arguments.action == "revoke" && what == "signatures"))
    kind = no_kind;
  auto workspace = TRY(Workspace::open(context));
  const auto asking = TRY(workspace->principal(environment));
  const auto now = context.clock.now();
  const auto [custom, bindings] = TRY(grants_at(*workspace, environment));
  bool allowed = false;
  json::Value reasons = json::Value::array();
  std::vector<std::string> lines;
  for (const auto& record : TRY(registry::tokens_of(workspace->ports(), environment, arguments.who, asking))) {
    const Principal holder{
        .subject = record.subject, .token_id = record.id, .scopes = record.all_scopes(), .service = record.service};
    const auto by = [&](const Scope& scope) -> std::string {
      for (const auto& binding : record.inherit ? bindings : std::vector<Binding>{})
        if (const auto grants = grants_of_role(binding.text(), custom);
            binding.subject == record.subject && grants && std::ranges::find(*grants, scope) != grants->end())
          return fmt::format(" by the role {}", binding.text());
      return {};
    };
    const auto* grant = holder.grant_for(arguments.action, what, kind);
    const bool holds = TRY(record_holds(*workspace->keys(environment), record));
    const bool approves = !record.service || arguments.action != "approve";
    std::string why = record.revoked                             ? "is revoked"
                      : record.expires && *record.expires <= now ? "is expired"
                      : !holds           ? "opens to nobody: its record was changed, or its token key was removed"
                      : !approves        ? "is of a service account: approvals are given by persons"
                      : grant != nullptr ? fmt::format("has the grant {}{}", grant->text(), by(*grant))
                                         : fmt::format("has only {}", registry::described(record.all_scopes()));
    const bool good =
        grant != nullptr && holds && approves && !record.revoked && !(record.expires && *record.expires <= now);
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

const std::vector<std::string> environments = {"dev", "staging", "production"};

Command binding_command(std::string_view name, Access access, std::string_view summary,
                        Result<int> (*run)(const BindArguments&, Context&)) {
  return {.name = name,
          .access = access,
          .summary = summary,
          .details =
              "Tokens made with --inherit have what the roles of their subject grant.\n"
              "Example: hauberk access bind vera validator:fraud-* -e dev",
          .declare = [run](Args& args) -> Run {
            auto a = std::make_shared<BindArguments>();
            args.positional("SUBJECT", a->subject, "whom");
            args.positional("ROLE", a->role, "a role, or ROLE:PATTERN for some names");
            args.choice("-e,--environment", a->environment, environments, "where").required();
            return [a, run](Context& context) { return run(*a, context); };
          }};
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
         args.positional("WHAT", a->what, "name of a model or KIND/NAME, a deployment or, for ledger, an environment");
         args.choice("-e,--environment", a->environment, environments, "where").required();
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
       .access = Access::known("what roles grant is no secret; the built-in ones need no token"),
       .summary = "list the roles and what they grant",
       .details = "",
       .declare = [](Args& args) -> Run {
         auto environment = std::make_shared<std::string>();
         args.choice("-e,--environment", *environment, environments, "also the roles of one's own there");
         return [environment](Context& context) { return run_roles(*environment, context); };
       }},
      {.name = "access define",
       .access = Access::grant("admin", "role; and every grant that it gives"),
       .summary = "make or change a role of one's own",
       .details = "Whoever has the role has its new grants at once.\n"
                  "Example: hauberk access define release-manager -e production --scope read --scope 'promote:fraud-*'",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<RoleArguments>();
         args.positional("ROLE", a->role, "its name");
         args.choice("-e,--environment", a->environment, environments, "where").required();
         args.option("--scope", a->scopes, "SCOPE", "ACTION or ACTION:PATTERN; may be given several times").required();
         args.option("--summary", a->summary, "TEXT", "who it is for");
         return [a](Context& context) { return run_define(*a, context); };
       }},
      {.name = "access forget",
       .access = Access::grant("admin", "role"),
       .summary = "remove a role of one's own that nobody has",
       .details = "",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<RoleArguments>();
         args.positional("ROLE", a->role, "its name");
         args.choice("-e,--environment", a->environment, environments, "where").required();
         return [a](Context& context) { return run_forget(*a, context); };
       }},
      binding_command("access bind", Access::grant("token", "the subject; and every grant that the role gives"),
                      "give a subject a role", run_bind),
      binding_command("access unbind", Access::grant("token", "the subject"), "take a role from a subject", run_unbind),
      {.name = "access bindings",
       .access = Access::grant("token", "the subject; others are not listed"),
       .summary = "list who has which role",
       .details = "",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<BindArguments>();
         args.choice("-e,--environment", a->environment, environments, "where").required();
         return [a](Context& context) { return run_bindings(*a, context); };
       }}};
}

}  // namespace hauberk::app
