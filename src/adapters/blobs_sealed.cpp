#include "adapters/blobs_sealed.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "adapters/blobs_sealed_sealing.h"
#include "base/file_lock.h"
#include "base/page_bytes.h"
#include "base/sync.h"
#include "core/artifact.h"
#include "crypto/aead.h"
#include "crypto/floe.h"
#include "crypto/key_set.h"
#include "crypto/mac.h"
#include "crypto/sha256_lanes.h"

namespace hauberk::adapters {
namespace {

constexpr std::string_view suffix = ".floe";
constexpr std::string_view mark_file = "address-key";
constexpr std::size_t read_segments = 32;  // 2 MiB: large enough for the disk, small enough for the cache
constexpr std::size_t read_ahead_from = 2 * read_segments * blob_floe.plaintext_segment();

// Where the blobs of one tenant lie.
class Places {
 public:
  Places(std::string folder, Secret key, std::string tenant)
      : folder_(std::move(folder)), key_(std::move(key)), tenant_(std::move(tenant)) {}

  const std::string& folder() const { return folder_; }
  const std::string& tenant() const { return tenant_; }
  const Secret& key() const { return key_; }
  std::string temporary_folder() const { return join_path(folder_, "tmp"); }
  std::string folder_of(std::string_view tenant) const { return fmt::format("{}/tenants/{}", folder_, tenant); }
  std::string path(const BlobAddress& address) const { return path(tenant_, address); }
  std::string path(std::string_view tenant, const BlobAddress& address) const {
    const auto hex = address.hex();
    return fmt::format("{}/{}/{}{}", folder_of(tenant), hex.substr(0, 2), hex, suffix);
  }
  BlobAddress address(std::string_view tenant, const Digest& digest) const {
    Bytes message = to_bytes(fmt::format("hauberk blob address v1\n{}\n", tenant));
    message.insert(message.end(), digest.bytes.begin(), digest.bytes.end());
    const auto mac = crypto::hmac_sha256(key_, message);
    BlobAddress address;
    std::ranges::copy(mac, address.bytes.begin());
    return address;
  }
  std::string path_of(const Digest& digest) const { return path(address(tenant_, digest)); }

 private:
  const std::string folder_;
  const Secret key_;
  const std::string tenant_;
};

// The folder of a path, its own entry on the disk too.
Status make_durable_folder(Files& files, const std::string& folder) {
  if (files.info(folder)) return {};
  CHECK(files.make_directories(folder));
  return files.sync_directory(parent_directory(folder));
}

class SealedWriter final : public BlobWriter {
 public:
  SealedWriter(Files& files, const Places& places, Random& random, std::unique_ptr<File> file, std::uint64_t max_size)
      : files_(files), places_(places), sealing_(random, std::move(file)), max_size_(max_size) {}

  Status write(ByteView plaintext) override {
    SealedWriter* const self = this;
    return write_together({&self, 1}, {&plaintext, 1});
  }

  // Batches that are full at the same time are hashed side by side; one alone, where it is sealed.
  static Status write_together(std::span<SealedWriter* const> writers, std::span<const ByteView> pieces) {
    std::vector<ByteView> left(pieces.begin(), pieces.end());
    for (std::size_t i = 0; i < writers.size(); ++i) CHECK(writers[i]->count(left[i].size()));
    std::vector<SealedWriter*> full;
    for (;;) {
      full.clear();
      bool more = false;
      for (std::size_t i = 0; i < writers.size(); ++i) {
        left[i] = left[i].subspan(writers[i]->sealing_.fill(left[i]));
        if (!left[i].empty()) full.push_back(writers[i]);
        more = more || !left[i].empty();
      }
      if (!more) return {};
      const bool alone = full.size() == 1 && crypto::seals_and_hashes_in_one_pass();
      if (!alone) hash_together(full);
      for (auto* writer : full) CHECK(writer->sealing_.hand_over(alone ? Sealing::Hash::wanted : Sealing::Hash::done));
    }
  }

