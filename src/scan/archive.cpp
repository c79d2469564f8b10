// What archives hold: PyTorch's and NumPy's archives, compressed streams.
#include <algorithm>
#include <array>
#include <cstring>

#include "scan/ascii.h"
#include "scan/formats.h"
#include "scan/identify.h"
#include "scan/pickle.h"
#include "scan/text_model.h"
#include "scan/zip.h"

namespace hauberk::scan {
namespace {

constexpr std::uint64_t checksum_limit = 16u << 20;  // larger members are not read only to be summed up
constexpr std::uint64_t code_limit = 16u << 20;

enum class ZipKind { torch, torchscript, torch_package, npz, keras, skops, archive_of_torchserve, plain };

std::string_view name_of(ZipKind kind) {
  switch (kind) {
    case ZipKind::torch:
      return "torch-zip";
    case ZipKind::torchscript:
      return "torchscript";
    case ZipKind::torch_package:
      return "torch-package";
    case ZipKind::npz:
      return "npz";
    case ZipKind::keras:
      return "keras";
    case ZipKind::skops:
      return "skops";
    case ZipKind::archive_of_torchserve:
      return "torchserve-mar";
    case ZipKind::plain:
      return "zip";
  }
  return "zip";
}

// The part behind the top folder, in lower case: PyTorch's reader does not care about case.
std::string inner_name(const ZipMember& member) {
  const auto slash = member.name.find('/');
  return lower_ascii(slash == std::string::npos ? std::string_view(member.name)
                                                : std::string_view(member.name).substr(slash + 1));
}

ZipKind kind_of(const std::vector<ZipMember>& members) {
  const auto any_inner = [&](auto&& test) {
    return std::any_of(members.begin(), members.end(), [&](const ZipMember& m) { return test(inner_name(m)); });
  };
  const auto any_whole = [&](std::string_view name) {
    return std::any_of(members.begin(), members.end(), [&](const ZipMember& m) { return m.name == name; });
  };
  // TorchServe looks for nothing else.
  if (std::any_of(members.begin(), members.end(), [](const ZipMember& m) { return m.name.starts_with("MAR-INF/"); }))
    return ZipKind::archive_of_torchserve;
  if (any_inner([](const std::string& n) { return n == ".data/extern_modules"; })) return ZipKind::torch_package;
  if (any_inner([](const std::string& n) { return n == "constants.pkl" || n.starts_with("code/"); }))
    return ZipKind::torchscript;
  if (any_inner([](const std::string& n) { return n == "data.pkl"; })) return ZipKind::torch;
  if (any_whole("config.json") && (any_whole("metadata.json") || any_whole("model.weights.h5"))) return ZipKind::keras;
  if (any_whole("schema.json")) return ZipKind::skops;
  if (!members.empty() &&
      std::all_of(members.begin(), members.end(), [](const ZipMember& m) { return m.name.ends_with(".npy"); }))
    return ZipKind::npz;
  return ZipKind::plain;
}

bool is_torch(ZipKind kind) {
  return kind == ZipKind::torch || kind == ZipKind::torchscript || kind == ZipKind::torch_package;
}

// APPNOTE 4.4.5; LZMA (14) has a header of its own and is left out.
std::optional<Compression> compression_of(std::uint16_t method) {
  switch (method) {
    case 8:
      return Compression::deflate;
    case 12:
      return Compression::bzip2;
    case 93:
      return Compression::zstd;
    case 95:
      return Compression::xz;
    default:
      return std::nullopt;
  }
}

// Without the blanks that the language allows around points and before parentheses.
std::string squeezed(std::string_view code) {
  std::string out;
  out.reserve(code.size());
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\\'; };
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (is_blank(code[i])) {
      const auto next = std::find_if_not(code.begin() + static_cast<std::ptrdiff_t>(i), code.end(), is_blank);
      if (next != code.end() && (*next == '.' || *next == '(')) {
        i = static_cast<std::size_t>(next - code.begin()) - 1;
        continue;
      }
      if (!out.empty() && out.back() == '.') continue;
    }
    out += code[i];
  }
  return out;
}

bool names_file_access(std::string_view operation) {
  for (const std::string_view part : {"read", "write", "save", "load", "file", "open", "download", "url"})
    if (operation.find(part) != std::string_view::npos) return true;
  return false;
}

// Keras's archives hold weights, configurations and words.
bool is_program_name(std::string_view name) {
  return ends_with_one_of(name, {".py", ".pyc", ".sh", ".bat", ".cmd", ".exe", ".dll", ".so", ".dylib", ".ps1"});
}

// Raw storages: "data/12", "constants/0", "tensors/3"; PyTorch reads them as numbers and nothing else.
bool is_storage(std::string_view inner) {
  for (const std::string_view folder : {"data/", "constants/", "tensors/", ".data/"}) {
    if (!inner.starts_with(folder)) continue;
    auto rest = inner.substr(folder.size());
    if (folder == ".data/") return rest.ends_with(".storage") && rest.find('/') == std::string_view::npos;
    return !rest.empty() && rest.find_first_not_of("0123456789") == std::string_view::npos;
  }
  return false;
}

class ZipInspector {
 public:
  ZipInspector(Reader& data, Inspection& inspection) : data_(data), inspection_(inspection) {}

