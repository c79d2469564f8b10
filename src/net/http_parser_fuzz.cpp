#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "net/http_parser.h"

namespace {

using namespace hauberk::net;

struct Reading {
  ParseState state = ParseState::incomplete;
  std::size_t consumed = 0;
  HttpFault fault;
};

// Reads the head as it comes in, in pieces, and then the body behind it.
template <class Parse>
Reading read_head(std::string_view text, std::size_t piece, HttpHead& head, Parse parse) {
  Reading reading;
  std::size_t scanned = 0;
  for (std::size_t size = std::min(piece, text.size());; size = std::min(size + piece, text.size())) {
    reading.state =
        parse(text.substr(0, size), {.head_bytes = 512, .headers = 10}, scanned, head, reading.consumed, reading.fault);
    if (reading.state != ParseState::incomplete || size == text.size()) return reading;
  }
}

std::string decode(std::string_view text, std::size_t piece) {
  ChunkedDecoder decoder;
  std::string content;
  for (std::size_t at = 0; at < text.size() && !decoder.done(); at += piece) {
    auto in = text.substr(at, piece);
    std::string_view some;
    while (!in.empty() && !decoder.done()) {
      const auto before = in.size();
      if (!decoder.feed(in, some)) return content + "!broken";
      if (in.size() == before) std::abort();
      content += some;
    }
  }
  return content + (decoder.done() ? "!done" : "");
}

}  // namespace

// However the bytes are cut, the same is read; what is read has one length and lies within the bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto parse : {parse_request_head, parse_response_head}) {
    HttpHead whole, pieces;
    const auto a = read_head(text, std::max<std::size_t>(1, size), whole, parse);
    for (const std::size_t piece : {1, 3}) {
      const auto b = read_head(text, piece, pieces, parse);
      if (a.state != b.state || a.consumed != b.consumed) std::abort();
      if (a.state == ParseState::bad && (a.fault.status != b.fault.status || a.fault.reason != b.fault.reason))
        std::abort();
    }
    if (a.state != ParseState::complete) continue;
    if (a.consumed > size || whole.headers.size() > 10) std::abort();
    if (whole.count("content-length") > 1 || (whole.has("content-length") && whole.has("transfer-encoding")))
      std::abort();
    for (const auto& header : whole.headers)
      if (header.value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) std::abort();
  }
  const auto content = decode(text, std::max<std::size_t>(1, size));
  if (decode(text, 1) != content || decode(text, 5) != content) std::abort();
  return 0;
}