  Result<StoredBlob> finish() override {
    CHECK(sealing_.finish());
    StoredBlob blob{.digest = sealing_.digest(), .size = size_};
    const auto path = places_.path_of(blob.digest);
    blob.existed = files_.info(path).has_value();
    if (blob.existed) (void)::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // garbage is what is old
    if (!blob.existed) {
      CHECK(sealing_.file().sync());
      CHECK(make_durable_folder(files_, parent_directory(path)));
      auto published = sealing_.file().publish(path, IfThere::refuse);
      if (!published && published.error().code != Errc::exists) return std::unexpected(std::move(published).error());
      blob.existed = !published;
    }
    // The same content may be there under another key, which the catalogue has; ours is dropped with its file.
    if (!blob.existed) blob.data_key = sealing_.take_key();
    return blob;
  }

 private:
  Status count(std::size_t more) {
    if (more > max_size_ - size_)
      return fail(Errc::exhausted, fmt::format("the content is larger than the limit of {} bytes", max_size_));
    size_ += more;
    return {};
  }
  static void hash_together(std::span<SealedWriter* const> writers) {
    std::array<crypto::Sha256Lane*, crypto::most_sha256_lanes> lanes;
    std::array<ByteView, crypto::most_sha256_lanes> batches_of;
    while (!writers.empty()) {
      const auto count = std::min(writers.size(), lanes.size());
      for (std::size_t i = 0; i < count; ++i) {
        lanes[i] = &writers[i]->sealing_.hash();
        batches_of[i] = writers[i]->sealing_.batch();
      }
      crypto::update_together(std::span(lanes).first(count), std::span(batches_of).first(count));
      writers = writers.subspan(count);
    }
  }

  Files& files_;
  const Places& places_;
  Sealing sealing_;
  const std::uint64_t max_size_;
  std::uint64_t size_ = 0;
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
    const std::uint64_t segment_size = blob_floe.plaintext_segment();
    const std::uint64_t end = out.empty() ? 0 : (offset + out.size() - 1) / segment_size + 1;
    const bool ahead = out.size() >= read_ahead_from;
    std::size_t done = 0;
    for (std::uint64_t first = offset / segment_size, count = 0; first < end; first += count) {
      count = std::min<std::uint64_t>(read_segments, end - first);
      CHECK(ahead ? load_ahead(first, count, end) : load(first, count));
      for (std::uint64_t i = first; i < first + count; ++i) done += TRY(open_into(i, offset + done, out.subspan(done)));
    }
    return done;
  }

 private:
  struct Batch {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    PageBytes bytes;
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
          .first = next, .count = std::min<std::uint64_t>(read_segments, end - next), .bytes = std::move(spare_)};
      if (wanted_.try_push(std::move(after))) coming_first_ = next;
    }
    return {};
  }
  // Opens segment i and copies what of it lies at `offset` of the plaintext; straight into `out` where it fits whole.
  Result<std::size_t> open_into(std::uint64_t i, std::uint64_t offset, MutableBytes out) {
    const std::uint64_t begin = i * blob_floe.plaintext_segment();
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
  PageBytes spare_;
  static constexpr std::uint64_t nothing = UINT64_MAX;
  std::uint64_t coming_first_ = nothing;
  BoundedQueue<Batch> wanted_{1};
  BoundedQueue<Batch> fetched_{1};
  Thread thread_;
};

Result<std::unique_ptr<BlobReader>> open_sealed(std::unique_ptr<File> file, const Secret& data_key, std::string path) {
  Bytes header(crypto::floe_header_size);
  header.resize(TRY(file->read_at(0, header)));
  auto opener = crypto::FloeOpener::open(data_key, as_bytes(blob_associated), header, TRY(file->size()), blob_floe);
  if (!opener) return fail(Errc::corrupt, fmt::format("{}: restore it from a backup", opener.error().message), path);
  return std::make_unique<SealedReader>(std::move(file), std::move(*opener), std::move(path));
}

