#include "gateway/compute.h"

namespace hauberk::gateway {

ComputePool::ComputePool(unsigned threads, std::size_t queue) : queue_(queue) {
  for (unsigned i = 0; i < threads; ++i)
    threads_.emplace_back([this] {
      while (auto action = queue_.pop()) (*action)();
    });
}

ComputePool::~ComputePool() { queue_.close(); }

bool ComputePool::Work::await_suspend(std::coroutine_handle<> handle) {
  std::function<void()> job = [work = std::move(action), &where = loop, handle] {
    work();
    where.post([handle] { handle.resume(); });
  };
  accepted = pool.queue_.try_push(std::move(job));
  return accepted;
}

}  // namespace hauberk::gateway
