// HTTP/1.1 heads and chunked bodies (RFC 9112), read strictly: what two implementations could read differently is
// refused. Refused: bare LF, obs-fold, white space before a colon, control characters, a second Content-Length or Host,
// Content- Length beside Transfer-Encoding, any coding but exactly one "chunked", lengths with sign or list, absolute
// and asterisk targets, too many or too long headers. Views point into the caller's buffer. Pure; no allocation beyond
// the header list.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hauberk::net {

struct HttpHeader {
  std::string_view name;
  std::string_view value;  // without the white space around it
};

struct HttpLimits {
  std::size_t head_bytes = 16 << 10;
  std::size_t headers = 100;
};

// How a message's body is framed.
enum class Framing { none, length, chunked, until_close };

struct HttpHead {
  // request
  std::string_view method;
  std::string_view target;  // origin-form, starts with '/'
  // response
  int status = 0;
  // both
  int minor_version = 1;
  std::vector<HttpHeader> headers;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expect_continue = false;

  // The first value of that name (compared without case); nullptr data if there is none.
  std::string_view find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name).data() != nullptr; }
  std::size_t count(std::string_view name) const;
};

// What is wrong with a head, and the status a server should answer with.
struct HttpFault {
  int status = 400;
  std::string_view reason;  // a static text, safe to show
};

enum class ParseState { incomplete, complete, bad };

// Looks for a whole head at the start of `buffer`. `head` is reused: its vector keeps its memory. `consumed` is the
// number of bytes of the head. `scanned` remembers where the search for its end may go on; start with 0.
ParseState parse_request_head(std::string_view buffer, const HttpLimits& limits, std::size_t& scanned, HttpHead& head,
                              std::size_t& consumed, HttpFault& fault);
// The same for a response. `head_request`: the request was HEAD, so there is no body.
ParseState parse_response_head(std::string_view buffer, const HttpLimits& limits, std::size_t& scanned, HttpHead& head,
                               std::size_t& consumed, HttpFault& fault);

// Compares two names without regard to ASCII case.
bool same_name(std::string_view a, std::string_view b);

// Decodes a chunked body piece by piece. Strict: upper limits on the size line and on trailers, which are read and
// dropped.
class ChunkedDecoder {
 public:
  // Takes bytes from the front of `in` and tells which of them are content: `content` is a view into `in`. Call again
  // with the rest until it is empty. False: the framing is broken.
  [[nodiscard]] bool feed(std::string_view& in, std::string_view& content);
  bool done() const { return state_ == State::done; }

 private:
  enum class State {
    size,
    size_extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer_line,
    trailer_lf,
    end_lf,
    done
  };
  State state_ = State::size;
  std::uint64_t left_ = 0;
  std::size_t line_ = 0;  // bytes of the present size line or of all trailers
  bool any_digit_ = false;
};

}  // namespace hauberk::net
