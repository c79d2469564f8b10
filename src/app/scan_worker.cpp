#include "app/scan_worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <new>

#include "app/isolate_protocol.h"
#include "crypto/digest.h"

namespace hauberk::app {
namespace {

[[noreturn]] void leave(WorkerExit exit) { ::_exit(static_cast<int>(exit)); }

// The worker's end of the conversation. It blocks, and it leaves when the parent is gone.
class Line {
 public:
  void send(FrameType type, ByteView payload) {
    out_.clear();
    append_frame(out_, type, payload);
    for (std::size_t done = 0; done < out_.size();) {
      iovec part{out_.data() + done, out_.size() - done};
      msghdr message = {};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      const auto sent = ::sendmsg(worker_socket, &message, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) leave(WorkerExit::fine);
      done += static_cast<std::size_t>(sent);
    }
  }

  // Valid until the next call.
  Frame next() {
    for (;;) {
      const auto frame = in_.next();
      if (!frame) leave(WorkerExit::bad_request);
      if (*frame) return **frame;
      receive();
    }
  }

  int take_descriptor() {
    if (descriptors_.empty()) leave(WorkerExit::bad_request);
    const int descriptor = descriptors_.front();
    descriptors_.pop_front();
    return descriptor;
  }

 private:
  void receive() {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 64)];
    const auto room = in_.room(64u << 10);
    iovec part{room.data(), room.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const auto count = ::recvmsg(worker_socket, &message, 0);
    if (count < 0 && errno == EINTR) return;
    if (count <= 0) leave(WorkerExit::fine);
    if ((message.msg_flags & MSG_CTRUNC) != 0) leave(WorkerExit::bad_request);
    in_.received(static_cast<std::size_t>(count));
    for (auto* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
      if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t carried = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < carried; ++i)
        descriptors_.push_back(reinterpret_cast<const int*>(CMSG_DATA(head))[i]);
    }
  }

  Bytes out_;
  FrameBuffer in_;
  std::deque<int> descriptors_;
};

// scan::FileReader asks the system for the size, which the filter forbids: the parent says it.
class DescriptorReader final : public scan::Reader {
 public:
  DescriptorReader(int descriptor, std::uint64_t size) : descriptor_(descriptor), size_(size) {}
  DescriptorReader(const DescriptorReader&) = delete;
  DescriptorReader& operator=(const DescriptorReader&) = delete;
  ~DescriptorReader() override { ::close(descriptor_); }
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override {
    std::size_t done = 0;
    const std::size_t wanted =
        offset < size_ ? static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset)) : 0;
    while (done < wanted) {
      const auto count = ::pread(descriptor_, out.data() + done, wanted - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return fail(Errc::unavailable, "reading failed: errno " + std::to_string(errno));
      if (count == 0) return fail(Errc::unavailable, "the file became shorter while it was scanned");
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

 private:
  int descriptor_;
  std::uint64_t size_;
};

// Asks the parent for ranges. Small reads are served from a block, because each question costs two switches of process.
class RemoteReader final : public scan::Reader {
 public:
  RemoteReader(Line& line, std::uint64_t size) : line_(line), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override {
    std::size_t done = 0;
    const std::size_t wanted =
        offset < size_ ? static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset)) : 0;
    while (done < wanted) {
      const std::uint64_t at = offset + done;
      if (at < start_ || at - start_ >= block_.size()) {
        start_ = at;
        block_ = ask(
            at, std::min<std::uint64_t>(
                    size_ - at, std::max<std::uint64_t>(std::min<std::uint64_t>(wanted - done, max_read), block_size)));
        if (block_.empty()) return fail(Errc::unavailable, "the stored bytes end early");
      }
      const std::size_t skip = static_cast<std::size_t>(at - start_),
                        count = std::min(wanted - done, block_.size() - skip);
      std::copy_n(block_.begin() + static_cast<std::ptrdiff_t>(skip), count,
                  out.begin() + static_cast<std::ptrdiff_t>(done));
      done += count;
    }
    return done;
  }

 private:
  static constexpr std::uint64_t block_size = 256u << 10;

  Bytes ask(std::uint64_t offset, std::uint64_t length) {
    line_.send(FrameType::read, ReadRequest{offset, static_cast<std::uint32_t>(length)}.encode());
    const auto frame = line_.next();
    if (frame.type != FrameType::data || frame.payload.size() > length) leave(WorkerExit::bad_request);
    return to_bytes(frame.payload);
  }

  Line& line_;
  std::uint64_t size_;
  std::uint64_t start_ = 0;
  Bytes block_;
};

