#include "scan/scanner.h"

#include "scan/flat_models.h"
#include "scan/formats.h"
#include "scan/identify.h"
#include "scan/inspection.h"
#include "scan/json_model.h"
#include "scan/pickle.h"
#include "scan/proto_models.h"
#include "scan/small_models.h"
#include "scan/tensorflow.h"
#include "scan/text_model.h"
#include "scan/torch7.h"
#include "scan/xml_model.h"
#include "scan/zip.h"

namespace hauberk::scan {
namespace {

// "variables.data-00000-of-00001": only TensorFlow reads files of such names, and as tensors alone. What holds
// another format was recognised before.
bool is_checkpoint_shard(std::string_view name) {
  const auto data = name.rfind(".data-");
  return data != std::string_view::npos && name.size() == data + 20 && name.substr(data + 11, 4) == "-of-" &&
         name.find_first_not_of("0123456789", data + 6) == data + 11 &&
         name.find_first_not_of("0123456789", data + 15) == std::string_view::npos;
}

// Names of formats that are never text: whoever loads such a file gets nothing out of text, or an attack that hides.
bool is_binary_name(std::string_view name) {
  for (const std::string_view ending :
       {".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt", ".pb", ".engine", ".plan", ".trt", ".rknn",
        ".pdmodel", ".msgpack", ".rds", ".t7", ".ptl", ".pte"})
    if (name.ends_with(ending)) return true;
  return false;
}

// Names under which nobody expects a program.
bool is_model_name(std::string_view name) {
  for (const std::string_view ending :
       {".bin",      ".safetensors", ".onnx",    ".gguf",   ".ggml",  ".h5",      ".hdf5",
        ".keras",    ".npy",         ".npz",     ".tflite", ".model", ".mar",     ".nemo",
        ".pdparams", ".params",      ".weights", ".cbm",    ".ubj",   ".mlmodel", ".skops"})
    if (name.ends_with(ending)) return true;
  return is_binary_name(name);
}

std::string inspect_format(Reader& data, Inspection& inspection, Format format) {
  switch (format) {
    case Format::pickle:
      return inspect_pickle_file(data, inspection);
    case Format::zip:
      return inspect_zip(data, inspection);
    case Format::tar:
      return inspect_tar(data, inspection);
    case Format::seven_zip:
      inspect_seven_zip(data, inspection);
      break;
    case Format::gzip:
      return inspect_compressed(data, inspection, Compression::gzip, "gzip");
    case Format::zlib:
      return inspect_compressed(data, inspection, Compression::zlib, "zlib");
    case Format::bzip2:
      return inspect_compressed(data, inspection, Compression::bzip2, "bzip2");
    case Format::xz:
      return inspect_compressed(data, inspection, Compression::xz, "xz");
    case Format::lzma:
      return inspect_compressed(data, inspection, Compression::lzma, "lzma");
    case Format::zstd:
      return inspect_compressed(data, inspection, Compression::zstd, "zstd");
    case Format::lz4:
      return inspect_compressed(data, inspection, Compression::lz4, "lz4");
    case Format::joblib_old:
      return inspect_joblib_old(data, inspection);
    case Format::npy:
      inspect_npy(data, inspection);
      break;
    case Format::safetensors:
      inspect_safetensors(data, inspection);
      break;
    case Format::onnx:
      inspect_onnx(data, inspection);
      break;
    case Format::gguf:
      inspect_gguf(data, inspection);
      break;
    case Format::hdf5:
      inspect_hdf5(data, inspection);
      break;
    case Format::tensorflow:
      return inspect_tensorflow(data, inspection);
    case Format::unknown:
      if (is_checkpoint_shard(inspection.name())) {
        inspection.note("a part of a checkpoint: bytes that its index gives a meaning, and nothing but tensors");
        return "tensorflow-checkpoint-shard";
      }
      if (inspection.name().ends_with(".t7") || inspection.name().ends_with(".th"))
        inspect_texts_within(data, inspection);
      inspection.inconclusive("scan.unsupported", "the content is of no format that is known");
      break;
    case Format::tflite:
      inspect_tflite(data, inspection);
      break;
    case Format::executorch:
      inspect_executorch(data, inspection);
      break;
    case Format::proto_model:
      return inspect_proto_model(data, inspection);
    case Format::small_model:
      return inspect_small_model(data, inspection);
    case Format::torch7:
      if (has_late_magic(data))
        inspection.find("scan.polyglot", Severity::high, 0,
                        "the file is a tar or HDF5 file as well: other loaders see something else");
      return inspect_torch7(data, inspection);
    case Format::catboost:
      inspect_catboost(data, inspection);
      break;
    case Format::tensorrt:
      inspection.find("tensorrt.opaque", Severity::low, 0,
                      "an engine of TensorRT: native code that nobody can look into; run only what was built here");
      break;
    case Format::ggml:
      inspection.find("ggml.old", Severity::low, 0,
                      "a format from before GGUF, whose loaders check little: convert the model anew");
      break;
    case Format::raw_numbers:
      inspection.note("numbers without a header: whatever loads them knows their shape from elsewhere");
      break;
    case Format::elf:
    case Format::windows_program:
    case Format::mach_o:
    case Format::script:
    case Format::llamafile:
      inspection.find("scan.executable", is_model_name(inspection.name()) ? Severity::critical : Severity::high, 0,
                      "this is a program, not a model: it runs when it is started");
      break;
    case Format::empty:
      inspection.malformed("scan.unsupported", 0, "the file is empty");
      break;
    case Format::json:
      return inspect_json_model(data, inspection);
    case Format::xml:
      return inspect_xml(data, inspection);
    case Format::text:
      return inspect_text(data, inspection);
    default:
      inspection.inconclusive("scan.unsupported", "the format " + std::string(name(format)) + " is not understood yet");
  }
  return std::string(name(format));
}

// Names of weights without a header, and names that promise nothing.
bool may_be_raw(std::string_view name) {
  for (const std::string_view ending : {".bin", ".data", "_data", ".weights", ".raw", ".dat", ".f32", ".bf16"})
    if (name.ends_with(ending)) return true;
  return name.find('.') == std::string_view::npos || name.find(".data-") != std::string_view::npos;
}

void check_name(const Inspection& at, Inspection& inspection, Format format) {
  if (format == Format::raw_numbers && !may_be_raw(at.name()))
    inspection.find("scan.name-mismatch", Severity::medium, 0,
                    "the name promises a model, the content is numbers without a header");
  if ((format == Format::text || format == Format::json || format == Format::xml) && is_binary_name(at.name()))
    inspection.find("scan.name-mismatch", Severity::medium, 0, "the name promises a binary model, the content is text");
  if (format == Format::unknown && at.name().ends_with(".t7"))
    inspection.find("scan.name-mismatch", Severity::medium, 0,
                    "the name promises an object of Torch7, the content is none");
  const Format promised = format_of_name(at.name());
  if (promised == Format::unknown || promised == format) return;
  inspection.find("scan.name-mismatch", Severity::medium, 0,
                  "the name promises " + std::string(name(promised)) + ", the content is " + std::string(name(format)));
}

Result<Digest> hash_of(Reader& reader) {
  crypto::Sha256 sha;
  Bytes chunk(1u << 20);
  for (std::uint64_t at = 0; at < reader.size();) {
    const auto got = TRY(reader.read_at(at, chunk));
    if (got == 0) break;
    sha.update(ByteView(chunk).first(got));
    at += got;
  }
  return sha.finish();
}

}  // namespace

std::string inspect_any(Reader& data, Inspection& inspection) {
  if (inspection.depth() > inspection.budget().limits().depth) {
    inspection.inconclusive("scan.budget-exhausted", "archives are nested deeper than the scan follows");
    return "unknown";
  }
  if (!inspection.budget().check_time()) {
    inspection.out_of_budget();
    return "unknown";
  }
  const Format format = identify(data, inspection.budget());
  check_name(inspection, inspection, format);
  std::string found = inspect_format(data, inspection, format);
  if (format != Format::zip && format != Format::tar && ends_as_zip(data)) {
    // TFLite's tools append an archive of descriptions; what is in it is inspected all the same.
    if (format != Format::tflite)
      inspection.find("scan.polyglot", Severity::high, 0,
                      "the file is a ZIP archive as well: loaders that look for one at its end see something else");
    Inspection second = inspection.child("as-zip");
    inspect_zip(data, second);
  }
  return found;
}

Report scan(Reader& reader, std::string_view path, const ScanOptions& options) {
  Gathering gathering{.budget = Budget(options.limits, options.out_of_time)};
  Inspection inspection(gathering, std::string(path));
  Report report{.path = std::string(path), .size = reader.size(), .rules_version = std::string(rules_version)};
  report.format = inspect_any(reader, inspection);
  inspection.out_of_budget();
  if (options.hash) {
    if (auto digest = hash_of(reader))
      report.sha256 = *digest;
    else
      inspection.inconclusive("scan.not-scanned", digest.error().text());
  }
  if (gathering.dropped != 0)
    gathering.notes.push_back(std::to_string(gathering.dropped) + " more findings are not listed");
  report.verdict = gathering.verdict();
  report.malformed = gathering.malformed;
  report.unfinished = gathering.inconclusive || gathering.budget.exhausted() || gathering.dropped != 0;
  report.findings = std::move(gathering.findings);
  report.notes = std::move(gathering.notes);
  return report;
}

}  // namespace hauberk::scan
