#include "app/program.h"

#include <fmt/format.h>
#include <string.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>

#include "app/args_impl.h"
#include "app/become.h"
#include "app/output.h"
#include "app/scan_worker.h"
#include "app/workspace.h"
#include "base/json.h"
#include "core/version.h"
#include "crypto/token.h"

namespace hauberk::app {
namespace {

constexpr std::string_view description =
    "Chain mail for models: scan a model file without running it, keep it signed and encrypted in a registry,\n"
    "promote it by evidence and policy, and serve it through a guarded gateway.\n";

constexpr std::string_view footer =
    "Exit codes: 0 fine, 1 findings or denied, 2 wrong use, 3 could not check or do.\n"
    "Environment: HAUBERK_CONFIG (as --config), HAUBERK_DATA (as --data), HAUBERK_TOKEN (acts as its subject), "
    "NO_COLOR.\n";

struct Globals {
  std::string config;
  std::string data;
  bool json = false;
  bool quiet = false;
};

void declare_globals(Args& args, Globals& globals) {
  args.option("--config", globals.config, "FILE", "configuration file (default: hauberk.yaml if it is there)",
              Hint::file);
  args.option("--data", globals.data, "DIR", "data folder, instead of the configured one", Hint::directory);
  args.flag("--json", globals.json, "print the result as JSON");
  args.flag("-q,--quiet", globals.quiet, "no progress and no hints");
}

// "model import" hangs under the group "model", "scan explain" under the verb "scan"; what has one word hangs under
// the root.
struct Verb {
  CLI::App* app;
  Access access;
  Run run;
};
struct Tree {
  CLI::App root{std::string(description), "hauberk"};
  std::map<std::string, CLI::App*> groups;
  std::vector<Verb> verbs;

