#include "net/http_message.h"

#include <algorithm>
#include <cstring>

namespace hauberk::net {
namespace {

constexpr std::size_t read_size = 16 << 10;

MutableBytes writable(char* at, std::size_t size) { return {reinterpret_cast<std::uint8_t*>(at), size}; }

}  // namespace

MessageReader::MessageReader(Socket& socket, const HttpLimits& limits)
    : socket_(socket),
      limits_(limits),
      capacity_(limits.head_bytes + read_size),
      buffer_(std::make_unique_for_overwrite<char[]>(capacity_)) {}

Task<HeadRead> MessageReader::request_head(HttpHead& head, HttpFault& fault, Tick idle_deadline,
                                           Duration head_timeout) {
  return this->head(true, head, fault, idle_deadline, head_timeout);
}

Task<HeadRead> MessageReader::response_head(HttpHead& head, HttpFault& fault, Tick deadline) {
  return this->head(false, head, fault, deadline, Duration::max());
}

Task<HeadRead> MessageReader::head(bool request, HttpHead& head, HttpFault& fault, Tick idle_deadline,
                                   Duration head_timeout) {
  // What came behind the last message moves to the front.
  std::memmove(buffer_.get(), buffer_.get() + at_, end_ - at_);
  end_ -= at_;
  at_ = 0;
  std::size_t scanned = 0, consumed = 0;
  Tick deadline = idle_deadline;
  bool begun = false;
  while (true) {
    if (end_ != 0) {
      if (!begun && head_timeout != Duration::max()) deadline = socket_.watched().loop().now() + head_timeout;
      begun = true;
      const std::string_view text(buffer_.get(), end_);
      const auto state = request ? parse_request_head(text, limits_, scanned, head, consumed, fault)
                                 : parse_response_head(text, limits_, scanned, head, consumed, fault);
      if (state == ParseState::bad) co_return HeadRead::bad;
      if (state == ParseState::complete) break;
    }
    const auto n = co_await socket_.read(writable(buffer_.get() + end_, capacity_ - end_), deadline);
    if (!n)
      co_return n.error().code == Errc::deadline ? (begun ? HeadRead::timed_out : HeadRead::idle)
                                                 : (begun ? HeadRead::cut : HeadRead::closed);
    if (*n == 0) co_return begun ? HeadRead::cut : HeadRead::closed;
    end_ += *n;
  }
  head_end_ = at_ = consumed;
  start_body(head);
  co_return HeadRead::complete;
}

void MessageReader::start_body(const HttpHead& head) {
  framing_ = head.framing;
  left_ = head.content_length;
  chunks_ = ChunkedDecoder();
  body_done_ = framing_ == Framing::none || (framing_ == Framing::length && left_ == 0);
}

Task<Result<std::string_view>> MessageReader::body_piece(Tick deadline) {
  while (!body_done_) {
    if (at_ == end_) {
      at_ = end_ = head_end_;
      const auto n = co_await socket_.read(writable(buffer_.get() + end_, capacity_ - end_), deadline);
      if (!n) co_return std::unexpected(n.error());
      if (*n == 0) {
        if (framing_ != Framing::until_close) co_return fail(Errc::unavailable, "the message was cut off");
        body_done_ = true;
        break;
      }
      end_ += *n;
    }
    auto rest = waiting();
    std::string_view piece;
    switch (framing_) {
      case Framing::length:
        piece = rest.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size())));
        left_ -= piece.size();
        at_ += piece.size();
        body_done_ = left_ == 0;
        break;
      case Framing::until_close:
        piece = rest;
        at_ = end_;
        break;
      case Framing::chunked: {
        const auto before = rest.size();
        if (!chunks_.feed(rest, piece)) co_return fail(Errc::corrupt, "the chunked coding of the message is broken");
        at_ += before - rest.size();
        body_done_ = chunks_.done();
        break;
      }
      case Framing::none:
        break;
    }
    if (!piece.empty()) co_return piece;
  }
  co_return std::string_view();
}

Task<Result<std::string_view>> MessageReader::whole_body(std::string& storage, std::uint64_t limit, Tick deadline) {
  if (framing_ == Framing::length) {
    if (left_ > limit) co_return fail(Errc::exhausted, "the body is too large");
    if (waiting().size() >= left_) {
      const auto body = waiting().substr(0, static_cast<std::size_t>(left_));
      at_ += body.size();
      left_ = 0;
      body_done_ = true;
      co_return body;
    }
  }
  storage.clear();
  while (true) {
    auto piece = co_await body_piece(deadline);
    if (!piece) co_return std::unexpected(std::move(piece).error());
    if (piece->empty()) co_return std::string_view(storage);
    if (piece->size() > limit - storage.size()) co_return fail(Errc::exhausted, "the body is too large");
    storage += *piece;
  }
}

}  // namespace hauberk::net
