#include "net/loop.h"

#include <fmt/format.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace hauberk::net {
namespace {

constexpr int beat_milliseconds = 100;

}  // namespace

struct Loop::Impl {
  const Clock* clock = nullptr;
  int epoll = -1;
  int wakeup = -1;  // eventfd
  int listener = -1;
  std::function<void()> on_connection;
  std::vector<std::function<void()>> beats;
  Tick now{};
  Tick next_beat{};
  Watched* watched = nullptr;  // list of all
  Watched* walking = nullptr;  // where check_deadlines() goes on; moved when that one dies
  std::vector<std::pair<Tick, std::coroutine_handle<>>> sleepers;
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::vector<std::function<void()>> posted;
  std::vector<std::shared_ptr<Watched::Registration>> graveyard;

  ~Impl() {
    if (epoll >= 0) ::close(epoll);
    if (wakeup >= 0) ::close(wakeup);
  }
};

Watched::Watched(Loop& loop, int fd) : loop_(loop), registration_(std::make_shared<Registration>(this)), fd_(fd) {
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = registration_.get()}};
  if (::epoll_ctl(loop_.impl_->epoll, EPOLL_CTL_ADD, fd_, &event) != 0) cancelled_ = true;
  next_ = loop_.impl_->watched;
  if (next_ != nullptr) next_->previous_ = this;
  loop_.impl_->watched = this;
}

Watched::~Watched() {
  auto& impl = *loop_.impl_;
  if (impl.walking == this) impl.walking = next_;
  if (previous_ != nullptr)
    previous_->next_ = next_;
  else
    impl.watched = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  registration_->owner = nullptr;
  impl.graveyard.push_back(std::move(registration_));
  ::close(fd_);  // also leaves the epoll set
}

void Watched::cancel() {
  cancelled_ = true;
  // Not resumed from here: who cancels may stand on the stack of who waits.
  loop_.post([registration = registration_] {
    for (const bool for_write : {false, true})
      if (auto* owner = registration->owner; owner != nullptr && owner->side(for_write).waiter)
        owner->loop_.wake(owner->side(for_write), Wake::cancelled);
  });
}

bool Watched::Awaiter::await_ready() {
  auto& side = watched.side(for_write);
  if (watched.cancelled_) {
    side.wake = Wake::cancelled;
    return true;
  }
  if (!side.ready) return false;
  side.ready = false;
  side.wake = Wake::ready;
  return true;
}

void Watched::Awaiter::await_suspend(std::coroutine_handle<> handle) {
  auto& side = watched.side(for_write);
  side.waiter = handle;
  side.deadline = deadline;
}

Wake Watched::Awaiter::await_resume() { return watched.side(for_write).wake; }

Loop::Loop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Loop::~Loop() = default;

Result<std::unique_ptr<Loop>> Loop::create(const Clock& clock) {
  auto impl = std::make_unique<Impl>();
  impl->clock = &clock;
  impl->epoll = ::epoll_create1(EPOLL_CLOEXEC);
  impl->wakeup = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &impl->wakeup}};
  if (impl->epoll < 0 || impl->wakeup < 0 || ::epoll_ctl(impl->epoll, EPOLL_CTL_ADD, impl->wakeup, &event) != 0)
    return fail(Errc::exhausted, fmt::format("cannot make an event loop: {}; raise the limit of open files (ulimit -n)",
                                             ::strerror(errno)));
  impl->now = clock.tick();
  return std::unique_ptr<Loop>(new Loop(std::move(impl)));
}

Tick Loop::now() const { return impl_->now; }
const Clock& Loop::clock() const { return *impl_->clock; }

void Loop::post(std::function<void()> action) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->posted.push_back(std::move(action));
  }
  const std::uint64_t one = 1;
  (void)!::write(impl_->wakeup, &one, sizeof one);
}

void Loop::stop() {
  impl_->stopping = true;
  post([] {});
}

