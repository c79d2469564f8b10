#include "sign/model_hash.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "base/page_bytes.h"
#include "base/sync.h"
#include "crypto/owned.h"
#include "crypto/sha256_lanes.h"

namespace hauberk::sign {
namespace {

using crypto::Sha256Lane;

// Of each range so much is in memory at a time.
// It is copied there by the kernel: mapping pages costs more than copying them, once the copy fits the cache.
constexpr std::size_t window_bytes = 256u << 10;

// Ranges still to do, shared by the threads.
class Work {
 public:
  Work(const FileTree& tree, std::span<const FileRange> ranges, const HashOptions& options)
      : tree_(tree), ranges_(ranges), options_(options), order_(ranges.size()), digests_(ranges.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::ranges::sort(order_, std::greater(), [&](std::size_t i) { return ranges[i].end - ranges[i].begin; });
    for (const auto& range : ranges) total_ += range.end - range.begin;
  }

  std::optional<std::size_t> next() {
    const auto place = next_.fetch_add(1);
    return place < order_.size() && !failed_ ? std::optional(order_[place]) : std::nullopt;
  }
  void put(std::size_t range, Bytes digest) { digests_[range] = std::move(digest); }
  void count(std::uint64_t bytes) { done_ += bytes; }
  void fail_with(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    failed_ = true;
  }
  bool failed() const { return failed_; }
  void report() const {
    if (options_.progress) options_.progress(done_, total_);
  }
  const FileTree& tree() const { return tree_; }
  const FileRange& range(std::size_t i) const { return ranges_[i]; }

  Result<std::vector<Bytes>> take() {
    if (error_) return std::unexpected(std::move(*error_));
    return std::move(digests_);
  }

 private:
  const FileTree& tree_;
  const std::span<const FileRange> ranges_;
  const HashOptions& options_;
  std::vector<std::size_t> order_;
  std::uint64_t total_ = 0;
  std::vector<Bytes> digests_;  // each written by one thread
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::uint64_t> done_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::optional<Error> error_;
};

// A range while it is read. What is hashed must be the file that was listed, from its first byte to its last. The
// kernel reads ahead by itself; advice (WILLNEED, SEQUENTIAL) made cold files no faster.
class RangeReader {
 public:
  Status open(Work& work, std::size_t number) {
    const auto& range = work.range(number);
    item_ = work.tree().files()[range.file];
    FileTree::Item now;
    file_ = TRY(work.tree().open_file(item_, &now));
    if (now != item_) return changed();
    offset_ = range.begin;
    end_ = range.end;
    at_hand_ = {};
    return {};
  }
  // Bytes at hand; more are read where fewer than a block are left and the range goes on.
  Result<ByteView> bytes() {
    if (at_hand_.size() < crypto::sha256_block && at_hand_.size() < end_ - offset_) CHECK(refill());
    return at_hand_;
  }
  void consume(std::size_t count) {
    at_hand_ = at_hand_.subspan(count);
    offset_ += count;
  }
  bool at_end() const { return offset_ == end_; }
  // A write while it was read moved the time of change.
  Status close() {
    const auto now = TRY(FileTree::item_now(item_.path, file_));
    file_ = Descriptor();
    return now == item_ ? Status{} : changed();
  }
  std::unexpected<Error> changed() const {
    return fail(Errc::unavailable, "the file changed while it was read; let nobody write to the model and try again",
                item_.path);
  }

 private:
  Status refill() {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(window_bytes, end_ - offset_));
    buffer_.resize(window_bytes);
    std::size_t filled = 0;
    while (filled < size) {
      const auto count =
          ::pread(file_.get(), buffer_.data() + filled, size - filled, static_cast<off_t>(offset_ + filled));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return fail(Errc::unavailable, fmt::format("cannot read it: {}", ::strerror(errno)), item_.path);
      if (count == 0) return changed();
      filled += static_cast<std::size_t>(count);
    }
    at_hand_ = {buffer_.data(), filled};
    return {};
  }

  FileTree::Item item_;
  Descriptor file_;
  std::uint64_t offset_ = 0, end_ = 0;  // of what is at hand, of the range
  PageBytes buffer_;
  ByteView at_hand_;
};

// Several ranges at once on this thread.
class LanesWorker {
 public:
  LanesWorker(Work& work, std::size_t lanes, bool reports) : work_(work), slots_(lanes), reports_(reports) {}

  void run() {
    auto status = loop();
    if (!status) work_.fail_with(std::move(status).error());
  }

 private:
  struct Slot {
    RangeReader reader;
    Sha256Lane lane;
    std::optional<std::size_t> range;
  };

  // Idle slots take new ranges; a slot whose range ends in less than a block is finished on the way.
  Status fill(Slot& slot) {
    for (;;) {
      if (!slot.range) {
        slot.range = work_.next();
        if (!slot.range) return {};
        CHECK(slot.reader.open(work_, *slot.range));
      }
      const auto bytes = TRY(slot.reader.bytes());
      if (bytes.size() >= crypto::sha256_block) return {};
      const auto digest = slot.lane.finish(bytes);
      slot.reader.consume(bytes.size());
      work_.count(bytes.size());
      CHECK(slot.reader.close());
      work_.put(*slot.range, to_bytes(digest.bytes));
      slot.range.reset();
    }
  }

