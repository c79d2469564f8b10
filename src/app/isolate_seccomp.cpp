#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "app/isolate_confine.h"
#include "app/isolate_protocol.h"

namespace hauberk::app {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t this_architecture = AUDIT_ARCH_X86_64;
constexpr std::uint32_t foreign_calls = 0x40000000;  // the x32 table begins here, under the same architecture
#elif defined(__aarch64__)
constexpr std::uint32_t this_architecture = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t foreign_calls = 0x40000000;  // no such table; nothing lies up there
#else
#error "write the seccomp table of this architecture"
#endif

// What reading, computing and ending need, the frequent ones first. Nothing here makes a descriptor, a process or a
// path.
constexpr int allowed[] = {
    __NR_pread64,        __NR_read,         __NR_close,        __NR_clock_gettime, __NR_brk,
    __NR_munmap,         __NR_madvise,      __NR_mremap,       __NR_futex,         __NR_lseek,
    __NR_rt_sigprocmask, __NR_rt_sigaction, __NR_rt_sigreturn, __NR_sigaltstack,   __NR_restart_syscall,
    __NR_getrandom,      __NR_getpid,       __NR_gettid,       __NR_sched_yield,   __NR_exit,
    __NR_exit_group,
};

class Program {
 public:
  void add(std::uint16_t code, std::uint32_t k, std::uint8_t yes = 0, std::uint8_t no = 0) {
    code_.push_back({code, yes, no, k});
  }
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  void answer(std::uint32_t action) { add(BPF_RET | BPF_K, action); }
  void allow(int call) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1);
    answer(SECCOMP_RET_ALLOW);
  }
  // Allowed while the low half of an argument passes `test` (a BPF_JMP comparison with `k`), as `expected` says.
  void allow_if(int call, int argument, std::uint16_t test, std::uint32_t k, bool expected) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 4);
    load(offsetof(seccomp_data, args) + sizeof(std::uint64_t) * static_cast<std::size_t>(argument));
    add(BPF_JMP | test | BPF_K, k, expected ? 0 : 1, expected ? 1 : 0);
    answer(SECCOMP_RET_ALLOW);
    answer(SECCOMP_RET_KILL_PROCESS);
  }
  std::vector<sock_filter>& code() { return code_; }

 private:
  std::vector<sock_filter> code_;
};

std::vector<sock_filter> filter(int pid) {
  Program program;
  program.load(offsetof(seccomp_data, arch));
  program.add(BPF_JMP | BPF_JEQ | BPF_K, this_architecture, 1, 0);
  program.answer(SECCOMP_RET_KILL_PROCESS);
  program.load(offsetof(seccomp_data, nr));
  program.add(BPF_JMP | BPF_JGE | BPF_K, foreign_calls, 0, 1);
  program.answer(SECCOMP_RET_KILL_PROCESS);
  program.allow(__NR_pread64);
  program.allow_if(__NR_sendmsg, 0, BPF_JEQ, worker_socket, true);
  program.allow_if(__NR_recvmsg, 0, BPF_JEQ, worker_socket, true);
  program.allow_if(__NR_mmap, 2, BPF_JSET, PROT_EXEC, false);
  program.allow_if(__NR_mprotect, 2, BPF_JSET, PROT_EXEC, false);
  program.allow_if(__NR_tgkill, 0, BPF_JEQ, static_cast<std::uint32_t>(pid), true);
  for (const int call : allowed) program.allow(call);
  if (sanitized) {
    program.allow(__NR_pipe2);
    program.allow_if(__NR_write, 0, BPF_JGT, worker_socket, true);
  }
  program.answer(SECCOMP_RET_KILL_PROCESS);
  return program.code();
}

}  // namespace

Status install_seccomp(int pid) {
  auto code = filter(pid);
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
    return fail(Errc::unsupported, std::string("the kernel refuses the filter: ") + ::strerror(errno));
  return {};
}

}  // namespace hauberk::app
