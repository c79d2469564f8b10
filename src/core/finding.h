// Finding: "something is wrong here". One type for the scanner, guards, configuration, policy and every later check,
// and one rendering to text, JSON and SARIF 2.1.0. A finding names a Rule of the catalogue; the message says what was
// seen in this place; the excerpt is masked by whoever makes it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace hauberk {

enum class Severity { info, low, medium, high, critical };

std::string_view name(Severity severity);
std::optional<Severity> parse_severity(std::string_view text);

struct Where {
  std::string file;                     // path as given; members of archives after "!", as in model.pt!archive/data.pkl
  std::optional<std::uint64_t> offset;  // byte offset in that file or member
  std::optional<std::uint32_t> line;    // 1-based
  std::string pointer;                  // JSON pointer or a node's name
  std::string text() const;             // "file@offset" and the like, for people
  bool operator==(const Where&) const = default;
};

struct Finding {
  std::string rule;
  Severity severity = Severity::info;
  Where where;
  std::string message;
  std::string excerpt;
  bool operator==(const Finding&) const = default;
};

json::Value to_json(const Finding& finding);
Result<Finding> finding_from_json(const json::Value& value);
// SARIF 2.1.0 with the rules of the catalogue that the findings name.
json::Value to_sarif(std::span<const Finding> findings, std::string_view tool_version);

}  // namespace hauberk
