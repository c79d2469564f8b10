// What ONNX's binary and text forms have in common: data of tensors that lies in other files, operators that call
// Python. Sources: onnx.proto, onnx.external_data_helper, ONNX Runtime's contrib operators.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "scan/inspection.h"

namespace hauberk::scan {

// The entries of `external_data` of all tensors of a model.
class OnnxExternalData {
 public:
  explicit OnnxExternalData(Inspection& inspection) : inspection_(inspection) {}
  void entry(std::uint64_t offset, std::string_view tensor, std::string_view key, std::string_view value);

 private:
  Inspection& inspection_;
  std::set<std::string> files_;
  std::size_t keys_ = 0;
};

// Operator sets that the runtimes bring along or that converters write for functions of the standard.
bool is_onnx_domain(std::string_view domain);
bool calls_python(std::string_view type, std::string_view domain);

}  // namespace hauberk::scan
