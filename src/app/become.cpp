#include "app/become.h"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace hauberk::app {
namespace {

rlimit cores_before{};
bool cores_known = false;

}  // namespace

void write_no_cores() {
  if (::getrlimit(RLIMIT_CORE, &cores_before) != 0) return;
  cores_known = true;
  // 0 would not stop a kernel that hands images to a program (core_pattern with "|"); 1 does (core(5)).
  rlimit none = cores_before;
  none.rlim_cur = std::min<rlim_t>(1, cores_before.rlim_max);
  (void)::setrlimit(RLIMIT_CORE, &none);
}

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
  if (cores_known) (void)::setrlimit(RLIMIT_CORE, &cores_before);
  std::fflush(nullptr);
  ::execvp(pointers.front(), pointers.data());
  return {Errc::not_found, fmt::format("it cannot be run: {}", ::strerror(errno)), command.front()};
}

}  // namespace hauberk::app
