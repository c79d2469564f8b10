// PathScan: one pass of workers over many files. Each worker has a queue of files ahead of it, short enough that a slow
// file holds few others up; what a dead worker left undone goes to the next one. One thread; lives for one call of
// scan_paths.
#pragma once

#include <deque>
#include <set>
#include <span>
#include <string>

#include "app/isolate_start.h"

namespace hauberk::app {

class PathScan {
 public:
  PathScan(const IsolationOptions& options, WorkerStarter& starter, std::span<const std::string> paths,
           const IsolatedScanner::OnReport& on_report, const std::set<std::string>& image_layers);
  ~PathScan();
  Status run();

 private:
  struct Job;
  struct Worker;

  // Opens the next file that can be opened, or answers for those that cannot. Null at the end.
  std::unique_ptr<Job> next_job();
  Status fill(Worker& worker);
  Status wait();
  Status serve(Worker& worker, bool readable);
  Status take_reports(Worker& worker);
  // Answers for the file at the head and puts the others back.
  void give_up(Worker& worker, const WorkerEnd& end);
  void answer(const Job& job, scan::Report report);
  void restart_timer(Worker& worker);

  const IsolationOptions& options_;
  WorkerStarter& starter_;
  std::span<const std::string> paths_;
  const IsolatedScanner::OnReport& on_report_;
  const std::set<std::string>& layers_;
  std::vector<Worker> workers_;
  std::deque<std::unique_ptr<Job>> waiting_;  // opened, not with a worker (any more)
  std::size_t next_path_ = 0;
  std::size_t answered_ = 0;
};

}  // namespace hauberk::app
