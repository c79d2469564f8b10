#include "app/args.h"

#include <CLI/CLI.hpp>

#include "app/args_impl.h"

namespace hauberk::app {

Args& Args::flag(std::string_view names, bool& target, std::string_view help) {
  impl_.specs.push_back({.names = std::string(names), .help = std::string(help)});
  if (impl_.app != nullptr) impl_.last = impl_.app->add_flag(std::string(names), target, std::string(help));
  return *this;
}

Args& Args::option(std::string_view names, std::string& target, std::string_view value, std::string_view help,
                   Hint hint) {
  impl_.specs.push_back(
      {.names = std::string(names), .help = std::string(help), .value = std::string(value), .hint = hint});
  if (impl_.app != nullptr) {
    impl_.last = impl_.app->add_option(std::string(names), target, std::string(help))->type_name(std::string(value));
    if (!target.empty()) impl_.last->capture_default_str();
  }
  return *this;
}

Args& Args::option(std::string_view names, std::vector<std::string>& target, std::string_view value,
                   std::string_view help, Hint hint) {
  impl_.specs.push_back(
      {.names = std::string(names), .help = std::string(help), .value = std::string(value), .hint = hint});
  if (impl_.app != nullptr)
    impl_.last = impl_.app->add_option(std::string(names), target, std::string(help))
                     ->type_name(std::string(value))
                     ->allow_extra_args(false);
  return *this;
}

Args& Args::option(std::string_view names, std::int64_t& target, std::string_view value, std::string_view help) {
  impl_.specs.push_back({.names = std::string(names), .help = std::string(help), .value = std::string(value)});
  if (impl_.app != nullptr)
    impl_.last = impl_.app->add_option(std::string(names), target, std::string(help))
                     ->type_name(std::string(value))
                     ->capture_default_str();
  return *this;
}

Args& Args::choice(std::string_view names, std::string& target, std::vector<std::string> choices,
                   std::string_view help) {
  if (impl_.app != nullptr) {
    impl_.last = impl_.app->add_option(std::string(names), target, std::string(help))->check(CLI::IsMember(choices));
    if (!target.empty()) impl_.last->capture_default_str();
  }
  impl_.specs.push_back({.names = std::string(names),
                         .help = std::string(help),
                         .value = "VALUE",
                         .hint = Hint::choice,
                         .choices = std::move(choices)});
  return *this;
}

Args& Args::positional(std::string_view value, std::string& target, std::string_view help, Hint hint) {
  optional_positional(value, target, help, hint);
  return required();
}

Args& Args::optional_positional(std::string_view value, std::string& target, std::string_view help, Hint hint) {
  impl_.specs.push_back({.names = std::string(value),
                         .help = std::string(help),
                         .value = std::string(value),
                         .hint = hint,
                         .positional = true});
  if (impl_.app != nullptr)
    impl_.last = impl_.app->add_option(std::string(value), target, std::string(help))->type_name("");
  return *this;
}

Args& Args::positional(std::string_view value, std::vector<std::string>& target, std::string_view help, Hint hint) {
  optional_positional(value, target, help, hint);
  return required();
}

Args& Args::optional_positional(std::string_view value, std::vector<std::string>& target, std::string_view help,
                                Hint hint) {
  impl_.specs.push_back({.names = std::string(value),
                         .help = std::string(help),
                         .value = std::string(value),
                         .hint = hint,
                         .positional = true});
  if (impl_.app != nullptr)
    impl_.last = impl_.app->add_option(std::string(value), target, std::string(help))->type_name("");
  return *this;
}

Args& Args::required() {
  if (impl_.last != nullptr) impl_.last->required();
  return *this;
}

}  // namespace hauberk::app
