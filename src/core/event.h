// Event: what happened, never the payload. One per request and one per decision of the registry; the ledger chains
// them. All text in it is ours or bounded and cleaned (no control characters, at most 256 bytes each).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "core/verdict.h"

namespace hauberk {

struct Event {
  Instant time{};
  std::string kind;       // "request", "import", "scan", "approve", "promote", "rollback", "revoke", "token.create",
                          // "config.reload", "gap", …
  std::string id;         // request id or another ULID
  std::string trace;      // W3C trace id, 32 hex digits, or empty
  std::string principal;  // subject
  std::string token_id;   // public part
  std::string target;     // deployment, or name@version
  std::string operation;  // "infer", "chat.completions", …
  std::string artifact;   // digest text, or empty
  std::string outcome;    // "ok", "blocked", "throttled", "error", "denied"
  std::string reason;     // bounded code
  int status = 0;         // HTTP status, 0 where there is none
  Duration total{};       // first byte in to last byte out
  Duration upstream{};    // of it, waiting for the engine
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::vector<Verdict> verdicts;                         // those that did not pass, shadow ones included
  std::vector<std::pair<std::string, double>> features;  // numeric only
};

// One line of JSON, members in a fixed order, empty ones left out. Appends: the hot path reuses its buffer.
void append_json(std::string& out, const Event& event);
json::Value to_json(const Event& event);

}  // namespace hauberk