  std::string run() {
    const auto members = read_zip(data_, inspection_);
    kind_ = kind_of(members);
    if (kind_ == ZipKind::torch_package)
      inspection_.find("torch.package-code", Severity::high, 0,
                       "a torch.package archive: loading it imports the Python code that it brings along");
    for (const auto& member : members) {
      if (inspection_.out_of_budget()) break;
      if (member.name.ends_with('/') && member.compressed == 0) continue;
      if (is_torch(kind_) && member.method == 0 && is_storage(inner_name(member)) && !is_array_file(member)) continue;
      if (member.data == shared_ && ++sharing_ > 8) {
        inspection_.inconclusive("scan.budget-exhausted", "many members share one content: the rest was not looked at");
        break;
      }
      if (member.data != shared_) shared_ = member.data, sharing_ = 0;
      inspect_member(member);
    }
    if (kind_ == ZipKind::plain && inspection_.name().ends_with(".mar"))
      inspection_.malformed("zip.malformed", 0, "an archive for TorchServe without MAR-INF/MANIFEST.json");
    if (kind_ == ZipKind::skops && !skops_tree_)
      inspection_.find("skops.malformed", Severity::medium, 0, "schema.json does not describe a tree of objects");
    if (unknown_ != 0 && !is_torch(kind_) && inspection_.place() == Place::ordinary)
      inspection_.inconclusive("scan.unsupported",
                               std::to_string(unknown_) +
                                   " members are of formats that are not understood, first of them " +
                                   printable(first_unknown_));
    return std::string(name_of(kind_));
  }

 private:
  // numpy.load opens the archive as well, and takes this for an array, perhaps of objects.
  bool is_array_file(const ZipMember& member) {
    const auto head = read_part(data_, member.data, std::min<std::uint64_t>(6, member.compressed), 6);
    return !head || as_text(*head) == "\x93NUMPY";
  }

  void inspect_member(const ZipMember& member) {
    Inspection inside = inspection_.child(member.name);
    if ((member.flags & 1) != 0) {
      // The flag alone hides a member from tools that believe it, while the content may be in the clear.
      RangeReader raw(data_, member.data, member.compressed);
      const auto format = identify(raw, inside.budget());
      if (member.method != 0 || format == Format::unknown)
        return inside.inconclusive("zip.encrypted", "the member is encrypted: what it holds cannot be seen");
      inside.find("zip.odd-flags", Severity::high, member.header, "the member says that it is encrypted and is not");
    }
    inspect_content(member, member.method, inside);
    if (member.disagrees && member.local_method != member.method) inspect_content(member, member.local_method, inside);
  }

  void inspect_content(const ZipMember& member, std::uint16_t method, Inspection& inside) {
    RangeReader raw(data_, member.data, member.compressed);
    if (method == 0) {
      inspect_plain(member, raw, inside);
      return;
    }
    const auto kind = compression_of(method);
    if (!kind)
      return inside.inconclusive("scan.unsupported",
                                 "compression method " + std::to_string(method) + " is not understood");
    auto unpacked = DecompressingReader::open(raw, *kind, member.size, inside.budget());
    if (!unpacked) return inside.failed(unpacked.error(), "zip.malformed", member.header);
    std::uint8_t first = 0;
    if (const auto got = (*unpacked)->read_at(0, {&first, 1}); !got)
      return inside.failed(got.error(), "zip.malformed", member.header);
    inspect_plain(member, **unpacked, inside);
  }

