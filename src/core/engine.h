// Engine: the port to what computes predictions in this process. Loading takes verified bytes, never a path that could
// change after the check. Implementations: adapters/engine_onnx (ONNX Runtime); a scripted one in tests.
// Thread safety: infer may be called from several threads at once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/exchange.h"

namespace hauberk {

struct TensorInfo {
  std::string name;
  DataType type = DataType::fp32;
  std::vector<std::int64_t> shape;  // -1 = any
};

struct ModelInfo {
  std::string platform;  // "onnxruntime_onnx"
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
};

class LoadedModel {
 public:
  virtual ~LoadedModel() = default;
  virtual const ModelInfo& info() const = 0;
  // Errc::invalid: the input does not fit; Errc::internal: the engine failed. Outputs in the order wanted.
  virtual Result<std::vector<Tensor>> infer(const TensorInput& input) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string_view name() const = 0;
  virtual bool can_load(ByteView head) const = 0;
  // Errc::unsupported: types that V2 cannot carry, external data, custom operators.
  virtual Result<std::unique_ptr<LoadedModel>> load(Bytes model) = 0;
};

}  // namespace hauberk
