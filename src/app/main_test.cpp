// The test program of app is also the isolated worker that its tests start: in place of the scanner it holds an
// attacker, which does what the name of the file says and reports how far it came.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <map>

#include "app/isolate_protocol.h"
#include "app/scan_worker.h"

namespace hauberk::app {
namespace {

int number_after(std::string_view text, char mark) {
  int number = 0;
  const auto rest = text.substr(text.find(mark) + 1);
  std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return number;
}

long try_connect(std::string_view path) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (socket < 0) return -1;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(number_after(path, ':')));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

long try_exec(std::string_view) {
  char* const nothing[] = {nullptr};
  return ::execve("/bin/true", nothing, nothing);
}

// In a child that ends at once, where it succeeds.
long try_fork(std::string_view) {
  const long pid = ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) ::_exit(0);
  return pid;
}

long try_executable_memory(std::string_view) {
  return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
             ? -1
             : 0;
}

long try_executable_later(std::string_view) {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return ::mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

// More than any limit of the tests, page by page so that it counts.
long use_memory(std::string_view) {
  std::vector<Bytes> hoard;
  for (int i = 0; i < 64; ++i) hoard.emplace_back(64u << 20, std::uint8_t{1});
  return static_cast<long>(hoard.size());
}

// Deeper than any stack is, though the compiler cannot know it.
int overflow_stack(volatile char* above) {
  volatile char frame[4096];
  frame[0] = above != nullptr ? above[0] : '\1';
  return frame[0] == 0 ? 0 : 1 + overflow_stack(frame);
}

long talk_nonsense(std::string_view path) {
  Bytes out;
  if (path.contains("huge")) {
    out.assign(8, 0xff);
  } else if (path.contains("not_json")) {
    append_frame(out, FrameType::report, as_bytes("{\"path\": "));
  } else if (path.contains("out_of_range")) {
    append_frame(out, FrameType::read, ReadRequest{UINT64_MAX - 2, 16}.encode());
  } else {
    append_frame(out, static_cast<FrameType>(77), {});
  }
  iovec part{out.data(), out.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return ::sendmsg(worker_socket, &message, 0);
}

using Attack = long (*)(std::string_view path);
const std::map<std::string_view, Attack> attacks = {
    {"connect", try_connect},
    {"exec", try_exec},
    {"fork", try_fork},
    {"open", [](std::string_view) -> long { return ::open("/etc/passwd", O_RDONLY); }},
    {"list", [](std::string_view) -> long { return ::open("/", O_RDONLY | O_DIRECTORY); }},
    {"create", [](std::string_view) -> long { return ::open("/tmp/hauberk-attack", O_WRONLY | O_CREAT, 0600); }},
    {"stat",
     [](std::string_view) -> long {
       struct stat info = {};
       return ::stat("/etc/passwd", &info);
     }},
    {"ptrace",
     [](std::string_view path) -> long { return ::ptrace(PTRACE_ATTACH, number_after(path, ':'), nullptr, nullptr); }},
    {"kill", [](std::string_view path) -> long { return ::kill(number_after(path, ':'), 0); }},
    {"socket", [](std::string_view) -> long { return ::socket(AF_UNIX, SOCK_STREAM, 0); }},
    {"namespace", [](std::string_view) -> long { return ::syscall(SYS_unshare, 0x10000000); }},
    {"write", [](std::string_view) -> long { return ::write(1, "x", 1); }},
    {"executable_memory", try_executable_memory},
    {"executable_later", try_executable_later},
    {"memory", use_memory},
    {"abort", [](std::string_view) -> long { ::abort(); }},
    {"segfault", [](std::string_view) -> long { return *static_cast<volatile int*>(nullptr); }},
    {"stack", [](std::string_view) -> long { return overflow_stack(nullptr); }},
    {"spin",
     [](std::string_view) -> long {
       for (volatile int i = 0;; i = i + 1) {
       }
     }},
    {"environment", [](std::string_view) -> long { return ::environ == nullptr || *::environ == nullptr ? 0 : 1; }},
    {"pid", [](std::string_view) -> long { return ::getpid(); }},
    {"descriptors",
     [](std::string_view) -> long {
       long open = 0;
       for (int i = 0; i < 128; ++i) open += ::lseek(i, 0, SEEK_CUR) >= 0 || errno != EBADF;
       return open;
     }},
    {"nonsense", talk_nonsense},
};

// "…/attack.NAME…": runs it; all else is scanned. The findings' messages say "result errno".
scan::Report hostile_scan(scan::Reader& reader, std::string_view path, const scan::ScanOptions& options) {
  const auto start = path.find("attack.");
  if (start == std::string_view::npos) return scan::scan(reader, path, options);
  auto word = path.substr(start + 7);
  word = word.substr(0, word.find_first_of(":."));
  errno = 0;
  const long result = attacks.at(word)(path);
  const int error = errno;
  scan::Report report{.path = std::string(path),
                      .format = "attack",
                      .verdict = scan::ScanVerdict::clean,
                      .rules_version = std::string(scan::rules_version)};
  report.notes = {std::to_string(result), result < 0 ? ::strerrorname_np(error) : "0"};
  return report;
}

}  // namespace
}  // namespace hauberk::app

int main(int argc, char** argv) {
  using namespace std::string_view_literals;
  using hauberk::app::hostile_scan;
  if (argc == 2 && argv[1] == "scan-worker"sv) return hauberk::app::serve_scans(hostile_scan, {});
  if (argc == 2 && argv[1] == "scan-worker-without-seccomp"sv)
    return hauberk::app::serve_scans(hostile_scan, {.seccomp = false});
  if (argc == 2 && argv[1] == "scan-worker-in-namespaces-only"sv)
    return hauberk::app::serve_scans(hostile_scan, {.landlock = false, .seccomp = false});
  if (argc == 2 && argv[1] == "scan-worker-that-dies"sv) return 7;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
