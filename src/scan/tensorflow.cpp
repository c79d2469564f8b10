#include "scan/tensorflow.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "scan/config_rules.h"
#include "scan/keras_config.h"

namespace hauberk::scan {
namespace {

constexpr int tensorflow_depth = 32;
constexpr std::string_view tensorflow_rule = "tensorflow.malformed";

// What an operator does besides computing.
struct OperatorRisk {
  std::string_view name;
  Severity severity;
  std::string_view effect;
};

// Always: whatever their inputs are, no model that is served needs them.
constexpr OperatorRisk harmful_operators[] = {
    {"PyFunc", Severity::critical, "call a Python function"},
    {"PyFuncStateless", Severity::critical, "call a Python function"},
    {"EagerPyFunc", Severity::critical, "call a Python function"},
    {"ReadFile", Severity::critical, "read a file"},
    {"WriteFile", Severity::critical, "write a file"},
    {"MatchingFiles", Severity::high, "list files"},
    {"DumpTensor", Severity::critical, "write a file"},
    {"CalibrationStatisticsSaver", Severity::high, "write a file"},
    {"DatasetFromGraph", Severity::high, "run a graph that is hidden in a constant"},
    {"MlirPassthroughOp", Severity::high, "run a program that is hidden in an attribute"},
    {"RemoteFusedGraphExecute", Severity::high, "run a graph that is hidden in an attribute"},
    {"RpcServer", Severity::critical, "open a server"},
    {"RpcServerRegister", Severity::critical, "open a server"},
    {"RpcServerStart", Severity::critical, "open a server"},
    {"RpcClient", Severity::critical, "call another machine"},
    {"RpcCall", Severity::critical, "call another machine"},
    {"RegisterDataset", Severity::high, "call another machine"},
    {"RegisterDatasetV2", Severity::high, "call another machine"},
    {"DataServiceDataset", Severity::high, "call another machine"},
    {"DataServiceDatasetV2", Severity::high, "call another machine"},
    {"DataServiceDatasetV3", Severity::high, "call another machine"},
    {"DataServiceDatasetV4", Severity::high, "call another machine"},
    {"SqlDataset", Severity::high, "read a database"},
    {"ExperimentalSqlDataset", Severity::high, "read a database"},
    {"BigQueryReader", Severity::high, "call another machine"},
    {"CreateSummaryFileWriter", Severity::high, "write files"},
    {"CreateSummaryDbWriter", Severity::high, "write a database"},
    {"SaveDataset", Severity::high, "write files"},
    {"SaveDatasetV2", Severity::high, "write files"},
    {"LoadDataset", Severity::high, "read files"},
    {"DistributedSave", Severity::high, "write files"},
    {"SnapshotDataset", Severity::high, "write files"},
    {"SnapshotDatasetV2", Severity::high, "write files"},
    {"FileSystemSetConfiguration", Severity::high, "change how files are reached"},
};

// Operators whose attribute names a file or an address.
struct AttributeRisk {
  std::string_view op, attribute;
  std::string_view effect;
};
constexpr AttributeRisk path_attributes[] = {
    {"RecordInput", "file_pattern", "read files"},
    {"Skipgram", "filename", "read a file"},
    {"FixedUnigramCandidateSampler", "vocab_file", "read a file"},
    {"ImmutableConst", "memory_region_name", "map a file"},
    {"DecodeProtoV2", "descriptor_source", "read a file"},
    {"EncodeProtoV2", "descriptor_source", "read a file"},
};

// Operators that read or write where their input says; the number is that of the input. What a saver or a table has
// for itself is normal, so only a constant that leads out of the model's folder counts.
struct InputRisk {
  std::string_view op;
  std::size_t input;
  std::string_view effect;
};
constexpr InputRisk path_inputs[] = {
    {"SaveV2", 0, "write a file"},
    {"Save", 0, "write a file"},
    {"SaveSlices", 0, "write a file"},
    {"MergeV2Checkpoints", 1, "write and delete files"},
    {"RestoreV2", 0, "read a file"},
    {"Restore", 0, "read a file"},
    {"RestoreSlice", 0, "read a file"},
    {"TextLineDataset", 0, "read a file"},
    {"TFRecordDataset", 0, "read a file"},
    {"TFRecordDatasetV2", 0, "read a file"},
    {"CacheDataset", 1, "write a file"},
    {"CacheDatasetV2", 1, "write a file"},
    {"FixedLengthRecordDataset", 0, "read a file"},
    {"FixedLengthRecordDatasetV2", 0, "read a file"},
};

constexpr std::string_view operator_names =
#include "scan/tensorflow_operators.inc"
    ;

bool is_operator_name(std::string_view text) {
  return !text.empty() && text.size() <= 512 && std::all_of(text.begin(), text.end(), [](char c) {
    return c == '_' || c == '>' || c == '.' || c == '/' || c == '-' || c == ':' || (c >= '0' && c <= '9') ||
           (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

struct Node {
  std::string name, op;
  std::vector<std::string> inputs;
  std::vector<std::pair<std::string, std::string>> texts;  // attributes that are texts, and first texts of lists
  std::optional<std::string> constant;                     // the first text of a constant
  std::uint64_t offset = 0;
};

class TensorflowWalk {
 public:
  TensorflowWalk(Cursor& at, Inspection& inspection) : inspection_(inspection), at_(at) {}

  void run(TensorflowKind kind, std::uint64_t size) {
    WireField whole;
    whole.kind = WireField::bytes;
    whole.end = size;
    switch (kind) {
      case TensorflowKind::saved_model:
        each(whole, 0, [&](const WireField& f) {
          if (f.number == 2) meta_graph(f, 1);
        });
        break;
      case TensorflowKind::meta_graph:
        meta_graph(whole, 0);
        break;
      case TensorflowKind::keras_metadata:
        each(whole, 0, [&](const WireField& f) { keras_object(f); });
        break;
      default:
        graph(whole, 0);
    }
    finish();
  }

  void single(const WireField& message) {
    node(message, 0);
    finish();
  }

 private:
  template <class Visit>
  void each(const WireField& message, int depth, Visit visit) {
    if (stopped_) return;
    if (depth > tensorflow_depth) {
      stopped_ = true;
      return inspection_.inconclusive("scan.budget-exhausted", "messages are nested deeper than the scan follows");
    }
    if (!inspection_.budget().spend_entries()) {
      stopped_ = true;
      return (void)inspection_.out_of_budget();
    }
    WireMessage fields(at_, message.end);
    WireField field;
    while (!stopped_ && fields.next(field))
      if (field.kind == WireField::bytes) visit(field);
    if (!fields.broken() || stopped_) return;
    stopped_ = true;
    if (at_.failed())
      inspection_.inconclusive("scan.not-scanned", "the data cannot be read");
    else
      inspection_.malformed(tensorflow_rule, at_.position(), "a message is damaged or cut off");
  }

  void meta_graph(const WireField& message, int depth) {
    each(message, depth, [&](const WireField& f) {
      if (f.number == 2) graph(f, depth + 1);
      if (f.number == 6)
        each(f, depth + 1, [&](const WireField& asset) {
          if (asset.number != 2) return;
          const std::string name = wire_text(at_, asset);
          if (leads_out(name))
            inspection_.find("tensorflow.asset-path", Severity::critical, asset.begin,
                             "would read the asset " + printable(name) + " outside the model's folder",
                             printable(name));
        });
      if (f.number == 7)
        each(f, depth + 1, [&](const WireField& object) {
          if (object.number != 1) return;
          each(object, depth + 2, [&](const WireField& kind) {
            if (kind.number == 4)
              each(kind, depth + 3, [&](const WireField& part) {
                if (part.number == 3) keras_json(part);
              });
          });
        });
    });
  }

  void graph(const WireField& message, int depth) {
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1) node(f, depth + 1);
      if (f.number == 2)
        each(f, depth + 1, [&](const WireField& part) {
          if (part.number == 1) function(part, depth + 2);
        });
    });
    settle();
  }

  void function(const WireField& message, int depth) {
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1)
        each(f, depth + 1, [&](const WireField& part) {
          if (part.number == 1) functions_.insert(wire_text(at_, part));
        });
      if (f.number == 3) node(f, depth + 1);
    });
  }

