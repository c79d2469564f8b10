#include "adapters/blobs_sealed.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/sync.h"
#include "crypto/floe.h"

namespace hauberk::adapters {
namespace {

constexpr std::string_view associated = "hauberk-blob-v1";
constexpr crypto::FloeParameters floe{};
constexpr std::size_t batch_segments = 32;  // 2 MiB: large enough for the disk, small enough for the cache
constexpr std::size_t batch_size = batch_segments * floe.plaintext_segment();
constexpr std::size_t read_ahead_from = 2 * batch_size;
constexpr std::size_t batches = 3;  // of one writer: one is filled, one is sealed, one waits

std::string blob_path(const std::string& folder, const Digest& digest) {
  const auto hex = digest.hex();
  return fmt::format("{}/{}/{}.floe", folder, hex.substr(0, 2), hex);
}

// Hashes where it is called; what is more than a batch is sealed and written by a thread of its own beside it, because
// either takes a core. A failure of that thread is told by the next call.
class SealedWriter final : public BlobWriter {
 public:
  SealedWriter(Files& files, Random& random, std::string folder, std::string temporary, std::unique_ptr<File> file,
               std::uint64_t max_size)
      : files_(files),
        folder_(std::move(folder)),
        temporary_(std::move(temporary)),
        file_(std::move(file)),
        max_size_(max_size),
        key_(random.bytes(32)),
        sealer_(key_, as_bytes(associated), random, floe) {
    plain_.reserve(batch_size);
    sealed_.assign(sealer_.header().begin(), sealer_.header().end());
  }
  ~SealedWriter() override {
    stop();
    file_.reset();
    if (!finished_) (void)files_.remove(temporary_);
  }

  Status write(ByteView plaintext) override {
    if (plaintext.size() > max_size_ - size_)
      return fail(Errc::exhausted, fmt::format("the content is larger than the limit of {} bytes", max_size_));
    size_ += plaintext.size();
    hash_.update(plaintext);
    while (!plaintext.empty()) {
      // One byte more than a batch is needed before a batch may go: the last segment, even a full one, is marked.
      if (plain_.size() == batch_size) CHECK(hand_over());
      const auto part = plaintext.first(std::min(plaintext.size(), batch_size - plain_.size()));
      plain_.insert(plain_.end(), part.begin(), part.end());
      plaintext = plaintext.subspan(part.size());
    }
    return {};
  }

  Result<StoredBlob> finish() override {
    stop();
    CHECK(std::exchange(outcome_, {}));
    const std::size_t segment = floe.plaintext_segment();
    ByteView rest = plain_;
    while (rest.size() > segment) {
      seal(rest.first(segment), false);
      rest = rest.subspan(segment);
    }
    seal(rest, true);
    CHECK(file_->append(sealed_));
    CHECK(file_->sync());
    StoredBlob blob{.digest = hash_.finish(), .size = size_};
    const auto path = blob_path(folder_, blob.digest);
    if (files_.info(path)) {
      // The same content is there under another key, which the catalogue has; ours is dropped with the temporary file.
      blob.existed = true;
      return blob;
    }
    CHECK(files_.make_directories(parent_directory(path)));
    CHECK(files_.rename(temporary_, path));
    finished_ = true;
    blob.data_key = std::move(key_);
    return blob;
  }

 private:
  void seal(ByteView plaintext, bool last) {
    const std::size_t at = sealed_.size();
    sealed_.resize(at + plaintext.size() + crypto::floe_segment_overhead);
    if (last)
      sealer_.last(plaintext, sealed_.data() + at);
    else
      sealer_.inner(plaintext, sealed_.data() + at);
  }
  // Gives the full batch to the thread and takes an empty one. The thread is started by the first.
  Status hand_over() {
    if (!thread_.joinable()) {
      CHECK(outcome_);
      for (std::size_t i = 1; i < batches; ++i) {
        Bytes empty;
        empty.reserve(batch_size);
        (void)empty_.try_push(std::move(empty));
      }
      thread_ = Thread([this] { work(); });
    }
    auto next = empty_.pop();
    if (!next) {  // closed by the thread: it failed
      stop();
      return outcome_;
    }
    (void)full_.try_push(std::exchange(plain_, std::move(*next)));
    return {};
  }
  void work() {
    while (auto batch = full_.pop()) {
      for (std::size_t at = 0; at < batch->size(); at += floe.plaintext_segment())
        seal(ByteView(*batch).subspan(at, floe.plaintext_segment()), false);
      batch->clear();
      outcome_ = file_->append(sealed_);
      sealed_.clear();
      if (!outcome_) return empty_.close();
      (void)empty_.try_push(std::move(*batch));
    }
  }
  // Waits for what was handed over. Afterwards everything belongs to the caller's thread again.
  void stop() {
    full_.close();
    if (thread_.joinable()) thread_.join();
  }

