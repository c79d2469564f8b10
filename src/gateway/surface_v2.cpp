#include "gateway/surface_v2.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/json.h"

namespace hauberk::gateway {
namespace {

std::unexpected<Error> bad_tensors(std::string message) { return fail(Errc::invalid, std::move(message)); }

template <class T>
void put(Bytes& out, T value) {
  const std::size_t at = out.size();
  out.resize(at + sizeof(T));
  store_le(out.data() + at, value);
}

template <class T>
bool put_integer(Bytes& out, const json::Value& value) {
  if (const auto* i = value.as_int()) {
    if constexpr (std::is_unsigned_v<T>) {
      if (*i < 0 || static_cast<std::uint64_t>(*i) > std::numeric_limits<T>::max()) return false;
    } else if (*i < std::numeric_limits<T>::min() || *i > std::numeric_limits<T>::max()) {
      return false;
    }
    put(out, static_cast<T>(*i));
    return true;
  }
  if constexpr (std::is_same_v<T, std::uint64_t>)
    if (const auto* u = value.as_large()) {
      put(out, *u);
      return true;
    }
  return false;
}

bool put_value(Tensor& tensor, const json::Value& value) {
  auto& out = tensor.data;
  switch (tensor.type) {
    case DataType::boolean: {
      if (const auto* b = value.as_bool()) return out.push_back(*b ? 1 : 0), true;
      if (const auto* i = value.as_int(); i != nullptr && (*i == 0 || *i == 1))
        return out.push_back(static_cast<std::uint8_t>(*i)), true;
      return false;
    }
    case DataType::uint8:
      return put_integer<std::uint8_t>(out, value);
    case DataType::uint16:
      return put_integer<std::uint16_t>(out, value);
    case DataType::uint32:
      return put_integer<std::uint32_t>(out, value);
    case DataType::uint64:
      return put_integer<std::uint64_t>(out, value);
    case DataType::int8:
      return put_integer<std::int8_t>(out, value);
    case DataType::int16:
      return put_integer<std::int16_t>(out, value);
    case DataType::int32:
      return put_integer<std::int32_t>(out, value);
    case DataType::int64:
      return put_integer<std::int64_t>(out, value);
    case DataType::fp32: {
      if (!value.is_number() || std::abs(value.number()) > static_cast<double>(std::numeric_limits<float>::max()))
        return false;
      put(out, std::bit_cast<std::uint32_t>(static_cast<float>(value.number())));
      return true;
    }
    case DataType::fp64: {
      if (!value.is_number()) return false;
      put(out, std::bit_cast<std::uint64_t>(value.number()));
      return true;
    }
    case DataType::bytes: {
      const auto* text = value.as_string();
      if (text == nullptr) return false;
      tensor.strings.push_back(*text);
      return true;
    }
    case DataType::fp16:
    case DataType::bf16:
      return false;
  }
  return false;
}

// Data may be nested as the shape says, or flat in row-major order. The JSON parser has bounded the depth.
Status put_data(Tensor& tensor, const json::Value& data, std::uint64_t elements, std::uint64_t& count) {
  if (const auto* items = data.as_array()) {
    for (const auto& item : *items) CHECK(put_data(tensor, item, elements, count));
    return {};
  }
  if (++count > elements)
    return bad_tensors(fmt::format("the input '{:.64}' holds more values than its shape says", tensor.name));
  if (!put_value(tensor, data))
    return bad_tensors(fmt::format("the input '{:.64}' holds a value that is no {}", tensor.name, name(tensor.type)));
  return {};
}

// BYTES in binary form: a little-endian length of 32 bits before each element.
Status put_binary_strings(Tensor& tensor, std::string_view raw, std::uint64_t elements) {
  while (!raw.empty()) {
    if (raw.size() < 4) return bad_tensors("a BYTES tensor is cut off");
    const auto size = load_le<std::uint32_t>(reinterpret_cast<const std::uint8_t*>(raw.data()));
    if (size > raw.size() - 4 || tensor.strings.size() >= elements)
      return bad_tensors("a BYTES tensor does not fit its shape");
    tensor.strings.emplace_back(raw.substr(4, size));
    raw.remove_prefix(4 + size);
  }
  if (tensor.strings.size() != elements) return bad_tensors("a BYTES tensor has fewer elements than its shape says");
  return {};
}

Status put_binary(Tensor& tensor, std::uint64_t size, std::string_view& raw, std::uint64_t elements) {
  if (size > raw.size())
    return bad_tensors(fmt::format("the input '{:.64}' has fewer bytes than its binary_data_size says", tensor.name));
  const auto bytes = raw.substr(0, size);
  raw.remove_prefix(size);
  if (tensor.type == DataType::bytes) return put_binary_strings(tensor, bytes, elements);
  if (size != elements * size_of(tensor.type))
    return bad_tensors(fmt::format("the input '{:.64}' has {} bytes, but its shape and datatype need {}", tensor.name,
                                   size, elements * size_of(tensor.type)));
  tensor.data = to_bytes(bytes);
  return {};
}

Result<Tensor> parse_input(json::Value& input, std::string_view& raw, std::uint64_t max_elements) {
  Tensor tensor{.name = std::string(input.text_or("name", ""))};
  if (tensor.name.empty()) return bad_tensors("an input has no name");
  const auto type = parse_data_type(input.text_or("datatype", ""));
  if (!type) return bad_tensors(fmt::format("the input '{:.64}' has no known datatype", tensor.name));
  tensor.type = *type;
  const auto* shape = input.find("shape");
  if (shape == nullptr || shape->as_array() == nullptr || shape->as_array()->size() > 32)
    return bad_tensors(fmt::format("the input '{:.64}' has no shape", tensor.name));
  for (const auto& dimension : *shape->as_array()) {
    if (dimension.as_int() == nullptr || *dimension.as_int() < 0)
      return bad_tensors(
          fmt::format("the shape of the input '{:.64}' holds something else than whole numbers from 0", tensor.name));
    tensor.shape.push_back(*dimension.as_int());
  }
  const auto elements = TRY(element_count(tensor.shape));
  if (elements > max_elements)
    return bad_tensors(fmt::format("the input '{:.64}' has more than {} elements", tensor.name, max_elements));
  const auto* data = input.find("data");
  const auto* parameters = input.find("parameters");
  if (parameters != nullptr)
    for (const std::string_view forbidden : {"shared_memory_region", "shared_memory_offset", "shared_memory_byte_size"})
      if (parameters->find(forbidden) != nullptr) return bad_tensors("shared memory is not accepted here");
  const auto* binary_size = parameters != nullptr ? parameters->find("binary_data_size") : nullptr;
  if ((data != nullptr) == (binary_size != nullptr))
    return bad_tensors(fmt::format("the input '{:.64}' must have either data or binary_data_size", tensor.name));
  if (binary_size != nullptr) {
    if (binary_size->as_int() == nullptr || *binary_size->as_int() < 0)
      return bad_tensors("binary_data_size must be a whole number");
    CHECK(put_binary(tensor, static_cast<std::uint64_t>(*binary_size->as_int()), raw, elements));
    return tensor;
  }
  std::uint64_t count = 0;
  tensor.data.reserve(std::min<std::uint64_t>(elements, 1 << 16) * size_of(tensor.type));
  CHECK(put_data(tensor, *data, elements, count));
  if (count != elements)
    return bad_tensors(
        fmt::format("the input '{:.64}' holds {} values, but its shape needs {}", tensor.name, count, elements));
  return tensor;
}

Status parse_outputs(const json::Value& root, TensorInput& input) {
  if (const auto* parameters = root.find("parameters")) {
    const auto* binary = parameters->find("binary_data_output");
    if (binary != nullptr && binary->as_bool() == nullptr)
      return bad_tensors("binary_data_output must be true or false");
    input.all_binary = binary != nullptr && *binary->as_bool();
    for (const auto& [key, value] : parameters->as_object() != nullptr ? *parameters->as_object() : json::Object())
      if (key.starts_with("triton_"))
        return bad_tensors(fmt::format("the parameter '{:.64}' is not accepted here", key));
  }
  const auto* outputs = root.find("outputs");
  if (outputs == nullptr || outputs->is_null()) return {};
  if (outputs->as_array() == nullptr || outputs->as_array()->size() > 1024)
    return bad_tensors("outputs must be a list");
  for (const auto& output : *outputs->as_array()) {
    const auto name = output.text_or("name", "");
    if (name.empty()) return bad_tensors("an output has no name");
    bool binary = input.all_binary;
    if (const auto* parameters = output.find("parameters")) {
      for (const auto& [key, value] : parameters->as_object() != nullptr ? *parameters->as_object() : json::Object()) {
        if (key == "binary_data" && value.as_bool() != nullptr)
          binary = *value.as_bool();
        else if (key.starts_with("shared_memory"))
          return bad_tensors("shared memory is not accepted here");
        else if (key == "classification")
          return bad_tensors("classification is not offered here");
      }
    }
    input.wanted_outputs.emplace_back(name);
    input.wanted_binary.push_back(binary);
  }
  return {};
}

// JSON has no NaN; a model that answers NaN gets null, which clients read as NaN.
void append_number(std::string& out, double value, bool single) {
  if (!std::isfinite(value))
    out += "null";
  else if (single)
    fmt::format_to(std::back_inserter(out), "{}", static_cast<float>(value));
  else
    fmt::format_to(std::back_inserter(out), "{}", value);
}

template <class T>
void append_integers(std::string& out, ByteView data) {
  for (std::size_t i = 0; i < data.size(); i += sizeof(T)) {
    if (i != 0) out += ',';
    fmt::format_to(std::back_inserter(out), "{}", +load_le<T>(data.data() + i));
  }
}

void append_data(std::string& out, const Tensor& tensor) {
  const ByteView data = tensor.data;
  switch (tensor.type) {
    case DataType::boolean:
      for (std::size_t i = 0; i < data.size(); ++i)
        out += i == 0 ? (data[i] != 0 ? "true" : "false") : (data[i] != 0 ? ",true" : ",false");
      break;
    case DataType::uint8:
      append_integers<std::uint8_t>(out, data);
      break;
    case DataType::uint16:
      append_integers<std::uint16_t>(out, data);
      break;
    case DataType::uint32:
      append_integers<std::uint32_t>(out, data);
      break;
    case DataType::uint64:
      append_integers<std::uint64_t>(out, data);
      break;
    case DataType::int8:
      append_integers<std::int8_t>(out, data);
      break;
    case DataType::int16:
      append_integers<std::int16_t>(out, data);
      break;
    case DataType::int32:
      append_integers<std::int32_t>(out, data);
      break;
    case DataType::int64:
      append_integers<std::int64_t>(out, data);
      break;
    case DataType::fp32:
      for (std::size_t i = 0; i < data.size(); i += 4) {
        if (i != 0) out += ',';
        append_number(out, std::bit_cast<float>(load_le<std::uint32_t>(data.data() + i)), true);
      }
      break;
    case DataType::fp64:
      for (std::size_t i = 0; i < data.size(); i += 8) {
        if (i != 0) out += ',';
        append_number(out, std::bit_cast<double>(load_le<std::uint64_t>(data.data() + i)), false);
      }
      break;
    case DataType::bytes:
      for (std::size_t i = 0; i < tensor.strings.size(); ++i) {
        if (i != 0) out += ',';
        json::append_quoted(out, tensor.strings[i]);
      }
      break;
    case DataType::fp16:
    case DataType::bf16:
      break;
  }
}

Bytes raw_bytes(const Tensor& tensor) {
  if (tensor.type != DataType::bytes) return tensor.data;
  Bytes out;
  for (const auto& text : tensor.strings) {
    put(out, static_cast<std::uint32_t>(text.size()));
    const auto bytes = as_bytes(text);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

void append_shape(std::string& out, const std::vector<std::int64_t>& shape) {
  out += '[';
  for (std::size_t i = 0; i < shape.size(); ++i)
    fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? "" : ",", shape[i]);
  out += ']';
}

void append_tensor_info(std::string& out, const std::vector<TensorInfo>& list) {
  out += '[';
  for (std::size_t i = 0; i < list.size(); ++i) {
    out += i == 0 ? "{\"name\":" : ",{\"name\":";
    json::append_quoted(out, list[i].name);
    fmt::format_to(std::back_inserter(out), ",\"datatype\":\"{}\",\"shape\":", name(list[i].type));
    append_shape(out, list[i].shape);
    out += '}';
  }
  out += ']';
}

}  // namespace

Result<TensorInput> parse_v2_infer(std::string_view body, std::optional<std::size_t> json_size,
                                   std::uint64_t max_elements) {
  if (json_size && *json_size > body.size())
    return bad_tensors("Inference-Header-Content-Length is larger than the body");
  auto text = body.substr(0, json_size.value_or(body.size()));
  auto raw = body.substr(text.size());
  auto parsed = json::parse(text, {.bytes = body.size() + 1, .depth = 40});
  if (!parsed) return bad_tensors(parsed.error().message);
  auto* inputs = parsed->find("inputs");
  if (inputs == nullptr || inputs->as_array() == nullptr || inputs->as_array()->empty())
    return bad_tensors("the request has no inputs");
  if (inputs->as_array()->size() > 1024) return bad_tensors("the request has too many inputs");
  TensorInput input{.id = std::string(parsed->text_or("id", "").substr(0, 256))};
  CHECK(parse_outputs(*parsed, input));
  for (auto& one : *inputs->as_array()) input.tensors.push_back(TRY(parse_input(one, raw, max_elements)));
  if (!raw.empty()) return bad_tensors("bytes follow the last binary tensor");
  return input;
}

Result<V2Response> write_v2_infer(std::string_view model, std::string_view version, const TensorInput& input,
                                  std::span<const Tensor> outputs) {
  V2Response response;
  Bytes raw;
  bool any_binary = false;
  auto& out = response.body;
  out += "{\"model_name\":";
  json::append_quoted(out, model);
  out += ",\"model_version\":";
  json::append_quoted(out, version);
  if (!input.id.empty()) {
    out += ",\"id\":";
    json::append_quoted(out, input.id);
  }
  out += ",\"outputs\":[";
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& tensor = outputs[i];
    bool binary = i < input.wanted_binary.size() ? input.wanted_binary[i] : input.all_binary;
    binary = binary || tensor.type == DataType::fp16 || tensor.type == DataType::bf16;
    out += i == 0 ? "{\"name\":" : ",{\"name\":";
    json::append_quoted(out, tensor.name);
    fmt::format_to(std::back_inserter(out), ",\"datatype\":\"{}\",\"shape\":", name(tensor.type));
    append_shape(out, tensor.shape);
    if (binary) {
      const auto bytes = raw_bytes(tensor);
      fmt::format_to(std::back_inserter(out), ",\"parameters\":{{\"binary_data_size\":{}}}}}", bytes.size());
      raw.insert(raw.end(), bytes.begin(), bytes.end());
      any_binary = true;
    } else {
      out += ",\"data\":[";
      append_data(out, tensor);
      out += "]}";
    }
  }
  out += "]}";
  if (any_binary) {
    response.json_size = out.size();
    out += as_text(raw);
  }
  return response;
}

std::string write_v2_server_metadata(std::string_view version) {
  return fmt::format("{{\"name\":\"hauberk\",\"version\":\"{}\",\"extensions\":[\"binary_tensor_data\"]}}", version);
}

std::string write_v2_model_metadata(std::string_view model, std::string_view version, const ModelInfo& info) {
  std::string out = "{\"name\":";
  json::append_quoted(out, model);
  out += ",\"versions\":[";
  json::append_quoted(out, version);
  out += "],\"platform\":";
  json::append_quoted(out, info.platform);
  out += ",\"inputs\":";
  append_tensor_info(out, info.inputs);
  out += ",\"outputs\":";
  append_tensor_info(out, info.outputs);
  return out + "}";
}

std::string write_v2_error(std::string_view message) {
  std::string out = "{\"error\":";
  json::append_quoted(out, message);
  return out + "}";
}

}  // namespace hauberk::gateway