class SealedScratch final : public ScratchBlob {
 public:
  SealedScratch(Random& random, std::unique_ptr<File> file, std::string folder)
      : sealing_(random, std::move(file)), folder_(std::move(folder)) {}
  Status write(ByteView plaintext) override {
    for (;;) {
      plaintext = plaintext.subspan(sealing_.fill(plaintext));
      if (plaintext.empty()) return {};
      CHECK(sealing_.hand_over(Sealing::Hash::done));
    }
  }
  Result<std::unique_ptr<BlobReader>> finish() override {
    CHECK(sealing_.finish());
    return open_sealed(sealing_.take_file(), sealing_.key(), folder_);
  }

 private:
  Sealing sealing_;
  const std::string folder_;
};

bool two_hex_digits(std::string_view text) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 2 && digit(text[0]) && digit(text[1]);
}

// "<64 hex digits>.floe"
std::optional<Digest> parse_file_name(std::string_view file) {
  if (!file.ends_with(suffix)) return std::nullopt;
  file.remove_suffix(suffix.size());
  if (file.size() != 64) return std::nullopt;
  auto parsed = Digest::parse(file);
  return parsed ? std::optional(*parsed) : std::nullopt;
}

class StoreLock final : public BlobLock {
 public:
  explicit StoreLock(Descriptor file) : file_(std::move(file)) {}

 private:
  Descriptor file_;
};

class SealedBlobs final : public BlobStore {
 public:
  SealedBlobs(Files& files, Random& random, std::string folder, Secret key, std::string tenant)
      : files_(files), random_(random), places_(std::move(folder), std::move(key), std::move(tenant)) {}

  Status prepare() {
    CHECK(check_name(places_.tenant()));
    CHECK(files_.make_directories(places_.temporary_folder()));
    CHECK(check_key());
    CHECK(make_durable_folder(files_, places_.folder_of(places_.tenant())));
    CHECK(rename_those_of_old());
    return sweep();
  }

  const std::string& tenant() const override { return places_.tenant(); }

  Result<std::unique_ptr<BlobLock>> lock() override {
    return std::make_unique<StoreLock>(
        TRY(lock_file(join_path(places_.folder(), "lock"), LockMode::exclusive, std::chrono::minutes(10))));
  }

  Result<std::unique_ptr<BlobWriter>> create(std::uint64_t max_size) override {
    auto file = TRY(files_.open_unnamed(places_.temporary_folder(), OpenMode::create_new));
    return std::make_unique<SealedWriter>(files_, places_, random_, std::move(file), max_size);
  }

  Status write_together(std::span<BlobWriter* const> writers, std::span<const ByteView> pieces) override {
    std::vector<SealedWriter*> ours;
    for (auto* writer : writers) ours.push_back(static_cast<SealedWriter*>(writer));  // create() makes no others
    return SealedWriter::write_together(ours, pieces);
  }

  Result<std::unique_ptr<BlobReader>> open(const Digest& digest, Secret data_key) override {
    const auto path = places_.path_of(digest);
    if (data_key.size() != 32)
      return fail(Errc::corrupt, "the data key of the blob has a wrong length: restore the catalogue from a backup",
                  path);
    auto file = files_.open(path, OpenMode::read);
    if (!file) {
      if (file.error().code == Errc::not_found)
        return fail(Errc::corrupt, "the stored content is missing: restore it from a backup", path);
      return std::unexpected(std::move(file).error());
    }
    return open_sealed(std::move(*file), data_key, path);
  }

  Result<bool> contains(const Digest& digest) override {
    const auto info = files_.info(places_.path_of(digest));
    if (!info && info.error().code != Errc::not_found) return std::unexpected(info.error());
    return info.has_value();
  }

  BlobAddress address_of(const Digest& digest) const override { return places_.address(places_.tenant(), digest); }

  Status remove(const BlobAddress& address) override { return files_.remove(places_.path(address)); }

  Result<Instant> stored_at(const BlobAddress& address) override {
    return TRY(files_.info(places_.path(address))).modified;
  }

