// What a worker that was taken over may send to its parent.
#include <algorithm>

#include "app/isolate_protocol.h"
#include "app/isolate_start.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::app;
  FrameBuffer buffer;
  const auto room = buffer.room(size);
  std::copy_n(data, size, room.begin());
  buffer.received(size);
  for (auto frame = buffer.next(); frame && *frame; frame = buffer.next()) {
    const auto payload = (*frame)->payload;
    if ((*frame)->type == FrameType::read) {
      const auto request = ReadRequest::parse(payload, 1000);
      if (request && (request->length > 1000 || request->offset > 1000 - request->length)) __builtin_trap();
    } else if ((*frame)->type == FrameType::ready) {
      static_cast<void>(parse_layers(hauberk::as_text(payload)));
    } else if (const auto report = read_report(payload, "a.pkl", 7, false);
               report && (report->path != "a.pkl" || report->size != 7 || report->sha256)) {
      __builtin_trap();
    }
  }
  return 0;
}
