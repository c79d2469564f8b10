#include "scan/tensorflow.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "scan/config_rules.h"
#include "scan/keras_config.h"
#include "scan/tensorflow_graph.h"
#include "scan/tensorflow_table.h"

namespace hauberk::scan {
namespace {

constexpr int tensorflow_depth = 32;
constexpr std::string_view tensorflow_rule = "tensorflow.malformed";

bool is_operator_name(std::string_view text) {
  return !text.empty() && text.size() <= 512 && std::all_of(text.begin(), text.end(), [](char c) {
    return c == '_' || c == '>' || c == '.' || c == '/' || c == '-' || c == ':' || (c >= '0' && c <= '9') ||
           (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

constexpr std::size_t constant_texts = 256;         // kept of one constant; those that lead out come first
constexpr std::uint64_t constant_limit = 1u << 20;  // of a constant's encoded texts

class TensorflowWalk {
 public:
  TensorflowWalk(Cursor& at, Inspection& inspection) : inspection_(inspection), at_(at), graph_(inspection) {}

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
    graph_.finish();
  }

  void single(const WireField& message) {
    node(message, 0, {});
    graph_.finish();
  }

 private:
  // Visits the fields of a message that are bytes; all of them.
  template <class Visit>
  void each(const WireField& message, int depth, Visit visit) {
    each_of_all(message, depth, [&](const WireField& f) {
      if (f.kind == WireField::bytes) visit(f);
    });
  }
  template <class Visit>
  void each_of_all(const WireField& message, int depth, Visit visit) {
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
    while (!stopped_ && fields.next(field)) visit(field);
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
      if (f.number == 4) collection(f, depth + 1);
      if (f.number == 6) asset(f, depth + 1);
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
    graph_.settle();
  }

  // Before there was a field for assets they stood in a collection, where loaders still find them: 1 key, 2 value:
  // 5 list: 1 item: 2 the asset.
  void collection(const WireField& message, int depth) {
    std::string key;
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1) key = wire_text(at_, f, 64);
      if (f.number != 2 || (!key.empty() && key != "saved_model_assets")) return;
      each(f, depth + 1, [&](const WireField& list) {
        if (list.number != 5) return;
        each(list, depth + 2, [&](const WireField& item) {
          each(item, depth + 3, [&](const WireField& part) {
            if (part.number == 2) asset(part, depth + 4);
          });
        });
      });
    });
  }

  void asset(const WireField& message, int depth) {
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1)
        each(f, depth + 1, [&](const WireField& tensor) {
          if (tensor.number == 1) graph_.asset_tensor(wire_text(at_, tensor));
        });
      if (f.number == 2) graph_.asset_file(wire_text(at_, f), f.begin);
    });
  }

  void graph(const WireField& message, int depth) {
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1) node(f, depth + 1, {});
      if (f.number == 2)
        each(f, depth + 1, [&](const WireField& part) {
          if (part.number == 1) function(part, depth + 2);
        });
    });
  }

  void function(const WireField& message, int depth) {
    std::string name;
    TensorflowGraph::Signature signature{.scope = "function@" + std::to_string(message.begin)};
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1)
        each(f, depth + 1, [&](const WireField& part) {
          if (part.number == 1) name = wire_text(at_, part);
          if (part.number == 2 && signature.arguments.size() < 10'000)
            signature.arguments.push_back(entry(part, depth + 2).first);
        });
      if (f.number == 3) node(f, depth + 1, signature.scope);
      if (f.number == 4 && signature.returns.size() < 10'000) signature.returns.push_back(entry(f, depth + 1).second);
    });
    graph_.function(name, std::move(signature));
  }

  // The texts of a message's first two fields: the entry of a map, or a name and what is of no interest here.
  std::pair<std::string, std::string> entry(const WireField& message, int depth) {
    std::pair<std::string, std::string> out;
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1) out.first = wire_text(at_, f);
      if (f.number == 2) out.second = wire_text(at_, f);
    });
    return out;
  }

  void node(const WireField& message, int depth, const std::string& scope) {
    TensorflowNode found;
    found.scope = scope;
    found.offset = message.begin;
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1) found.name = wire_text(at_, f);
      if (f.number == 2) found.op = wire_text(at_, f);
      if (f.number == 3 && found.inputs.size() < tensorflow_inputs_kept)
        found.inputs.push_back(wire_text(at_, f));
      else if (f.number == 3)
        found.cut = true;
      if (f.number == 5) attribute(f, depth + 1, found);
    });
    if (!stopped_) graph_.node(std::move(found));
  }

  void attribute(const WireField& message, int depth, TensorflowNode& node) {
    std::string key;
    std::vector<std::string> texts;
    const auto called = [&](const WireField& function, int at) {
      each(function, at, [&](const WireField& f) {
        if (f.number == 1 && node.calls.size() < 256) node.calls.push_back(wire_text(at_, f));
      });
    };
    each(message, depth, [&](const WireField& f) {
      if (f.number == 1) key = wire_text(at_, f);
      if (f.number != 2) return;
      each(f, depth + 1, [&](const WireField& value) {
        if (value.number == 2) texts.insert(texts.begin(), wire_text(at_, value));
        if (value.number == 10) called(value, depth + 2);
        if (value.number == 1)
          each(value, depth + 2, [&](const WireField& item) {
            if (item.number == 2 && texts.size() < 64) texts.push_back(wire_text(at_, item));
            if (item.number == 8) tensor(item, depth + 3, node);
            if (item.number == 9) called(item, depth + 3);
          });
        if (value.number == 8) tensor(value, depth + 2, node);
      });
    });
    for (auto& text : texts)
      if (!text.empty() && node.texts.size() < 256) node.texts.emplace_back(key, std::move(text));
  }

  // Of a tensor of texts the texts. Its type stands in front of its content, as every writer has it; if not, a content
  // of any type is tried.
  void tensor(const WireField& message, int depth, TensorflowNode& node) {
    constexpr std::uint64_t type_text = 7;
    std::uint64_t type = 0;
    const auto add = [&](std::string text) {
      const bool out = leads_out(text);
      if (node.constants.size() < (out ? 2 : 1) * constant_texts)
        node.constants.push_back(std::move(text));
      else
        node.cut = true;
    };
    each_of_all(message, depth, [&](const WireField& f) {
      if (f.number == 1 && f.kind == WireField::varint) type = f.value;
      if (f.kind != WireField::bytes) return;
      if (f.number == 8) add(wire_text(at_, f));
      if (f.number != 4 || (type != type_text && type != 0) || f.begin == f.end) return;
      const auto texts =
          f.end - f.begin <= constant_limit ? tensorflow_texts(wire_text(at_, f, constant_limit)) : std::nullopt;
      if (!texts) {
        node.cut = node.cut || type == type_text;
        return;
      }
      for (const auto& text : *texts) add(text.substr(0, 4096));
    });
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
    const auto first = json.find_first_not_of(" \t\r\n");
    if (first == std::string::npos || json[first] != '{') return;
    Inspection inside = inspection_.child("keras@" + std::to_string(field.begin));
    inspect_keras_config(json, false, inside);
  }

  Inspection& inspection_;
  Cursor& at_;
  TensorflowGraph graph_;
  bool stopped_ = false;
};

