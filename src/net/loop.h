// Loop: one thread's event loop over epoll, edge-triggered. A Watched descriptor is registered once; a coroutine that
// must wait for it says until when. Deadlines are checked ten times a second: they bound, they do not measure. Thread
// safety: all of it belongs to the loop's thread, but post() and stop(), which any thread may call. Cost: no system
// call for a wait whose event has come already; one epoll_wait for all that come together.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "base/time.h"

namespace hauberk::net {

enum class Wake { ready, timed_out, cancelled };

class Loop;

// A descriptor known to a loop; closes it. Not movable: the kernel holds its address.
class Watched {
 public:
  Watched(Loop& loop, int fd);
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  int fd() const { return fd_; }
  Loop& loop() const { return loop_; }
  // What waits now, or comes to wait later, is woken with Wake::cancelled.
  void cancel();
  // When the other side hangs up, `other` is cancelled: who waits for an upstream need not outlive its client.
  void cancel_on_hangup(Watched* other) { on_hangup_ = other; }
  bool hung_up() const { return hung_up_; }

  struct Awaiter {
    Watched& watched;
    bool for_write;
    Tick deadline;
    bool await_ready();
    void await_suspend(std::coroutine_handle<> handle);
    Wake await_resume();
  };
  // Waits until a read (write) may get further. Call it only after one has said EAGAIN.
  Awaiter readable(Tick deadline) { return {*this, false, deadline}; }
  Awaiter writable(Tick deadline) { return {*this, true, deadline}; }

 private:
  friend class Loop;
  struct Side {
    std::coroutine_handle<> waiter;
    Tick deadline{};
    bool ready = false;  // an event has come that nobody waited for
    Wake wake = Wake::ready;
  };
  // What the kernel points at; it outlives the object until the events in hand are dealt with.
  struct Registration {
    Watched* owner;
  };
  Side& side(bool for_write) { return for_write ? write_ : read_; }

  Loop& loop_;
  std::shared_ptr<Registration> registration_;
  const int fd_;
  Side read_, write_;
  Watched* on_hangup_ = nullptr;
  bool hung_up_ = false;
  bool cancelled_ = false;
  Watched *previous_ = nullptr, *next_ = nullptr;
};

class Loop {
 public:
  static Result<std::unique_ptr<Loop>> create(const Clock& clock);
  ~Loop();

  // Until stop(). Runs on the calling thread.
  void run();
  void stop();
  void post(std::function<void()> action);
  // Calls `action` when the listening socket has connections; only one of several loops is woken for each.
  Status listen(int fd, std::function<void()> action);
  void stop_listening();
  // Called ten times a second.
  void every_beat(std::function<void()> action);
  // As of the last return of epoll_wait: fresh enough for deadlines.
  Tick now() const;
  const Clock& clock() const;

  struct Sleep {
    Loop& loop;
    Tick until;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle);
    void await_resume() const {}
  };
  Sleep sleep_until(Tick until) { return {*this, until}; }

 private:
  friend class Watched;
  struct Impl;
  explicit Loop(std::unique_ptr<Impl> impl);
  void wake(Watched::Side& side, Wake how);
  void deliver(void* registration, std::uint32_t bits);
  void check_deadlines();
  std::unique_ptr<Impl> impl_;
};

}  // namespace hauberk::net
