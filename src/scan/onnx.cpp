#include "scan/onnx.h"

#include <algorithm>
#include <set>

#include "scan/formats.h"
#include "scan/program_text.h"
#include "scan/protobuf.h"

namespace hauberk::scan {
namespace {

constexpr int depth_limit = 64;  // graphs within attributes within graphs
constexpr std::string_view onnx_rule = "onnx.malformed";

bool leaves_model_folder(std::string_view path) {
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

}  // namespace

bool is_onnx_domain(std::string_view domain) { return is_known_domain(domain); }

bool calls_python(std::string_view type, std::string_view domain) {
  return type == "PythonOp" || type == "PythonOpGrad" || (type == "PyOp" && !domain.empty());
}

void OnnxExternalData::entry(std::uint64_t offset, std::string_view tensor, std::string_view key,
                             std::string_view value) {
  const auto where = printable(tensor);
  if (key == "location") {
    if (leaves_model_folder(value))
      inspection_.find("onnx.external-data-path", Severity::critical, offset,
                       "would read the file " + printable(value) + " outside the model's folder", printable(value),
                       where);
    else if (value.empty() || value.size() >= 4096)
      inspection_.malformed("onnx.malformed", offset, "a tensor's data lies in a file that cannot be", where);
    else if (files_.size() < 1000 && files_.insert(std::string(value)).second && files_.size() <= 16)
      inspection_.find("onnx.external-data", Severity::low, offset,
                       "weights lie in the file " + printable(value) +
                           " beside the model, which is not part of this scan and must be no link",
                       printable(value), where);
  } else if (key == "offset" || key == "length") {
    const bool number =
        !value.empty() && value.size() < 20 && value.find_first_not_of("0123456789") == std::string_view::npos;
    if (!number)
      inspection_.malformed("onnx.malformed", offset, "the " + std::string(key) + " of external data is no number",
                            where);
  } else if (key == "basepath") {
    inspection_.find("onnx.external-data-path", Severity::high, offset,
                     "external data with a folder of its own: " + printable(value), {}, where);
  } else if (key != "checksum" && keys_++ < 16) {
    inspection_.find("onnx.external-data-key", Severity::high, offset,
                     "external data with the key " + printable(key) + ", which loaders may take for an attribute", {},
                     where);
  }
}

namespace {

class OnnxWalk {
 public:
  OnnxWalk(Reader& data, Inspection& inspection)
      : inspection_(inspection), at_(data), size_(data.size()), external_(inspection) {}

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
      if (f.number == 16) metadata(f);
    });
  }

  void node(const WireField& message, int depth) {
    std::string type, domain, context;
    each(message, depth, [&](const WireField& f) {
      if (f.number == 4) type = wire_text(at_, f);
      if (f.number == 5) attribute(f, depth + 1, &context);
      if (f.number == 7) domain = wire_text(at_, f);
      if (f.number == 9) metadata(f);
    });
    if (!is_known_domain(domain) && foreign_.size() < 1000) foreign_.insert({domain, type});
    if (calls_python(type, domain))
      inspection_.find("onnx.python-operator", Severity::critical, message.begin,
                       "the operator calls a Python function of the host: " + printable(type), {}, printable(type));
    // ONNX Runtime: the compiled form of a part of the graph, in the model or in a file beside it.
    if (type == "EPContext" && !context.empty() && leaves_model_folder(context))
      inspection_.find("onnx.external-data-path", Severity::critical, message.begin,
                       "would read the compiled graph " + printable(context) + " outside the model's folder",
                       printable(context), printable(type));
  }

