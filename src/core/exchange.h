// Exchange: one request in flight. The only mutable value of the gateway, owned by one session and seen by one thread.
// Steps add to it in order: route, principal, input, verdicts, output. Later steps read only `input`, never the raw
// body.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/time.h"
#include "core/access.h"
#include "core/principal.h"
#include "core/verdict.h"

namespace hauberk {

enum class Surface { none, openai, v2 };
std::string_view name(Surface surface);

// What a route allows: the second half of every grant check.
enum class Operation {
  none,
  list_models,
  model_metadata,
  model_ready,
  server_metadata,
  server_live,
  server_ready,
  infer,
  chat,
  completion,
  embedding
};
std::string_view name(Operation operation);
// What the operation asks of the caller, over the deployment; empty for none, which nobody may.
std::optional<Access> access_of(Operation operation);

enum class DataType {
  boolean,
  uint8,
  uint16,
  uint32,
  uint64,
  int8,
  int16,
  int32,
  int64,
  fp16,
  bf16,
  fp32,
  fp64,
  bytes
};
std::string_view name(DataType type);  // "BOOL", "UINT8", …, "BYTES" as Open Inference V2 spells them
std::optional<DataType> parse_data_type(std::string_view text);
std::size_t size_of(DataType type);  // bytes an element; 0 for bytes (variable)

struct Tensor {
  std::string name;
  DataType type = DataType::fp32;
  std::vector<std::int64_t> shape;
  Bytes data;                        // little-endian, row-major, dense; empty for type bytes
  std::vector<std::string> strings;  // for type bytes, row-major
};
// The number of elements, or Errc::invalid if a dimension is negative or the product overflows 2^40.
Result<std::uint64_t> element_count(const std::vector<std::int64_t>& shape);

struct TensorInput {
  std::string id;
  std::vector<Tensor> tensors;
  std::vector<std::string> wanted_outputs;  // empty = all
  std::vector<bool> wanted_binary;          // beside wanted_outputs
  bool all_binary = false;
};

struct Message {
  std::string role;
  std::string text;  // the text parts, joined
};

struct TextInput {
  std::string model;
  std::vector<Message> messages;   // chat
  std::vector<std::string> texts;  // prompts of completions, inputs of embeddings
  bool stream = false;
  std::optional<std::int64_t> max_tokens;
  json::Value body;           // the whole validated request; what the upstream gets is written from it, or from
  std::string_view spelling;  // the text that says the same, while it lives; whoever changes `body` empties it
};

struct Exchange {
  // who and where, known before the body is read
  Instant received{};
  Tick started{};
  std::string id;            // request id (ULID)
  std::string trace_parent;  // W3C, ours to pass on
  std::string peer;          // address of the caller
  Surface surface = Surface::none;
  Operation operation = Operation::none;
  std::string deployment;              // name
  std::uint64_t deployment_entry = 0;  // history entry served
  std::string artifact;                // digest text of the version
  std::string_view bearer;             // the presented token, valid for the session's step only; never stored
  std::uint64_t body_bytes = 0;

  Principal principal;
  std::variant<std::monostate, TensorInput, TextInput> input;
  std::vector<Verdict> verdicts;
  std::vector<std::pair<std::string_view, std::string>> limit_headers;  // what a limit tells the caller
  std::vector<std::pair<std::string, double>> features;
};

}  // namespace hauberk
