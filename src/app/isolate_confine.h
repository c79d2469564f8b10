// How a worker gives up what it does not need, for good, before it reads a byte of any file: it dies with its parent,
// leaves no core, gains no privilege, holds no capability; its memory, processes and files are limited (setrlimit), the
// file system is closed (Landlock), and any system call outside of a short list ends it (seccomp-BPF,
// SECCOMP_RET_KILL_PROCESS). Sources: capabilities(7), landlock(7), seccomp(2). For a process of one thread; not to be
// undone.
#pragma once

#include <vector>

#include "app/isolate.h"

namespace hauberk::app {

// Sanitizers reserve terabytes of addresses, so that memory is not limited, and probe it through pipes.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
inline constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool sanitized = false;
#endif

// Which of the optional layers to apply: all, except in tests that prove each of them alone.
struct Confinement {
  bool landlock = true;
  bool seccomp = true;
};

// What holds now. The layers named after `Layer` may be inactive, for the parent to judge; all others are a must.
// Errc::internal: one of those failed, and the process must end.
Result<std::vector<LayerState>> confine(const Confinement& confinement, std::uint64_t memory);

// Installs the allow-list. `pid` is the only process that may be signalled: by abort(), itself.
Status install_seccomp(int pid);

}  // namespace hauberk::app
