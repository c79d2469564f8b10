#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "guard/guards.h"

namespace hauberk::guard {
namespace {

constexpr std::string_view shape_name = "shape";

// Parameters of the OpenAI API that a validated request may carry. What is not here could switch on something in an
// upstream that nobody thought of.
constexpr std::string_view known_parameters[] = {"audio",
                                                 "best_of",
                                                 "dimensions",
                                                 "echo",
                                                 "encoding_format",
                                                 "frequency_penalty",
                                                 "function_call",
                                                 "functions",
                                                 "input",
                                                 "instructions",
                                                 "logit_bias",
                                                 "logprobs",
                                                 "max_completion_tokens",
                                                 "max_tokens",
                                                 "messages",
                                                 "metadata",
                                                 "min_p",
                                                 "modalities",
                                                 "model",
                                                 "n",
                                                 "parallel_tool_calls",
                                                 "prediction",
                                                 "presence_penalty",
                                                 "prompt",
                                                 "reasoning_effort",
                                                 "repetition_penalty",
                                                 "response_format",
                                                 "seed",
                                                 "service_tier",
                                                 "stop",
                                                 "store",
                                                 "stream",
                                                 "stream_options",
                                                 "suffix",
                                                 "temperature",
                                                 "tool_choice",
                                                 "tools",
                                                 "top_k",
                                                 "top_logprobs",
                                                 "top_p",
                                                 "user",
                                                 "verbosity"};

struct Bounds {
  double least, most;
};

template <class T>
bool within(ByteView data, const Bounds& bounds) {
  for (std::size_t i = 0; i + sizeof(T) <= data.size(); i += sizeof(T)) {
    const auto value = static_cast<double>(load_le<T>(data.data() + i));
    if (!(value >= bounds.least && value <= bounds.most)) return false;  // NaN is in no range
  }
  return true;
}

bool values_within(const Tensor& tensor, const Bounds& bounds) {
  switch (tensor.type) {
    case DataType::boolean:
    case DataType::uint8:
      return within<std::uint8_t>(tensor.data, bounds);
    case DataType::uint16:
      return within<std::uint16_t>(tensor.data, bounds);
    case DataType::uint32:
      return within<std::uint32_t>(tensor.data, bounds);
    case DataType::uint64:
      return within<std::uint64_t>(tensor.data, bounds);
    case DataType::int8:
      return within<std::int8_t>(tensor.data, bounds);
    case DataType::int16:
      return within<std::int16_t>(tensor.data, bounds);
    case DataType::int32:
      return within<std::int32_t>(tensor.data, bounds);
    case DataType::int64:
      return within<std::int64_t>(tensor.data, bounds);
    case DataType::fp32:
      return within<float>(tensor.data, bounds);
    case DataType::fp64:
      return within<double>(tensor.data, bounds);
    case DataType::fp16:
    case DataType::bf16:
    case DataType::bytes:
      return true;
  }
  return true;
}

// Infinity and NaN have an exponent of all ones, in every floating format.
bool all_finite(const Tensor& tensor) {
  const auto exponents = [&]<class T>(T mask) {
    for (std::size_t i = 0; i + sizeof(T) <= tensor.data.size(); i += sizeof(T))
      if ((load_le<T>(tensor.data.data() + i) & mask) == mask) return false;
    return true;
  };
  switch (tensor.type) {
    case DataType::fp16:
      return exponents(std::uint16_t{0x7C00});
    case DataType::bf16:
      return exponents(std::uint16_t{0x7F80});
    case DataType::fp32:
      return exponents(std::uint32_t{0x7F800000});
    case DataType::fp64:
      return exponents(std::uint64_t{0x7FF0000000000000});
    default:
      return true;
  }
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += fmt::format("{}{}", i == 0 ? "" : ",", shape[i]);
  return out + "]";
}

class Shape final : public Guard {
 public:
  Shape(const ShapeConfig& config, std::shared_ptr<const ModelInfo> model)
      : config_(config), model_(std::move(model)) {}

