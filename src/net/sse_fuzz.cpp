#include <cstdint>
#include <cstdlib>
#include <string>

#include "net/sse.h"

namespace {

std::string all_events(std::string_view stream, std::size_t piece) {
  hauberk::net::SseParser parser(256);
  hauberk::net::SseEvent event;
  std::string all;
  for (std::size_t at = 0; at < stream.size() && !parser.broken(); at += piece) {
    auto in = stream.substr(at, piece);
    while (parser.feed(in, event)) {
      // Line endings would start another field in what is written from the event.
      if (event.event.find_first_of("\r\n") != std::string::npos || event.data.find('\r') != std::string::npos)
        std::abort();
      if (event.data.size() > 256) std::abort();
      all += event.event + '\0' + event.data + '\0';
    }
  }
  // A stream that breaks does so at the same event, though perhaps not at the same byte.
  return all;
}

}  // namespace

// However the stream is cut, the same events come out.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  const auto whole = all_events(stream, size + 1);
  if (all_events(stream, 1) != whole || all_events(stream, 3) != whole) std::abort();
  return 0;
}