  CLI::App* parent_of(std::string_view verb) {
    const auto space = verb.find(' ');
    if (space == std::string_view::npos) return &root;
    const std::string group(verb.substr(0, space));
    for (const auto& known : verbs)
      if (known.app->get_name() == group && known.app->get_parent() == &root) return known.app;
    auto& app = groups[group];
    if (app == nullptr) {
      static const std::map<std::string, std::string> summaries = {
          {"model", "import, examine, approve, promote and roll back models"},
          {"key", "the keys of each environment"},
          {"store", "upkeep of the encrypted content"},
          {"access", "who may do what"},
          {"token", "API tokens of the gateway and the registry"},
          {"ledger", "the tamper-evident record of what happened"},
          {"revocation", "keys, signatures and contents that no longer count"},
          {"secret", "references to secrets"},
          {"config", "check and explain the configuration"}};
      app = root.add_subcommand(group, summaries.at(group));
      app->require_subcommand(1)->fallthrough();
    }
    return app;
  }
};

void add_verb(Tree& tree, const Command& command) {
  const auto space = command.name.find(' ');
  const std::string leaf(space == std::string_view::npos ? command.name : command.name.substr(space + 1));
  auto* app = tree.parent_of(command.name)->add_subcommand(leaf, std::string(command.summary));
  app->fallthrough();
  if (!command.details.empty()) app->footer(std::string(command.details));
  Args::Impl impl{.app = app};
  Args args(impl);
  tree.verbs.push_back({app, command.access, command.declare(args)});
}

int print_error(Context& context, const Error& error) {
  if (context.json) {
    json::Value value;
    value.set("error",
              json::Value().set("code", name(error.code)).set("message", error.message).set("context", error.context));
    std::printf("%s\n", json::write_pretty(value).c_str());
  }
  std::fprintf(stderr, "%s\n", context.out.error_line(error).c_str());
  return exit_code(error.code);
}

// How what was announced ended, where the verb did not come to tell it. Where even this cannot be written the intents
// stand alone, which says that nobody knows.
void record_failure(Context& context, const Error& error) {
  const auto announced = std::exchange(context.announced, {});
  if (announced.empty()) return;
  context.access = Access::anybody("the program itself records it");
  const auto workspace = Workspace::open(context);
  const auto who = context.acting ? context.acting->principal : Principal();
  for (auto [environment, event, done] : announced) {
    event.outcome = done ? "ok" : "error";
    if (!done) event.reason = name(error.code);
    if (workspace) (void)(*workspace)->record(environment, std::move(event), who);
  }
}

// What somebody was refused stands in the record of the environment where they tried.
void record_refusal(Context& context, const Error& error, const CLI::App& verb) {
  const bool refused = error.code == Errc::no_grant || error.code == Errc::unauthenticated;
  if (!refused || !context.acting) return;
  const auto acting = *context.acting;
  Event event;
  event.kind = "access.denied";
  event.operation = verb.get_parent() != nullptr && verb.get_parent()->get_parent() != nullptr
                        ? fmt::format("{} {}", verb.get_parent()->get_name(), verb.get_name())
                        : verb.get_name();
  event.target = error.context;
  event.outcome = "denied";
  event.reason = name(error.code);
  context.access = Access::anybody("the program itself records it");
  auto workspace = Workspace::open(context);
  const auto recorded = workspace ? (*workspace)->record(acting.environment, std::move(event), acting.principal)
                                  : Status(std::unexpected(workspace.error()));
  if (!recorded)
    std::fprintf(stderr, "%s\n",
                 context.out.error_line(Error(recorded.error()).in("the refusal could not be recorded")).c_str());
}

// A token given as an argument stands for its id: people paste it whole, and nothing of it may get into events, errors
// and the list of processes. What only has a token in it, or one with a mistake, is refused.
Result<std::vector<std::string>> without_tokens(int argc, char** argv) {
  std::vector<std::string> arguments;
  bool ours = true;  // until "--": what follows is somebody else's command
  for (int i = 1; i < argc; ++i) {
    const std::string_view given = argv[i];
    ours = ours && given != "--";
    if (!ours) {
      arguments.emplace_back(given);
      continue;
    }
    const auto parts = crypto::parse_token(given);
    if (!parts && crypto::holds_token(given))
      return fail(Errc::invalid,
                  "an argument holds an API token, or one with a mistake: name it by its id (`hauberk token list`), or "
                  "act with it by HAUBERK_TOKEN");
    arguments.emplace_back(parts ? parts->id : given);
    if (!parts) continue;
    std::fprintf(stderr, "a token was given as an argument, where others can see it; its id is used\n");
    ::explicit_bzero(argv[i], given.size());
  }
  std::ranges::reverse(arguments);  // as CLI11 wants them
  return arguments;
}

}  // namespace

std::vector<Command> all_commands() {
  std::vector<Command> all;
  const auto add = [&](std::vector<Command> some) { std::ranges::move(some, std::back_inserter(all)); };
  all.push_back(init_command());
  add(scan_commands());
  add(sign_commands());
  add(model_commands());
  all.push_back(serve_command());
  add(key_commands());
  add(store_commands());
  add(token_commands());
  add(access_commands());
  add(ledger_commands());
  all.push_back(ledger_compare_command());
  add(proof_commands());
  add(revocation_commands());
  all.push_back(secret_command());
  add(config_commands());
  all.push_back(completion_command());
  all.push_back(version_command());
  return all;
}

std::vector<VerbSpec> verb_specs() {
  std::vector<VerbSpec> specs;
  Globals globals;
  Args::Impl global_impl;
  Args global_args(global_impl);
  declare_globals(global_args, globals);
  specs.push_back({.name = "", .summary = "", .arguments = std::move(global_impl.specs)});
  for (const auto& command : all_commands()) {
    Args::Impl impl;
    Args args(impl);
    (void)command.declare(args);
    specs.push_back({std::string(command.name), std::string(command.summary), std::move(impl.specs)});
  }
  return specs;
}

int run_program(int argc, char** argv) {
  if (argc >= 2 && std::string_view(argv[1]) == "scan-worker") return run_scan_worker(argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  write_no_cores();

  Tree tree;
  Globals globals;
  Args::Impl global_impl{.app = &tree.root};
  Args global_args(global_impl);
  declare_globals(global_args, globals);
  tree.root.get_option("--config")->envname("HAUBERK_CONFIG");
  tree.root.get_option("--data")->envname("HAUBERK_DATA");
  tree.root.set_version_flag("--version", fmt::format("hauberk {}", program_version), "print the version and exit");
  tree.root.require_subcommand(1);
  tree.root.footer(std::string(footer));
  for (const auto& command : all_commands()) add_verb(tree, command);

  auto arguments = without_tokens(argc, argv);
  if (!arguments) {
    std::fprintf(stderr, "error: %s\n", arguments.error().message.c_str());
    return exit_code(arguments.error().code);
  }
  try {
    tree.root.parse(std::move(*arguments));
  } catch (const CLI::ParseError& error) {
    const int code = tree.root.exit(error);
    return code == 0 ? 0 : 2;
  }

  SystemClock clock;
  SystemRandom random;
  SystemFiles files;
  Output out(globals.json, globals.quiet);
  Context context{out, clock, random, files, globals.config, globals.data, globals.json, globals.quiet};
  for (auto verb = tree.verbs.rbegin(); verb != tree.verbs.rend(); ++verb) {  // "scan explain" before "scan"
    const auto& [app, access, run] = *verb;
    if (!app->parsed()) continue;
    context.access = access;
    const auto result = run(context);
    if (result) return *result;
    record_failure(context, result.error());
    record_refusal(context, result.error(), *app);
    return print_error(context, result.error());
  }
  return 2;
}

}  // namespace hauberk::app
