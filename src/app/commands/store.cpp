#include <fmt/format.h>

#include <memory>

#include "adapters/keys_file.h"
#include "app/output.h"
#include "app/workspace.h"
#include "registry/maintenance.h"

namespace hauberk::app {
namespace {

struct StoreArguments {
  std::string environment;
  std::string age = "1d";
  bool remove = false;
};

Result<int> run_store_verify(const StoreArguments&, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(Environment::dev));
  auto progress = context.out.progress("verifying");
  const auto check = TRY(registry::check_store(
      workspace->ports(), principal, [&](std::uint64_t done, std::uint64_t total) { progress.set(done, total); }));
  progress.finish();
  const bool fine = check.damaged.empty();
  if (context.json) {
    json::Value damaged = json::Value::array();
    for (const auto& one : check.damaged) damaged.push(one);
    context.out.json(json::Value()
                         .set("verified", fine)
                         .set("blobs", check.blobs)
                         .set("bytes", check.bytes)
                         .set("damaged", std::move(damaged))
                         .set("orphans", check.orphans));
    return fine ? 0 : 1;
  }
  if (fine)
    context.out.good(
        fmt::format("{} blobs, {}: each is what the catalogue says", check.blobs, format_bytes(check.bytes)));
  for (const auto& one : check.damaged) context.out.bad(cleaned(one));
  if (check.orphans != 0)
    context.out.hint(fmt::format("{} blobs belong to no version: hauberk store gc", check.orphans));
  return fine ? 0 : 1;
}

Result<int> run_store_gc(const StoreArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(Environment::dev));
  const auto mode = arguments.remove ? registry::GarbageMode::remove : registry::GarbageMode::look;
  if (arguments.remove) {
    CHECK(registry::require_grant(principal, "admin", "store", no_kind));
    CHECK(workspace->announce(Environment::dev, "store.gc", "blobs"));
  }
  const auto garbage =
      TRY(registry::collect_garbage(workspace->ports(), TRY(parse_duration(arguments.age)), mode, principal));
  if (arguments.remove) {
    Event event;
    event.kind = "store.gc";
    event.outcome = "ok";
    event.features = {{"removed", static_cast<double>(garbage.orphans.size())}};
    CHECK(workspace->record(Environment::dev, std::move(event), principal));
  }
  if (context.json) {
    json::Value list = json::Value::array();
    for (const auto& one : garbage.orphans) list.push(one.hex());
    context.out.json(
        json::Value().set("removed", arguments.remove).set("orphans", std::move(list)).set("younger", garbage.young));
    return 0;
  }
  for (const auto& one : garbage.orphans) context.out.line(fmt::format("  {}", one.hex()));
  context.out.good(fmt::format("{} blobs that belong to no version {}{}", garbage.orphans.size(),
                               arguments.remove ? "were removed" : "would be removed: --remove",
                               garbage.young == 0 ? "" : fmt::format("; {} younger ones stay", garbage.young)));
  return 0;
}

Result<int> run_store_rotate(const StoreArguments& arguments, Context& context) {
  const auto environment = TRY(parse_environment(arguments.environment));
  const auto alone = TRY(Workspace::lock_keys(context, LockMode::exclusive));
  std::string folder;
  bool newer = false;
  {
    auto workspace = TRY(Workspace::open(context));
    const auto principal = TRY(workspace->principal(environment));
    CHECK(registry::require_grant(principal, "admin", "store", no_kind));
    const auto keys = workspace->key_folder(environment);
    folder = keys.path;
    CHECK(workspace->announce(environment, "key.rotate",
                              TRY(workspace->keys(environment)->key_id(crypto::KeyPurpose::wrap)), "wrap"));
    const auto rotation = TRY(adapters::rotate_key_file(keys, crypto::KeyPurpose::wrap));
    newer = rotation.before != rotation.now;
  }
  auto workspace = TRY(Workspace::open(context));  // with the new key, and the old one to unwrap
  const auto principal = TRY(workspace->principal(environment));
  auto progress = context.out.progress("wrapping");
  const auto done =
      TRY(registry::rewrap_all(workspace->ports(), environment, principal,
                               [&](std::uint64_t now, std::uint64_t total) { progress.set(now, total); }));
  progress.finish();
  // A keeper's key that was taken over before: what a killed run left to be wrapped is wrapped now.
  if (!newer && done.wrapped == 0)
    return adapters::no_newer_key(workspace->key_folder(environment), crypto::KeyPurpose::wrap);
  const auto id = TRY(workspace->keys(environment)->key_id(crypto::KeyPurpose::wrap));
  Event event;
  event.kind = "key.rotate";
  event.target = id;
  event.outcome = "ok";
  event.features = {{"rewrapped", static_cast<double>(done.wrapped)}};
  CHECK(workspace->record(environment, std::move(event), principal));
  if (context.json)
    context.out.json(json::Value().set("key", id).set("rewrapped", done.wrapped));
  else
    context.out.good(fmt::format("{}: {} data keys are wrapped with {} now", name(environment), done.wrapped, id));
  context.out.hint(fmt::format("restart gateways of {}; then the old key in {}/retired may go, backups apart",
                               name(environment), folder));
  return 0;
}

Command store_command(std::string_view name, Access access, std::string_view summary, std::string_view details,
                      std::function<void(Args&, StoreArguments&)> declare,
                      Result<int> (*run)(const StoreArguments&, Context&)) {
  return {.name = name, .access = access, .summary = summary, .details = details, .declare = [=](Args& args) -> Run {
            auto arguments = std::make_shared<StoreArguments>();
            declare(args, *arguments);
            return [=](Context& context) { return run(*arguments, context); };
          }};
}

}  // namespace

std::vector<Command> store_commands() {
  return {
      store_command(
          "store verify", Access::grant("admin", "store"), "decrypt every blob and compare it with the catalogue",
          "Exit code 1 if one is damaged or missing.", [](Args&, StoreArguments&) {}, run_store_verify),
      store_command(
          "store gc", Access::grant("admin", "store"), "find blobs that belong to no version, and remove them",
          "Without --remove it only says which. Imports at work are safe: what is younger than --age stays.",
          [](Args& args, StoreArguments& a) {
            args.flag("--remove", a.remove, "remove them");
            args.option("--age", a.age, "DURATION", "only those at least this old (default: 1d)");
          },
          run_store_gc),
      store_command(
          "store rotate", Access::grant("admin", "store"),
          "make a new key that wraps data keys, and wrap all of them with it",
          "The blobs themselves stay as they are. A gateway that runs must be restarted to know the new key.\n"
          "Example: hauberk store rotate -e production",
          [](Args& args, StoreArguments& a) {
            args.choice("-e,--environment", a.environment, {"dev", "staging", "production"}, "whose key").required();
          },
          run_store_rotate)};
}

}  // namespace hauberk::app