  Files& files_;
  const std::string folder_;
  const std::string temporary_;
  std::unique_ptr<File> file_;
  const std::uint64_t max_size_;
  std::uint64_t size_ = 0;
  Secret key_;
  crypto::FloeSealer sealer_;
  crypto::Sha256 hash_;
  Bytes plain_;
  bool finished_ = false;

  // Of the thread while it runs: sealer_, file_, and
  Bytes sealed_;
  Status outcome_;
  BoundedQueue<Bytes> full_{batches};
  BoundedQueue<Bytes> empty_{batches};
  Thread thread_;
};

class SealedReader final : public BlobReader {
 public:
  SealedReader(std::unique_ptr<File> file, crypto::FloeOpener opener, std::string path)
      : file_(std::move(file)), opener_(std::move(opener)), path_(std::move(path)) {}

  std::uint64_t size() const override { return opener_.plaintext_size(); }

  ~SealedReader() override {
    wanted_.close();
    if (thread_.joinable()) thread_.join();
  }

  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override {
    if (offset >= size()) return 0;
    out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size() - offset)));
    const std::uint64_t segment_size = floe.plaintext_segment();
    const std::uint64_t end = out.empty() ? 0 : (offset + out.size() - 1) / segment_size + 1;
    const bool ahead = out.size() >= read_ahead_from;
    std::size_t done = 0;
    for (std::uint64_t first = offset / segment_size, count = 0; first < end; first += count) {
      count = std::min<std::uint64_t>(batch_segments, end - first);
      CHECK(ahead ? load_ahead(first, count, end) : load(first, count));
      for (std::uint64_t i = first; i < first + count; ++i) done += TRY(open_into(i, offset + done, out.subspan(done)));
    }
    return done;
  }

 private:
  struct Batch {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    Bytes bytes;
    Status outcome;
  };

  std::size_t size_of(std::uint64_t first, std::uint64_t count) const {
    return static_cast<std::size_t>(opener_.offset_of(first + count - 1) + opener_.size_of(first + count - 1) -
                                    opener_.offset_of(first));
  }
  Status fetch(Batch& batch) const {
    batch.bytes.resize(size_of(batch.first, batch.count));
    if (TRY(file_->read_at(opener_.offset_of(batch.first), batch.bytes)) != batch.bytes.size())
      return corrupt("the encrypted file is shorter than when it was opened");
    return {};
  }
  // Reads the bytes of `count` segments, unless they are those that were read last.
  Status load(std::uint64_t first, std::uint64_t count) {
    if (loaded_.count == count && loaded_.first == first) return {};
    loaded_.first = first;
    loaded_.count = count;
    auto fetched = fetch(loaded_);
    if (!fetched) loaded_.count = 0;
    return fetched;
  }
  // The same, while the thread reads what comes after it. Reading and opening take about as long as each other.
  Status load_ahead(std::uint64_t first, std::uint64_t count, std::uint64_t end) {
    if (!thread_.joinable())
      thread_ = Thread([this] {
        while (auto batch = wanted_.pop()) {
          batch->outcome = fetch(*batch);
          (void)fetched_.try_push(std::move(*batch));
        }
      });
    if (coming_first_ != first) {
      if (coming_first_ != nothing) (void)fetched_.pop();  // of a read that ended early
      Batch batch{.first = first, .count = count, .bytes = std::move(spare_)};
      (void)wanted_.try_push(std::move(batch));
    }
    coming_first_ = nothing;
    auto batch = fetched_.pop();
    spare_ = std::exchange(loaded_, std::move(*batch)).bytes;
    if (!loaded_.outcome) {
      loaded_.count = 0;
      return loaded_.outcome;
    }
    if (const auto next = first + count; next < end) {
      Batch after{
          .first = next, .count = std::min<std::uint64_t>(batch_segments, end - next), .bytes = std::move(spare_)};
      if (wanted_.try_push(std::move(after))) coming_first_ = next;
    }
    return {};
  }
  // Opens segment i and copies what of it lies at `offset` of the plaintext; straight into `out` where it fits whole.
  Result<std::size_t> open_into(std::uint64_t i, std::uint64_t offset, MutableBytes out) {
    const std::uint64_t begin = i * floe.plaintext_segment();
    const auto encrypted =
        ByteView(loaded_.bytes)
            .subspan(static_cast<std::size_t>(opener_.offset_of(i) - opener_.offset_of(loaded_.first)),
                     opener_.size_of(i));
    const std::size_t plain_size = encrypted.size() - crypto::floe_segment_overhead;
    if (offset == begin && out.size() >= plain_size) {
      if (auto opened = opener_.segment(i, encrypted, out.data()); !opened) return corrupt(opened.error().message);
      return plain_size;
    }
    if (plain_of_ != i) {
      plain_.resize(plain_size);
      plain_of_ = UINT64_MAX;
      if (auto opened = opener_.segment(i, encrypted, plain_.data()); !opened) return corrupt(opened.error().message);
      plain_of_ = i;
    }
    const auto skipped = static_cast<std::size_t>(offset - begin);
    const auto part = ByteView(plain_).subspan(skipped, std::min(out.size(), plain_size - skipped));
    std::ranges::copy(part, out.begin());
    return part.size();
  }
  std::unexpected<Error> corrupt(std::string_view what) const {
    return fail(Errc::corrupt, fmt::format("{}: restore it from a backup", what), path_);
  }

  std::unique_ptr<File> file_;
  crypto::FloeOpener opener_;
  const std::string path_;
  Batch loaded_;
  Bytes plain_;
  std::uint64_t plain_of_ = UINT64_MAX;

  // Of large reads. The thread owns a batch between the two queues, and only then.
  Bytes spare_;
  static constexpr std::uint64_t nothing = UINT64_MAX;
  std::uint64_t coming_first_ = nothing;
  BoundedQueue<Batch> wanted_{1};
  BoundedQueue<Batch> fetched_{1};
  Thread thread_;
};

