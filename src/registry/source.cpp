#include "registry/source.h"

#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>

#include "base/file_tree.h"
#include "core/artifact.h"

namespace hauberk::registry {
namespace {

class FileReader final : public SourceReader {
 public:
  FileReader(Descriptor file, std::string where) : file_(std::move(file)), where_(std::move(where)) {}
  Result<std::size_t> read(MutableBytes out) override {
    for (;;) {
      const auto count = ::pread(file_.get(), out.data(), out.size(), static_cast<off_t>(offset_));
      if (count >= 0) {
        offset_ += static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
      }
      if (errno != EINTR) return fail(Errc::unavailable, fmt::format("cannot read it: {}", ::strerror(errno)), where_);
    }
  }

 private:
  Descriptor file_;
  std::string where_;
  std::uint64_t offset_ = 0;
};

class SystemSource final : public Source {
 public:
  explicit SystemSource(FileTree tree) : tree_(std::move(tree)) {
    for (const auto& file : tree_.files()) items_.push_back({file.path, file.size});
  }
  std::string origin() const override { return tree_.name(); }
  const std::vector<Item>& items() const override { return items_; }
  Result<std::unique_ptr<SourceReader>> open(const Item& item) override {
    return std::make_unique<FileReader>(TRY(tree_.open_file({.path = item.path})), item.path);
  }

 private:
  FileTree tree_;
  std::vector<Item> items_;
};

Status check_path(const std::string& path) {
  auto fine = check_relative_path(path);
  return fine ? Status{} : fail(fine.error().code, std::move(fine.error().message) + "; rename it");
}

}  // namespace

Result<std::unique_ptr<Source>> open_source(const std::string& path, std::size_t max_files) {
  auto tree = TRY(FileTree::open(path, {.most_files = max_files, .most_folders_deep = 32, .check = check_path}));
  if (tree.files().empty()) return fail(Errc::invalid, "the folder holds no files", tree.name());
  return std::make_unique<SystemSource>(std::move(tree));
}

}  // namespace hauberk::registry
