// ScanCache: reports kept by the SHA-256 of the file, its name (some rules ask for it) and the version of the rules, so
// that what did not change is not looked at again. Which digest a file has is kept by device, inode, size, and times of
// change: the latter cannot be set back by whoever owns the file. Nothing inconclusive is kept: limits may be raised.
// A folder of small files, mode 0700; whoever can write there can forge reports, so it is the user's own.
#pragma once

#include <optional>
#include <string>

#include "base/file.h"
#include "scan/report.h"

namespace hauberk::app {

class ScanCache {
 public:
  // Makes the folder.
  static Result<ScanCache> open(Files& files, std::string folder);

  // The report of this very content under this name, if it is kept. Reads the file only if its digest is not known.
  std::optional<scan::Report> find(const std::string& path);
  // Keeps it, unless it is inconclusive or the file changed meanwhile. Faults of the disk are no errors of a scan.
  void keep(const scan::Report& report);

 private:
  ScanCache(Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {}
  std::optional<Digest> digest_of(const std::string& path);
  std::string entry_of(const Digest& digest, const std::string& path) const;
  Files& files_;
  std::string folder_;
};

}  // namespace hauberk::app