  void inspect_plain(const ZipMember& member, Reader& content, Inspection& inside) {
    const std::string inner = inner_name(member);
    if (kind_ == ZipKind::keras && is_program_name(lower_ascii(member.name)))
      inside.find("zip.program", Severity::high, member.header, "a program in an archive of weights and words");
    if (content.size() <= checksum_limit && member.listed) check_sum(member, content, inside);
    if (is_torch(kind_) && inner.starts_with("code/") && inner.ends_with(".py")) return inspect_code(content, inside);
    const auto format = identify(content, inside.budget(), inside.name());
    if (runs_members() && inner.ends_with(".py") && format != Format::empty) {
      const auto source = read_part(content, 0, content.size(), code_limit);
      if (!source) return inside.failed(source.error(), "zip.malformed", member.header);
      const auto own = inner.substr(inner.rfind('/') + 1);
      const bool stock = own == "image_classifier.py" || own == "image_segmenter.py" || own == "object_detector.py" ||
                         own == "text_classifier.py" || own == "base_handler.py" || own == "vision_handler.py";
      if (kind_ == ZipKind::archive_of_torchserve)
        inside.find(
            "text.python", stock ? Severity::high : Severity::low, 0,
            stock ? "Python code under the name of one of TorchServe's own handlers, in the place of which it runs"
                  : "Python code that TorchServe may run");
      return inspect_python(as_text(*source), inside, Severity::critical);
    }
    // PyTorch asks nobody what these are.
    const bool unpickled = is_torch(kind_) && (inner.ends_with(".pkl") || inner.ends_with("pickle"));
    if ((format == Format::pickle || (unpickled && format != Format::empty)) && is_torch(kind_) &&
        inside.depth() <= inside.budget().limits().depth) {
      const PickleContext context{.storages_outside = true,
                                  .torchscript_types = kind_ != ZipKind::torch,
                                  .holds_source = inner.ends_with(".debug_pkl")};
      const auto outcome = inspect_pickle(content, inside, context);
      if (outcome.end == PickleEnd::stopped && outcome.next < content.size())
        inside.find("pickle.trailing-bytes", Severity::low, outcome.next,
                    std::to_string(content.size() - outcome.next) + " bytes follow the pickle");
      if (kind_ != ZipKind::torch && inner == "bytecode.pkl") inspect_bytecode(content, inside);
      if (format == Format::pickle || format == Format::text || format == Format::unknown) return;
    }
    const bool passive =
        format == Format::empty || format == Format::unknown || format == Format::text || format == Format::json;
    const bool text = format == Format::text || format == Format::json;
    if (!passive) {
      inspect_any(content, inside);
    } else if (text) {
      const std::string found = inspect_any(content, inside);
      if (kind_ == ZipKind::keras && member.name == "config.json" && found == "text")
        inside.malformed("json.malformed", 0, "the configuration is not valid JSON");
      skops_tree_ = skops_tree_ || (member.name == "schema.json" && found == "skops-schema");
    } else if (format != Format::empty) {
      if (unknown_++ == 0) first_unknown_ = member.name;
    }
  }

  // Archives whose Python code runs as they are loaded.
  bool runs_members() const { return kind_ == ZipKind::torch_package || kind_ == ZipKind::archive_of_torchserve; }

  void check_sum(const ZipMember& member, Reader& content, Inspection& inside) {
    const auto bytes = read_part(content, 0, content.size(), checksum_limit);
    if (!bytes) return inside.failed(bytes.error(), "zip.malformed", member.header);
    if (crc32(*bytes) != member.crc)
      inside.find("zip.checksum", Severity::medium, member.header,
                  "the content does not match its checksum; some loaders do not mind");
  }

  // TorchScript is a small language; these are the ways in which it reaches files and foreign native code.
  void inspect_code(Reader& content, Inspection& inside) {
    const auto bytes = read_part(content, 0, content.size(), code_limit);
    if (!bytes) return inside.failed(bytes.error(), "zip.malformed", 0);
    const std::string code = squeezed(as_text(*bytes));
    for (const std::string_view call :
         {"torch.from_file(", "torch.save(", "aten.from_file(", "aten.save(", "torch.load("})
      if (const auto at = code.find(call); at != std::string_view::npos)
        inside.find("torch.script-file-access", Severity::critical, at,
                    "the model's code would read or write files: " + std::string(call) + "...)");
    static constexpr std::string_view known[] = {
        "prim",    "aten",   "quantized", "torchvision",    "torchaudio", "inductor", "prims", "prepacked",
        "xnnpack", "onednn", "mkldnn",    "static_runtime", "fb",         "sparse",   "rnn",   "image"};
    foreign(code, "ops.", known, inside);
    static constexpr std::string_view classes[] = {"quantized", "xnnpack", "sparse", "rnn",      "mkldnn",
                                                   "metal",     "vulkan",  "cuda",   "profiling"};
    foreign(code, "__torch__.torch.classes.", classes, inside);
  }

