// ComputePool: threads for work that would hold up a worker's loop: inference, big bodies. A coroutine awaits its work
// and goes on on its own loop. A full queue is told at once: the caller answers 503 instead of waiting in secret.
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <vector>

#include "base/sync.h"
#include "net/loop.h"

namespace hauberk::gateway {

class ComputePool {
 public:
  ComputePool(unsigned threads, std::size_t queue);
  ~ComputePool();  // finishes what is queued

  struct Work {
    ComputePool& pool;
    net::Loop& loop;
    std::function<void()> action;
    bool accepted = true;
    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> handle);
    bool await_resume() const { return accepted; }  // false: the queue was full, nothing was done
  };
  Work run(net::Loop& loop, std::function<void()> action) { return {*this, loop, std::move(action)}; }

 private:
  BoundedQueue<std::function<void()>> queue_;
  std::vector<Thread> threads_;
};

}  // namespace hauberk::gateway