  void node(const WireField& message, int depth) {
    Node found{.offset = message.begin};
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1) found.name = wire_text(at_, f);
      if (f.number == 2) found.op = wire_text(at_, f);
      if (f.number == 3 && found.inputs.size() < 64) found.inputs.push_back(wire_text(at_, f));
      if (f.number == 5) attribute(f, depth + 1, found);
    });
    if (!stopped_) judge(found);
  }

  void attribute(const WireField& message, int depth, Node& node) {
    std::string key, text;
    bool is_text = false;
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1) key = wire_text(at_, f);
      if (f.number != 2) return;
      each(f, depth + 1, [&](const WireField& value) {
        if (value.number == 2) text = wire_text(at_, value), is_text = true;
        if (value.number == 1)
          each(value, depth + 2, [&](const WireField& item) {
            if (item.number == 2 && !is_text) text = wire_text(at_, item), is_text = true;
          });
        if (value.number == 8)
          each(value, depth + 2, [&](const WireField& part) {
            if (part.number == 8 && !node.constant) node.constant = wire_text(at_, part);
            if (part.number == 4 && !node.constant) node.constant = encoded_text(part);
          });
      });
    });
    if (is_text && !text.empty() && node.texts.size() < 64) node.texts.emplace_back(std::move(key), std::move(text));
  }

  // One text in the way in which tensor_content holds texts: its length, its bytes.
  std::optional<std::string> encoded_text(const WireField& field) {
    if (field.end - field.begin > 4096) return std::nullopt;
    const std::string raw = wire_text(at_, field);
    if (raw.size() < 2 || static_cast<unsigned char>(raw[0]) != raw.size() - 1) return std::nullopt;
    return raw.substr(1);
  }

  void judge(const Node& node) {
    const std::string where = printable(node.name);
    for (const auto& risk : harmful_operators)
      if (node.op == risk.name)
        report("tensorflow.operator", risk.severity, node.offset,
               "the operator " + node.op + " would " + std::string(risk.effect) + " when the graph runs", where);
    for (const auto& [key, text] : node.texts) {
      for (const auto& risk : path_attributes) {
        if (node.op != risk.op || key != risk.attribute || text == "local://" || text.starts_with("bytes://")) continue;
        report("tensorflow.operator", leads_out(text) ? Severity::critical : Severity::medium, node.offset,
               "the operator " + node.op + " would " + std::string(risk.effect) + ": " + printable(text, 80), where);
      }
      if (node.op.starts_with("Debug") && key == "debug_urls")
        report("tensorflow.operator", Severity::critical, node.offset,
               "the operator " + node.op + " would send what it sees to " + printable(text, 80), where);
      if (node.op == "PrintV2" && key == "output_stream" && text.starts_with("file://"))
        report("tensorflow.operator", Severity::critical, node.offset,
               "the operator PrintV2 would write to " + printable(text, 80), where);
    }
    if (node.op == "Const" && node.constant && leads_out(*node.constant) && constants_.size() < 10'000)
      constants_[node.name] = *node.constant;
    for (const auto& risk : path_inputs)
      if (node.op == risk.op && risk.input < node.inputs.size() && paths_.size() < 10'000)
        paths_.push_back({node.name, node.inputs[risk.input], &risk, node.offset});
    if (!node.op.empty() && !is_tensorflow_operator(node.op) && unknown_.size() < 1000)
      unknown_.emplace(node.op, node.offset);
    if (node.op.empty() && !std::exchange(nameless_, true))
      inspection_.malformed(tensorflow_rule, node.offset, "a node has no operator", where);
  }

  // Inputs name nodes that may come later: "name", "name:0", "^name".
  void settle() {
    for (const auto& path : paths_) {
      std::string input = path.input.substr(path.input.starts_with('^') ? 1 : 0);
      input = input.substr(0, input.find(':'));
      const auto constant = constants_.find(input);
      if (constant == constants_.end()) continue;
      report("tensorflow.operator", Severity::critical, path.offset,
             "the operator " + std::string(path.risk->op) + " would " + std::string(path.risk->effect) + ": " +
                 printable(constant->second, 80),
             printable(path.node));
    }
    paths_.clear();
    constants_.clear();
  }

  void finish() {
    settle();
    std::size_t said = 0;
    for (const auto& [op, offset] : unknown_)
      if (!functions_.contains(op) && said++ < 16)
        inspection_.find("tensorflow.custom-operator", Severity::low, offset,
                         "needs an operator of a library of its own: " + printable(op, 80), {}, printable(op));
  }

  void report(std::string_view rule, Severity severity, std::uint64_t offset, std::string message, std::string where) {
    if (reported_++ < 50)
      inspection_.find(rule, severity, offset, std::move(message), {}, std::move(where));
    else
      inspection_.find(rule, severity, 0, "more operators of this kind");
  }

  void keras_object(const WireField& message) {
    each(message, 1, [&](const WireField& f) {
      if (f.number == 5) keras_json(f);
    });
  }

  void keras_json(const WireField& field) {
    if (field.end - field.begin < 2) return;
    if (field.end - field.begin > 32u << 20)
      return inspection_.inconclusive("scan.budget-exhausted", "a configuration is larger than the scan reads");
    const std::string json = wire_text(at_, field, 32u << 20);
    if (json.empty() || json[0] != '{') return;
    Inspection inside = inspection_.child("keras@" + std::to_string(field.begin));
    inspect_keras_config(json, false, inside);
  }

  struct PathInput {
    std::string node, input;
    const InputRisk* risk;
    std::uint64_t offset;
  };

  Inspection& inspection_;
  Cursor& at_;
  bool stopped_ = false, nameless_ = false;
  std::size_t reported_ = 0;
  std::map<std::string, std::string> constants_;  // texts that lead out of the folder
  std::vector<PathInput> paths_;
  std::map<std::string, std::uint64_t> unknown_;
  std::set<std::string> functions_;
};

// The first field of that number in the message at the cursor; the cursor is in front of its content then.
bool first_field(Cursor& at, std::uint64_t end, std::uint32_t number, WireField& out) {
  WireMessage message(at, end);
  while (message.next(out))
    if (out.number == number && out.kind == WireField::bytes) return true;
  return false;
}

bool is_node(Cursor& at, std::uint64_t end) {
  WireMessage message(at, end);
  WireField field;
  bool name = false, op = false;
  while (message.next(field)) {
    if (field.number == 0 || field.number > 7 || field.kind != WireField::bytes) return false;
    if (field.number == 1) name = is_operator_name(wire_text(at, field, 600));
    if (field.number == 2) op = is_operator_name(wire_text(at, field, 600));
    if (name && op) return true;
  }
  return false;
}

// GraphDef: nodes, a library of functions, or, of an empty one, nothing but its versions.
bool is_graph(Cursor& at, std::uint64_t end, bool may_be_empty) {
  WireMessage message(at, end);
  WireField field;
  bool versions = false;
  while (message.next(field)) {
    if (field.number == 1 && field.kind == WireField::bytes) return is_node(at, field.end);
    if (field.number == 2 && field.kind == WireField::bytes) {
      // FunctionDefLibrary: 1 function: 1 signature: 1 name.
      WireField function, signature, name;
      if (field.begin == field.end) continue;
      return first_field(at, field.end, 1, function) && first_field(at, function.end, 1, signature) &&
             first_field(at, signature.end, 1, name) && is_operator_name(wire_text(at, name, 600));
    }
    if (field.number == 0 || field.number > 5 || (field.number == 3) != (field.kind == WireField::varint)) return false;
    versions = versions || field.number == 4;
  }
  return may_be_empty && !message.broken() && (versions || end == at.position());
}

bool is_meta_graph(Cursor& at, std::uint64_t end) {
  WireMessage message(at, end);
  WireField field;
  bool info = false;
  while (message.next(field)) {
    if (field.number == 0 || field.number > 8 || field.kind != WireField::bytes) return false;
    if (field.number == 2) return is_graph(at, field.end, info);
    info = info || field.number == 1;
    if (field.number == 6) {  // AssetFileDef: 1 tensor_info, 2 filename
      WireField name;
      return first_field(at, field.end, 2, name);
    }
  }
  return false;
}

bool is_keras_metadata(Cursor& at, std::uint64_t end) {
  WireMessage message(at, end);
  WireField field;
  if (!message.next(field) || field.number != 1 || field.kind != WireField::bytes) return false;
  WireField identifier;
  return first_field(at, field.end, 4, identifier) && wire_text(at, identifier, 64).starts_with("_tf_keras_");
}

bool is_fingerprint(Cursor& at, std::uint64_t end) {
  if (end > 512) return false;
  WireMessage message(at, end);
  WireField field;
  std::size_t numbers = 0;
  while (message.next(field)) {
    if (field.number == 0 || field.number > 7 || (field.number <= 5) != (field.kind == WireField::varint)) return false;
    numbers += field.number <= 5;
  }
  return !message.broken() && numbers >= 3;
}

constexpr std::uint64_t table_magic = 0xdb4775248b80fb57;  // of LevelDB's tables, which checkpoint indexes are
constexpr std::uint64_t table_footer = 48;

bool ends_as_table(Reader& data) {
  std::uint8_t magic[8] = {};
  if (data.size() < table_footer) return false;
  const auto got = data.read_at(data.size() - 8, magic);
  return got && *got == 8 && load_le<std::uint64_t>(magic) == table_magic;
}

// The footer tells where two blocks lie; both must be in the file.
void inspect_checkpoint(Reader& data, Inspection& inspection) {
  const auto footer = read_part(data, data.size() - table_footer, table_footer, table_footer);
  if (!footer) return inspection.failed(footer.error(), tensorflow_rule, 0);
  std::size_t at = 0;
  for (int i = 0; i < 2; ++i) {
    std::uint64_t parts[2] = {};
    for (auto& part : parts)
      for (unsigned shift = 0; at < 40 && shift < 64; shift += 7) {
        part |= static_cast<std::uint64_t>((*footer)[at] & 0x7f) << shift;
        if (((*footer)[at++] & 0x80) == 0) break;
      }
    if (parts[0] > data.size() || parts[1] > data.size() - parts[0])
      return inspection.malformed(tensorflow_rule, data.size() - table_footer,
                                  "the checkpoint's index refers to a place past its end");
  }
}

}  // namespace

