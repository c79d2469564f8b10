// Command: one verb. declare() binds options and returns what runs; run answers the exit code of the documented table
// (0 fine, 1 findings or denied, 2 wrong use, 3 could not check or do) or an Error, whose code decides it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/args.h"
#include "base/file.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "core/access.h"
#include "core/event.h"
#include "core/principal.h"

namespace hauberk::app {

class Output;  // app/output.h: tables, colours, progress, JSON

// Who acts where, once a verb asked for it: a refusal is recorded there.
struct Acting {
  Environment environment = Environment::dev;
  Principal principal;  // without a subject while the token is not known to be good
};

// What the ledger was told to be about to happen: if the verb fails, the program tells it.
struct Announced {
  Environment environment = Environment::dev;
  Event event;
  bool done = false;  // the change was made
};

// What the program gives to a verb. One thread.
struct Context {
  Output& out;
  Clock& clock;
  Random& random;
  Files& files;
  std::string config;  // --config; empty: ./hauberk.yaml if it is there, else built-in defaults
  std::string data;    // --data; empty: as configured
  bool json = false;   // --json: the result as one JSON value on stdout, nothing else there
  bool quiet = false;  // --quiet: no progress and no hints
  Access access = Access::anybody("no verb runs yet");  // of the verb that runs
  std::optional<Acting> acting = {};
  std::string trace = {};                 // of all events of this run; made with the first
  std::vector<Announced> announced = {};  // and not yet told how they ended
};

using Run = std::function<Result<int>(Context&)>;

struct Command {
  std::string_view name;     // "scan", "model import"
  Access access;             // checked when the verb opens the data folder, and again over the very name
  std::string_view summary;  // one line
  std::string_view details;  // for --help: what it does, an example; may be empty
  std::function<Run(Args&)> declare;
};

// Every verb there is, in the order of --help. Each commands/X.cpp defines some of these functions.
std::vector<Command> all_commands();

Command init_command();
std::vector<Command> scan_commands();
std::vector<Command> sign_commands();
std::vector<Command> model_commands();
Command serve_command();
std::vector<Command> key_commands();
std::vector<Command> store_commands();
std::vector<Command> token_commands();
std::vector<Command> access_commands();
std::vector<Command> ledger_commands();
Command ledger_compare_command();
std::vector<Command> proof_commands();
std::vector<Command> revocation_commands();
Command secret_command();
std::vector<Command> config_commands();
Command version_command();
Command completion_command();

// Parses the command line, runs one verb, prints its error. The whole of main().
int run_program(int argc, char** argv);

}  // namespace hauberk::app
