#include "app/isolate_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace hauberk::app {
namespace {

constexpr std::size_t most_workers = 16;  // so that all their files stay below the usual 1024 descriptors
constexpr std::size_t most_ahead = 32;    // files with one worker
constexpr std::uint64_t most_bytes_ahead = 4u << 20;
constexpr Duration grace = std::chrono::seconds(2);  // the worker's own deadline comes first
constexpr Duration worker_age =
    std::chrono::minutes(40);  // well before the limit of processor time (isolate_confine.cpp)

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "it is a folder, or a link to one, which is not followed";
  return "it is no regular file";
}

struct Opened {
  int descriptor = -1;
  std::uint64_t size = 0;
};

// stat first, because opening a device or a pipe may already do something; fstat after, because the name may have
// moved on. Links to files are followed, as loaders follow them: caches of models consist of such links.
Result<Opened> open_regular(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) {
    const int error = errno;
    const bool dangling = error == ENOENT && ::lstat(path.c_str(), &info) == 0;
    return fail(Errc::unavailable, dangling ? "it is a symbolic link that leads nowhere"
                                            : std::string("it cannot be read: ") + ::strerror(error));
  }
  if (!S_ISREG(info.st_mode)) return fail(Errc::invalid, std::string(kind_of(info.st_mode)));
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (descriptor < 0) return fail(Errc::unavailable, std::string("it cannot be read: ") + ::strerror(errno));
  if (::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode)) {
    // Files of /proc have no size and yet a content.
    char first = 0;
    if (info.st_size != 0 || ::pread(descriptor, &first, 1, 0) == 0)
      return Opened{descriptor, static_cast<std::uint64_t>(info.st_size)};
    ::close(descriptor);
    return fail(Errc::invalid, "it says that it is empty and is not, or cannot be read");
  }
  ::close(descriptor);
  return fail(Errc::invalid, std::string(kind_of(info.st_mode)));
}

}  // namespace

struct PathScan::Job {
  std::size_t index;
  int descriptor;
  std::uint64_t size;
  Job(std::size_t i, Opened opened) : index(i), descriptor(opened.descriptor), size(opened.size) {}
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  ~Job() { ::close(descriptor); }
};

struct PathScan::Worker {
  std::unique_ptr<WorkerProcess> process;
  std::deque<std::unique_ptr<Job>> jobs;  // in the order in which they were sent
  std::uint64_t bytes = 0;
  Tick started{};
  Tick deadline{};  // of the job at the head
};

PathScan::PathScan(const IsolationOptions& options, WorkerStarter& starter, std::span<const std::string> paths,
                   const IsolatedScanner::OnReport& on_report, const std::set<std::string>& image_layers)
    : options_(options),
      starter_(starter),
      paths_(paths),
      on_report_(on_report),
      layers_(image_layers),
      workers_(std::clamp<std::size_t>(options.jobs, 1, most_workers)) {}
PathScan::~PathScan() = default;

void PathScan::answer(const Job& job, scan::Report report) {
  const auto& path = paths_[job.index];
  const std::string folder = path.substr(0, path.rfind('/') + 1);  // empty for the working directory
  scan::settle_companions(report, [&](const std::string& name) {
    struct stat info = {};
    return ::lstat((folder + name).c_str(), &info) == 0 && S_ISREG(info.st_mode);
  });
  ++answered_;
  on_report_(job.index, std::move(report));
}

std::unique_ptr<PathScan::Job> PathScan::next_job() {
  if (!waiting_.empty()) {
    auto job = std::move(waiting_.front());
    waiting_.pop_front();
    return job;
  }
  while (next_path_ < paths_.size()) {
    const std::size_t index = next_path_++;
    const auto opened = open_regular(paths_[index]);
    if (opened) return std::make_unique<Job>(index, *opened);
    ++answered_;
    on_report_(index, scan::unscanned(paths_[index], opened.error().message));
  }
  return nullptr;
}

void PathScan::restart_timer(Worker& worker) {
  worker.deadline = starter_.clock().tick() + options_.time_limit + grace;
}

