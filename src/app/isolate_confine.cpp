#include "app/isolate_confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hauberk::app {
namespace {

std::string reason(int error) { return ::strerror(error); }

// linux/landlock.h of the oldest system that we build on ends before the newer rights, so the few words are written
// here.
struct LandlockRules {
  std::uint64_t file_system = 0;
  std::uint64_t network = 0;  // ABI 4
  std::uint64_t scoped = 0;   // ABI 6
};
constexpr std::uint32_t landlock_version_flag = 1;
constexpr long landlock_create_call = 444, landlock_restrict_call = 446;  // the same on every architecture

// Everything that the kernel knows to forbid, and no rule that allows any of it.
LandlockRules everything(long abi) {
  LandlockRules rules;
  const int rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
  rules.file_system = (1ull << rights) - 1;
  if (abi >= 4) rules.network = 3;  // bind, connect over TCP
  if (abi >= 6) rules.scoped = 3;   // abstract sockets, signals
  return rules;
}

LayerState close_file_system() {
  LayerState state{.name = std::string(name(Layer::landlock))};
  const long abi = ::syscall(landlock_create_call, nullptr, 0, landlock_version_flag);
  if (abi < 1) {
    state.detail = errno == EOPNOTSUPP ? "the kernel has it, but it is switched off at boot (lsm=)"
                                       : "the kernel does not have it: " + reason(errno);
    return state;
  }
  const auto rules = everything(abi);
  const std::size_t size = abi >= 6 ? sizeof(rules) : abi >= 4 ? 16 : 8;
  const int ruleset = static_cast<int>(::syscall(landlock_create_call, &rules, size, 0));
  state.active = ruleset >= 0 && ::syscall(landlock_restrict_call, ruleset, 0) == 0;
  state.detail = state.active ? "ABI " + std::to_string(abi) : reason(errno);
  if (ruleset >= 0) ::close(ruleset);
  return state;
}

Status limit(__rlimit_resource resource, rlim_t value, const char* what) {
  const rlimit both{value, value};
  if (::setrlimit(resource, &both) != 0)
    return fail(Errc::internal, std::string("cannot limit ") + what + ": " + reason(errno));
  return {};
}

Status limit_resources(std::uint64_t memory) {
  if (!sanitized) CHECK(limit(RLIMIT_AS, memory, "memory"));
  CHECK(limit(RLIMIT_CORE, 0, "core dumps"));
  CHECK(limit(RLIMIT_NPROC, 0, "processes"));
  CHECK(limit(RLIMIT_FSIZE, 0, "written files"));
  CHECK(limit(RLIMIT_MEMLOCK, 0, "locked memory"));
  CHECK(limit(RLIMIT_MSGQUEUE, 0, "message queues"));
  CHECK(limit(RLIMIT_NOFILE, 128, "descriptors"));
  // The parent keeps the time of each file and retires workers early; this ends one whose parent is stopped.
  return limit(RLIMIT_CPU, 3600, "processor time");
}

// Also for root, whose worker keeps its user where the kernel gives no user namespace.
Status drop_capabilities() {
  for (int capability = 0; capability <= 63; ++capability)
    static_cast<void>(::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0));
  static_cast<void>(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct none[2] = {};
  if (::syscall(SYS_capset, &header, none) != 0)
    return fail(Errc::internal, "cannot drop capabilities: " + reason(errno));
  return {};
}

}  // namespace

Result<std::vector<LayerState>> confine(const Confinement& confinement, std::uint64_t memory) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0)
    return fail(Errc::internal, "cannot bind the worker to its parent: " + reason(errno));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail(Errc::internal, "cannot give up new privileges: " + reason(errno));
  CHECK(drop_capabilities());
  CHECK(limit_resources(memory));
  std::vector<LayerState> states;
  states.push_back({"privileges", true, "no capabilities, none to be gained, no core, no ptrace"});
  states.push_back({"limits", true, std::to_string(memory >> 20) + " MiB, no processes, no writes"});
  if (confinement.landlock) states.push_back(close_file_system());
  if (confinement.seccomp) {
    const auto installed = install_seccomp(static_cast<int>(::getpid()));
    states.push_back({std::string(name(Layer::seccomp)), installed.has_value(),
                      installed ? "short allow-list, all else kills" : installed.error().message});
  }
  return states;
}

}  // namespace hauberk::app
