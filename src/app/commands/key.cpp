#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "adapters/keys_file.h"
#include "app/output.h"
#include "app/workspace.h"
#include "registry/ports.h"

namespace hauberk::app {
namespace {

using crypto::KeyPurpose;
constexpr std::pair<KeyPurpose, std::string_view> purposes[] = {
    {KeyPurpose::evidence, "signs evidence (in-toto statements)"},
    {KeyPurpose::ledger, "signs checkpoints of the ledger"},
    {KeyPurpose::model, "signs models (OMS)"},
    {KeyPurpose::wrap, "wraps the data keys of blobs"},
    {KeyPurpose::token, "makes MACs of API tokens"}};

struct KeyArguments {
  std::string environment;
  std::string purpose = "model";
  std::string output;
};

Result<int> run_list(const KeyArguments& arguments, Context& context) {
  const auto workspace = TRY(Workspace::open(context));
  json::Value list = json::Value::array();
  std::vector<std::vector<std::string>> rows;
  for (const auto environment : all_environments) {
    if (!arguments.environment.empty() && name(environment) != arguments.environment) continue;
    for (const auto& [purpose, use] : purposes) {
      auto id = TRY(workspace->keys(environment)->key_id(purpose));
      list.push(json::Value()
                    .set("environment", name(environment))
                    .set("purpose", crypto::name(purpose))
                    .set("id", id)
                    .set("use", use));
      rows.push_back(
          {std::string(name(environment)), std::string(crypto::name(purpose)), std::move(id), std::string(use)});
    }
  }
  if (context.json)
    context.out.json(list);
  else
    context.out.table({"ENVIRONMENT", "PURPOSE", "ID", "USE"}, rows);
  return 0;
}

Result<int> run_public(const KeyArguments& arguments, Context& context) {
  const auto workspace = TRY(Workspace::open(context));
  const auto environment = TRY(parse_environment(arguments.environment.empty() ? "production" : arguments.environment));
  for (const auto& [purpose, use] : purposes) {
    if (crypto::name(purpose) != arguments.purpose) continue;
    const auto pem = TRY(workspace->keys(environment)->public_key_pem(purpose));
    if (context.json)
      context.out.json(json::Value().set("id", TRY(workspace->keys(environment)->key_id(purpose))).set("pem", pem));
    else if (!arguments.output.empty())
      CHECK(write_file_atomically(context.files, arguments.output, as_bytes(pem), OpenMode::create_public));
    else if (std::fwrite(pem.data(), 1, pem.size(), stdout) != pem.size())
      return fail(Errc::unavailable, "cannot write to standard output");
  }
  return 0;
}

Result<int> run_rotate(const KeyArguments& arguments, Context& context) {
  const auto environment = TRY(parse_environment(arguments.environment));
  const auto purpose = arguments.purpose == "evidence" ? KeyPurpose::evidence
                       : arguments.purpose == "ledger" ? KeyPurpose::ledger
                                                       : KeyPurpose::model;
  std::string before;
  {
    const auto workspace = TRY(Workspace::open(context));
    const auto principal = TRY(workspace->principal(environment));
    CHECK(registry::require_grant(principal, "admin", "key"));
    before = TRY(workspace->keys(environment)->key_id(purpose));
    const auto folder = join_path(join_path(workspace->loaded().data, "keys"), name(environment));
    CHECK(adapters::rotate_signing_key(context.files, folder, environment, purpose));
  }
  const auto workspace = TRY(Workspace::open(context));  // with the new key
  const auto id = TRY(workspace->keys(environment)->key_id(purpose));
  Event event;
  event.kind = "key.rotate";
  event.target = id;
  event.reason = arguments.purpose;
  event.outcome = "ok";
  CHECK(workspace->record(environment, std::move(event), TRY(workspace->principal(environment))));
  if (context.json) {
    context.out.json(json::Value().set("key", id).set("before", before));
    return 0;
  }
  context.out.good(fmt::format("{}: {} signs for {} now; what {} signed still verifies", name(environment), id,
                               arguments.purpose, before));
  context.out.hint(
      fmt::format("restart gateways of {}, and give others the new public key: hauberk key public -e {} "
                  "--purpose {}",
                  name(environment), name(environment), arguments.purpose));
  return 0;
}

}  // namespace

std::vector<Command> key_commands() {
  return {{.name = "key list",
           .summary = "list the keys of each environment: purposes and ids, never the keys",
           .details = "",
           .declare = [](Args& args) -> Run {
             auto a = std::make_shared<KeyArguments>();
             args.choice("-e,--environment", a->environment, {"dev", "staging", "production"}, "only this one");
             return [a](Context& context) { return run_list(*a, context); };
           }},
          {.name = "key public",
           .summary = "print a public key in PEM, for others to verify with",
           .details = "Example: hauberk key public -e production --purpose model -o models.pub",
           .declare = [](Args& args) -> Run {
             auto a = std::make_shared<KeyArguments>();
             args.choice("-e,--environment", a->environment, {"dev", "staging", "production"},
                         "whose (default: production)");
             args.choice("--purpose", a->purpose, {"evidence", "ledger", "model"}, "which (default: model)");
             args.option("-o,--output", a->output, "FILE", "where it goes (default: standard output)", Hint::file);
             return [a](Context& context) { return run_public(*a, context); };
           }},
          {.name = "key rotate",
           .summary = "make a new signing key; what the one before signed still verifies",
           .details = "The key that wraps data keys is rotated by `store rotate`.\n"
                      "Example: hauberk key rotate -e production --purpose evidence",
           .declare = [](Args& args) -> Run {
             auto a = std::make_shared<KeyArguments>();
             args.choice("-e,--environment", a->environment, {"dev", "staging", "production"}, "whose").required();
             args.choice("--purpose", a->purpose, {"evidence", "ledger", "model"}, "which (default: model)");
             return [a](Context& context) { return run_rotate(*a, context); };
           }}};
}

}  // namespace hauberk::app
