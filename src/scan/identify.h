// Says what data is by its content alone. Names lie, and a scanner that believes them looks with the wrong eyes.
// Cost: a few small reads; data without a magic number may be dry-run as a pickle or walked as a protobuf message.
#pragma once

#include <string_view>

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
  unknown
};

std::string_view name(Format format);  // "pickle", "seven-zip", …
Format identify(Reader& data, Budget& budget);

// Whether the data is a tar or HDF5 file as well, whose magic numbers do not stand at the beginning.
bool has_late_magic(Reader& data);

// Where the name belongs to one format only, that one: "x.safetensors" -> safetensors. Unknown for all other names.
Format format_of_name(std::string_view file_name);

}  // namespace hauberk::scan
