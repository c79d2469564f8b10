#include "app/isolate_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "app/isolate_confine.h"
#include "base/descriptor.h"

namespace hauberk::app {
namespace {

constexpr std::size_t most_descriptors = 64;  // in one message

int flags_of(NamespaceSet set) {
  constexpr int all = CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC;
  switch (set) {
    case NamespaceSet::with_user:
      return CLONE_NEWUSER | all;
    case NamespaceSet::without_user:
      return all;
    case NamespaceSet::none:
      return 0;
  }
  return 0;
}

struct Start {
  char* const* command;
  int socket;
  int null;
  int error;  // of exec; written by the child into memory that both share until then
};

// Runs in the parent's memory while its thread stands still: only system calls, no allocation, no lock.
__attribute__((no_sanitize("address", "thread"))) int become_worker(void* argument) {
  auto* start = static_cast<Start*>(argument);
  // The parent's handlers must not run in its memory here; exec does the same for those that stay.
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int socket = ::fcntl(start->socket, F_DUPFD, 16), null = ::fcntl(start->null, F_DUPFD, 16);
  char* const no_environment[] = {nullptr};
  if (socket >= 0 && null >= 0 && ::dup2(null, 0) == 0 && ::dup2(null, 1) == 1 && ::dup2(null, 2) == 2 &&
      ::dup2(socket, worker_socket) == worker_socket && ::close_range(worker_socket + 1, ~0u, 0) == 0)
    ::execve(start->command[0], start->command, no_environment);
  start->error = errno;
  ::_exit(127);
}

// The pid, or -1 with errno.
int clone_worker(Start& start, int namespaces) {
  // Sanitizers keep records in the memory that the child would write to; there the child gets a copy, and an error of
  // exec shows as exit status 127.
  constexpr int shared = sanitized ? 0 : CLONE_VM;
  constexpr std::size_t stack_size = 256u << 10;
  void* stack = ::mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return -1;
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int pid = ::clone(become_worker, static_cast<char*>(stack) + stack_size,
                          shared | CLONE_VFORK | SIGCHLD | namespaces, &start);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::munmap(stack, stack_size);
  errno = error;
  return pid;
}

int wait_for(int pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return status;
}

}  // namespace

WorkerEnd describe_end(int status) {
  if (status == -1) return {"isolate.crashed", "ended, and the system does not say how"};
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    const char* abbreviation = ::sigabbrev_np(number);
    const std::string signal =
        abbreviation != nullptr ? std::string("SIG") + abbreviation : "signal " + std::to_string(number);
    if (number == SIGSYS)
      return {"isolate.forbidden", "was ended by " + signal + ": it made a system call that it may not make"};
    if (number == SIGXCPU)
      return {"isolate.timeout", "was ended by " + signal + ": it used more processor time than allowed"};
    if (number == SIGKILL)
      return {"isolate.crashed", "was ended by " + signal + ", by somebody else or for want of memory"};
    return {"isolate.crashed", "was ended by " + signal};
  }
  switch (static_cast<WorkerExit>(WEXITSTATUS(status))) {
    case WorkerExit::out_of_memory:
      return {"isolate.memory", "needed more memory than allowed"};
    case WorkerExit::aborted:
      return {"isolate.crashed", "gave up (SIGABRT)"};
    default:
      return {"isolate.crashed", "ended with status " + std::to_string(WEXITSTATUS(status))};
  }
}

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(const std::vector<std::string>& command,
                                                            NamespaceSet namespaces) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail(Errc::unavailable, std::string("no socket pair for the scanner: ") + ::strerror(errno));
  Descriptor ours(ends[0]), theirs(ends[1]);
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null.get() < 0) return fail(Errc::unavailable, std::string("/dev/null cannot be opened: ") + ::strerror(errno));
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  Start start{arguments.data(), theirs.get(), null.get(), 0};
  const int pid = clone_worker(start, flags_of(namespaces));
  if (pid < 0) {
    const int error = errno;
    const bool refused = error == EPERM || error == EINVAL || error == ENOSPC || error == EUSERS || error == ENOSYS;
    return fail(refused && namespaces != NamespaceSet::none ? Errc::unsupported : Errc::unavailable, ::strerror(error));
  }
  if (start.error != 0) {
    wait_for(pid);
    return fail(Errc::unavailable, "the scanner's process cannot start " + command[0] + ": " + ::strerror(start.error));
  }
  return std::unique_ptr<WorkerProcess>(new WorkerProcess(pid, ours.release()));
}

WorkerProcess::~WorkerProcess() { end(); }

void WorkerProcess::send(FrameType type, ByteView payload, int descriptor) {
  append_frame(out_, type, payload);
  if (descriptor >= 0) descriptors_.push_back(descriptor);
}

Result<bool> WorkerProcess::flush() {
  while (!out_.empty()) {
    const std::size_t count = std::min(descriptors_.size(), most_descriptors);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_descriptors)] = {};
    iovec part{out_.data(), out_.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (count > 0) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
      auto* head = CMSG_FIRSTHDR(&message);
      head->cmsg_level = SOL_SOCKET;
      head->cmsg_type = SCM_RIGHTS;
      head->cmsg_len = CMSG_LEN(sizeof(int) * count);
      ::memcpy(CMSG_DATA(head), descriptors_.data(), sizeof(int) * count);
      // Bytes must remain for the descriptors that do not fit: one byte carries this batch.
      if (descriptors_.size() > count) part.iov_len = 1;
    }
    const auto sent = ::sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (sent < 0) return fail(Errc::unavailable, std::string("the isolated scanner is gone: ") + ::strerror(errno));
    descriptors_.erase(descriptors_.begin(), descriptors_.begin() + static_cast<std::ptrdiff_t>(count));
    out_.erase(out_.begin(), out_.begin() + sent);
  }
  return true;
}

bool WorkerProcess::receive() {
  for (;;) {
    const auto room = in_.room(64u << 10);
    // No control buffer: a worker that sends descriptors keeps them.
    const auto count = ::recv(socket_, room.data(), room.size(), MSG_DONTWAIT);
    if (count > 0) {
      in_.received(static_cast<std::size_t>(count));
      return true;
    }
    if (count == 0) return false;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK;
  }
}

Result<Frame> WorkerProcess::exchange(const Clock& clock, Tick limit) {
  for (;;) {
    if (auto frame = TRY(next())) return *frame;
    TRY(flush());
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - clock.tick()).count();
    if (left <= 0) return fail(Errc::deadline, "the isolated scanner does not answer in time");
    pollfd wait{socket_, static_cast<short>(POLLIN | (wants_to_send() ? POLLOUT : 0)), 0};
    if (::poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000))) < 0 && errno != EINTR)
      return fail(Errc::unavailable, ::strerror(errno));
    if ((wait.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !receive())
      return fail(Errc::unavailable, "the isolated scanner is gone");
  }
}

WorkerEnd WorkerProcess::end() {
  if (pid_ <= 0) return {};
  ::close(std::exchange(socket_, -1));
  const int pid = std::exchange(pid_, -1);
  ::kill(pid, SIGKILL);  // one that is dead already keeps its own reason
  return describe_end(wait_for(pid));
}

}  // namespace hauberk::app