bool is_tensorflow_operator(std::string_view name) {
  static const std::set<std::string_view> known = [] {
    std::set<std::string_view> names;
    for (std::string_view rest = operator_names; !rest.empty();) {
      const auto blank = rest.find(' ');
      if (blank != 0) names.insert(rest.substr(0, blank));
      rest = blank == std::string_view::npos ? std::string_view{} : rest.substr(blank + 1);
    }
    return names;
  }();
  // Operators that the runtime puts in itself begin with an underscore.
  return known.contains(name) || name.starts_with("_");
}

TensorflowKind tensorflow_kind(Reader& data) {
  if (ends_as_table(data)) return TensorflowKind::checkpoint;
  const auto size = data.size();
  const auto test = [&](auto&& is) {
    Cursor at(data, 0, 8192);
    return is(at, size);
  };
  if (test([](Cursor& at, std::uint64_t end) {
        WireMessage model(at, end);
        WireField field;
        while (model.next(field)) {
          if (field.number == 2 && field.kind == WireField::bytes) return is_meta_graph(at, field.end);
          if (field.number != 1 || field.kind != WireField::varint) return false;
        }
        return false;
      }))
    return TensorflowKind::saved_model;
  if (test(is_keras_metadata)) return TensorflowKind::keras_metadata;
  if (test([](Cursor& at, std::uint64_t end) { return is_graph(at, end, false); })) return TensorflowKind::graph;
  if (test(is_meta_graph)) return TensorflowKind::meta_graph;
  if (test(is_fingerprint)) return TensorflowKind::fingerprint;
  return TensorflowKind::none;
}

std::string inspect_tensorflow(Reader& data, Inspection& inspection) {
  const auto kind = tensorflow_kind(data);
  if (kind == TensorflowKind::checkpoint) {
    inspect_checkpoint(data, inspection);
    return "tensorflow-checkpoint";
  }
  if (kind == TensorflowKind::fingerprint) return "tensorflow-fingerprint";
  Cursor at(data);
  TensorflowWalk(at, inspection).run(kind, data.size());
  return kind == TensorflowKind::saved_model      ? "tensorflow-savedmodel"
         : kind == TensorflowKind::meta_graph     ? "tensorflow-metagraph"
         : kind == TensorflowKind::keras_metadata ? "keras-metadata"
                                                  : "tensorflow-graph";
}

void inspect_tensorflow_node(Cursor& at, const WireField& node, Inspection& inspection) {
  TensorflowWalk(at, inspection).single(node);
}

}  // namespace hauberk::scan
