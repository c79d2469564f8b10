// IsolatedScanner: the scanner in child processes that have given up everything but memory, the processor and the
// descriptors or byte ranges that this process hands over. Layers: user, network, pid and ipc namespaces; Landlock; a
// seccomp allow-list; limits of memory, time and processes; no capabilities, no environment. A layer that the kernel
// lacks is named and nothing is scanned, unless it was left out of `require`. A file whose worker dies, hangs or talks
// nonsense gets INCONCLUSIVE with a finding that says why; the other files lose nothing. Workers are reused for the
// files of one scan_paths call and never for scan_reader: what enters the registry is judged by a process that saw
// nothing else. One thread at a time, which must outlive the scanner (workers die with the thread that made them).
// Cost: docs/benchmarks.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "scan/budget.h"
#include "scan/report.h"

namespace hauberk::app {

enum class Layer { namespaces, landlock, seccomp };
inline constexpr Layer all_layers[] = {Layer::namespaces, Layer::landlock, Layer::seccomp};
std::string_view name(Layer layer);  // "namespaces", …
std::optional<Layer> parse_layer(std::string_view text);

struct IsolationOptions {
  std::vector<Layer> require{std::begin(all_layers), std::end(all_layers)};  // the others are used where they exist
  std::uint64_t memory = 1ull << 30;                                         // address space of a worker, bytes
  Duration time_limit = std::chrono::minutes(5);                             // for one file
  unsigned jobs = 1;                                                         // workers of scan_paths
  bool hash = false;                                                         // also compute SHA-256
  scan::ScanLimits limits;
  // What is started; only tests, whose worker holds an attacker, give something else.
  std::vector<std::string> worker{"/proc/self/exe", "scan-worker"};
};

struct LayerState {
  std::string name;  // "user namespace", "seccomp", "memory limit", …
  bool active = false;
  std::string detail;  // "ABI 7", or why it is not active
  bool operator==(const LayerState&) const = default;
};

struct IsolationReport {
  std::vector<LayerState> layers;
  bool has(Layer layer) const;
  json::Value to_json() const;
};

// Starts a worker, asks what confines it, ends it. Errors as of scan_reader, except that a missing layer is none.
Result<IsolationReport> isolation_report(const IsolationOptions& options);

class IsolatedScanner {
 public:
  explicit IsolatedScanner(IsolationOptions options);
  ~IsolatedScanner();
  IsolatedScanner(const IsolatedScanner&) = delete;
  IsolatedScanner& operator=(const IsolatedScanner&) = delete;

  // Called once a path, with its index in `paths`, in the order in which files are done.
  using OnReport = std::function<void(std::size_t index, scan::Report report)>;
  // What cannot be opened or is no regular file gets an INCONCLUSIVE report; links to files are followed. Of
  // `image_layers` are those paths that are layers of container images. Errc::unavailable: a required layer of the
  // isolation is missing, or no worker can be started.
  Status scan_paths(std::span<const std::string> paths, const OnReport& on_report,
                    const std::set<std::string>& image_layers = {});

  // Like BlobReader::read_at: short only at the end. Called on this thread, never past `size`.
  using ReadAt = std::function<Result<std::size_t>(std::uint64_t offset, MutableBytes out)>;
  // Scans bytes that only this process can see, such as a blob while it is decrypted: the worker asks for ranges. An
  // error of read_at, such as a failed authentication, is returned as it is.
  Result<scan::Report> scan_reader(std::string_view name, std::uint64_t size, const ReadAt& read_at);

  // What confined the worker that was started last; empty before the first.
  const IsolationReport& layers() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hauberk::app
