#include <fmt/format.h>

#include <algorithm>
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
  std::string before;
};

std::string place_of(std::string_view file, bool sealed) {
  return fmt::format("{}{}", file, sealed ? " (sealed)" : "");
}

Result<int> run_list(const KeyArguments& arguments, Context& context) {
  const auto workspace = TRY(Workspace::open(context));
  json::Value list = json::Value::array();
  std::vector<std::vector<std::string>> rows;
  for (const auto environment : all_environments) {
    if (!arguments.environment.empty() && name(environment) != arguments.environment) continue;
    for (const auto& key : TRY(adapters::list_keys_file(workspace->key_folder(environment)))) {
      const auto* purpose = std::ranges::find(purposes, key.purpose, &std::pair<KeyPurpose, std::string_view>::first);
      list.push(json::Value()
                    .set("environment", name(environment))
                    .set("purpose", crypto::name(key.purpose))
                    .set("id", key.id)
                    .set("state", adapters::name(key.state))
                    .set("place", key.place)
                    .set("sealed", key.sealed)
                    .set("made", key.made)
                    .set("use", purpose->second));
      rows.push_back({std::string(name(environment)), std::string(crypto::name(key.purpose)), key.id,
                      std::string(adapters::name(key.state)), place_of(key.place, key.sealed),
                      key.made.empty() ? "-" : key.made});
    }
  }
  if (arguments.environment.empty()) {
    const auto key = TRY(adapters::list_address_key(workspace->address_key()));
    constexpr std::string_view file = "store/address.key";
    list.push(json::Value()
                  .set("environment", "all")
                  .set("purpose", "address")
                  .set("id", key.id)
                  .set("state", adapters::name(adapters::KeyState::active))
                  .set("place", file)
                  .set("sealed", key.sealed)
                  .set("made", key.made)
                  .set("use", "names the blobs"));
    rows.push_back({"all", "address", key.id, std::string(adapters::name(adapters::KeyState::active)),
                    place_of(file, key.sealed), key.made.empty() ? "-" : key.made});
  }
  if (context.json)
    context.out.json(list);
  else
    context.out.table({"ENVIRONMENT", "PURPOSE", "ID", "STATE", "PLACE", "MADE"}, rows);
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
  const auto alone = TRY(Workspace::lock_keys(context, LockMode::exclusive));
  const auto purpose = std::ranges::find_if(purposes, [&](const auto& one) {
                         return crypto::name(one.first) == arguments.purpose;
                       })->first;
  std::string before;
  {
    const auto workspace = TRY(Workspace::open(context));
    const auto principal = TRY(workspace->principal(environment));
    CHECK(registry::require_grant(principal, "admin", "key", no_kind));
    // The ledger's own key is the one that may be lost: what cannot be signed by it is told by the next.
    if (purpose != KeyPurpose::ledger ||
        workspace->keys(environment)->sign(KeyPurpose::ledger, as_bytes("can this be recorded?")))
      CHECK(workspace->announce(environment, "key.rotate", TRY(workspace->keys(environment)->key_id(purpose)),
                                arguments.purpose));
    const auto done = TRY(adapters::rotate_key_file(workspace->key_folder(environment), purpose));
    if (done.before == done.now) return adapters::no_newer_key(workspace->key_folder(environment), purpose);
    before = done.before;
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
  if (purpose == KeyPurpose::token) {
    context.out.good(
        fmt::format("{}: tokens are made with {} now; those of {} are still good", name(environment), id, before));
    context.out.hint(fmt::format(
        "restart gateways of {}. To end the tokens of before: make new ones for those who need them, then remove "
        "retired/token-{}.key from {}",
        name(environment), before.substr(before.find(':') + 1), workspace->key_folder(environment).path));
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

// Seals or opens the key files of every environment; the files themselves say which they are.
Result<int> run_sealing(const KeyArguments& arguments, adapters::KeySealing sealing, Context& context) {
  const auto alone = TRY(Workspace::lock_keys(context, LockMode::exclusive));
  auto loaded = TRY(load_settings(context));
  if (!arguments.before.empty()) {
    loaded.passphrases_before.push_back(TRY(SecretRef::parse(arguments.before)));
    if (const auto& scheme = loaded.passphrases_before.back().scheme; scheme != "env" && scheme != "file")
      return fail(Errc::invalid, "expected a reference of env: or file:", arguments.before);
  }
  const auto workspace = TRY(Workspace::open(context, std::move(loaded)));
  const bool seals = sealing == adapters::KeySealing::sealed;
  std::size_t written = 0;
  for (const auto environment : all_environments)
    CHECK(registry::require_grant(TRY(workspace->principal(environment)), "admin", "key", no_kind));
  const std::string operation = seals ? "key.protect" : "key.unprotect";
  for (const auto environment : all_environments) CHECK(workspace->announce(environment, operation, "key files"));
  for (const auto environment : all_environments)
    written += TRY(adapters::seal_keys_file(workspace->key_folder(environment), sealing));
  CHECK(adapters::seal_address_key(workspace->address_key(), sealing));
  ++written;
  for (const auto environment : all_environments) {
    Event event;
    event.kind = operation;
    event.target = "key files";
    event.outcome = "ok";
    CHECK(workspace->record(environment, std::move(event), TRY(workspace->principal(environment))));
  }
  if (context.json)
    context.out.json(json::Value().set("files", written).set("sealed", seals));
  else
    context.out.good(fmt::format("{} key files are {} now", written, seals ? "sealed with the passphrase" : "open"));
  context.out.hint(seals ? "keep the passphrase apart from the backup of the keys: without it they are lost"
                         : "take keys.passphrase out of the configuration, or new keys are sealed again");
  return 0;
}

}  // namespace

std::vector<Command> key_commands() {
  return {
      {.name = "key list",
       .access = Access::grant("read", "any model"),
       .summary = "list the keys of each environment: purposes, ids, places and states, never the keys",
       .details = "States: active; withheld (the configuration wants another one: rotate it); trusted (still "
                  "verifies); retired (still unwraps, or knows its tokens).",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<KeyArguments>();
         args.choice("-e,--environment", a->environment, {"dev", "staging", "production"}, "only this one");
         return [a](Context& context) { return run_list(*a, context); };
       }},
      {.name = "key public",
       .access = Access::grant("read", "any model"),
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
       .access = Access::grant("admin", "key"),
       .summary = "make a new key; what the one before signed still verifies, its tokens are still good",
       .details = "It is made where the configuration says (keys.ENVIRONMENT.PURPOSE); of a keeper, the key that it "
                  "has there today is taken over. The key that wraps data keys is rotated by `store rotate`.\n"
                  "Example: hauberk key rotate -e production --purpose evidence",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<KeyArguments>();
         args.choice("-e,--environment", a->environment, {"dev", "staging", "production"}, "whose").required();
         args.choice("--purpose", a->purpose, {"evidence", "ledger", "model", "token"}, "which (default: model)");
         return [a](Context& context) { return run_rotate(*a, context); };
       }},
      {.name = "key protect",
       .access = Access::grant("admin", "key"),
       .summary = "seal all key files with the passphrase of the configuration (keys.passphrase)",
       .details = "To change the passphrase, name the new one in the configuration and the former one here.\n"
                  "Example: hauberk key protect --before env:OLD_PASSPHRASE",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<KeyArguments>();
         args.option("--before", a->before, "REFERENCE", "where the former passphrase is (env: or file:)");
         return [a](Context& context) { return run_sealing(*a, adapters::KeySealing::sealed, context); };
       }},
      {.name = "key unprotect",
       .access = Access::grant("admin", "key"),
       .summary = "open all key files again, which the passphrase seals",
       .details = "",
       .declare = [](Args&) -> Run {
         return [](Context& context) { return run_sealing({}, adapters::KeySealing::open, context); };
       }}};
}

}  // namespace hauberk::app
