// JSON as a stream of events, in memory that does not depend on the size of the text: models and tokenizers of a
// hundred megabytes come as JSON. It reads what Python's json module reads: NaN and Infinity too, equal keys more than
// once, lone surrogates; what that refuses is malformed here. Nothing recurses. One pass, pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "scan/inspection.h"

namespace hauberk::scan {

// What a reader of JSON or YAML tells, in the order of the text. Every end follows its begin.
class ConfigEvents {
 public:
  virtual ~ConfigEvents() = default;
  virtual void begin(bool object, std::uint64_t offset) = 0;
  virtual void end() = 0;
  virtual void key(std::string_view key, std::uint64_t offset) = 0;
  // `whole` is false where the text was longer than what is kept of one.
  virtual void text(std::string_view value, bool whole, std::uint64_t offset) = 0;
  // Numbers, true, false, null, as they are spelled.
  virtual void plain(std::string_view spelled, std::uint64_t offset) = 0;
};

constexpr std::size_t config_text_kept = (1u << 20) + 1;

struct JsonOutcome {
  enum End : std::uint8_t { complete, malformed, too_deep, unreadable, out_of_budget };
  End end = complete;
  std::uint64_t offset = 0;
  std::string_view what;  // a static text
};

JsonOutcome stream_json(Reader& data, ConfigEvents& events, Budget& budget);

}  // namespace hauberk::scan
