// Args: what one verb accepts. A thin face of CLI11 that also remembers what was declared, so that shell completion and
// the reference are generated from the same list. Wrong use is answered by the program with exit code 2.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hauberk::app {

enum class Hint { none, file, directory, environment, model, choice };  // what a shell should complete

struct ArgumentSpec {
  std::string names;  // "--name", "-n,--name"; "PATH" for a positional
  std::string help;
  std::string value;  // name of the value; empty for a flag
  Hint hint = Hint::none;
  std::vector<std::string> choices;
  bool positional = false;
};

class Args {
 public:
  struct Impl;
  explicit Args(Impl& impl) : impl_(impl) {}

  Args& flag(std::string_view names, bool& target, std::string_view help);
  Args& option(std::string_view names, std::string& target, std::string_view value, std::string_view help,
               Hint hint = Hint::none);
  Args& option(std::string_view names, std::vector<std::string>& target, std::string_view value, std::string_view help,
               Hint hint = Hint::none);
  Args& option(std::string_view names, std::int64_t& target, std::string_view value, std::string_view help);
  Args& choice(std::string_view names, std::string& target, std::vector<std::string> choices, std::string_view help);
  Args& positional(std::string_view value, std::string& target, std::string_view help,
                   Hint hint = Hint::none);  // required
  Args& optional_positional(std::string_view value, std::string& target, std::string_view help, Hint hint = Hint::none);
  Args& positional(std::string_view value, std::vector<std::string>& target, std::string_view help,
                   Hint hint = Hint::none);  // one or more
  Args& optional_positional(std::string_view value, std::vector<std::string>& target, std::string_view help,
                            Hint hint = Hint::none);  // none or more
  Args& required();                                   // the option declared last must be given

 private:
  Impl& impl_;
};

}  // namespace hauberk::app
