#include "base/faulty_files.h"

#include <algorithm>

namespace hauberk {

class FaultyFile final : public File {
 public:
  // `path` is empty while the file has no name: it is then gone when the power is.
  FaultyFile(FaultyFiles& files, std::unique_ptr<File> real, std::string path)
      : files_(files), real_(std::move(real)), path_(std::move(path)) {}

  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) const override {
    return real_->read_at(offset, out);
  }
  Status append(ByteView bytes) override {
    CHECK(files_.change(path_));
    const auto fits = files_.room_ ? std::min<std::uint64_t>(*files_.room_, bytes.size()) : bytes.size();
    if (files_.room_) *files_.room_ -= fits;
    CHECK(real_->append(bytes.first(static_cast<std::size_t>(fits))));
    if (fits < bytes.size()) return fail(Errc::exhausted, "the disk is full; make room and try again", path_);
    return {};
  }
  Status sync() override {
    CHECK(files_.change(path_));
    CHECK(real_->sync());
    synced_ = TRY(real_->size());
    if (!path_.empty()) files_.synced_[path_] = synced_;
    return {};
  }
  Result<std::uint64_t> size() const override { return real_->size(); }
  Status truncate(std::uint64_t size) override {
    CHECK(files_.change(path_));
    return real_->truncate(size);
  }
  void bypass_cache() override { real_->bypass_cache(); }
  Status publish(const std::string& path, IfThere if_there) override {
    CHECK(files_.change(path));
    CHECK(real_->publish(path, if_there));
    path_ = path;
    files_.synced_[path_] = synced_;
    return {};
  }

 private:
  FaultyFiles& files_;
  std::unique_ptr<File> real_;
  std::string path_;
  std::uint64_t synced_ = 0;
};

Status FaultyFiles::change(const std::string& path) {
  if (++changes_ == fail_at_) return fail(Errc::unavailable, "a fault made on purpose", path);
  return {};
}

Result<std::unique_ptr<File>> FaultyFiles::open(const std::string& path, OpenMode mode) {
  if (mode == OpenMode::read) return real_.open(path, mode);
  CHECK(change(path));
  auto file = TRY(real_.open(path, mode));
  synced_.try_emplace(path, TRY(file->size()));
  return std::make_unique<FaultyFile>(*this, std::move(file), path);
}

Result<std::unique_ptr<File>> FaultyFiles::open_unnamed(const std::string& directory, OpenMode mode) {
  CHECK(change(directory));
  return std::make_unique<FaultyFile>(*this, TRY(real_.open_unnamed(directory, mode)), std::string());
}

Status FaultyFiles::rename(const std::string& from, const std::string& to) {
  CHECK(change(from));
  CHECK(real_.rename(from, to));
  if (auto moved = synced_.extract(from); !moved.empty()) {
    synced_.erase(to);
    moved.key() = to;
    synced_.insert(std::move(moved));
  }
  return {};
}

Status FaultyFiles::remove(const std::string& path) {
  CHECK(change(path));
  synced_.erase(path);
  return real_.remove(path);
}

Status FaultyFiles::make_directories(const std::string& path) {
  CHECK(change(path));
  return real_.make_directories(path);
}

void FaultyFiles::lose_power() {
  for (const auto& [path, size] : synced_)
    if (auto file = real_.open(path, OpenMode::append)) (void)(*file)->truncate(size);
}

}  // namespace hauberk
