// CoreML, PaddlePaddle and CNTK: protobuf messages without a magic number, told apart by what lies within them.
// Sources: coremltools' Model.proto and NeuralNetwork.proto, paddle/fluid/framework/framework.proto, CNTK.proto.
#pragma once

#include <string>

#include "scan/inspection.h"

namespace hauberk::scan {

enum class ProtoModel : std::uint8_t { none, coreml, paddle, cntk };

ProtoModel proto_model(Reader& data);  // a few small reads
std::string inspect_proto_model(Reader& data, Inspection& inspection);

}  // namespace hauberk::scan