  Status loop() {
    std::vector<Sha256Lane*> lanes;
    std::vector<ByteView> pieces;
    std::vector<Slot*> active;
    while (!work_.failed()) {
      lanes.clear();
      pieces.clear();
      active.clear();
      for (auto& slot : slots_) {
        CHECK(fill(slot));
        if (!slot.range) continue;
        lanes.push_back(&slot.lane);
        pieces.push_back(TRY(slot.reader.bytes()));
        active.push_back(&slot);
      }
      if (active.empty()) break;
      auto common = std::ranges::min(pieces, {}, &ByteView::size).size();
      common -= common % crypto::sha256_block;
      for (auto& piece : pieces) piece = piece.first(common);
      crypto::update_together(lanes, pieces);
      for (auto* slot : active) slot->reader.consume(common);
      work_.count(common * active.size());
      if (reports_) work_.report();
    }
    return {};
  }

  Work& work_;
  std::vector<Slot> slots_;
  const bool reports_;
};

// One range after the other by the library's BLAKE2b.
class Blake2bWorker {
 public:
  Blake2bWorker(Work& work, bool reports) : work_(work), reports_(reports) {}
  void run() {
    while (const auto range = work_.next()) {
      auto digest = hash(*range);
      if (!digest) return work_.fail_with(std::move(digest).error());
      work_.put(*range, std::move(*digest));
      if (reports_) work_.report();
    }
  }

 private:
  Result<Bytes> hash(std::size_t range) {
    const crypto::Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
    if (!context || EVP_DigestInit_ex2(context.get(), EVP_blake2b512(), nullptr) != 1)
      return fail(Errc::unsupported, "the library has no BLAKE2b");
    CHECK(reader_.open(work_, range));
    for (;;) {
      const auto bytes = TRY(reader_.bytes());
      if (EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) != 1)
        return fail(Errc::internal, "BLAKE2b failed");
      reader_.consume(bytes.size());
      work_.count(bytes.size());
      if (reader_.at_end()) break;
    }
    CHECK(reader_.close());
    Bytes digest(64);
    if (EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) return fail(Errc::internal, "BLAKE2b failed");
    return digest;
  }

  Work& work_;
  RangeReader reader_;
  const bool reports_;
};

}  // namespace

namespace {

Result<std::vector<Bytes>> hash_all(const FileTree& tree, std::span<const FileRange> ranges,
                                    const HashOptions& options) {
  Work work(tree, ranges, options);
  const std::size_t wanted =
      options.threads != 0 ? options.threads : static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  const auto threads = std::clamp<std::size_t>(ranges.size(), 1, wanted);
  const auto lanes = std::clamp<std::size_t>((ranges.size() + threads - 1) / threads, 1,
                                             crypto::useful_lanes(crypto::best_sha256_kernel()));
  const auto run = [&](bool reports) {
    options.blake2b ? Blake2bWorker(work, reports).run() : LanesWorker(work, lanes, reports).run();
  };
  {
    std::vector<Thread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back([&] { run(false); });
    run(true);
  }
  return work.take();
}

// Whether a later write moves the file's time of change, through a mapping too: all its pages are stored, and the file
// system notices the next write to each.
bool settles(const FileTree& tree, const FileTree::Item& item) {
  constexpr long trusted[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC};
  const auto file = tree.open_file(item);
  struct statfs system{};
  return file && ::fstatfs(file->get(), &system) == 0 &&
         std::ranges::find(trusted, static_cast<long>(system.f_type)) != std::end(trusted) &&
         ::sync_file_range(file->get(), 0, 0,
                           SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) == 0;
}

}  // namespace

Result<std::vector<Bytes>> hash_ranges(const FileTree& tree, std::span<const FileRange> ranges,
                                       const HashOptions& options) {
  if (options.cache == nullptr) return hash_all(tree, ranges, options);
  std::vector<Bytes> digests(ranges.size());
  std::vector<FileRange> unknown;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const auto& range = ranges[i];
    const auto* known = options.cache->find(tree.files()[range.file], range.begin, range.end, options.blake2b);
    if (known != nullptr) {
      digests[i] = *known;
    } else {
      unknown.push_back(range);
      places.push_back(i);
    }
  }
  std::unordered_map<std::size_t, bool> settled;
  for (const auto& range : unknown)
    if (!settled.contains(range.file))
      settled.emplace(range.file, !options.cache->lasts() || settles(tree, tree.files()[range.file]));
  auto fresh = TRY(hash_all(tree, unknown, options));
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const auto& range = unknown[i];
    if (settled.at(range.file))
      options.cache->keep(tree.files()[range.file], range.begin, range.end, options.blake2b, fresh[i], options.now);
    digests[places[i]] = std::move(fresh[i]);
  }
  return digests;
}

}  // namespace hauberk::sign
