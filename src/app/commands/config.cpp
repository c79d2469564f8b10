#include <fmt/format.h>

#include <cstdio>

#include "app/output.h"
#include "app/wiring.h"
#include "app/workspace.h"

namespace hauberk::app {
namespace {

Result<int> run_check(Context& context) {
  const auto loaded = TRY(load_settings(context));
  const std::string file = loaded.path.empty() ? "built-in defaults" : loaded.path;
  // Policies are configuration, too, where there is a workspace.
  std::size_t policies = 0;
  for (const auto environment : all_environments) {
    const auto path = join_path(join_path(loaded.data, "policy"), fmt::format("{}.yaml", name(environment)));
    if (!context.files.info(path)) continue;
    const auto text = TRY(read_file(context.files, path, 1 << 20));
    (void)TRY(read_policy(as_text(text), path));
    ++policies;
  }
  if (context.json)
    context.out.json(
        json::Value().set("file", loaded.path).set("valid", true).set("data", loaded.data).set("policies", policies));
  else
    context.out.good(
        fmt::format("{} is valid{}", file, policies == 0 ? "" : fmt::format(", and so are {} policies", policies)));
  return 0;
}

Result<int> run_schema(const bool& markdown, Context& context) {
  if (markdown)
    std::printf("%s", config::reference_markdown(config_hooks()).c_str());
  else
    context.out.json(config::schema(config_hooks()));
  return 0;
}

Result<int> run_show(Context& context) {
  const auto loaded = TRY(load_settings(context));
  const auto value = config::show(loaded.settings);
  if (context.json)
    context.out.json(value);
  else
    std::printf("%s", config::write_yaml(value).c_str());
  return 0;
}

}  // namespace

std::vector<Command> config_commands() {
  return {
      {.name = "config check",
       .access = Access::anybody("it reads the configuration"),
       .summary = "check the configuration and the policies",
       .details = "",
       .declare = [](Args&) -> Run { return run_check; }},
      {.name = "config schema",
       .access = Access::anybody("it prints what the program knows"),
       .summary = "print the JSON Schema of the configuration: every key there is",
       .details = "",
       .declare = [](Args& args) -> Run {
         auto markdown = std::make_shared<bool>(false);
         args.flag("--markdown", *markdown, "as a reference for people");
         return [markdown](Context& context) { return run_schema(*markdown, context); };
       }},
      {.name = "config show",
       .access = Access::anybody("it reads the configuration"),
       .summary = "print the configuration in effect, defaults included; secrets only as references",
       .details = "",
       .declare = [](Args&) -> Run { return run_show; }},
  };
}

}  // namespace hauberk::app