  std::string_view name() const override { return shape_name; }
  Needs needs() const override { return Needs::input; }

  Answer inspect(const Exchange& exchange, const GuardContext&) const override {
    if (const auto* tensors = std::get_if<TensorInput>(&exchange.input)) return inspect_tensors(*tensors);
    if (const auto* text = std::get_if<TextInput>(&exchange.input)) return inspect_text(*text);
    return pass(shape_name);
  }

 private:
  static Answer refuse(std::string_view reason, std::string message) {
    return block(shape_name, Errc::invalid, reason, std::move(message));
  }

  Answer inspect_tensors(const TensorInput& input) const {
    if (!model_) return refuse("not_a_tensor_model", "this deployment takes no tensors");
    for (const auto& wanted : model_->inputs)
      if (std::ranges::none_of(input.tensors, [&](const Tensor& t) { return t.name == wanted.name; }))
        return refuse("missing_tensor", fmt::format("the input '{}' is missing", wanted.name));
    for (const auto& tensor : input.tensors) {
      const auto info = std::ranges::find(model_->inputs, tensor.name, &TensorInfo::name);
      if (info == model_->inputs.end())
        return refuse("unknown_tensor", fmt::format("the model has no input '{:.64}'", tensor.name));
      if (std::ranges::count(input.tensors, tensor.name, &Tensor::name) > 1)
        return refuse("duplicate_tensor", fmt::format("the input '{}' is given twice", tensor.name));
      if (auto answer = inspect_tensor(tensor, *info)) return std::move(*answer);
    }
    for (const auto& wanted : input.wanted_outputs)
      if (std::ranges::none_of(model_->outputs, [&](const TensorInfo& o) { return o.name == wanted; }))
        return refuse("unknown_output", fmt::format("the model has no output '{:.64}'", wanted));
    return pass(shape_name);
  }

  std::optional<Answer> inspect_tensor(const Tensor& tensor, const TensorInfo& info) const {
    if (tensor.type != info.type)
      return refuse("datatype", fmt::format("the input '{}' must be {}, not {}", info.name, hauberk::name(info.type),
                                            hauberk::name(tensor.type)));
    const bool fits = tensor.shape.size() == info.shape.size() &&
                      std::ranges::equal(tensor.shape, info.shape, [](std::int64_t given, std::int64_t wanted) {
                        return wanted < 0 ? given >= 0 : given == wanted;
                      });
    if (!fits)
      return refuse("dimensions", fmt::format("the input '{}' must have the shape {} (-1 = any), not {:.128}",
                                              info.name, shape_text(info.shape), shape_text(tensor.shape)));
    if (!info.shape.empty() && info.shape.front() < 0 &&
        tensor.shape.front() > static_cast<std::int64_t>(config_.max_batch))
      return refuse("batch",
                    fmt::format("a batch of {} exceeds the limit of {}", tensor.shape.front(), config_.max_batch));
    const auto elements = element_count(tensor.shape);
    if (!elements || *elements > config_.max_elements)
      return refuse("too_many_elements",
                    fmt::format("the input '{}' has more than {} elements", info.name, config_.max_elements));
    if (!config_.allow_not_finite && !all_finite(tensor))
      return refuse("not_finite", fmt::format("the input '{}' holds NaN or infinity", info.name));
    for (const auto& range : config_.ranges) {
      if (range.name != tensor.name) continue;
      const Bounds bounds{range.min.value_or(-std::numeric_limits<double>::infinity()),
                          range.max.value_or(std::numeric_limits<double>::infinity())};
      if (!values_within(tensor, bounds))
        return refuse("out_of_range", fmt::format("the input '{}' holds a value outside {} to {}", info.name,
                                                  bounds.least, bounds.most));
    }
    return std::nullopt;
  }