Status PathScan::fill(Worker& worker) {
  if (worker.process && worker.jobs.empty() && starter_.clock().tick() - worker.started > worker_age)
    worker.process.reset();
  // Below the mark the queue is filled up at once, so that one message carries many files.
  if (worker.jobs.size() > most_ahead / 2) return {};
  while (worker.jobs.size() < most_ahead) {
    auto job = next_job();
    if (!job) break;
    if (!worker.jobs.empty() && worker.bytes + job->size > most_bytes_ahead) {
      waiting_.push_front(std::move(job));
      break;
    }
    if (!worker.process) {
      auto started = starter_.start();
      if (!started) return std::unexpected(std::move(started).error());
      worker.process = *std::move(started);
      worker.started = starter_.clock().tick();
    }
    if (worker.jobs.empty()) restart_timer(worker);
    worker.bytes += job->size;
    worker.process->send(FrameType::scan_file,
                         ScanRequest{job->size, paths_[job->index], layers_.contains(paths_[job->index])}.encode(),
                         job->descriptor);
    worker.jobs.push_back(std::move(job));
  }
  return {};
}

void PathScan::give_up(Worker& worker, const WorkerEnd& end) {
  worker.process.reset();
  worker.bytes = 0;
  auto jobs = std::exchange(worker.jobs, {});
  if (jobs.empty()) return;
  answer(*jobs.front(), unanswered(paths_[jobs.front()->index], jobs.front()->size, end));
  jobs.pop_front();
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) waiting_.push_front(std::move(*job));
}

Status PathScan::take_reports(Worker& worker) {
  for (;;) {
    const auto frame = TRY(worker.process->next());
    if (!frame) return {};
    if (frame->type != FrameType::report || worker.jobs.empty())
      return fail(Errc::corrupt, "an answer that nobody asked for");
    const auto& head = *worker.jobs.front();
    auto report = TRY(read_report(frame->payload, paths_[head.index], head.size, options_.hash));
    const auto job = std::move(worker.jobs.front());
    worker.jobs.pop_front();
    worker.bytes -= job->size;
    restart_timer(worker);
    answer(*job, std::move(report));
  }
}

Status PathScan::serve(Worker& worker, bool readable) {
  const bool alive = !readable || worker.process->receive();
  if (const auto taken = take_reports(worker); !taken) {
    give_up(worker, {"isolate.bad-answer", "answered nonsense: " + taken.error().message});
    return {};
  }
  if (!alive || !worker.process->flush()) {
    give_up(worker, worker.process->end());
  } else if (!worker.jobs.empty() && starter_.clock().tick() >= worker.deadline) {
    give_up(worker, {"isolate.timeout", "took longer than " + duration_text(options_.time_limit)});
  }
  return {};
}

Status PathScan::wait() {
  std::vector<pollfd> sockets;
  std::vector<Worker*> busy;
  Tick earliest = Tick::max();
  for (auto& worker : workers_) {
    if (worker.jobs.empty()) continue;
    sockets.push_back(
        {worker.process->socket(), static_cast<short>(POLLIN | (worker.process->wants_to_send() ? POLLOUT : 0)), 0});
    busy.push_back(&worker);
    earliest = std::min(earliest, worker.deadline);
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(earliest - starter_.clock().tick()).count();
  const int ready = ::poll(sockets.data(), sockets.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
  if (ready < 0 && errno != EINTR)
    return fail(Errc::internal, std::string("cannot wait for the isolated scanners: ") + ::strerror(errno));
  for (std::size_t i = 0; i < busy.size(); ++i)
    CHECK(serve(*busy[i], ready > 0 && (sockets[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0));
  return {};
}

Status PathScan::run() {
  while (answered_ < paths_.size()) {
    for (auto& worker : workers_) {
      CHECK(fill(worker));
      if (worker.process && !worker.process->flush()) give_up(worker, worker.process->end());
    }
    if (std::ranges::any_of(workers_, [](const Worker& worker) { return !worker.jobs.empty(); })) CHECK(wait());
  }
  return {};
}

}  // namespace hauberk::app
