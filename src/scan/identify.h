// Says what data is by its content alone. Names lie, and a scanner that believes them looks with the wrong eyes.
// Cost: a few small reads; data without a magic number may be dry-run as a pickle or walked as a protobuf message.
#pragma once

#include <string_view>
#include <vector>

#include "scan/budget.h"
#include "scan/reader.h"

namespace hauberk::scan {

enum class Format {
  empty,
  pickle,
  zip,
  tar,
  gzip,
  zlib,
  bzip2,
  xz,
  lzma,
  zstd,
  lz4,
  joblib_old,
  seven_zip,
  rar,
  npy,
  safetensors,
  onnx,
  gguf,
  ggml,
  hdf5,
  tensorflow,
  tflite,
  executorch,
  tensorrt,
  catboost,
  llamafile,
  proto_model,  // scan/proto_models.h says which
  small_model,  // scan/small_models.h says which
  torch7,
  elf,
  windows_program,
  mach_o,
  script,
  json,
  xml,
  text,
  raw_numbers,  // nothing but floating-point numbers, as weights beside a model are
  passive,      // pictures, tables and the like: scan/passive_files.h says which
  byte_code,    // compiled Python
  web_program,  // WebAssembly
  sentencepiece,
  unknown
};

std::string_view name(Format format);  // "pickle", "seven-zip", …
// The name decides where the content alone cannot: of magic numbers that are too short to be believed.
Format identify(Reader& data, Budget& budget, std::string_view file_name = {});
// What else the data is to a loader that does not ask what it is: a pickle from its first byte on, a tar archive, HDF5
// behind a block of somebody else's, another message of protobuf.
std::vector<Format> other_readings(Reader& data, Format found, std::string_view file_name, Budget& budget);

// Where the name belongs to one format only, that one: "x.safetensors" -> safetensors. Unknown for all other names.
Format format_of_name(std::string_view file_name);
// Names of formats that are never text: whoever loads such a file gets nothing out of text, or an attack that hides.
bool is_binary_name(std::string_view file_name);
// Those, and the others under which nobody expects a program.
bool is_model_name(std::string_view file_name);
// Names of what is handed to pickle.load or joblib.load.
bool is_pickle_name(std::string_view file_name);

}  // namespace hauberk::scan
