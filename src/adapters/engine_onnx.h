// Engine over ONNX Runtime's C API. Models are loaded from bytes that the caller has verified; external data, custom
// operators, and inputs or outputs that Open Inference V2 cannot carry (sequences, maps, optional values) are refused
// with Errc::unsupported and the name of what is in the way. Thread safety: any thread; one model may run in several at
// once.
#pragma once

#include <memory>

#include "core/engine.h"

namespace hauberk::adapters {

// `threads`: of the runtime's own pool for one inference. Errc::unavailable: the library is not the one expected.
Result<std::unique_ptr<Engine>> make_engine_onnx(unsigned threads);

}  // namespace hauberk::adapters
