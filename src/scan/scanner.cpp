#include "scan/scanner.h"

#include "scan/arrow.h"
#include "scan/ascii.h"
#include "scan/flat_models.h"
#include "scan/formats.h"
#include "scan/identify.h"
#include "scan/inspection.h"
#include "scan/json_model.h"
#include "scan/passive_files.h"
#include "scan/pickle.h"
#include "scan/proto_models.h"
#include "scan/sentencepiece.h"
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

// Scripts that say by their names what they are.
bool is_script_name(std::string_view name) {
  return ends_with_one_of(name, {".sh", ".bash", ".zsh", ".pl", ".rb", ".lua", ".js"});
}

std::string inspect_passive(Reader& data, Inspection& inspection) {
  const auto kind = passive_kind(data, inspection.name());
  if (kind == "arrow") inspect_arrow(data, inspection);
  if (kind == "parquet") inspect_parquet(data, inspection);
  return std::string(kind);
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
      inspect_texts_within(data, inspection);
      inspection.inconclusive("scan.unsupported", "the content is of no format that is known");
      break;
    case Format::tflite:
      inspect_tflite(data, inspection);
      break;
    case Format::executorch:
      inspect_executorch(data, inspection);
      break;
    case Format::sentencepiece:
      inspect_sentencepiece(data, inspection);
      break;
    case Format::proto_model:
      return inspect_proto_model(data, inspection);
    case Format::small_model:
      return inspect_small_model(data, inspection);
    case Format::torch7:
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
    case Format::llamafile:
    case Format::web_program:
      inspection.find("scan.executable", is_model_name(inspection.name()) ? Severity::critical : Severity::high, 0,
                      "this is a program, not a model: it runs when it is started");
      break;
    case Format::script:
      if (inspection.name().ends_with(".py")) return inspect_text(data, inspection);
      inspection.find("scan.executable",
                      is_model_name(inspection.name())    ? Severity::critical
                      : is_script_name(inspection.name()) ? Severity::low
                                                          : Severity::high,
                      0, "this is a program, not a model: it runs when it is started");
      break;
    case Format::byte_code:
      inspection.find("scan.executable", is_model_name(inspection.name()) ? Severity::critical : Severity::high, 0,
                      "compiled Python code: whoever imports it runs it, and nobody can read it");
      break;
    case Format::passive:
      return inspect_passive(data, inspection);
    case Format::empty:
      if (is_model_name(inspection.name())) inspection.malformed("scan.unsupported", 0, "the file is empty");
      break;
    case Format::json:
    case Format::xml:
    case Format::text:
      if (is_checkpoint_shard(inspection.name())) return inspect_format(data, inspection, Format::unknown);
      if (format == Format::json) return inspect_json_model(data, inspection);
      if (format == Format::xml) return inspect_xml(data, inspection);
      return inspect_text(data, inspection);
    default:
      inspection.inconclusive("scan.unsupported", "the format " + std::string(name(format)) + " is not understood yet");
  }
  return std::string(name(format));
}

// Names of weights without a header, and names that promise nothing.
bool may_be_raw(std::string_view name) {
  return ends_with_one_of(name, {".bin", ".data", "_data", ".weights", ".raw", ".dat", ".f32", ".bf16"}) ||
         name.find('.') == std::string_view::npos || name.find(".data-") != std::string_view::npos;
}

// A pickle by itself or compressed, an archive of PyTorch's, an array.
bool loads_as_pickle(Format format) {
  switch (format) {
    case Format::pickle:
    case Format::zip:
    case Format::tar:
    case Format::gzip:
    case Format::zlib:
    case Format::bzip2:
    case Format::xz:
    case Format::lzma:
    case Format::zstd:
    case Format::lz4:
    case Format::joblib_old:
    case Format::npy:
    case Format::empty:
    case Format::text:  // said below
    case Format::json:
    case Format::xml:
      return true;
    default:
      return false;
  }
}

void check_name(Reader& data, Inspection& inspection, Format format) {
  const auto file = inspection.name();
  if (format == Format::raw_numbers && !may_be_raw(file))
    inspection.find("scan.name-mismatch", Severity::medium, 0,
                    "the name promises a model, the content is numbers without a header");
  if ((format == Format::text || format == Format::json || format == Format::xml) && is_binary_name(file))
    inspection.find("scan.name-mismatch", Severity::medium, 0, "the name promises a binary model, the content is text");
  if (format == Format::passive && is_model_name(file) && !is_numbers_of_models(passive_kind(data, file)))
    inspection.find("scan.name-mismatch", Severity::medium, 0,
                    "the name promises a model, the content is something else");
  if (is_pickle_name(file) && !loads_as_pickle(format) && format != Format::unknown)
    inspection.find("scan.name-mismatch", Severity::medium, 0,
                    "the name promises a pickle, the content is " + std::string(name(format)));
  if (format == Format::unknown && file.ends_with(".t7"))
    inspection.find("scan.name-mismatch", Severity::medium, 0,
                    "the name promises an object of Torch7, the content is none");
  const Format promised = format_of_name(file);
  if (promised == Format::unknown || promised == format || format == Format::empty) return;
  inspection.find("scan.name-mismatch", Severity::medium, 0,
                  "the name promises " + std::string(name(promised)) + ", the content is " + std::string(name(format)));
}

