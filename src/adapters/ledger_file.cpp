#include "adapters/ledger_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>

#include "adapters/ledger_file_chain.h"
#include "base/log.h"
#include "base/sync.h"

namespace hauberk::adapters {
namespace {

constexpr std::size_t large_batch = 1u << 20;                     // is written at once, without waiting for more
constexpr Duration retry_pause = std::chrono::milliseconds(200);  // between tries to write while it fails
constexpr Duration longest_unsealed = std::chrono::minutes(1);

// Events wait as text in one buffer, which the writer's thread swaps against its own: two buffers are all the memory
// there is, and under the lock there is only a copy of some 400 bytes.
class FileLedger final : public Ledger {
 public:
  FileLedger(const LedgerPorts& ports, LedgerOptions options, std::unique_ptr<LedgerChain> chain)
      : ports_(ports),
        options_(std::move(options)),
        chain_(std::move(chain)),
        last_seal_(ports.clock.tick()),
        thread_([this] { run(); }) {}

  ~FileLedger() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  Status append(const Event& event) override {
    thread_local std::string text;
    text.clear();
    append_json(text, event);
    text += '\n';
    bool wake = false;
    {
      const std::lock_guard lock(mutex_);
      const bool full = queue_.size() + text.size() > options_.queue_bytes;
      if (options_.when_full == WhenFull::refuse) {
        if (failing_) return std::unexpected(refusal());
        if (full)
          return fail(Errc::exhausted, "the ledger's queue is full: the disk is slower than the requests",
                      options_.directory);
      } else if (full) {
        ++dropped_;
        return {};
      }
      const auto before = queue_.size();
      queue_ += text;
      ++appended_;
      wake = before == 0 || (before < large_batch && queue_.size() >= large_batch);
    }
    if (wake) wake_.notify_one();
    return {};
  }

  Status flush() override {
    std::unique_lock lock(mutex_);
    const auto target = appended_;
    ++flushing_;
    wake_.notify_one();
    done_.wait(lock, [&] { return done_count_ >= target || failing_; });
    --flushing_;
    if (failing_) return std::unexpected(refusal());
    return {};
  }

  bool healthy() const override {
    return options_.when_full == WhenFull::drop || !failing_.load(std::memory_order_relaxed);
  }

 private:
  Error refusal() const {
    const auto code = failure_.code == Errc::exhausted ? Errc::exhausted : Errc::unavailable;
    return Error{code, "events cannot be recorded: " + failure_.message, failure_.context};
  }

  void run() {
    std::string taken;
    std::unique_lock lock(mutex_);
    for (bool last = false; !last;) {
      wait_for_work(lock);
      // While a batch cannot be written nothing is put behind it: its sequence numbers are given already.
      if (!chain_->has_batch()) {
        taken.swap(queue_);
        taken_count_ = appended_;
      }
      const auto dropped = std::exchange(dropped_, 0);
      lock.unlock();
      const auto left_out = write(taken, dropped);
      taken.clear();
      lock.lock();
      dropped_ += left_out;
      if (!chain_->has_batch()) done_count_ = taken_count_;
      done_.notify_all();
      last = closing_ && (queue_.empty() || failing_);
    }
    finish();
  }

  // Until there is something to write, or a checkpoint is due, or a failed batch may be tried again.
  void wait_for_work(std::unique_lock<std::mutex>& lock) {
    const auto closing = [&] { return closing_; };
    const auto work = [&] { return closing_ || !queue_.empty(); };
    const auto enough = [&] { return closing_ || flushing_ != 0 || queue_.size() >= large_batch; };
    if (failing_) {
      wake_.wait_for(lock, retry_pause, closing);
    } else if (!chain_->has_batch()) {
      if (chain_->unsealed() != 0)
        wake_.wait_for(lock, longest_unsealed, work);
      else
        wake_.wait(lock, work);
      // Group commit: whatever comes within the interval shares one write and one sync.
      if (!queue_.empty() && options_.sync_interval > Duration(0)) wake_.wait_for(lock, options_.sync_interval, enough);
    }
  }

