#include "app/become.h"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace hauberk::app {

Error become(const std::vector<std::string>& command, const std::string& model,
             const std::vector<std::string>& secrets) {
  std::vector<std::string> words;
  for (auto word : command) {
    for (auto at = word.find("{}"); at != std::string::npos; at = word.find("{}", at + model.size()))
      word.replace(at, 2, model);
    words.push_back(std::move(word));
  }
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::setenv("HAUBERK_MODEL", model.c_str(), 1);
  for (const auto& name : secrets) ::unsetenv(name.c_str());
  ::signal(SIGPIPE, SIG_DFL);  // ignored here, and that would be inherited
  std::fflush(nullptr);
  ::execvp(pointers.front(), pointers.data());
  return {Errc::not_found, fmt::format("it cannot be run: {}", ::strerror(errno)), command.front()};
}

}  // namespace hauberk::app
