// MessageReader: heads and bodies off a socket, one message after the other. Views of a head stay good until the next
// head is read; a piece of a body until the next piece. Memory: one buffer, as large as the largest head and one read.
// One thread. Source: RFC 9112.
#pragma once

#include <memory>
#include <string_view>

#include "net/http_parser.h"
#include "net/socket.h"

namespace hauberk::net {

enum class HeadRead {
  complete,
  closed,     // the other side closed between two messages
  cut,        // it closed, or the connection broke, within a head
  timed_out,  // within a head
  idle,       // nothing came at all until the idle deadline
  bad,        // see the fault
};

class MessageReader {
 public:
  MessageReader(Socket& socket, const HttpLimits& limits);

  Task<HeadRead> request_head(HttpHead& head, HttpFault& fault, Tick idle_deadline, Duration head_timeout);
  Task<HeadRead> response_head(HttpHead& head, HttpFault& fault, Tick deadline);

  // The next piece of the body whose head was read last; empty at its end. Errors: corrupt (framing), unavailable (cut
  // off), deadline.
  Task<Result<std::string_view>> body_piece(Tick deadline);
  // All of it. A view into the buffer where it has come already, otherwise into `storage`. Errc::exhausted above
  // `limit`.
  Task<Result<std::string_view>> whole_body(std::string& storage, std::uint64_t limit, Tick deadline);
  bool body_done() const { return body_done_; }
  bool received_anything() const { return end_ != 0; }

 private:
  Task<HeadRead> head(bool request, HttpHead& head, HttpFault& fault, Tick idle_deadline, Duration head_timeout);
  void start_body(const HttpHead& head);
  std::string_view waiting() const { return {buffer_.get() + at_, end_ - at_}; }

  Socket& socket_;
  const HttpLimits limits_;
  const std::size_t capacity_;
  std::unique_ptr<char[]> buffer_;
  std::size_t head_end_ = 0;  // the head in hand lies before it
  std::size_t at_ = 0;        // bytes from here to end_ were read and not used
  std::size_t end_ = 0;
  Framing framing_ = Framing::none;
  std::uint64_t left_ = 0;
  ChunkedDecoder chunks_;
  bool body_done_ = true;
};

}  // namespace hauberk::net
