#include "adapters/engine_onnx.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <onnxruntime_c_api.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/log.h"

namespace hauberk::adapters {
namespace {

// The library is loaded with the first engine, not with the program: relocating its 28 MB is most of what the start of
// a process costs, and each scan starts two of them. It stays loaded for good.
const OrtApiBase* api_base() {
  static const OrtApiBase* const base = []() -> const OrtApiBase* {
    void* library = ::dlopen("libonnxruntime.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    const auto get = reinterpret_cast<decltype(&OrtGetApiBase)>(::dlsym(library, "OrtGetApiBase"));
    return get == nullptr ? nullptr : get();
  }();
  return base;
}

const OrtApi* api() {
  static const OrtApi* const table = api_base() == nullptr ? nullptr : api_base()->GetApi(ORT_API_VERSION);
  return table;
}

// Runs a call of the C API and turns what it says into an Error.
Status checked(OrtStatus* status, Errc code, std::string_view doing) {
  if (status == nullptr) return {};
  std::string message = fmt::format("{}: {}", doing, api()->GetErrorMessage(status));
  api()->ReleaseStatus(status);
  return fail(code, std::move(message));
}

template <class T, auto release>
struct Releaser {
  void operator()(T* object) const { (api()->*release)(object); }
};
using Env = std::unique_ptr<OrtEnv, Releaser<OrtEnv, &OrtApi::ReleaseEnv>>;
using Options = std::unique_ptr<OrtSessionOptions, Releaser<OrtSessionOptions, &OrtApi::ReleaseSessionOptions>>;
using Session = std::unique_ptr<OrtSession, Releaser<OrtSession, &OrtApi::ReleaseSession>>;
using Memory = std::unique_ptr<OrtMemoryInfo, Releaser<OrtMemoryInfo, &OrtApi::ReleaseMemoryInfo>>;
using Type = std::unique_ptr<OrtTypeInfo, Releaser<OrtTypeInfo, &OrtApi::ReleaseTypeInfo>>;
using Shape = std::unique_ptr<OrtTensorTypeAndShapeInfo,
                              Releaser<OrtTensorTypeAndShapeInfo, &OrtApi::ReleaseTensorTypeAndShapeInfo>>;
using Value = std::unique_ptr<OrtValue, Releaser<OrtValue, &OrtApi::ReleaseValue>>;

struct TypePair {
  DataType ours;
  ONNXTensorElementDataType theirs;
};
constexpr TypePair types[] = {
    {DataType::boolean, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL},  {DataType::uint8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8},
    {DataType::uint16, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16}, {DataType::uint32, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32},
    {DataType::uint64, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64}, {DataType::int8, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8},
    {DataType::int16, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16},   {DataType::int32, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32},
    {DataType::int64, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64},   {DataType::fp16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16},
    {DataType::bf16, ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16}, {DataType::fp32, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT},
    {DataType::fp64, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE},   {DataType::bytes, ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING}};

std::optional<DataType> to_ours(ONNXTensorElementDataType type) {
  for (const auto& pair : types)
    if (pair.theirs == type) return pair.ours;
  return std::nullopt;
}
ONNXTensorElementDataType to_theirs(DataType type) {
  for (const auto& pair : types)
    if (pair.ours == type) return pair.theirs;
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

std::string_view kind_name(ONNXType kind) {
  switch (kind) {
    case ONNX_TYPE_SEQUENCE:
      return "a sequence";
    case ONNX_TYPE_MAP:
      return "a map";
    case ONNX_TYPE_OPTIONAL:
      return "an optional value";
    case ONNX_TYPE_SPARSETENSOR:
      return "a sparse tensor";
    default:
      return "no tensor";
  }
}

Result<TensorInfo> describe(std::string name, OrtTypeInfo* raw) {
  const Type type(raw);
  ONNXType kind = ONNX_TYPE_UNKNOWN;
  CHECK(checked(api()->GetOnnxTypeFromTypeInfo(type.get(), &kind), Errc::internal, "cannot read the model's types"));
  if (kind != ONNX_TYPE_TENSOR)
    return fail(Errc::unsupported, fmt::format("'{}' of the model is {}, which the inference protocol cannot carry; "
                                               "export the model with plain tensors (for scikit-learn: zipmap=False)",
                                               name, kind_name(kind)));
  const OrtTensorTypeAndShapeInfo* shape = nullptr;
  CHECK(checked(api()->CastTypeInfoToTensorInfo(type.get(), &shape), Errc::internal, "cannot read the model's types"));
  ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  std::size_t rank = 0;
  CHECK(checked(api()->GetTensorElementType(shape, &element), Errc::internal, "cannot read the model's types"));
  CHECK(checked(api()->GetDimensionsCount(shape, &rank), Errc::internal, "cannot read the model's shapes"));
  TensorInfo info{.name = std::move(name)};
  info.shape.resize(rank);
  CHECK(
      checked(api()->GetDimensions(shape, info.shape.data(), rank), Errc::internal, "cannot read the model's shapes"));
  for (auto& dimension : info.shape) dimension = std::max<std::int64_t>(dimension, -1);
  const auto ours = to_ours(element);
  if (!ours)
    return fail(Errc::unsupported,
                fmt::format("'{}' of the model has a type that the inference protocol cannot carry", info.name));
  info.type = *ours;
  return info;
}

Result<Tensor> read_value(std::string name, OrtValue* value) {
  OrtTensorTypeAndShapeInfo* raw = nullptr;
  CHECK(checked(api()->GetTensorTypeAndShape(value, &raw), Errc::internal, "cannot read an output"));
  const Shape shape(raw);
  ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  std::size_t rank = 0, count = 0;
  CHECK(checked(api()->GetTensorElementType(shape.get(), &element), Errc::internal, "cannot read an output"));
  CHECK(checked(api()->GetDimensionsCount(shape.get(), &rank), Errc::internal, "cannot read an output"));
  CHECK(checked(api()->GetTensorShapeElementCount(shape.get(), &count), Errc::internal, "cannot read an output"));
  const auto type = to_ours(element);
  if (!type) return fail(Errc::unsupported, "an output has a type that the inference protocol cannot carry");
  Tensor tensor{.name = std::move(name), .type = *type};
  tensor.shape.resize(rank);
  CHECK(checked(api()->GetDimensions(shape.get(), tensor.shape.data(), rank), Errc::internal, "cannot read an output"));
  if (*type == DataType::bytes) {
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t size = 0;
      CHECK(checked(api()->GetStringTensorElementLength(value, i, &size), Errc::internal, "cannot read an output"));
      std::string text(size, '\0');
      CHECK(
          checked(api()->GetStringTensorElement(value, size, i, text.data()), Errc::internal, "cannot read an output"));
      tensor.strings.push_back(std::move(text));
    }
    return tensor;
  }
  void* data = nullptr;
  CHECK(checked(api()->GetTensorMutableData(value, &data), Errc::internal, "cannot read an output"));
  tensor.data.resize(count * size_of(*type));
  if (!tensor.data.empty()) std::memcpy(tensor.data.data(), data, tensor.data.size());
  return tensor;
}

class OnnxModel final : public LoadedModel {
 public:
  OnnxModel(std::shared_ptr<OrtEnv> env, Session session, Memory memory)
      : env_(std::move(env)), session_(std::move(session)), memory_(std::move(memory)) {}

  Status describe_all() {
    info_.platform = "onnxruntime_onnx";
    OrtAllocator* allocator = nullptr;
    CHECK(
        checked(api()->GetAllocatorWithDefaultOptions(&allocator), Errc::internal, "ONNX Runtime gives no allocator"));
    std::size_t inputs = 0, outputs = 0;
    CHECK(checked(api()->SessionGetInputCount(session_.get(), &inputs), Errc::internal,
                  "cannot read the model's inputs"));
    CHECK(checked(api()->SessionGetOutputCount(session_.get(), &outputs), Errc::internal,
                  "cannot read the model's outputs"));
    const auto taken = [&](char* raw) {
      std::string name = raw;
      allocator->Free(allocator, raw);
      return name;
    };
    for (std::size_t i = 0; i < inputs; ++i) {
      char* name = nullptr;
      OrtTypeInfo* type = nullptr;
      CHECK(checked(api()->SessionGetInputName(session_.get(), i, allocator, &name), Errc::internal,
                    "cannot read the model's inputs"));
      auto text = taken(name);
      CHECK(checked(api()->SessionGetInputTypeInfo(session_.get(), i, &type), Errc::internal,
                    "cannot read the model's inputs"));
      info_.inputs.push_back(TRY(describe(std::move(text), type)));
    }
    for (std::size_t i = 0; i < outputs; ++i) {
      char* name = nullptr;
      OrtTypeInfo* type = nullptr;
      CHECK(checked(api()->SessionGetOutputName(session_.get(), i, allocator, &name), Errc::internal,
                    "cannot read the model's outputs"));
      auto text = taken(name);
      CHECK(checked(api()->SessionGetOutputTypeInfo(session_.get(), i, &type), Errc::internal,
                    "cannot read the model's outputs"));
      info_.outputs.push_back(TRY(describe(std::move(text), type)));
    }
    return {};
  }

  const ModelInfo& info() const override { return info_; }

  Result<std::vector<Tensor>> infer(const TensorInput& input) override {
    std::vector<Value> values;
    std::vector<const OrtValue*> raw_inputs;
    std::vector<const char*> input_names, output_names;
    for (const auto& tensor : input.tensors) {
      values.push_back(TRY(make_value(tensor)));
      raw_inputs.push_back(values.back().get());
      input_names.push_back(tensor.name.c_str());
    }
    if (input.wanted_outputs.empty())
      for (const auto& output : info_.outputs) output_names.push_back(output.name.c_str());
    else
      for (const auto& name : input.wanted_outputs) output_names.push_back(name.c_str());
    std::vector<OrtValue*> raw_outputs(output_names.size(), nullptr);
    auto ran = checked(api()->Run(session_.get(), nullptr, input_names.data(), raw_inputs.data(), raw_inputs.size(),
                                  output_names.data(), output_names.size(), raw_outputs.data()),
                       Errc::internal, "the model failed");
    std::vector<Value> outputs;
    for (auto* value : raw_outputs) outputs.emplace_back(value);
    CHECK(ran);
    std::vector<Tensor> tensors;
    for (std::size_t i = 0; i < outputs.size(); ++i)
      tensors.push_back(TRY(read_value(output_names[i], outputs[i].get())));
    return tensors;
  }

 private:
  Result<Value> make_value(const Tensor& tensor) const {
    OrtValue* raw = nullptr;
    if (tensor.type == DataType::bytes) {
      OrtAllocator* allocator = nullptr;
      CHECK(checked(api()->GetAllocatorWithDefaultOptions(&allocator), Errc::internal,
                    "ONNX Runtime gives no allocator"));
      CHECK(checked(api()->CreateTensorAsOrtValue(allocator, tensor.shape.data(), tensor.shape.size(),
                                                  to_theirs(tensor.type), &raw),
                    Errc::internal, "cannot make an input"));
      Value value(raw);
      std::vector<const char*> texts;
      for (const auto& text : tensor.strings) {
        if (text.find('\0') != std::string::npos)
          return fail(Errc::invalid, fmt::format("a text of the input '{}' holds a zero byte", tensor.name));
        texts.push_back(text.c_str());
      }
      CHECK(checked(api()->FillStringTensor(raw, texts.data(), texts.size()), Errc::internal, "cannot fill an input"));
      return value;
    }
    const auto expected = TRY(element_count(tensor.shape)) * size_of(tensor.type);
    if (expected != tensor.data.size())
      return fail(Errc::invalid, fmt::format("the input '{}' has {} bytes, but its shape needs {}", tensor.name,
                                             tensor.data.size(), expected));
    // The runtime only reads inputs, though its interface does not say so.
    CHECK(checked(api()->CreateTensorWithDataAsOrtValue(memory_.get(), const_cast<std::uint8_t*>(tensor.data.data()),
                                                        tensor.data.size(), tensor.shape.data(), tensor.shape.size(),
                                                        to_theirs(tensor.type), &raw),
                  Errc::invalid, fmt::format("the input '{}' is not accepted", tensor.name)));
    return Value(raw);
  }

  std::shared_ptr<OrtEnv> env_;
  Session session_;
  Memory memory_;
  ModelInfo info_;
};

class OnnxEngine final : public Engine {
 public:
  OnnxEngine(std::shared_ptr<OrtEnv> env, unsigned threads) : env_(std::move(env)), threads_(threads) {}

  std::string_view name() const override { return "onnxruntime"; }

  // A protobuf message whose first field is ir_version (1) or a producer's name (2).
  bool can_load(ByteView head) const override { return head.size() > 8 && (head[0] == 0x08 || head[0] == 0x12); }

  Result<std::unique_ptr<LoadedModel>> load(Bytes model) override {
    OrtSessionOptions* raw_options = nullptr;
    CHECK(checked(api()->CreateSessionOptions(&raw_options), Errc::internal, "ONNX Runtime gives no options"));
    const Options options(raw_options);
    CHECK(checked(api()->SetIntraOpNumThreads(raw_options, static_cast<int>(threads_)), Errc::internal,
                  "cannot set the threads"));
    CHECK(checked(api()->SetInterOpNumThreads(raw_options, 1), Errc::internal, "cannot set the threads"));
    CHECK(checked(api()->SetSessionGraphOptimizationLevel(raw_options, ORT_ENABLE_ALL), Errc::internal,
                  "cannot set the optimisation"));
    OrtSession* raw_session = nullptr;
    // From memory the runtime has no folder, so that external data cannot be found: it says so, and we pass it on.
    CHECK(checked(api()->CreateSessionFromArray(env_.get(), model.data(), model.size(), raw_options, &raw_session),
                  Errc::unsupported,
                  "ONNX Runtime does not load this model (external data and custom operators are not supported)"));
    Session session(raw_session);
    OrtMemoryInfo* raw_memory = nullptr;
    CHECK(checked(api()->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &raw_memory), Errc::internal,
                  "ONNX Runtime gives no memory"));
    auto loaded = std::make_unique<OnnxModel>(env_, std::move(session), Memory(raw_memory));
    CHECK(loaded->describe_all());
    return loaded;
  }

 private:
  std::shared_ptr<OrtEnv> env_;
  const unsigned threads_;
};

// The runtime's own log goes where ours goes; it may quote the model, never an input.
void log_message(void*, OrtLoggingLevel level, const char*, const char*, const char*, const char* message) {
  if (level >= ORT_LOGGING_LEVEL_ERROR) log::warning("ONNX Runtime", {{"text", message}});
}

}  // namespace

Result<std::unique_ptr<Engine>> make_engine_onnx(unsigned threads) {
  // Some builds of the runtime report to their vendor from the moment an environment is made. Ours tells nobody
  // anything.
  ::setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  if (api_base() == nullptr)
    return fail(Errc::unavailable, "the ONNX Runtime library (libonnxruntime.so.1) is missing: run `make setup`");
  if (api() == nullptr)
    return fail(Errc::unavailable,
                fmt::format("the ONNX Runtime library ({}) does not have the interface of version {}",
                            api_base()->GetVersionString(), ORT_API_VERSION));
  OrtEnv* raw = nullptr;
  CHECK(checked(api()->CreateEnvWithCustomLogger(log_message, nullptr, ORT_LOGGING_LEVEL_ERROR, "hauberk", &raw),
                Errc::unavailable, "ONNX Runtime does not start"));
  (void)checked(api()->DisableTelemetryEvents(raw), Errc::internal, "");
  return std::make_unique<OnnxEngine>(
      std::shared_ptr<OrtEnv>(Env(raw).release(), Releaser<OrtEnv, &OrtApi::ReleaseEnv>()), threads);
}

}  // namespace hauberk::adapters
