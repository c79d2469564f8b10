#include "core/event.h"

#include <fmt/format.h>

#include <cmath>

#include "base/text.h"

namespace hauberk {
namespace {

constexpr std::size_t longest_text = 256;

void member(std::string& out, std::string_view key, std::string_view text) {
  if (text.empty()) return;
  append_all(out, ",\"", key, "\":");
  json::append_quoted(out, text.substr(0, longest_text));
}

void member(std::string& out, std::string_view key, std::uint64_t number) {
  if (number != 0) append_all(out, ",\"", key, "\":", number);
}

// Microseconds are fine enough for latencies and short enough for a line.
void member(std::string& out, std::string_view key, Duration duration) {
  member(out, key, static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count() / 1000)));
}

}  // namespace

void append_json(std::string& out, const Event& event) {
  out += "{\"time\":\"";
  out += rfc3339(event.time);
  out += '"';
  member(out, "kind", event.kind);
  member(out, "id", event.id);
  member(out, "trace", event.trace);
  member(out, "principal", event.principal);
  member(out, "token", event.token_id);
  member(out, "target", event.target);
  member(out, "operation", event.operation);
  member(out, "artifact", event.artifact);
  member(out, "outcome", event.outcome);
  member(out, "reason", event.reason);
  member(out, "status", static_cast<std::uint64_t>(std::max(0, event.status)));
  member(out, "total_us", event.total);
  member(out, "upstream_us", event.upstream);
  member(out, "bytes_in", event.bytes_in);
  member(out, "bytes_out", event.bytes_out);
  if (!event.verdicts.empty()) {
    out += ",\"verdicts\":[";
    for (std::size_t i = 0; i < event.verdicts.size(); ++i) {
      const auto& verdict = event.verdicts[i];
      append_all(out, i == 0 ? "" : ",", "{\"guard\":\"", verdict.guard, "\",\"action\":\"", name(verdict.action),
                 "\",\"reason\":\"", verdict.reason, verdict.enforced ? "\"}" : "\",\"shadow\":true}");
    }
    out += ']';
  }
  if (!event.features.empty()) {
    out += ",\"features\":{";
    bool first = true;
    for (const auto& [key, value] : event.features) {
      if (!std::isfinite(value)) continue;
      if (!first) out += ',';
      first = false;
      json::append_quoted(out, std::string_view(key).substr(0, longest_text));
      fmt::format_to(std::back_inserter(out), ":{}", value);
    }
    out += '}';
  }
  out += '}';
}

json::Value to_json(const Event& event) {
  std::string text;
  append_json(text, event);
  return json::parse(text).value_or(json::Value());
}

}  // namespace hauberk
