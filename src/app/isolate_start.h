// WorkerStarter: starts workers that are ready and confined as the options demand, or says what the kernel lacks.
// It remembers which namespaces the kernel gives. One thread.
#pragma once

#include <memory>

#include "app/isolate_process.h"

namespace hauberk::app {

class WorkerStarter {
 public:
  explicit WorkerStarter(const IsolationOptions& options) : options_(options) {}

  // A worker that has said what confines it. Errc::unavailable: a required layer is missing, or none starts.
  Result<std::unique_ptr<WorkerProcess>> start();
  // The same, whatever is missing.
  Result<std::unique_ptr<WorkerProcess>> start_any();
  // Of the worker started last.
  const IsolationReport& report() const { return report_; }
  const Clock& clock() const { return clock_; }

 private:
  Result<std::unique_ptr<WorkerProcess>> try_start(NamespaceSet namespaces);
  const IsolationOptions& options_;
  SystemClock clock_;
  NamespaceSet namespaces_ = NamespaceSet::with_user;
  std::string refusal_;  // why not with a user namespace
  IsolationReport report_;
};

// What the parent says about a file whose worker did not answer.
scan::Report unanswered(std::string path, std::uint64_t size, const WorkerEnd& end);
// Parses what a worker answered and puts the parent's own words where it knows better. Errc::corrupt: nonsense.
Result<scan::Report> read_report(ByteView payload, std::string path, std::uint64_t size, bool hash);

}  // namespace hauberk::app