  Answer inspect_text(const TextInput& input) const {
    const auto* members = input.body.as_object();
    if (members == nullptr) return refuse("body", "the body must be a JSON object");
    if (!config_.allow_unknown_parameters)
      for (const auto& [key, value] : *members)
        if (!std::ranges::binary_search(known_parameters, std::string_view(key)))
          return refuse("unknown_parameter", fmt::format("the parameter '{:.64}' is not accepted here", key));
    if (input.messages.size() > config_.max_messages)
      return refuse("too_many_messages", fmt::format("more than {} messages", config_.max_messages));
    std::size_t bytes = 0;
    for (const auto& message : input.messages) bytes += message.text.size();
    for (const auto& text : input.texts) bytes += text.size();
    if (bytes > config_.max_text_bytes)
      return refuse("too_much_text",
                    fmt::format("{} bytes of text exceed the limit of {}", bytes, config_.max_text_bytes));
    if (input.max_tokens &&
        (*input.max_tokens < 0 || *input.max_tokens > static_cast<std::int64_t>(config_.max_tokens)))
      return refuse("max_tokens", fmt::format("max_tokens must be at most {}", config_.max_tokens));
    for (const std::string_view key : {"n", "best_of"})
      if (const auto* value = input.body.find(key); value != nullptr && !value->is_null())
        if (const auto* number = value->as_int();
            number == nullptr || *number < 1 || *number > static_cast<std::int64_t>(config_.max_choices))
          return refuse("choices", fmt::format("{} must be from 1 to {}", key, config_.max_choices));
    if (!config_.allow_logprobs)
      for (const std::string_view key : {"logprobs", "top_logprobs", "echo", "logit_bias"})
        if (const auto* value = input.body.find(key); value != nullptr && wanted(*value))
          return refuse("logprobs", fmt::format("{} is not allowed here", key));
    return pass(shape_name);
  }

  // null, false, 0 and {} ask for nothing; official clients send them.
  static bool wanted(const json::Value& value) {
    if (const auto* flag = value.as_bool()) return *flag;
    if (const auto* object = value.as_object()) return !object->empty();
    return !value.is_null() && !(value.is_number() && value.number() == 0);
  }

  const ShapeConfig config_;
  const std::shared_ptr<const ModelInfo> model_;
};

}  // namespace

const Fields<TensorRange>& TensorRange::fields() {
  static const Fields<TensorRange> list{
      field("name", &TensorRange::name, required, length(1, 256), "name of the input"),
      field("min", &TensorRange::min, "least value allowed"),
      field("max", &TensorRange::max, "largest value allowed"),
  };
  return list;
}

const Fields<ShapeConfig>& ShapeConfig::fields() {
  static const Fields<ShapeConfig> list{
      field("max_batch", &ShapeConfig::max_batch, range(1, 1'000'000),
            "largest first dimension, where the model leaves it open"),
      field("max_elements", &ShapeConfig::max_elements, range(1, 1'000'000'000), "most elements of one tensor"),
      field("allow_not_finite", &ShapeConfig::allow_not_finite, "whether NaN and infinity may come in"),
      field("ranges", &ShapeConfig::ranges, "ranges of the inputs' values"),
      field("max_messages", &ShapeConfig::max_messages, range(1, 100'000), "most messages of a chat"),
      field("max_text_bytes", &ShapeConfig::max_text_bytes, range(1, 64 << 20), "most bytes of all texts together"),
      field("max_tokens", &ShapeConfig::max_tokens, range(1, 10'000'000), "largest max_tokens a caller may ask for"),
      field("max_choices", &ShapeConfig::max_choices, range(1, 1024), "largest n and best_of"),
      field("allow_logprobs", &ShapeConfig::allow_logprobs,
            "whether logprobs, echo and logit_bias may be used (they help to copy a model)"),
      field("allow_unknown_parameters", &ShapeConfig::allow_unknown_parameters,
            "whether parameters that we do not know reach the upstream"),
  };
  return list;
}

std::unique_ptr<Guard> make_shape(const ShapeConfig& config, std::shared_ptr<const ModelInfo> model) {
  return std::make_unique<Shape>(config, std::move(model));
}

}  // namespace hauberk::guard
