#include <fmt/format.h>

#include "app/output.h"
#include "app/wiring.h"
#include "app/workspace.h"

namespace hauberk::app {
namespace {

// Tells of each reference whether it leads to a secret; of the secret itself nothing, not even its length.
Result<int> run_secret_check(const std::vector<std::string>& given, Context& context) {
  const auto loaded = TRY(load_settings(context));
  std::vector<config::NamedReference> wanted;
  for (const auto& text : given) wanted.push_back({"", TRY(SecretRef::parse(text))});
  if (given.empty()) wanted = config::references(loaded.settings);
  const auto secrets = make_secret_resolver(loaded.settings, context.files, context.clock, context.random);

  json::Value list = json::Value::array();
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> reasons;
  bool could_ask = true;
  for (const auto& [pointer, reference] : wanted) {
    const auto secret = secrets->resolve(reference);
    const auto text = reference.text();
    json::Value row = json::Value().set("reference", text).set("used_by", pointer).set("resolves", secret.has_value());
    if (!secret) {
      row.set("code", name(secret.error().code)).set("reason", secret.error().message);
      reasons.push_back(fmt::format("{}: {}", text, secret.error().message));
      could_ask = could_ask && secret.error().code != Errc::unavailable && secret.error().code != Errc::deadline;
    }
    list.push(std::move(row));
    rows.push_back({text, pointer.empty() ? "-" : pointer,
                    secret ? std::string("resolves") : std::string(name(secret.error().code))});
  }
  if (context.json) {
    context.out.json(list);
  } else if (rows.empty()) {
    context.out.line("the configuration holds no reference to a secret");
  } else {
    context.out.table({"REFERENCE", "USED BY", "STATE"}, rows);
    for (const auto& reason : reasons) context.out.line(reason);
  }
  return reasons.empty() ? 0 : could_ask ? 1 : 3;
}

}  // namespace

Command secret_command() {
  return {.name = "secret check",
          .access = Access::anybody("it reads the configuration and asks keepers as whoever runs it"),
          .summary = "tell which references to secrets resolve, never their values",
          .details =
              "Without REFERENCE: all that the configuration holds. Exits with 1 where one leads nowhere, with 3 where "
              "its keeper could not be asked.\n"
              "Example: hauberk secret check vault:secret/data/team/hf#token",
          .declare = [](Args& args) -> Run {
            auto given = std::make_shared<std::vector<std::string>>();
            args.optional_positional(
                "REFERENCE", *given,
                "such as env:NAME, file:PATH, vault:PATH#KEY, aws-sm:NAME#KEY or pkcs11:token=LABEL;object=LABEL");
            return [given](Context& context) { return run_secret_check(*given, context); };
          }};
}

}  // namespace hauberk::app
