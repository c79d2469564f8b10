#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "adapters/ledger_file.h"
#include "app/output.h"
#include "app/workspace.h"

namespace hauberk::app {
namespace {

constexpr std::string_view chains[] = {"registry", "gateway"};
const std::vector<std::string> ledger_environments = {"dev", "staging", "production"};
const std::vector<std::string> chain_names = {"registry", "gateway"};

struct VerifyArguments {
  std::string environment;
  std::vector<std::string> checkpoints;
};

// Checkpoints that somebody kept elsewhere.
struct Held {
  std::string path;
  crypto::Note note;
  crypto::Checkpoint checkpoint;
  bool met = false;
};
Result<std::vector<Held>> read_held(Context& context, const std::vector<std::string>& paths) {
  std::vector<Held> held;
  for (const auto& path : paths) {
    const auto text = TRY(read_file(context.files, path, 1 << 20));
    auto note = crypto::parse_note(as_text(text));
    if (!note) return std::unexpected(Error(note.error()).in(path));
    auto checkpoint = crypto::parse_checkpoint(note->text);
    if (!checkpoint) return std::unexpected(std::move(checkpoint).error().in(path));
    held.push_back({path, std::move(*note), std::move(*checkpoint)});
  }
  return held;
}

Result<int> run_verify(const VerifyArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  auto held = TRY(read_held(context, arguments.checkpoints));
  json::Value list = json::Value::array();
  int code = 0;
  for (const auto environment : all_environments) {
    if (!arguments.environment.empty() && name(environment) != arguments.environment) continue;
    CHECK(workspace->require_ledger_reader(environment));
    for (const auto chain : chains) {
      const auto place = fmt::format("{}/{}", name(environment), chain);
      const auto folder = workspace->ledger_folder(environment, chain);
      const auto origin = adapters::ledger_origin(context.files, folder);
      std::vector<crypto::Checkpoint> of_this;
      std::string not_ours;  // a checkpoint of that name which this ledger did not sign
      for (auto& one : held)
        if (origin && one.checkpoint.origin == *origin) {
          of_this.push_back(one.checkpoint);
          one.met = true;
          if (auto signed_here = adapters::check_ledger_note(one.note, *workspace->keys(environment)); !signed_here) {
            if (signed_here.error().code != Errc::denied) return std::unexpected(std::move(signed_here).error());
            not_ours = fmt::format("{}: {}", one.path, signed_here.error().message);
          }
        }
      auto state = adapters::verify_ledger(context.files, folder, *workspace->keys(environment), of_this);
      json::Value one;
      one.set("chain", place);
      if (!state) {
        code = 3;
        context.out.warn(fmt::format("{}: could not be checked: {}", place, state.error().text()));
        list.push(std::move(one.set("verified", false).set("error", state.error().text())));
        continue;
      }
      one.set("verified", !state->problem.has_value())
          .set("records", state->records)
          .set("head", state->head)
          .set("root", state->root)
          .set("origin", state->origin)
          .set("unsealed", state->unsealed);
      if (const auto& problem = state->problem) {
        if (code == 0) code = 1;
        one.set("problem", json::Value()
                               .set("sequence", problem->sequence)
                               .set("file", problem->file)
                               .set("offset", problem->offset)
                               .set("message", problem->message));
        context.out.bad(fmt::format("{}: record {}: {} ({} at byte {})", place, problem->sequence, problem->message,
                                    problem->file, problem->offset));
      } else if (chain == chains[0] && state->records == 0) {
        if (code == 0) code = 1;
        constexpr std::string_view gone =
            "dropped: there is no record, not even that of `init`: the ledger was removed, or `init` was cut short";
        one.set("verified", false).set("problem", json::Value().set("sequence", 1).set("message", gone));
        context.out.bad(fmt::format("{}: {}", place, gone));
      } else {
        context.out.good(fmt::format(
            "{}: {} records{}", place, state->records,
            state->unsealed == 0 ? "" : fmt::format(", the last {} not sealed by a checkpoint yet", state->unsealed)));
      }
      if (!not_ours.empty()) {
        if (code == 0) code = 1;
        context.out.bad(not_ours);
        one.set("verified", false).set("problem", json::Value().set("sequence", 0).set("message", not_ours));
      }
      list.push(std::move(one));
    }
  }
  for (const auto& one : held)
    if (!one.met) {
      context.out.bad(
          fmt::format("{}: there is no ledger called {} any more", one.path, cleaned(one.checkpoint.origin)));
      if (code == 0) code = 1;
    }
  if (context.json) context.out.json(list);
  return code;
}

struct ReadArguments {
  std::string environment = "production";
  std::string chain = "registry";
  std::int64_t count = 20;
  bool follow = false;
  std::string output;
};

void print_record(Context& context, const LedgerRecord& record) {
  if (context.json) {
    std::printf("%s\n", record.line.c_str());
    return;
  }
  const auto value = json::parse(record.line);
  if (!value) {
    context.out.line(record.line);
    return;
  }
  const auto field = [&](std::string_view key) { return value->text_or(key, ""); };
  const auto status = value->int_or("status", 0);
  context.out.line(
      fmt::format("{:>7}  {}  {:<12} {:<9} {:<16} {} {} {}", record.sequence, field("time"), field("kind"),
                  field("outcome"), field("principal"), field("target"), field("operation"),
                  status != 0 ? fmt::format("{} {}", status, field("reason")) : std::string(field("reason"))));
}

Result<int> run_tail(const ReadArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto environment = TRY(parse_environment(arguments.environment));
  CHECK(workspace->require_ledger_reader(environment));
  const auto folder = workspace->ledger_folder(environment, arguments.chain);
  const auto records = TRY(adapters::tail_ledger(context.files, folder,
                                                 static_cast<std::size_t>(std::max<std::int64_t>(0, arguments.count))));
  for (const auto& record : records) print_record(context, record);
  if (records.empty() && !context.json) context.out.hint("no records yet");
  if (!arguments.follow) return 0;
  std::fflush(stdout);
  adapters::LedgerReader reader(context.files, folder, records.empty() ? 1 : records.back().sequence + 1);
  while (true) {
    const auto record = TRY(reader.next());
    if (record) {
      print_record(context, *record);
    } else {
      if (std::fflush(stdout) != 0) return 0;  // nobody reads any more
      ::usleep(200'000);
    }
  }
}

Result<int> run_export(const ReadArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto environment = TRY(parse_environment(arguments.environment));
  CHECK(workspace->require_ledger_reader(environment));
  const auto folder = workspace->ledger_folder(environment, arguments.chain);
  std::unique_ptr<File> file;
  if (!arguments.output.empty()) file = TRY(context.files.open(arguments.output, OpenMode::create_new));
  std::uint64_t count = 0;
  const auto put = [&](std::string line) -> Status {
    line += '\n';
    if (file) return file->append(as_bytes(line));
    if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size())
      return fail(Errc::unavailable, "cannot write to standard output");
    return {};
  };
  adapters::LedgerReader reader(context.files, folder);
  for (auto record = TRY(reader.next()); record; record = TRY(reader.next()), ++count) CHECK(put(record->line));
  for (const auto& checkpoint : TRY(adapters::ledger_checkpoints(context.files, folder))) CHECK(put(checkpoint));
  if (file) {
    CHECK(file->sync());
    context.out.good(fmt::format("wrote {} records and their checkpoints to {}", count, arguments.output));
    if (context.json) context.out.json(json::Value().set("records", count).set("file", arguments.output));
  }
  return 0;
}

}  // namespace

std::vector<Command> ledger_commands() {
  return {
      {.name = "ledger tail",
       .access = Access::grant("ledger", "the environment"),
       .summary = "print the last records",
       .details = "Example: hauberk ledger tail --chain gateway --follow",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<ReadArguments>();
         args.choice("-e,--environment", a->environment, ledger_environments, "whose ledger");
         args.choice("--chain", a->chain, chain_names, "what the command line did, or what the gateway did");
         args.option("-n,--count", a->count, "NUMBER", "how many records");
         args.flag("-f,--follow", a->follow, "go on with new records as they come");
         return [a](Context& context) { return run_tail(*a, context); };
       }},
      {.name = "ledger verify",
       .access = Access::grant("ledger", "the environment"),
       .summary = "check every chain: has anything been changed, dropped or reordered?",
       .details = "Exit code 1 if something was, 3 if a chain could not be checked.",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<VerifyArguments>();
         args.choice("-e,--environment", a->environment, ledger_environments, "only this environment");
         args.option("--checkpoint", a->checkpoints, "FILE",
                     "a checkpoint that you kept: the records must still be those it speaks of", Hint::file);
         return [a](Context& context) { return run_verify(*a, context); };
       }},
      {.name = "ledger export",
       .access = Access::grant("ledger", "the environment"),
       .summary = "write records and checkpoints as JSON lines",
       .details = "",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<ReadArguments>();
         args.choice("-e,--environment", a->environment, ledger_environments, "whose ledger");
         args.choice("--chain", a->chain, chain_names, "what the command line did, or what the gateway did");
         args.option("-o,--output", a->output, "FILE", "a new file (default: standard output)", Hint::file);
         return [a](Context& context) { return run_export(*a, context); };
       }},
  };
}

}  // namespace hauberk::app
