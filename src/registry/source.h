// Source: what is imported, a file or a folder. Folders are walked by descriptor, so that nobody can swap a part for a
// link on the way: symbolic links, devices, sockets and names that a manifest may not hold are refused, not skipped.
// Sizes are told for progress only; what counts is what is read. One thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace hauberk::registry {

class SourceReader {
 public:
  virtual ~SourceReader() = default;
  virtual Result<std::size_t> read(MutableBytes out) = 0;  // 0 at the end
};

class Source {
 public:
  struct Item {
    std::string path;  // in the manifest: relative, '/'-separated
    std::uint64_t size = 0;
  };
  virtual ~Source() = default;
  virtual std::string origin() const = 0;              // the last part of what was given: no path of the machine
  virtual const std::vector<Item>& items() const = 0;  // sorted by path
  virtual Result<std::unique_ptr<SourceReader>> open(const Item& item) = 0;
};

// not_found, invalid (a link, a device, a bad name), exhausted (more than `max_files`). Empty folders are refused.
Result<std::unique_ptr<Source>> open_source(const std::string& path, std::size_t max_files = 10'000);

}  // namespace hauberk::registry
