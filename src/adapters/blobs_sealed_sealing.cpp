#include "adapters/blobs_sealed_sealing.h"

#include <algorithm>
#include <utility>

namespace hauberk::adapters {
namespace {

constexpr std::size_t batch_segments = 16;  // 1 MiB: handing over costs little, and a batch stays in the cache
constexpr std::size_t batch_size = batch_segments * blob_floe.plaintext_segment();
// Files are written up to a multiple of this: whole pages of the file system's cache need not be cleared or read first.
constexpr std::size_t write_unit = 64u << 10;
constexpr std::size_t block_size =
    write_unit + crypto::floe_header_size + batch_segments * std::size_t{blob_floe.encrypted_segment};
static_assert(blob_floe.plaintext_segment() % crypto::sha256_block == 0);
static_assert(page_bytes % direct_block == 0 && write_unit % direct_block == 0);

}  // namespace

WriteBehind::WriteBehind(File& file, std::size_t size) : file_(file) {
  for (std::size_t i = 0; i < blocks; ++i) (void)empty_.try_push(PageBytes(size));
  file_.bypass_cache();
  thread_ = Thread([this] { work(); });
}

WriteBehind::~WriteBehind() { (void)finish(); }

Status WriteBehind::append(PageBytes& block, std::size_t size) {
  auto next = empty_.pop();
  if (!next) return finish();  // closed by the thread: it failed
  (void)full_.try_push({std::exchange(block, std::move(*next)), size});
  return {};
}

Status WriteBehind::finish() {
  full_.close();
  if (thread_.joinable()) thread_.join();
  return outcome_;
}

void WriteBehind::work() {
  while (auto block = full_.pop()) {
    outcome_ = file_.append(ByteView(block->bytes).first(block->size));
    if (!outcome_) return empty_.close();
    (void)empty_.try_push(std::move(block->bytes));
  }
}

Sealing::Sealing(Random& random, std::unique_ptr<File> file)
    : file_(std::move(file)), key_(random.bytes(32)), sealer_(key_, as_bytes(blob_associated), random, blob_floe) {
  plain_.reserve(batch_size);
}

Sealing::~Sealing() { stop(); }

std::size_t Sealing::fill(ByteView plaintext) {
  const auto part = plaintext.first(std::min(plaintext.size(), batch_size - plain_.size()));
  plain_.insert(plain_.end(), part.begin(), part.end());
  return part.size();
}

crypto::Sha256Lane& Sealing::hash() {
  while (thread_hashes_ && spare_.size() + 1 < batches) {
    auto batch = empty_.pop();
    if (!batch) break;
    spare_.push_back(std::move(*batch));
  }
  thread_hashes_ = false;
  return hash_;
}

Status Sealing::hand_over(Hash hash) {
  if (!thread_.joinable()) {
    CHECK(outcome_);
    spare_.resize(batches - 1);
    for (auto& batch : spare_) batch.reserve(batch_size);
    writing_ = std::make_unique<WriteBehind>(*file_, block_size);
    thread_ = Thread([this] { work(); });
  }
  if (spare_.empty()) {
    auto batch = empty_.pop();
    if (!batch) {  // closed by the thread: it failed
      stop();
      return outcome_;
    }
    spare_.push_back(std::move(*batch));
  }
  thread_hashes_ = thread_hashes_ || hash == Hash::wanted;
  (void)full_.try_push({std::exchange(plain_, std::move(spare_.back())), hash});
  spare_.pop_back();
  return {};
}

Status Sealing::finish() {
  stop();
  CHECK(std::exchange(outcome_, {}));
  CHECK(seal(plain_, Hash::done, true));
  return writing_ == nullptr ? Status() : writing_->finish();
}

// Seals a batch behind what waits, and has it written up to a multiple of write_unit; all of it at the end.
Status Sealing::seal(ByteView plaintext, Hash hash, bool last) {
  if (sealed_.empty()) {
    sealed_.resize(block_size);
    std::ranges::copy(sealer_.header(), sealed_.begin());
    waiting_ = sealer_.header().size();
  }
  const std::size_t segment = blob_floe.plaintext_segment();
  for (; plaintext.size() > segment || (!last && plaintext.size() == segment);
       waiting_ += blob_floe.encrypted_segment) {
    auto* const out = sealed_.data() + waiting_;
    hash == Hash::wanted ? sealer_.inner_and_hash(plaintext.first(segment), out, hash_)
                         : sealer_.inner(plaintext.first(segment), out);
    plaintext = plaintext.subspan(segment);
  }
  if (last) {
    waiting_ += sealer_.last(plaintext, sealed_.data() + waiting_);
    return writing_ == nullptr ? file_->append(ByteView(sealed_).first(waiting_)) : writing_->append(sealed_, waiting_);
  }
  const std::size_t left = waiting_ % write_unit;
  Bytes rest(sealed_.begin() + static_cast<std::ptrdiff_t>(waiting_ - left),
             sealed_.begin() + static_cast<std::ptrdiff_t>(waiting_));
  CHECK(writing_->append(sealed_, waiting_ - left));
  std::ranges::copy(rest, sealed_.begin());
  waiting_ = left;
  return {};
}

void Sealing::work() {
  while (auto batch = full_.pop()) {
    outcome_ = seal(batch->plaintext, batch->hash, false);
    if (!outcome_) return empty_.close();
    batch->plaintext.clear();
    (void)empty_.try_push(std::move(batch->plaintext));
  }
}

// Waits for what was handed over. Afterwards everything belongs to the caller's thread again.
void Sealing::stop() {
  full_.close();
  if (thread_.joinable()) thread_.join();
}

}  // namespace hauberk::adapters
