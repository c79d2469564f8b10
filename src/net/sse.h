// Server-sent events (WHATWG HTML, "event streams"), read piece by piece with any line ending, bounded. Only `data` and
// `event` are kept: comments, ids and retry times of an upstream do not concern its callers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hauberk::net {

struct SseEvent {
  std::string event;  // empty: "message"
  std::string data;   // lines joined by LF
};

class SseParser {
 public:
  explicit SseParser(std::size_t max_event_bytes = 1 << 20) : max_(max_event_bytes) {}
  // Takes bytes from `in` up to the end of one event. True: `event` is complete; call again with the rest.
  // False: everything was taken and no event is complete, or an event is too large (see broken()).
  bool feed(std::string_view& in, SseEvent& event);
  bool broken() const { return broken_; }
  // Whether bytes of an unfinished event are held.
  bool pending() const { return !line_.empty() || has_data_; }

 private:
  bool end_line(SseEvent& event);
  const std::size_t max_;
  std::string line_;
  std::string name_;
  std::string data_;
  bool has_data_ = false;
  bool at_start_ = true;
  bool skip_lf_ = false;
  bool broken_ = false;
};

}  // namespace hauberk::net
