// MappedWindow: a stretch of a file as memory, read without copying. A file that somebody cuts off while it is mapped
// makes its readers fail (SIGBUS): whoever looks at a window does so inside read_mapped(), which turns that into an
// answer. A window belongs to one thread at a time; read_mapped() may run on any number of threads.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "base/result.h"

namespace hauberk {

class MappedWindow {
 public:
  MappedWindow() = default;
  // `size` bytes of the file from `offset` on, all of them brought into memory. Errc::unsupported where the file system
  // cannot map: read instead.
  static Result<MappedWindow> open(int file, std::uint64_t offset, std::size_t size);
  MappedWindow(MappedWindow&& other) noexcept;
  MappedWindow& operator=(MappedWindow&& other) noexcept;
  ~MappedWindow();
  ByteView bytes() const { return bytes_; }

 private:
  void* base_ = nullptr;
  std::size_t mapped_ = 0;
  ByteView bytes_;
};

// Calls `look`, which may touch mapped windows, must own nothing that a destructor frees, and may not throw. False if
// a window was cut off meanwhile; `look` then ended somewhere on its way.
[[nodiscard]] bool read_mapped(const std::function<void()>& look);

}  // namespace hauberk