  // What the model's code calls or makes that PyTorch and its sisters do not bring along, or that reaches files.
  void foreign(std::string_view code, std::string_view root, std::span<const std::string_view> known,
               Inspection& inside) {
    for (auto at = code.find(root); at != std::string_view::npos; at = code.find(root, at + root.size())) {
      if (at != 0 &&
          (std::isalnum(static_cast<unsigned char>(code[at - 1])) || code[at - 1] == '_' || code[at - 1] == '.'))
        continue;
      const auto path = code.substr(at + root.size(), 200);
      const auto space = path.substr(0, path.find('.'));
      const auto rest = path.substr(std::min(space.size() + 1, path.size()));
      const auto operation = rest.substr(0, rest.find_first_of("(,)[] \n"));
      if (space.size() <= 64 && std::find(known.begin(), known.end(), space) != known.end()) {
        if ((space == "torchaudio" || space == "image") && names_file_access(operation))
          inside.find("torch.script-file-access", Severity::critical, at,
                      "the model's code would read or write files: " + std::string(root) + printable(space, 40) + "." +
                          printable(operation, 60));
        continue;
      }
      return inside.find(
          "torch.script-custom-operator", Severity::medium, at,
          "the model's code uses a native library of its own: " + std::string(root) + printable(space, 40));
    }
  }

  // The form for phones names its operators in a table of texts.
  void inspect_bytecode(Reader& content, Inspection& inside) {
    const auto bytes = read_part(content, 0, content.size(), code_limit);
    if (!bytes) return inside.failed(bytes.error(), "zip.malformed", 0);
    const auto code = as_text(*bytes);
    for (const std::string_view operation :
         {"aten::from_file", "aten::save", "image::write_file", "image::read_file",
          "torchaudio::sox_io_save_audio_file", "torchaudio::sox_io_load_audio_file"})
      if (const auto at = code.find(operation); at != std::string_view::npos)
        inside.find("torch.script-file-access", Severity::critical, at,
                    "the model's code would read or write files: " + std::string(operation));
  }

  Reader& data_;
  Inspection& inspection_;
  ZipKind kind_ = ZipKind::plain;
  bool skops_tree_ = false;
  std::uint64_t shared_ = 0, sharing_ = 0;
  std::uint64_t unknown_ = 0;
  std::string first_unknown_;
};

}  // namespace

std::string inspect_zip(Reader& data, Inspection& inspection) { return ZipInspector(data, inspection).run(); }

std::string inspect_compressed(Reader& data, Inspection& inspection, Compression kind, std::string_view name,
                               bool raw_array) {
  auto unpacked = DecompressingReader::open(data, kind, std::nullopt, inspection.budget());
  if (!unpacked) {
    inspection.failed(unpacked.error(), "compressed.malformed", 0);
    return std::string(name);
  }
  // Loaders unpack as they load: what stands before the damage would take effect.
  if ((*unpacked)->damaged())
    inspection.malformed("compressed.malformed", (*unpacked)->consumed(), "the compressed data is damaged or cut off");
  Inspection inside = inspection.child("content");
  const bool raw = raw_array && identify(**unpacked, inspection.budget()) == Format::unknown;
  if (raw) inside.note("the numbers of an array: the pickle beside it knows their shape");
  const std::string format = raw ? "array" : inspect_any(**unpacked, inside);
  if ((*unpacked)->consumed() < data.size())
    inspection.find("compressed.trailing-bytes", Severity::low, (*unpacked)->consumed(),
                    "bytes follow the compressed data");
  return std::string(name) + "+" + format;
}

// "ZF", the length in hexadecimal padded to 19 characters, in some versions one blank more, and a zlib stream.
std::string inspect_joblib_old(Reader& data, Inspection& inspection) {
  std::uint8_t blank = 0;
  const auto got = data.read_at(21, {&blank, 1});
  RangeReader stream(data, got && *got == 1 && blank == ' ' ? 22 : 21, data.size());
  const bool array = inspection.name().ends_with(".npy.z");  // joblib before 0.9.4 kept arrays in files of their own
  return inspect_compressed(stream, inspection, Compression::zlib, "joblib-old", array);
}

void inspect_trailing(Reader& rest, Inspection& inspection) {
  switch (identify(rest, inspection.budget())) {
    case Format::empty:
    case Format::unknown:
    case Format::text:
    case Format::json:
    case Format::xml:
      return;
    default:
      break;
  }
  inspect_any(rest, inspection);
}

}  // namespace hauberk::scan