Status Loop::listen(int fd, std::function<void()> action) {
  impl_->listener = fd;
  impl_->on_connection = std::move(action);
  epoll_event event{.events = EPOLLIN | EPOLLEXCLUSIVE, .data = {.ptr = &impl_->listener}};
  if (::epoll_ctl(impl_->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
    return fail(Errc::internal, fmt::format("cannot watch the listening socket: {}", ::strerror(errno)));
  return {};
}

void Loop::stop_listening() {
  if (impl_->listener >= 0) ::epoll_ctl(impl_->epoll, EPOLL_CTL_DEL, impl_->listener, nullptr);
  impl_->listener = -1;
}

void Loop::every_beat(std::function<void()> action) { impl_->beats.push_back(std::move(action)); }

void Loop::Sleep::await_suspend(std::coroutine_handle<> handle) { loop.impl_->sleepers.emplace_back(until, handle); }

void Loop::wake(Watched::Side& side, Wake how) {
  side.wake = how;
  std::exchange(side.waiter, nullptr).resume();
}

void Loop::check_deadlines() {
  auto& walking = impl_->walking;
  for (walking = impl_->watched; walking != nullptr;) {
    auto* one = walking;
    walking = one->next_;
    // Waking one side may end the object; the other side then has nobody waiting.
    if (one->read_.waiter && one->read_.deadline <= impl_->now)
      wake(one->read_, Wake::timed_out);
    else if (one->write_.waiter && one->write_.deadline <= impl_->now)
      wake(one->write_, Wake::timed_out);
  }
  for (std::size_t i = 0; i < impl_->sleepers.size();) {
    if (impl_->sleepers[i].first > impl_->now) {
      ++i;
      continue;
    }
    const auto handle = impl_->sleepers[i].second;
    impl_->sleepers.erase(impl_->sleepers.begin() + static_cast<std::ptrdiff_t>(i));
    handle.resume();
  }
  for (const auto& beat : impl_->beats) beat();
}

void Loop::deliver(void* registration, std::uint32_t bits) {
  // Whoever was woken before may have ended this descriptor.
  auto* one = static_cast<Watched::Registration*>(registration)->owner;
  if (one == nullptr) return;
  constexpr std::uint32_t over = EPOLLHUP | EPOLLERR;
  if ((bits & (EPOLLRDHUP | over)) != 0) {
    one->hung_up_ = true;
    if (one->on_hangup_ != nullptr) std::exchange(one->on_hangup_, nullptr)->cancel();
  }
  if ((bits & (EPOLLIN | EPOLLRDHUP | over)) != 0) one->read_.ready = true;
  if ((bits & (EPOLLOUT | over)) != 0) one->write_.ready = true;
  if (one->read_.ready && one->read_.waiter) {
    one->read_.ready = false;
    wake(one->read_, Wake::ready);
  } else if (one->write_.ready && one->write_.waiter) {
    one->write_.ready = false;
    wake(one->write_, Wake::ready);
  }
}

void Loop::run() {
  std::array<epoll_event, 256> events;
  std::vector<std::function<void()>> actions;
  while (!impl_->stopping) {
    const int n = ::epoll_wait(impl_->epoll, events.data(), static_cast<int>(events.size()), beat_milliseconds);
    impl_->now = impl_->clock->tick();
    bool posted = false;
    for (int i = 0; i < n; ++i) {
      auto* place = events[static_cast<std::size_t>(i)].data.ptr;
      if (place == &impl_->wakeup) {
        posted = true;
      } else if (place == &impl_->listener) {
        if (impl_->listener >= 0) impl_->on_connection();
      } else {
        deliver(place, events[static_cast<std::size_t>(i)].events);
      }
    }
    impl_->graveyard.clear();
    if (posted) {
      std::uint64_t count = 0;
      (void)!::read(impl_->wakeup, &count, sizeof count);
      {
        const std::lock_guard lock(impl_->mutex);
        actions.swap(impl_->posted);
      }
      for (auto& action : actions) action();
      actions.clear();
    }
    if (impl_->now >= impl_->next_beat) {
      impl_->next_beat = impl_->now + std::chrono::milliseconds(beat_milliseconds);
      check_deadlines();
    }
  }
}

}  // namespace hauberk::net