  // Chains and commits; returns how many events are left out, by the policy.
  std::uint64_t write(std::string_view events, std::uint64_t dropped) {
    if (dropped != 0) add_gap(dropped);
    while (!events.empty()) {
      const auto newline = events.find('\n');
      chain_->add(events.substr(0, newline));
      events.remove_prefix(newline + 1);
    }
    const auto written = chain_->commit();
    report(written);
    if (!written) {
      if (options_.when_full == WhenFull::refuse) return 0;  // the batch is kept
      const auto discarded = chain_->discard();
      return dropped != 0 ? discarded - 1 + dropped : discarded;  // the gap record itself is none that is missing
    }
    if (chain_->unsealed() >= options_.checkpoint_every || ports_.clock.tick() - last_seal_ >= longest_unsealed) seal();
    return 0;
  }

  void add_gap(std::uint64_t count) {
    Event event{.time = ports_.clock.now(), .kind = "gap", .outcome = "error", .reason = "not_recorded"};
    event.features = {{"dropped", static_cast<double>(count)}};
    chain_->add(event);
  }

  void report(const Status& written) {
    const std::lock_guard lock(mutex_);
    if (written) {
      if (failing_.exchange(false)) log::info("the ledger can be written again", {{"folder", options_.directory}});
      return;
    }
    failure_ = written.error();
    if (!failing_.exchange(true))
      log::error("the ledger cannot be written",
                 {{"error", failure_.text()},
                  {"meanwhile", options_.when_full == WhenFull::refuse ? "requests are refused"
                                                                       : "events are dropped and counted"}});
  }

  void seal() {
    if (auto sealed = chain_->seal(); !sealed)
      log::warning("the ledger's checkpoint could not be written; it is tried again",
                   {{"error", sealed.error().text()}});
    else
      last_seal_ = ports_.clock.tick();
  }

  void finish() {
    if (failing_) {
      const auto waiting = static_cast<std::uint64_t>(std::ranges::count(queue_, '\n'));
      log::error("events of the ledger are lost: they could not be written before the end",
                 {{"events", std::to_string(chain_->discard() + waiting + dropped_)}, {"folder", options_.directory}});
    }
    seal();
  }

  const LedgerPorts ports_;
  const LedgerOptions options_;
  std::unique_ptr<LedgerChain> chain_;  // of the thread
  Tick last_seal_;                      // of the thread

  mutable std::mutex mutex_;
  std::condition_variable wake_;   // the thread
  std::condition_variable done_;   // who flushes
  std::string queue_;              // events as JSON lines
  std::uint64_t appended_ = 0;     // events ever queued
  std::uint64_t taken_count_ = 0;  // of them, taken by the thread
  std::uint64_t done_count_ = 0;   // of them, on the disk or dropped
  std::uint64_t dropped_ = 0;      // events left out that no gap record tells of yet
  std::uint32_t flushing_ = 0;
  bool closing_ = false;
  std::atomic<bool> failing_ = false;  // changed under the lock
  Error failure_;
  Thread thread_;  // last: it uses all of the above
};

}  // namespace

Result<std::unique_ptr<Ledger>> open_ledger_file(const LedgerPorts& ports, LedgerOptions options) {
  auto chain = TRY(LedgerChain::open(ports, options));
  return std::make_unique<FileLedger>(ports, std::move(options), std::move(chain));
}

namespace {

Result<std::unique_ptr<LedgerChain>> open_for_one(const LedgerPorts& ports, LedgerOptions options) {
  options.lock_wait = std::max<Duration>(options.lock_wait, std::chrono::seconds(5));
  return LedgerChain::open(ports, options);
}

}  // namespace

Status try_ledger(const LedgerPorts& ports, LedgerOptions options) {
  const auto chain = TRY(open_for_one(ports, std::move(options)));
  CHECK(chain->commit());
  CHECK(chain->seal());
  CHECK(ports.keys->sign(crypto::KeyPurpose::ledger, as_bytes("hauberk: can this be recorded?")));
  return {};
}

Status append_to_ledger(const LedgerPorts& ports, LedgerOptions options, const Event& event, Seal seal) {
  const auto chain = TRY(open_for_one(ports, std::move(options)));
  chain->add(event);
  CHECK(chain->commit());
  if (auto sealed = chain->seal(); !sealed) {
    if (seal == Seal::required) return std::unexpected(std::move(sealed).error().in("the ledger's checkpoint"));
    log::warning("the ledger's checkpoint could not be written", {{"error", sealed.error().text()}});
  }
  return {};
}

}  // namespace hauberk::adapters