class SealedBlobs final : public BlobStore {
 public:
  SealedBlobs(Files& files, Random& random, std::string folder)
      : files_(files), random_(random), folder_(std::move(folder)) {}

  Status prepare() {
    CHECK(files_.make_directories(temporary_folder()));
    return sweep();
  }

  Result<std::unique_ptr<BlobWriter>> create(std::uint64_t max_size) override {
    auto temporary = fmt::format("{}/{}-{:016x}.part", temporary_folder(), ::getpid(), random_.number());
    auto file = TRY(files_.open(temporary, OpenMode::create_new));
    return std::make_unique<SealedWriter>(files_, random_, folder_, std::move(temporary), std::move(file), max_size);
  }

  Result<std::unique_ptr<BlobReader>> open(const Digest& digest, Secret data_key) override {
    const auto path = blob_path(folder_, digest);
    if (data_key.size() != 32)
      return fail(Errc::corrupt, "the data key of the blob has a wrong length: restore the catalogue from a backup",
                  path);
    auto file = files_.open(path, OpenMode::read);
    if (!file) {
      if (file.error().code == Errc::not_found)
        return fail(Errc::corrupt, "the stored content is missing: restore it from a backup", path);
      return std::unexpected(std::move(file).error());
    }
    Bytes header(crypto::floe_header_size);
    header.resize(TRY((*file)->read_at(0, header)));
    auto opener = crypto::FloeOpener::open(data_key, as_bytes(associated), header, TRY((*file)->size()), floe);
    if (!opener) return fail(Errc::corrupt, fmt::format("{}: restore it from a backup", opener.error().message), path);
    return std::make_unique<SealedReader>(std::move(*file), std::move(*opener), path);
  }

  Result<bool> contains(const Digest& digest) override {
    const auto info = files_.info(blob_path(folder_, digest));
    if (!info && info.error().code != Errc::not_found) return std::unexpected(info.error());
    return info.has_value();
  }

  Status remove(const Digest& digest) override { return files_.remove(blob_path(folder_, digest)); }

  Result<Instant> stored_at(const Digest& digest) override {
    return TRY(files_.info(blob_path(folder_, digest))).modified;
  }

  Result<std::vector<Digest>> list() override {
    std::vector<Digest> digests;
    for (const auto& part : TRY(files_.list(folder_))) {
      if (part.size() != 2) continue;
      for (const auto& file : TRY(files_.list(join_path(folder_, part))))
        if (file.ends_with(".floe"))
          if (auto digest = Digest::parse(std::string_view(file).substr(0, file.size() - 5)))
            digests.push_back(*digest);
    }
    return digests;
  }

 private:
  std::string temporary_folder() const { return join_path(folder_, "tmp"); }

  // A temporary is named after the process that writes it; those of processes that are gone are removed.
  Status sweep() {
    for (const auto& file : TRY(files_.list(temporary_folder()))) {
      pid_t writer = 0;
      const auto [end, error] = std::from_chars(file.data(), file.data() + file.size(), writer);
      if (error != std::errc() || *end != '-' || writer <= 0) continue;
      if (::kill(writer, 0) != 0 && errno == ESRCH) (void)files_.remove(join_path(temporary_folder(), file));
    }
    return {};
  }

  Files& files_;
  Random& random_;
  const std::string folder_;
};

}  // namespace

Result<std::unique_ptr<BlobStore>> open_blobs_sealed(Files& files, Random& random, const std::string& folder) {
  auto blobs = std::make_unique<SealedBlobs>(files, random, folder);
  CHECK(blobs->prepare());
  return blobs;
}

}  // namespace hauberk::adapters
