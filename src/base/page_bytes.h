// PageBytes: bytes that begin on a page, for large reads from files. A kernel copies whole pages of a file, and some
// processors (AMD Zen 3 and 4) do that at half their speed to a place a few bytes into a page, which is just where
// large blocks of malloc() begin. Writing past the page cache (O_DIRECT) asks for pages, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace hauberk {

inline constexpr std::size_t page_bytes = 4096;

template <class T>
struct PageAllocator {
  using value_type = T;
  static constexpr std::align_val_t page{page_bytes};
  PageAllocator() = default;
  template <class U>
  explicit(false) PageAllocator(const PageAllocator<U>& /*other*/) {}
  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), page)); }
  void deallocate(T* memory, std::size_t /*count*/) noexcept { ::operator delete(memory, page); }
  bool operator==(const PageAllocator&) const = default;
};

using PageBytes = std::vector<std::uint8_t, PageAllocator<std::uint8_t>>;

}  // namespace hauberk
