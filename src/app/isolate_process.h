// WorkerProcess: one isolated child as its parent sees it: started in namespaces of its own with one descriptor and an
// empty environment, talked to over a socket that never blocks longer than asked for, ended and waited for by its
// destructor. Started by clone(CLONE_VM | CLONE_VFORK) and exec, so that it costs the same in a large parent with many
// threads. One thread, which must outlive the worker.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/isolate_protocol.h"

namespace hauberk::app {

// Which namespaces to ask for: each falls back to the next where the kernel refuses.
enum class NamespaceSet { with_user, without_user, none };

// How a worker ended, in words that follow "the isolated scanner …", and the rule that says so.
struct WorkerEnd {
  std::string rule;
  std::string text;
};
// `status` is that of waitpid.
WorkerEnd describe_end(int status);

class WorkerProcess {
 public:
  // Errc::unsupported: these namespaces are not to be had. Errc::unavailable: no process or socket is.
  static Result<std::unique_ptr<WorkerProcess>> start(const std::vector<std::string>& command, NamespaceSet namespaces);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  int socket() const { return socket_; }
  // Queues a frame; a descriptor is borrowed until it is sent, which is before flush() answers true.
  void send(FrameType type, ByteView payload, int descriptor = -1);
  // Sends what the socket takes now. True once all is sent. Errc::unavailable: the worker is gone.
  Result<bool> flush();
  bool wants_to_send() const { return !out_.empty(); }
  // Takes what has come in, without waiting. False at the end of the stream.
  bool receive();
  // The next whole frame. Errc::corrupt: nonsense.
  Result<std::optional<Frame>> next() { return in_.next(); }
  // Sends what is queued and waits for one frame. Errc::deadline after `limit`, Errc::unavailable if the worker is
  // gone.
  Result<Frame> exchange(const Clock& clock, Tick limit);
  // Ends it, if it has not ended, and says how it did: a worker that this had to kill ended "by SIGKILL".
  WorkerEnd end();

 private:
  WorkerProcess(int pid, int socket) : pid_(pid), socket_(socket) {}
  int pid_;
  int socket_;
  Bytes out_;
  std::vector<int> descriptors_;
  FrameBuffer in_;
};

}  // namespace hauberk::app
