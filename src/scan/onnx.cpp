#include <algorithm>
#include <set>

#include "scan/formats.h"
#include "scan/program_text.h"
#include "scan/protobuf.h"

namespace hauberk::scan {
namespace {

constexpr int depth_limit = 64;  // graphs within attributes within graphs
constexpr std::string_view onnx_rule = "onnx.malformed";

bool leads_out(std::string_view path) {
  if (path.starts_with('/') || path.starts_with('~') || path.find('\\') != std::string_view::npos ||
      path.find('\0') != std::string_view::npos)
    return true;
  if (path.size() > 1 && path[1] == ':') return true;
  if (path.find("://") != std::string_view::npos) return true;
  return ("/" + std::string(path) + "/").find("/../") != std::string::npos;
}

// Operator sets that the runtimes bring along or that converters write for functions of the standard.
bool is_known_domain(std::string_view domain) {
  static constexpr std::string_view known[] = {"",
                                               "ai.onnx",
                                               "ai.onnx.ml",
                                               "ai.onnx.training",
                                               "ai.onnx.preview.training",
                                               "ai.onnx.preview",
                                               "org.pytorch.aten",
                                               "org.pytorch.prims",
                                               "trt.plugins",
                                               "onnx",
                                               "com.microsoft"};
  return std::find(std::begin(known), std::end(known), domain) != std::end(known) ||
         domain.starts_with("com.microsoft.") || domain.starts_with("com.ms.") ||
         domain.starts_with("pkg.onnxscript.") || domain.starts_with("pkg.torch");
}

class OnnxWalk {
 public:
  OnnxWalk(Reader& data, Inspection& inspection) : inspection_(inspection), at_(data), size_(data.size()) {}

  void run() {
    WireMessage model(at_, size_);
    WireField field;
    bool graph_seen = false;
    while (model.next(field)) {
      if (field.kind != WireField::bytes) continue;
      switch (field.number) {
        case 7:
          graph_seen = true, graph(field, 0);
          break;
        case 14:
          metadata(field);
          break;
        case 20:
          training(field);
          break;
        case 25:
          graph_seen = true, function(field);
          break;
        default:
          break;
      }
      if (stopped_) return;
    }
    if (model.broken()) return broken(at_.position());
    if (!graph_seen) return inspection_.malformed(onnx_rule, 0, "the model has no graph");
    report_domains();
  }

 private:
  void broken(std::uint64_t offset) {
    if (stopped_) return;
    stopped_ = true;
    if (at_.failed())
      inspection_.inconclusive("scan.not-scanned", "the data cannot be read");
    else
      inspection_.malformed(onnx_rule, offset, "a message is damaged or cut off");
  }

  // Visits the fields of a message; `visit` gets those that are bytes.
  template <class Visit>
  void each(const WireField& message, int depth, Visit visit) {
    if (stopped_) return;
    if (depth > depth_limit) {
      stopped_ = true;
      return inspection_.inconclusive("scan.budget-exhausted", "graphs are nested deeper than the scan follows");
    }
    if (!inspection_.budget().spend_entries()) {
      stopped_ = true;
      return (void)inspection_.out_of_budget();
    }
    WireMessage fields(at_, message.end);
    WireField field;
    while (!stopped_ && fields.next(field))
      if (field.kind == WireField::bytes) visit(field);
    if (fields.broken()) broken(at_.position());
  }

