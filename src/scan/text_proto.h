// Models in the text format of protocol buffers: TensorFlow's .pbtxt, ONNX in text, Caffe's .prototxt. Fields are known
// by their names alone, so nothing depends on which message they are said to be in. Judged like their binary forms.
// YAML may read the same: a caller goes on with its other readings, whatever this one says.
// Source: protobuf.dev/reference/protobuf/textformat-spec, caffe.proto.
#pragma once

#include <string>
#include <string_view>

#include "scan/inspection.h"

namespace hauberk::scan {

// From the beginning of a text, 64 KiB or all of it: a first message that such models have, or nothing but comments.
bool may_be_text_proto(std::string_view head);
// "tensorflow-text", "onnx-text", "caffe-prototxt"; empty if it turns out to be no model in this format.
std::string inspect_text_proto(Reader& data, Inspection& inspection);

}  // namespace hauberk::scan
