#include "base/mapped_file.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <utility>

namespace hauberk {
namespace {

thread_local sigjmp_buf* way_out = nullptr;
struct sigaction before;

void on_bus_error(int number, siginfo_t* info, void* context) {
  if (way_out != nullptr) ::siglongjmp(*way_out, 1);
  // Not ours: as if we had never been asked.
  if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != nullptr)
    return before.sa_sigaction(number, info, context);
  ::signal(SIGBUS, SIG_DFL);
  ::raise(SIGBUS);
}

void catch_bus_errors() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigaction(SIGBUS, &action, &before);
  });
}

std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace

Result<MappedWindow> MappedWindow::open(int file, std::uint64_t offset, std::size_t size) {
  const auto lead = static_cast<std::size_t>(offset % page_size());
  MappedWindow window;
  window.mapped_ = lead + size;
  void* base =
      ::mmap(nullptr, window.mapped_, PROT_READ, MAP_SHARED | MAP_POPULATE, file, static_cast<off_t>(offset - lead));
  if (base == MAP_FAILED) return fail(Errc::unsupported, "the file cannot be mapped");
  window.base_ = base;
  window.bytes_ = {static_cast<const std::uint8_t*>(base) + lead, size};
  return window;
}

MappedWindow::MappedWindow(MappedWindow&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)),
      bytes_(std::exchange(other.bytes_, {})) {}

MappedWindow& MappedWindow::operator=(MappedWindow&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(mapped_, other.mapped_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedWindow::~MappedWindow() {
  if (base_ != nullptr) ::munmap(base_, mapped_);
}

bool read_mapped(const std::function<void()>& look) {
  catch_bus_errors();
  sigjmp_buf here;
  sigjmp_buf* const outer = way_out;
  // The mask is not saved: SA_NODEFER keeps the handler from changing it.
  if (sigsetjmp(here, 0) != 0) {
    way_out = outer;
    return false;
  }
  way_out = &here;
  look();
  way_out = outer;
  return true;
}

}  // namespace hauberk