// The data as others read it who do not ask what it is.
void inspect_other_readings(Reader& data, Inspection& inspection, Format found) {
  const auto read = [&](std::string_view as, bool suspicious, auto&& inspect) {
    if (inspection.budget().exhausted()) return;
    Inspection second = inspection.child(as);
    const auto mark = second.mark();
    inspect(second);
    if (second.keep_harm_since(mark) || suspicious)
      inspection.find("scan.polyglot", Severity::high, 0,
                      "the data is " + std::string(name(found)) + " to some readers and something else to others");
  };
  for (const auto format : other_readings(data, found, inspection.name(), inspection.budget()))
    // No writer leaves these by chance; archives may hold one at any place.
    read("as-" + std::string(name(format)),
         format == Format::tar || (format == Format::hdf5 && found != Format::zip && found != Format::tar),
         [&](Inspection& second) { inspect_format(data, second, format); });
  if (is_text_by_name(inspection.name()) && found != Format::text && found != Format::empty)
    read("as-text", false, [&](Inspection&) { inspect_text(data, inspection); });
}

// Files of an image that are neither a model nor beside one, going by content and, where that says little, by name.
bool is_part_of_system(Format format, std::string_view file) {
  if (is_model_name(file)) return false;
  switch (format) {
    case Format::json:
    case Format::text: {
      for (const std::string_view name : {"config.json", "tokenizer_config.json", "tokenizer.json", "model_index.json",
                                          "modules.json", "MLmodel", "chat_template.json"})
        if (file == name) return false;
      return file.find("chat_template") == std::string_view::npos && !file.ends_with(".index.json");
    }
    case Format::empty:
    case Format::elf:
    case Format::windows_program:
    case Format::mach_o:
    case Format::script:
    case Format::xml:
    case Format::raw_numbers:
    case Format::passive:
    case Format::byte_code:
    case Format::web_program:
    case Format::unknown:
    case Format::zlib:
    case Format::lzma:
    case Format::small_model:
    case Format::proto_model:
    case Format::rar:
      return true;
    default:
      return false;
  }
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
  const Format format = identify(data, inspection.budget(), inspection.name());
  if (inspection.place() == Place::image && is_part_of_system(format, inspection.name())) {
    inspection.pass_over();
    return std::string(name(format));
  }
  check_name(data, inspection, format);
  std::string found = inspect_format(data, inspection, format);
  // What a tar file ends with is a member's own, or follows its end, and is looked at there.
  if (format != Format::zip && format != Format::tar && ends_as_zip(data)) {
    // TFLite's tools append an archive of descriptions; what is in it is inspected all the same.
    if (format != Format::tflite)
      inspection.find("scan.polyglot", Severity::high, 0,
                      "the file is a ZIP archive as well: loaders that look for one at its end see something else");
    Inspection second = inspection.child("as-zip");
    inspect_zip(data, second);
  }
  inspect_other_readings(data, inspection, format);  // behind what looks at the end, which was read last
  return found;
}

Report scan(Reader& reader, std::string_view path, const ScanOptions& options) {
  // Small files that unpack to much are bombs or near enough.
  ScanLimits limits = options.limits;
  if (const auto size = reader.size(); size < limits.bytes_out / limits.bytes_out_ratio)
    limits.bytes_out = std::min(limits.bytes_out, limits.bytes_out_base + size * limits.bytes_out_ratio);
  Gathering gathering{.budget = Budget(limits, options.out_of_time)};
  Inspection inspection(gathering, std::string(path), 0, options.image_layer ? Place::layer : Place::ordinary);
  Report report{.path = std::string(path), .size = reader.size(), .rules_version = std::string(rules_version)};
  report.format = inspect_any(reader, inspection);
  inspection.out_of_budget();
  if (options.hash) {
    if (auto digest = digest_of(reader))
      report.sha256 = *digest;
    else
      inspection.inconclusive("scan.not-scanned", digest.error().text());
  }
  if (gathering.passed_over != 0)
    gathering.notes.push_back("a container image: models in it were looked at, " +
                              std::to_string(gathering.passed_over) + " other files were not judged");
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
