// What `hauberk scan PATH…` looks at: every file that was named, and every file below every folder that was named,
// sorted. Nothing is left out in silence: links, devices and folders that cannot be read stay in the list, for the
// scanner to say that it could not check them. Links to folders are followed only where they were named themselves.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "scan/report.h"

namespace hauberk::app {

struct ScanTargets {
  std::vector<std::string> files;
  std::set<std::string> image_layers;  // those of the files that are layers, as OCI image layouts say
  std::vector<scan::Report> unread;    // folders that could not be listed
  std::uint64_t bytes = 0;             // of the regular files, for progress
  std::size_t excluded = 0;            // files and folders that `exclude` left out
  std::vector<std::string> inner;      // folders in which version control keeps its own files; they are left out
};

// Names that do not exist may be patterns (app/path_pattern.h); Errc::not_found if nothing matches. What `exclude`
// matches is left out, files and whole folders. Only the caller says what that is: an ignore file that a model brings
// along would hide whatever its author likes.
Result<ScanTargets> collect_targets(Files& files, std::span<const std::string> paths,
                                    std::span<const std::string> exclude = {});
// The patterns of an ignore file, one a line; # begins a comment.
Result<std::vector<std::string>> read_ignore_file(Files& files, const std::string& path);

// 1 for any REVIEW or MALICIOUS, else 3 for any MALFORMED or INCONCLUSIVE and for nothing at all, else 0.
int scan_exit_code(std::span<const scan::Report> reports);

// "3 files: 1 malicious, 2 clean".
std::string summary_of(std::span<const scan::Report> reports);

}  // namespace hauberk::app
