// The inspectors of the formats, one function each. All of them read bounded parts, spend from the inspection's budget
// and answer through findings; data that breaks the format is malformed. Tensor data is never read.
// Sources: NEP 1 (npy), the safetensors reference reader, onnx.proto, ggml's gguf.md, the HDF5
// file format specification, POSIX ustar, 7-Zip's 7zFormat.txt.
#pragma once

#include <string>

#include "scan/decompress.h"
#include "scan/inspection.h"

namespace hauberk::scan {

void inspect_npy(Reader& data, Inspection& inspection);
void inspect_safetensors(Reader& data, Inspection& inspection);
void inspect_onnx(Reader& data, Inspection& inspection);
void inspect_gguf(Reader& data, Inspection& inspection);
void inspect_hdf5(Reader& data, Inspection& inspection);
std::string inspect_tar(Reader& data, Inspection& inspection);  // "torch-tar" or "tar"
void inspect_seven_zip(Reader& data, Inspection& inspection);
// The content of a compressed stream, whatever that is: "gzip+pickle".
std::string inspect_compressed(Reader& data, Inspection& inspection, Compression kind, std::string_view name,
                               bool raw_array = false);  // bytes of no format are an array's, which a pickle describes
std::string inspect_joblib_old(Reader& data, Inspection& inspection);
// What follows a file's own end: inspected if it is something that a loader would take, otherwise left alone.
void inspect_trailing(Reader& rest, Inspection& inspection);

// A dry walk: whether the data is an ONNX model, or a TensorFlow graph, from its outermost fields.
bool is_onnx(Reader& data);
bool is_safetensors(Reader& data);
// Whether it begins with a header of tar that has its checksum: for Python the magic word is no condition.
bool is_tar(Reader& data);

}  // namespace hauberk::scan
