// TFLite and ExecuTorch: flatbuffers, walked with every offset checked. TensorFlow's operators within a TFLite model
// run the node that their options hold, whatever they are called. Sources: tensorflow/lite/schema/schema.fbs,
// FlatBuffers' and FlexBuffers' internals, executorch/schema/program.fbs and its extended header.
#pragma once

#include "scan/inspection.h"

namespace hauberk::scan {

void inspect_tflite(Reader& data, Inspection& inspection);
void inspect_executorch(Reader& data, Inspection& inspection);

}  // namespace hauberk::scan