// What libraries load or open at their first use must happen while files can still be opened.
void warm_up(const WorkerSettings& settings) {
  if (settings.hash) static_cast<void>(crypto::sha256({}));
  static_cast<void>(SystemClock().tick());
  std::set_new_handler([] { leave(WorkerExit::out_of_memory); });
  struct sigaction on_abort = {};
  on_abort.sa_handler = [](int) {
    leave(WorkerExit::aborted);
  };  // the first process of a pid namespace ignores a plain SIGABRT
  ::sigaction(SIGABRT, &on_abort, nullptr);
  struct sigaction plain = {};  // no handler of a runtime library stands between a fault and its signal
  plain.sa_handler = SIG_DFL;
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::sigaction(fault, &plain, nullptr);
  static_cast<void>(::prctl(PR_SET_NAME, "hauberk-scan"));
}

void serve_one(Line& line, const Frame& frame, const ScanFunction& scan, const WorkerSettings& settings) {
  if (frame.type != FrameType::scan_file && frame.type != FrameType::scan_remote) leave(WorkerExit::bad_request);
  const bool remote = frame.type == FrameType::scan_remote;
  const auto request = ScanRequest::parse(frame.payload);
  if (!request) leave(WorkerExit::bad_request);
  const scan::ScanOptions options{.limits = settings.limits,
                                  .hash = settings.hash,
                                  .image_layer = request->image_layer,
                                  .out_of_time = time_budget(request->size, settings.time_limit)};
  const auto scanned = [&] {
    if (remote) {
      RemoteReader reader(line, request->size);
      return scan(reader, request->path, options);
    }
    DescriptorReader reader(line.take_descriptor(), request->size);
    return scan(reader, request->path, options);
  }();
  line.send(FrameType::report, as_bytes(json::write(scan::to_json(scanned))));
}

}  // namespace

int serve_scans(const ScanFunction& scan, Confinement confinement) {
  int kind = 0;
  socklen_t size = sizeof(kind);
  if (::getsockopt(worker_socket, SOL_SOCKET, SO_TYPE, &kind, &size) != 0) {
    std::fputs("hauberk scan-worker is started by hauberk scan, not by people\n", stderr);
    return 2;
  }
  Line line;
  const auto hello = line.next();
  const auto settings =
      hello.type == FrameType::hello ? WorkerSettings::parse(as_text(hello.payload)) : fail(Errc::corrupt, "no hello");
  if (!settings) leave(WorkerExit::bad_request);
  warm_up(*settings);
  const auto layers = confine(confinement, settings->memory);
  if (!layers) leave(WorkerExit::not_confined);
  line.send(FrameType::ready, as_bytes(encode_layers(*layers)));
  for (;;) serve_one(line, line.next(), scan, *settings);
}

scan::OutOfTime time_budget(std::uint64_t size, Duration limit) {
  constexpr std::int64_t slowdown = sanitized ? 20 : 1;
  const Tick start = SystemClock().tick();
  const Duration allowed = slowdown * (std::chrono::milliseconds(1500) + std::chrono::milliseconds(size / 8'000));
  // The processor's clock costs a system call, so it is asked every few milliseconds only.
  return [=, began = thread_processor_time(), next = start]() mutable -> std::string_view {
    const Tick now = SystemClock().tick();
    if (now - start >= limit) return "time";
    if (now < next) return {};
    next = now + std::chrono::milliseconds(5);
    return thread_processor_time() - began >= allowed ? "processor time" : "";
  };
}

int run_scan_worker(int, char**) { return serve_scans(scan::scan, {}); }

}  // namespace hauberk::app
