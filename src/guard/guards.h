// The guards of version 1, each from its section of the configuration: see the field lists in guards.cpp for every key.
#pragma once

#include <cstdint>

#include "core/engine.h"
#include "core/fields.h"
#include "guard/guard.h"
#include "guard/limiter.h"

namespace hauberk::guard {

// Who asks: an API token of this environment. All refusals look alike to the caller.
std::unique_ptr<Guard> make_authn();

// May they: a grant for the operation on the deployment. Inference needs "infer", questions about a model "infer" or
// "read".
std::unique_ptr<Guard> make_authz();

struct RateLimitConfig {
  std::uint32_t per_minute = 60;
  std::uint32_t burst = 10;
  static const Fields<RateLimitConfig>& fields();
};
// How often: GCRA per token (or address, where nobody is known) and deployment; shared by all workers.
std::unique_ptr<Guard> make_rate_limit(const RateLimitConfig& config, std::shared_ptr<Limiter> limiter);

struct TensorRange {
  std::string name;
  std::optional<double> min;
  std::optional<double> max;
  static const Fields<TensorRange>& fields();
};
struct ShapeConfig {
  std::uint32_t max_batch = 64;
  std::uint64_t max_elements = 16u << 20;
  bool allow_not_finite = false;
  std::vector<TensorRange> ranges;
  std::uint32_t max_messages = 256;
  std::uint32_t max_text_bytes = 256u << 10;
  std::uint32_t max_tokens = 4096;
  std::uint32_t max_choices = 1;
  bool allow_logprobs = false;
  bool allow_unknown_parameters = false;
  static const Fields<ShapeConfig>& fields();
};
// Is it well-formed: tensors against the model's own description; parameters and lengths of text requests.
// `model` is null for upstreams.
std::unique_ptr<Guard> make_shape(const ShapeConfig& config, std::shared_ptr<const ModelInfo> model);

}  // namespace hauberk::guard
