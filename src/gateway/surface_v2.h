// Surface of the Open Inference Protocol V2 (REST, with the binary tensor extension). Pure: bytes in, values out.
// Numbers must fit their type exactly: an out-of-range or fractional number for an integer tensor is refused, not
// rounded. Errors are Errc::invalid with a text for the caller.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine.h"

namespace hauberk::gateway {

// `json_size` is the value of the header Inference-Header-Content-Length, if there was one: the JSON comes first, then
// the raw tensors in the order of the inputs. `max_elements` bounds each tensor before anything is allocated for it.
Result<TensorInput> parse_v2_infer(std::string_view body, std::optional<std::size_t> json_size,
                                   std::uint64_t max_elements);

struct V2Response {
  std::string body;
  std::optional<std::size_t>
      json_size;  // set: answer with Inference-Header-Content-Length and application/octet-stream
};
// Outputs in the order wanted; each binary or JSON as the request asked. FP16 and BF16 have no JSON form: always
// binary.
Result<V2Response> write_v2_infer(std::string_view model, std::string_view version, const TensorInput& input,
                                  std::span<const Tensor> outputs);

std::string write_v2_server_metadata(std::string_view version);
std::string write_v2_model_metadata(std::string_view model, std::string_view version, const ModelInfo& info);
std::string write_v2_error(std::string_view message);

}  // namespace hauberk::gateway