// The first field of that number in the message at the cursor; the cursor is in front of its content then.
bool first_field(Cursor& at, std::uint64_t end, std::uint32_t number, WireField& out) {
  WireMessage message(at, end);
  while (message.next(out))
    if (out.number == number && out.kind == WireField::bytes) return true;
  return false;
}

constexpr std::size_t fields_tried = 2000;  // of one message, while looking for what it is

// A name and an operator, or an operator of TensorFlow's own. Here and below, fields that loaders do not know say
// nothing: they skip them.
bool is_node(Cursor& at, std::uint64_t end) {
  WireMessage message(at, end);
  WireField field;
  bool name = false, op = false, known = false;
  for (std::size_t fields = 0; fields < fields_tried && message.next(field); ++fields) {
    if (field.number > 2) continue;
    if (field.kind != WireField::bytes) return false;
    const auto text = wire_text(at, field, 600);
    if (field.number == 1) name = is_operator_name(text);
    if (field.number == 2) op = is_operator_name(text), known = !text.starts_with('_') && is_tensorflow_operator(text);
    if (op && (name || known)) return true;
  }
  return false;
}

// FunctionDefLibrary: 1 function: 1 signature: 1 name, and nodes at 3.
bool is_library(Cursor& at, std::uint64_t end) {
  WireMessage message(at, end);
  WireField function, part, inner;
  for (std::size_t fields = 0; fields < fields_tried && message.next(function); ++fields) {
    if (function.number != 1 || function.kind != WireField::bytes) continue;
    WireMessage parts(at, function.end);
    bool name = false;
    while (!name && ++fields < fields_tried && parts.next(part)) {
      if (part.kind != WireField::bytes) continue;
      if (part.number == 1)
        name = first_field(at, part.end, 1, inner) && is_operator_name(wire_text(at, inner, 600));
      else if (part.number == 3)
        name = is_node(at, part.end);
    }
    if (name) return true;
  }
  return false;
}

