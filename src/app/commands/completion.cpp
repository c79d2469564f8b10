#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "app/program.h"

namespace hauberk::app {
namespace {

// "-q,--quiet" -> {"-q", "--quiet"}
std::vector<std::string> split_names(std::string_view names) {
  std::vector<std::string> out;
  while (!names.empty()) {
    const auto comma = names.find(',');
    out.emplace_back(names.substr(0, comma));
    names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
  }
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// The words that may follow `prefix` ("" or "model").
std::vector<std::string> words_after(const std::vector<VerbSpec>& specs, std::string_view prefix) {
  std::set<std::string> words;
  for (const auto& spec : specs) {
    std::string_view name = spec.name;
    if (name.empty()) continue;
    if (!prefix.empty()) {
      if (!name.starts_with(std::string(prefix) + " ")) continue;
      name.remove_prefix(prefix.size() + 1);
    }
    words.emplace(name.substr(0, name.find(' ')));
  }
  return {words.begin(), words.end()};
}

std::vector<std::string> option_names(const VerbSpec& spec) {
  std::vector<std::string> names;
  for (const auto& argument : spec.arguments)
    if (!argument.positional)
      for (auto& one : split_names(argument.names)) names.push_back(std::move(one));
  return names;
}

std::vector<std::string> values_of(const ArgumentSpec& argument) {
  if (argument.hint == Hint::environment) return {"dev", "staging", "production"};
  return argument.choices;
}

std::string bash_script(const std::vector<VerbSpec>& specs) {
  std::string out =
      "# bash completion for hauberk; load with: source <(hauberk completion bash)\n"
      "_hauberk() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" verb=\"\" word i\n"
      "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
      "    word=\"${COMP_WORDS[i]}\"\n"
      "    case \"$word\" in -*) ;; *) case \"$verb\" in '') verb=\"$word\" ;;";
  for (const auto& group : {"model", "token", "ledger", "config"})
    out += fmt::format(" {}) verb=\"{} $word\" ;;", group, group);
  out += " scan) [ \"$word\" != explain ] || verb=\"scan explain\" ;;";
  out += " esac ;; esac\n  done\n  case \"$verb/$previous\" in\n";
  for (const auto& spec : specs)
    for (const auto& argument : spec.arguments) {
      if (argument.positional || argument.value.empty()) continue;
      for (const auto& one : split_names(argument.names)) {
        const std::string pattern =
            spec.name.empty() ? fmt::format("*/{}", one) : fmt::format("'{}'/{}", spec.name, one);
        if (const auto values = values_of(argument); !values.empty())
          out += fmt::format("    {}) COMPREPLY=($(compgen -W \"{}\" -- \"$current\")); return ;;\n", pattern,
                             joined(values));
        else if (argument.hint == Hint::directory)
          out += fmt::format("    {}) COMPREPLY=($(compgen -d -- \"$current\")); return ;;\n", pattern);
        else
          out += fmt::format("    {}) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n", pattern);
      }
    }
  out += "  esac\n  case \"$verb\" in\n";
  out += fmt::format("    '') COMPREPLY=($(compgen -W \"{} {}\" -- \"$current\")) ;;\n", joined(words_after(specs, "")),
                     joined(option_names(specs.front())));
  for (const auto& group : {"model", "token", "ledger", "config"})
    out += fmt::format("    '{}') COMPREPLY=($(compgen -W \"{}\" -- \"$current\")) ;;\n", group,
                       joined(words_after(specs, group)));
  // The longer names first: 'scan explain'* would never be reached after 'scan'*.
  std::vector<VerbSpec> longest_first(specs.begin(), specs.end());
  std::ranges::sort(longest_first, std::ranges::greater(), [](const VerbSpec& spec) { return spec.name.size(); });
  for (const auto& spec : longest_first)
    if (!spec.name.empty()) {
      bool files = false;
      std::vector<std::string> choices;
      for (const auto& argument : spec.arguments)
        if (argument.positional) {
          files = files || argument.hint == Hint::file || argument.hint == Hint::directory;
          choices = argument.choices;
        }
      out += fmt::format("    '{}'*) COMPREPLY=($(compgen {}-W \"{} {} {}\" -- \"$current\")) ;;\n", spec.name,
                         files ? "-f " : "", joined(choices), joined(option_names(spec)),
                         joined(option_names(specs.front())));
    }
  return out + "  esac\n}\ncomplete -o filenames -F _hauberk hauberk\n";
}

std::string zsh_script(const std::vector<VerbSpec>& specs) {
  return "#compdef hauberk\n# zsh completion for hauberk; load with: source <(hauberk completion zsh)\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         bash_script(specs);
}

std::string fish_script(const std::vector<VerbSpec>& specs) {
  std::string out =
      "# fish completion for hauberk; load with: hauberk completion fish | source\ncomplete -c hauberk -f\n";
  const auto quoted = [](std::string text) {
    std::erase(text, '\'');
    return "'" + text + "'";
  };
  const auto options = [&](const VerbSpec& spec, const std::string& condition) {
    for (const auto& argument : spec.arguments) {
      if (argument.positional) continue;
      out += "complete -c hauberk" + condition;
      for (const auto& one : split_names(argument.names))
        out += one.starts_with("--") ? " -l " + one.substr(2) : " -s " + one.substr(1);
      if (!argument.value.empty()) {
        const auto values = values_of(argument);
        out += values.empty() ? " -r -F" : " -x -a " + quoted(joined(values));
      }
      out += " -d " + quoted(argument.help) + "\n";
    }
  };
  options(specs.front(), "");
  std::set<std::string> groups;
  for (const auto& spec : specs) {
    if (spec.name.empty()) continue;
    const auto space = spec.name.find(' ');
    const std::string first = spec.name.substr(0, space);
    if (space == std::string::npos) {
      out += fmt::format("complete -c hauberk -n __fish_use_subcommand -a {} -d {}\n", first, quoted(spec.summary));
      options(spec, fmt::format(" -n '__fish_seen_subcommand_from {}'", first));
    } else {
      const std::string second = spec.name.substr(space + 1);
      if (groups.insert(first).second)
        out += fmt::format("complete -c hauberk -n __fish_use_subcommand -a {}\n", first);
      out += fmt::format(
          "complete -c hauberk -n '__fish_seen_subcommand_from {}; and not __fish_seen_subcommand_from {}' -a {} -d "
          "{}\n",
          first, joined(words_after(specs, first)), second, quoted(spec.summary));
      options(spec,
              fmt::format(" -n '__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from {}'", first, second));
    }
    for (const auto& argument : spec.arguments)
      if (argument.positional && (argument.hint == Hint::file || argument.hint == Hint::directory))
        out += fmt::format("complete -c hauberk -n '__fish_seen_subcommand_from {}' -F\n",
                           spec.name.substr(space == std::string::npos ? 0 : space + 1));
  }
  return out;
}

}  // namespace

Command completion_command() {
  return {.name = "completion",
          .access = Access::anybody("it prints what the program knows"),
          .summary = "print the completion script of a shell",
          .details = "Example: source <(hauberk completion bash)",
          .declare = [](Args& args) -> Run {
            auto shell = std::make_shared<std::string>();
            args.positional("SHELL", *shell, "bash, zsh or fish", Hint::choice);
            return [shell](Context&) -> Result<int> {
              const auto specs = verb_specs();
              std::string script;
              if (*shell == "bash")
                script = bash_script(specs);
              else if (*shell == "zsh")
                script = zsh_script(specs);
              else if (*shell == "fish")
                script = fish_script(specs);
              else
                return fail(Errc::invalid, fmt::format("no completion for '{}'; choose bash, zsh or fish", *shell));
              std::fwrite(script.data(), 1, script.size(), stdout);
              return 0;
            };
          }};
}

}  // namespace hauberk::app