  Result<std::vector<BlobAddress>> list() override {
    std::vector<BlobAddress> addresses;
    const auto folder = places_.folder_of(places_.tenant());
    for (const auto& part : TRY(files_.list(folder))) {
      if (!two_hex_digits(part)) continue;
      for (const auto& file : TRY(files_.list(join_path(folder, part))))
        if (const auto address = parse_file_name(file)) addresses.push_back({address->bytes});
    }
    return addresses;
  }

 private:
  // Another key would find nothing, and garbage collection would take everything for garbage.
  Status check_key() {
    const auto path = join_path(places_.folder(), mark_file);
    const auto fingerprint = crypto::key_fingerprint(places_.key()) + "\n";
    const auto found = read_file(files_, path, 256);
    if (!found && found.error().code == Errc::not_found)
      return write_file_atomically(files_, path, as_bytes(fingerprint));
    if (!found) return std::unexpected(found.error());
    if (as_text(*found) == fingerprint) return {};
    return fail(Errc::corrupt,
                "the blobs here were named with another address key: restore keys/store/address.key from your backup",
                path);
  }

  // Up to release 0.1 a blob was named by its digest, <folder>/<two hex digits>/<digest>.floe. Each is renamed by
  // itself, so that whatever is cut off can go on; a folder of two digits of a digest says something too, and goes. An
  // old name that appears later was given by an older program, and its file is the one that the catalogue's key opens.
  Status rename_those_of_old() {
    for (const auto& part : TRY(files_.list(places_.folder()))) {
      if (!two_hex_digits(part)) continue;
      const auto folder = join_path(places_.folder(), part);
      const auto files = files_.list(folder);
      if (!files && files.error().code == Errc::not_found) continue;  // another process does the same
      if (!files) return std::unexpected(files.error());
      bool emptied = true;
      for (const auto& file : *files) {
        const auto digest = parse_file_name(file);
        emptied = emptied && digest.has_value();
        if (!digest) continue;  // not ours
        const auto to = places_.path(old_tenant, places_.address(old_tenant, *digest));
        CHECK(make_durable_folder(files_, places_.folder_of(old_tenant)));
        CHECK(make_durable_folder(files_, parent_directory(to)));
        const auto renamed = files_.rename(join_path(folder, file), to);
        if (!renamed && renamed.error().code != Errc::not_found) return renamed;
      }
      if (!emptied) continue;
      CHECK(files_.sync_directory(folder));
      (void)files_.remove(folder);
    }
    return {};
  }

  // Where temporaries have names, they begin with the process that writes them; those of processes that are gone are
  // removed.
  Status sweep() {
    for (const auto& file : TRY(files_.list(places_.temporary_folder()))) {
      pid_t writer = 0;
      const auto [end, error] = std::from_chars(file.data(), file.data() + file.size(), writer);
      if (error != std::errc() || *end != '-' || writer <= 0) continue;
      if (::kill(writer, 0) != 0 && errno == ESRCH) (void)files_.remove(join_path(places_.temporary_folder(), file));
    }
    return {};
  }

  static constexpr std::string_view old_tenant = "default";
  Files& files_;
  Random& random_;
  const Places places_;
};

}  // namespace

Result<std::unique_ptr<BlobStore>> open_blobs_sealed(Files& files, Random& random, const std::string& folder,
                                                     Secret address_key, std::string tenant) {
  auto blobs = std::make_unique<SealedBlobs>(files, random, folder, std::move(address_key), std::move(tenant));
  CHECK(blobs->prepare());
  return blobs;
}

bool has_address_key(Files& files, const std::string& folder) {
  const auto mark = files.info(join_path(folder, mark_file));
  return mark || mark.error().code != Errc::not_found;
}

Result<std::unique_ptr<ScratchBlob>> make_scratch_blob(Files& files, Random& random, const std::string& folder) {
  return std::make_unique<SealedScratch>(random, TRY(files.open_unnamed(folder, OpenMode::create_new)), folder);
}

}  // namespace hauberk::adapters
