// What the parent and an isolated worker say to each other over a stream socket: frames of a length, a type and a
// payload. The parent treats every byte from a worker as hostile: frames are bounded, reports are parsed strictly,
// ranges are checked. Descriptors travel beside the frames (SCM_RIGHTS), one for each scan_file frame, in order. Pure;
// one thread a buffer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/isolate.h"
#include "base/bytes.h"
#include "base/result.h"

namespace hauberk::app {

enum class FrameType : std::uint32_t {
  hello = 1,        // parent: WorkerSettings as JSON, first of all
  scan_file = 2,    // parent: ScanRequest, with a descriptor
  scan_remote = 3,  // parent: ScanRequest; the worker asks for ranges
  data = 4,         // parent: the bytes of the range asked for
  ready = 16,       // worker: the layers as JSON, once it is confined
  report = 17,      // worker: scan::Report as JSON
  read = 18,        // worker: ReadRequest
};

struct Frame {
  FrameType type;
  ByteView payload;  // valid until the buffer changes
};

inline constexpr std::size_t max_frame = 16u << 20;
inline constexpr std::uint32_t max_read = 1u << 20;
inline constexpr int worker_socket = 3;  // where a worker finds its end

void append_frame(Bytes& out, FrameType type, ByteView payload);

// Puts frames together again from what a stream delivers.
class FrameBuffer {
 public:
  // Room to receive into; say with received() how much came.
  MutableBytes room(std::size_t least);
  void received(std::size_t count) { end_ += count; }
  // The next whole frame, or nothing yet. Errc::corrupt: longer than max_frame.
  Result<std::optional<Frame>> next();

 private:
  Bytes bytes_;
  std::size_t start_ = 0;
  std::size_t end_ = 0;
};

struct ScanRequest {
  std::uint64_t size = 0;
  std::string path;  // for findings; bytes as the system has them
  bool image_layer = false;
  Bytes encode() const;
  static Result<ScanRequest> parse(ByteView payload);
};

struct ReadRequest {
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  Bytes encode() const;
  // Errc::corrupt unless the range is not empty, at most max_read and inside `size`.
  static Result<ReadRequest> parse(ByteView payload, std::uint64_t size);
};

// What a worker is told before anything else.
struct WorkerSettings {
  std::uint64_t memory = 0;
  Duration time_limit{};
  bool hash = false;
  scan::ScanLimits limits;
  std::string encode() const;
  static Result<WorkerSettings> parse(std::string_view text);
};

std::string encode_layers(const std::vector<LayerState>& layers);
Result<std::vector<LayerState>> parse_layers(std::string_view text);

// How a worker ends where it still can say so; everything else is 0 or a signal.
enum class WorkerExit : int { fine = 0, out_of_memory = 81, aborted = 82, not_confined = 83, bad_request = 84 };

}  // namespace hauberk::app
