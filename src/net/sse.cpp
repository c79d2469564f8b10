#include "net/sse.h"

namespace hauberk::net {

bool SseParser::feed(std::string_view& in, SseEvent& event) {
  while (!in.empty() && !broken_) {
    if (skip_lf_) {
      skip_lf_ = false;
      if (in.front() == '\n') {
        in.remove_prefix(1);
        continue;
      }
    }
    const auto end = in.find_first_of("\r\n");
    line_ += in.substr(0, end);
    if (line_.size() + data_.size() > max_) {
      broken_ = true;
      return false;
    }
    if (end == std::string_view::npos) {
      in = {};
      return false;
    }
    skip_lf_ = in[end] == '\r';
    in.remove_prefix(end + 1);
    if (end_line(event)) return true;
  }
  return false;
}

bool SseParser::end_line(SseEvent& event) {
  if (line_.empty()) {
    at_start_ = false;
    if (!has_data_) {
      name_.clear();
      return false;
    }
    event.event = std::move(name_);
    event.data = std::move(data_);
    name_.clear();
    data_.clear();
    has_data_ = false;
    return true;
  }
  std::string_view line = line_;
  if (at_start_ && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);  // a byte order mark may open the stream
  at_start_ = false;
  const auto colon = line.find(':');
  const auto field = line.substr(0, colon);
  auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  } else if (field == "event") {
    name_ = value;
  }
  line_.clear();
  return false;
}

}  // namespace hauberk::net