  void attribute(const WireField& message, int depth, std::string* context = nullptr) {
    std::string name, text;
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1) name = wire_text(at_, f, 64);
      if (f.number == 4 && f.end - f.begin < 4096) text = wire_text(at_, f);
      if (f.number == 5 || f.number == 10) tensor(f, depth + 1);
      if (f.number == 6 || f.number == 11) graph(f, depth + 1);
      if (f.number == 22 || f.number == 23) sparse_tensor(f, depth + 1);
    });
    const bool words = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (context != nullptr && name == "ep_cache_context" && words) *context = text;
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
      if (f.number == 14) metadata(f);
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
    each(message, depth, [&](const WireField& f) {
      if (f.number == 8) name = wire_text(at_, f);
      if (f.number == 16) metadata(f);
      if (f.number != 13) return;
      std::string key, value;
      each(f, depth + 1, [&](const WireField& part) {
        if (part.number == 1) key = wire_text(at_, part);
        if (part.number == 2) value = wire_text(at_, part);
      });
      if (!stopped_) external_.entry(message.begin, name, key, value);
    });
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
  std::set<std::string> own_domains_;
  OnnxExternalData external_;
};

// GraphProto: a node with an operator, or a tensor, an input or an output with a name. Walked to its end.
bool is_onnx_graph(Cursor& at, std::uint64_t end, std::size_t& fields, bool& damaged) {
  WireMessage graph(at, end);
  WireField field;
  bool known = false;
  while (graph.next(field)) {
    if (++fields > 1'000'000) return known;
    if (field.kind != WireField::bytes || known) continue;
    // Nodes have an operator, tensors, inputs and outputs a name.
    const std::uint32_t wanted = field.number == 1                              ? 4
                                 : field.number == 5                            ? 8
                                 : field.number == 15                           ? 1
                                 : field.number == 11 || field.number == 12     ? 1
                                 : field.number == 2 && field.end > field.begin ? 0
                                                                                : ~0u;
    if (wanted == ~0u) continue;
    if (wanted == 0) {
      // The graph's own name: most models have one, and so would any text in its place.
      const auto name = wire_text(at, field, 256);
      known = std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20; });
      continue;
    }
    WireMessage part(at, field.end);
    WireField inner;
    bool found = false;
    while (part.next(inner) && ++fields < 1'000'000)
      found = found ||
              (inner.kind == WireField::bytes && (inner.number == wanted || (field.number == 5 && inner.number == 13)));
    known = found && !part.broken();
    damaged = damaged || part.broken();
  }
  damaged = damaged || graph.broken();
  return known;
}

bool is_onnx_function_node(Cursor& at, std::uint64_t end) {
  WireMessage node(at, end);
  WireField field;
  while (node.next(field))
    if (field.number == 4 && field.kind == WireField::bytes) return true;
  return false;
}

}  // namespace

// ModelProto has no magic number. Loaders skip fields that they do not know, so those say nothing; what counts is a
// version of the IR and a graph, or functions, that are what they should be. Other recognisers may claim the same data.
bool is_onnx(Reader& data) {
  Cursor at(data, 0, 4096);
  WireMessage model(at, data.size());
  WireField field;
  bool version = false, graph = false, first = false, foreign = false, damaged = false;
  std::size_t fields = 0, known = 0;
  while (model.next(field)) {
    if (++fields > 1'000'000) break;
    if (field.number == 1 && field.kind == WireField::varint) {
      version = version || (field.value >= 1 && field.value <= 20);
      first = first || fields == 1;
    }
    const bool expected = (field.number >= 1 && field.number <= 8) || field.number == 14 || field.number == 20 ||
                          field.number == 25 || field.number == 26;
    const bool number = field.number == 1 || field.number == 5;
    known += expected && number == (field.kind == WireField::varint);
    foreign = foreign || !expected;
    if (field.kind != WireField::bytes || graph) continue;
    if (field.number == 7) graph = is_onnx_graph(at, field.end, fields, damaged);
    if (field.number == 25) {
      WireField part;
      WireMessage function(at, field.end);
      while (function.next(part) && ++fields < 1'000'000)
        graph = graph || (part.number == 7 && part.kind == WireField::bytes && is_onnx_function_node(at, part.end));
    }
  }
  if (!version) return false;
  // Cut off: no loader takes it, and what is there can be nothing else.
  if (model.broken() || damaged || at.failed()) return first && !foreign && known >= 2;
  return graph;
}

void inspect_onnx(Reader& data, Inspection& inspection) { OnnxWalk(data, inspection).run(); }

}  // namespace hauberk::scan