// GraphDef: nodes, a library of functions, or, of an empty one, nothing but its versions.
bool is_graph(Cursor& at, std::uint64_t end, bool may_be_empty) {
  WireMessage message(at, end);
  WireField field;
  bool foreign = false;
  for (std::size_t fields = 0; fields < fields_tried && message.next(field); ++fields) {
    if (field.number == 1 && field.kind == WireField::bytes) {
      if (is_node(at, field.end)) return true;
      foreign = true;
    } else if (field.number == 2 && field.kind == WireField::bytes) {
      if (is_library(at, field.end)) return true;
    }
    foreign = foreign || field.number > 5 || (field.number == 3) != (field.kind == WireField::varint);
  }
  return may_be_empty && !message.broken() && !foreign;
}

bool is_meta_graph(Cursor& at, std::uint64_t end) {
  WireMessage message(at, end);
  WireField field;
  bool info = false;
  for (std::size_t fields = 0; fields < fields_tried && message.next(field); ++fields) {
    if (field.kind != WireField::bytes) continue;
    if (field.number == 2 && is_graph(at, field.end, info)) return true;
    info = info || field.number == 1;
    if (field.number == 6 && info) {  // AssetFileDef: 1 tensor_info, 2 filename
      WireField tensor, name;
      if (first_field(at, field.end, 1, tensor) && first_field(at, tensor.end, 1, name) &&
          is_operator_name(wire_text(at, name, 600)))
        return true;
    }
  }
  return false;
}

bool is_saved_model(Cursor& at, std::uint64_t end) {
  WireMessage model(at, end);
  WireField field;
  for (std::size_t fields = 0; fields < fields_tried && model.next(field); ++fields)
    if (field.number == 2 && field.kind == WireField::bytes && is_meta_graph(at, field.end)) return true;
  return false;
}

bool is_keras_metadata(Cursor& at, std::uint64_t end) {
  WireMessage message(at, end);
  WireField field, identifier;
  for (std::size_t fields = 0; fields < fields_tried && message.next(field); ++fields)
    if (field.number == 1 && field.kind == WireField::bytes && first_field(at, field.end, 4, identifier) &&
        wire_text(at, identifier, 64).starts_with("_tf_keras_"))
      return true;
  return false;
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

// All that the data can be read as: which of them a loader sees is up to the loader.
std::vector<TensorflowKind> tensorflow_kinds(Reader& data) {
  const auto table = checkpoint_table(data);
  if (table == CheckpointTable::plain) return {TensorflowKind::checkpoint};
  std::vector<TensorflowKind> kinds;
  const auto test = [&](TensorflowKind kind, auto&& is) {
    Cursor at(data, 0, 8192);
    if (is(at, data.size())) kinds.push_back(kind);
  };
  test(TensorflowKind::saved_model, is_saved_model);
  test(TensorflowKind::keras_metadata, is_keras_metadata);
  test(TensorflowKind::graph, [](Cursor& at, std::uint64_t end) { return is_graph(at, end, false); });
  test(TensorflowKind::meta_graph, is_meta_graph);
  if (kinds.empty() && table == CheckpointTable::compressed) return {TensorflowKind::checkpoint};
  if (kinds.empty()) test(TensorflowKind::fingerprint, is_fingerprint);
  return kinds;
}

std::string_view name_of(TensorflowKind kind) {
  switch (kind) {
    case TensorflowKind::saved_model:
      return "tensorflow-savedmodel";
    case TensorflowKind::meta_graph:
      return "tensorflow-metagraph";
    case TensorflowKind::keras_metadata:
      return "keras-metadata";
    case TensorflowKind::fingerprint:
      return "tensorflow-fingerprint";
    case TensorflowKind::checkpoint:
      return "tensorflow-checkpoint";
    default:
      return "tensorflow-graph";
  }
}

}  // namespace

TensorflowKind tensorflow_kind(Reader& data) {
  const auto kinds = tensorflow_kinds(data);
  return kinds.empty() ? TensorflowKind::none : kinds.front();
}

std::string inspect_tensorflow(Reader& data, Inspection& inspection) {
  const auto kinds = tensorflow_kinds(data);
  if (kinds.empty()) return "unknown";
  for (const auto kind : kinds) {
    if (kind == TensorflowKind::checkpoint || kind == TensorflowKind::fingerprint) break;
    Cursor at(data);
    TensorflowWalk(at, inspection).run(kind, data.size());
  }
  return std::string(name_of(kinds.front()));
}

void inspect_tensorflow_node(Cursor& at, const WireField& node, Inspection& inspection) {
  TensorflowWalk(at, inspection).single(node);
}

}  // namespace hauberk::scan
