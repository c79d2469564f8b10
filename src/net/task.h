// Task<T>: a lazy coroutine that runs on the loop of the worker that awaits it. It starts when awaited, resumes its
// awaiter directly (no growing stack), and carries values, not exceptions: an exception that escapes ends the process.
// One thread: a task never leaves the worker that made it.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <utility>

namespace hauberk::net {

template <class T>
class Task;

namespace task_detail {

// Frames of coroutines, kept by size for the next ones of their thread: a request has a dozen of them.
class FramePool {
 public:
  static void* take(std::size_t size) {
    const auto shelf = shelf_of(size);
    if (shelf >= shelves || pool().free_[shelf] == nullptr) return ::operator new(rounded(size));
    auto* frame = pool().free_[shelf];
    pool().free_[shelf] = frame->next;
    --pool().count_[shelf];
    return frame;
  }
  static void give(void* memory, std::size_t size) {
    const auto shelf = shelf_of(size);
    if (shelf >= shelves || pool().count_[shelf] == most) return ::operator delete(memory, rounded(size));
    pool().free_[shelf] = new (memory) Free{pool().free_[shelf]};
    ++pool().count_[shelf];
  }

 private:
  struct Free {
    Free* next;
  };
  static constexpr std::size_t step = 128, shelves = 16, most = 256;
  static std::size_t shelf_of(std::size_t size) { return (size - 1) / step; }
  static std::size_t rounded(std::size_t size) { return (shelf_of(size) + 1) * step; }
  static FramePool& pool() {
    thread_local FramePool one;
    return one;
  }
  ~FramePool() {
    for (std::size_t shelf = 0; shelf < shelves; ++shelf)
      while (auto* frame = free_[shelf]) {
        free_[shelf] = frame->next;
        ::operator delete(static_cast<void*>(frame), (shelf + 1) * step);
      }
  }

  std::array<Free*, shelves> free_{};
  std::array<std::uint16_t, shelves> count_{};
};

// Not under the address sanitizer, so that a frame that is used after its end is found.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAUBERK_PLAIN_FRAMES 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAUBERK_PLAIN_FRAMES 1
#endif
struct PooledFrame {
#ifndef HAUBERK_PLAIN_FRAMES
  static void* operator new(std::size_t size) { return FramePool::take(size); }
  static void operator delete(void* memory, std::size_t size) { FramePool::give(memory, size); }
#endif
};

struct FinalAwaiter {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> handle) const noexcept {
    return handle.promise().continuation ? handle.promise().continuation : std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

struct PromiseBase : PooledFrame {
  std::coroutine_handle<> continuation;
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::abort(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace task_detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_detail::Promise<T>;

  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    handle_.promise().continuation = awaiting;
    return handle_;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace task_detail {
template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

// A coroutine that owns itself: it starts at once and destroys itself when it is done.
struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::abort(); }
  };
};
inline Detached detach(Task<void> task) { co_await std::move(task); }
}  // namespace task_detail

// Starts the task now; nobody waits for it.
inline void spawn(Task<void> task) { task_detail::detach(std::move(task)); }

}  // namespace hauberk::net