  void graph(const WireField& message, int depth) {
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1) node(f, depth + 1);
      if (f.number == 5) tensor(f, depth + 1);
      if (f.number == 15) sparse_tensor(f, depth + 1);
    });
  }

  void node(const WireField& message, int depth) {
    std::string type, domain;
    each(message, depth, [&](const WireField& f) {
      if (f.number == 4) type = wire_text(at_, f);
      if (f.number == 5) attribute(f, depth + 1);
      if (f.number == 7) domain = wire_text(at_, f);
    });
    if (!is_known_domain(domain) && foreign_.size() < 1000) foreign_.insert({domain, type});
    if (type == "PythonOp" || type == "PythonOpGrad" || (type == "PyOp" && !domain.empty()))
      inspection_.find("onnx.python-operator", Severity::critical, message.begin,
                       "the operator calls a Python function of the host: " + printable(type), {}, printable(type));
  }

  void attribute(const WireField& message, int depth) {
    each(message, depth, [&](const WireField& f) {
      if (f.number == 5 || f.number == 10) tensor(f, depth + 1);
      if (f.number == 6 || f.number == 11) graph(f, depth + 1);
      if (f.number == 22 || f.number == 23) sparse_tensor(f, depth + 1);
    });
  }

  void sparse_tensor(const WireField& message, int depth) {
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1 || f.number == 2) tensor(f, depth + 1);
    });
  }

  void function(const WireField& message) {
    std::string domain;
    each(message, 1, [&](const WireField& f) {
      if (f.number == 7) node(f, 2);
      if (f.number == 10) domain = wire_text(at_, f);
      if (f.number == 11) attribute(f, 2);
    });
    own_domains_.insert(domain);
  }

  void metadata(const WireField& message) {
    each(message, 1, [&](const WireField& f) {
      if (f.number != 2) return;
      if (const auto program = program_in(wire_text(at_, f, program_text_limit)))
        inspection_.find("scan.program-text", program->severity, f.begin,
                         "the metadata holds the text of a program that " + program->does);
    });
  }

  void training(const WireField& message) {
    each(message, 1, [&](const WireField& f) {
      if (f.number == 1 || f.number == 2) graph(f, 2);
    });
  }

  void tensor(const WireField& message, int depth) {
    std::string name;
    std::vector<std::pair<std::string, std::string>> entries;
    each(message, depth, [&](const WireField& f) {
      if (f.number == 8) name = wire_text(at_, f);
      if (f.number != 13) return;
      std::pair<std::string, std::string> entry;
      each(f, depth + 1, [&](const WireField& part) {
        if (part.number == 1) entry.first = wire_text(at_, part);
        if (part.number == 2) entry.second = wire_text(at_, part);
      });
      if (entries.size() < 64) entries.push_back(std::move(entry));
    });
    for (const auto& [key, value] : entries) external(message.begin, name, key, value);
  }

  void external(std::uint64_t offset, const std::string& tensor, const std::string& key, const std::string& value) {
    const auto where = printable(tensor);
    if (key == "location") {
      if (leads_out(value))
        inspection_.find("onnx.external-data-path", Severity::critical, offset,
                         "would read the file " + printable(value) + " outside the model's folder", printable(value),
                         where);
      else if (value.empty())
        inspection_.malformed(onnx_rule, offset, "a tensor's data lies in a file without a name", where);
      else if (files_.insert(value).second && files_.size() <= 16)
        inspection_.find(
            "onnx.external-data", Severity::low, offset,
            "weights lie in the file " + printable(value) + " beside the model, which is not part of this scan",
            printable(value), where);
    } else if (key == "offset" || key == "length") {
      const bool number =
          !value.empty() && value.size() < 20 && value.find_first_not_of("0123456789") == std::string::npos;
      if (!number) inspection_.malformed(onnx_rule, offset, "the " + key + " of external data is no number", where);
    } else if (key != "checksum" && key != "basepath") {
      inspection_.find("onnx.external-data-key", Severity::high, offset,
                       "external data with the key " + printable(key) + ", which loaders may take for an attribute", {},
                       where);
    } else if (key == "basepath") {
      inspection_.find("onnx.external-data-path", Severity::high, offset,
                       "external data with a folder of its own: " + printable(value), {}, where);
    }
  }

  void report_domains() {
    std::set<std::string> reported;
    for (const auto& [domain, type] : foreign_)
      if (!own_domains_.contains(domain) && reported.insert(domain).second && reported.size() <= 16)
        inspection_.find("onnx.custom-domain", Severity::low, 0,
                         "needs operators of a library of its own: " + printable(domain) + "::" + printable(type), {},
                         printable(domain));
  }

  Inspection& inspection_;
  Cursor at_;
  std::uint64_t size_;
  bool stopped_ = false;
  std::set<std::pair<std::string, std::string>> foreign_;
  std::set<std::string> own_domains_, files_;
};

bool is_model_field(std::uint32_t number) {
  return (number >= 1 && number <= 8) || number == 14 || number == 20 || number == 25 || number == 26;
}

}  // namespace

// ModelProto has no magic number. Its first field is nearly always the version of the IR, and every outermost field is
// a known one; TensorFlow's SavedModel begins likewise, with version 1 and field 2.
bool is_onnx(Reader& data) {
  Cursor at(data, 0, 4096);
  WireMessage model(at, data.size());
  WireField field;
  bool version = false, graph = false;
  std::size_t fields = 0;
  while (model.next(field)) {
    ++fields;
    if (!is_model_field(field.number)) return false;
    const bool number = field.number == 1 || field.number == 5;
    if (number != (field.kind == WireField::varint)) return false;
    if (field.number == 1) version = field.value >= 1 && field.value <= 64;
    if (field.number == 7 || field.number == 25) graph = true;
    if (fields > 100'000) return false;
  }
  if (!version) return false;
  // Cut off, but what is there can be nothing else.
  return graph || (model.broken() && fields >= 2) || fields >= 2;
}

void inspect_onnx(Reader& data, Inspection& inspection) { OnnxWalk(data, inspection).run(); }

}  // namespace hauberk::scan
