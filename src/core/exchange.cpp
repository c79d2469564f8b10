#include "core/exchange.h"

#include <fmt/format.h>

namespace hauberk {
namespace {

struct TypeRow {
  DataType type;
  std::string_view name;
  std::size_t size;
};
constexpr TypeRow types[] = {
    {DataType::boolean, "BOOL", 1},  {DataType::uint8, "UINT8", 1},   {DataType::uint16, "UINT16", 2},
    {DataType::uint32, "UINT32", 4}, {DataType::uint64, "UINT64", 8}, {DataType::int8, "INT8", 1},
    {DataType::int16, "INT16", 2},   {DataType::int32, "INT32", 4},   {DataType::int64, "INT64", 8},
    {DataType::fp16, "FP16", 2},     {DataType::bf16, "BF16", 2},     {DataType::fp32, "FP32", 4},
    {DataType::fp64, "FP64", 8},     {DataType::bytes, "BYTES", 0}};

}  // namespace

std::string_view name(Surface surface) {
  switch (surface) {
    case Surface::none:
      return "none";
    case Surface::openai:
      return "openai";
    case Surface::v2:
      return "v2";
  }
  return "none";
}

std::string_view name(Operation operation) {
  switch (operation) {
    case Operation::none:
      return "none";
    case Operation::list_models:
      return "models";
    case Operation::model_metadata:
      return "metadata";
    case Operation::model_ready:
      return "ready";
    case Operation::server_metadata:
      return "server";
    case Operation::server_live:
      return "live";
    case Operation::server_ready:
      return "server_ready";
    case Operation::infer:
      return "infer";
    case Operation::chat:
      return "chat.completions";
    case Operation::completion:
      return "completions";
    case Operation::embedding:
      return "embeddings";
  }
  return "none";
}

std::optional<Access> access_of(Operation operation) {
  switch (operation) {
    case Operation::none:
      return std::nullopt;
    case Operation::infer:
    case Operation::chat:
    case Operation::completion:
    case Operation::embedding:
      return Access::grant("infer", "the deployment");
    case Operation::model_metadata:
    case Operation::model_ready:
      return Access::either("infer", "read", "the deployment");
    case Operation::list_models:
      return Access::known("what the token may infer with or read is listed");
    case Operation::server_metadata:
    case Operation::server_live:
    case Operation::server_ready:
      return Access::known("it says nothing of any model");
  }
  return std::nullopt;
}

std::string_view name(DataType type) {
  for (const auto& row : types)
    if (row.type == type) return row.name;
  return "";
}

std::optional<DataType> parse_data_type(std::string_view text) {
  for (const auto& row : types)
    if (row.name == text) return row.type;
  return std::nullopt;
}

std::size_t size_of(DataType type) {
  for (const auto& row : types)
    if (row.type == type) return row.size;
  return 0;
}

Result<std::uint64_t> element_count(const std::vector<std::int64_t>& shape) {
  constexpr std::uint64_t most = 1ull << 40;
  std::uint64_t count = 1;
  for (const auto dimension : shape) {
    if (dimension < 0) return fail(Errc::invalid, fmt::format("a dimension is negative: {}", dimension));
    const auto size = static_cast<std::uint64_t>(dimension);
    if (size != 0 && count > most / size) return fail(Errc::invalid, "the tensor has too many elements");
    count *= size;
  }
  return count;
}

}  // namespace hauberk
