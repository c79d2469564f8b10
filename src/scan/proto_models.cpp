#include "scan/proto_models.h"

#include <algorithm>

#include "scan/config_rules.h"
#include "scan/program_text.h"
#include "scan/protobuf.h"
#include "scan/small_models.h"

namespace hauberk::scan {
namespace {

constexpr int proto_depth = 48;

class ProtoWalk {
 public:
  ProtoWalk(Reader& data, Inspection& inspection, std::string_view rule)
      : data_(data), inspection_(inspection), at_(data), rule_(rule) {}

  void coreml() {
    each(whole(), 0, [&](const WireField& f) { coreml_part(f, 1); });
  }

  void paddle() {
    each(whole(), 0, [&](const WireField& f) {
      if (f.number != 1) return;
      each(f, 1, [&](const WireField& part) {
        if (part.number == 4) paddle_operator(part);
      });
    });
  }

 private:
  WireField whole() const {
    WireField field;
    field.kind = WireField::bytes;
    field.end = data_.size();
    return field;
  }

  template <class Visit>
  void each(const WireField& message, int depth, Visit visit) {
    if (stopped_) return;
    if (depth > proto_depth) {
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
    inspection_.malformed(rule_, at_.position(), "a message is damaged or cut off");
  }

  // Model: what it is follows from which of many members it has.
  void coreml_part(const WireField& part, int depth) {
    switch (part.number) {
      case 2:
        each(part, depth, [&](const WireField& f) {
          if (f.number == 100) coreml_metadata(f, depth + 1);
        });
        break;
      case 200:
      case 201:
        each(part, depth, [&](const WireField& f) {
          if (f.number == 1) coreml_pipeline(f, depth + 1);
        });
        break;
      case 202:
        coreml_pipeline(part, depth);
        break;
      case 303:
      case 403:
      case 500:
        each(part, depth, [&](const WireField& layer) {
          if (layer.number != 1) return;
          each(layer, depth + 1, [&](const WireField& f) {
            if (f.number == 500) coreml_custom(f, depth + 2);
          });
        });
        break;
      case 555:
        coreml_custom(part, depth);
        break;
      case 556:
        each(part, depth, [&](const WireField& f) {
          if (f.number == 1) coreml_linked(f, depth + 1);
        });
        break;
      default:
        break;
    }
  }

  void coreml_pipeline(const WireField& pipeline, int depth) {
    each(pipeline, depth, [&](const WireField& model) {
      if (model.number == 1) each(model, depth + 1, [&](const WireField& f) { coreml_part(f, depth + 2); });
    });
  }

  void coreml_custom(const WireField& custom, int depth) {
    each(custom, depth, [&](const WireField& f) {
      if (f.number == 10)
        inspection_.find("coreml.custom-class", Severity::medium, f.begin,
                         "needs a class of the program that loads it: " + printable(wire_text(at_, f), 80));
    });
  }

  // LinkedModelFile: the file's name and where it is looked for, each in a message of its own.
  void coreml_linked(const WireField& file, int depth) {
    each(file, depth, [&](const WireField& parameter) {
      each(parameter, depth + 1, [&](const WireField& f) {
        const auto path = wire_text(at_, f);
        inspection_.find("coreml.linked-model", leads_out(path) ? Severity::critical : Severity::medium, f.begin,
                         "would load another model: " + printable(path, 80));
      });
    });
  }

  void coreml_metadata(const WireField& metadata, int depth) {
    each(metadata, depth, [&](const WireField& f) {
      if (f.number == 100)
        each(f, depth + 1, [&](const WireField& entry) {
          if (entry.number == 2) metadata_text(entry);
        });
      else
        metadata_text(f);
    });
  }

  void metadata_text(const WireField& field) {
    const auto text = wire_text(at_, field, program_text_limit);
    if (const auto program = program_in(text))
      inspection_.find("scan.program-text", program->severity, field.begin,
                       "the metadata holds the text of a program that " + program->does);
  }

  void paddle_operator(const WireField& op) {
    std::string type;
    std::vector<std::string> paths;
    each(op, 2, [&](const WireField& f) {
      if (f.number == 3) type = wire_text(at_, f);
      if (f.number == 4) {
        std::string name, text;
        each(f, 3, [&](const WireField& part) {
          if (part.number == 1) name = wire_text(at_, part);
          if (part.number == 5) text = wire_text(at_, part);
        });
        if (name == "file_path" || name == "filename" || name == "file_name") paths.push_back(text);
      }
    });
    if (type == "py_func" || type == "py_layer" || type == "pylayer")
      inspection_.find("paddle.operator", Severity::critical, op.begin,
                       "the operator " + type + " would call a Python function");
    const bool file = type == "save" || type == "save_combine" || type == "load" || type == "load_combine";
    for (const auto& path : paths)
      if (file || leads_out(path))
        inspection_.find("paddle.operator", leads_out(path) ? Severity::critical : Severity::medium, op.begin,
                         "the operator " + printable(type, 40) + " would open the file " + printable(path, 80));
  }

  Reader& data_;
  Inspection& inspection_;
  Cursor at_;
  std::string_view rule_;
  bool stopped_ = false;
};

constexpr std::string_view cntk_old = std::string_view("B\0C\0N\0", 6);

bool begins_with(Reader& data, std::string_view magic) {
  std::uint8_t head[8] = {};
  const auto got = data.read_at(0, head);
  return got && *got >= magic.size() && as_text(ByteView(head).first(magic.size())) == magic;
}

// ModelDescription: features, or metadata at 100.
bool is_description(Cursor& at, std::uint64_t end) {
  WireMessage message(at, end);
  WireField field;
  bool metadata = false;
  while (message.next(field)) {
    const bool known = field.number == 1 || field.number == 7 || field.number == 10 || field.number == 11 ||
                       field.number == 12 || field.number == 13 || field.number == 14 || field.number == 20 ||
                       field.number == 21 || field.number == 50 || field.number == 100;
    if (!known) return false;
    metadata = metadata || field.number == 100 || (field.number == 10 && field.kind == WireField::bytes);
  }
  return !message.broken() && metadata;
}

}  // namespace

ProtoModel proto_model(Reader& data) {
  if (begins_with(data, cntk_old)) return ProtoModel::cntk;
  {
    Cursor at(data, 0, 8192);
    WireMessage model(at, data.size());
    WireField field;
    bool version = false;
    while (model.next(field)) {
      if (field.number == 1 && field.kind == WireField::varint && field.value >= 1 && field.value <= 32) {
        version = true;
      } else if (version && field.number == 2 && field.kind == WireField::bytes) {
        if (is_description(at, field.end)) return ProtoModel::coreml;
        break;
      } else {
        break;
      }
    }
  }
  {
    // ProgramDesc: the first block has the number 0 and no parent.
    Cursor at(data, 0, 8192);
    WireMessage program(at, data.size());
    WireField block, field;
    if (program.next(block) && block.number == 1 && block.kind == WireField::bytes) {
      WireMessage fields(at, block.end);
      const bool first = fields.next(field) && field.number == 1 && field.kind == WireField::varint && field.value == 0;
      if (first && fields.next(field) && field.number == 2 && field.kind == WireField::varint &&
          static_cast<std::int32_t>(field.value) == -1)
        return ProtoModel::paddle;
    }
  }
  {
    // Dictionary: a version, then entries with a name; the models have "uid" or "version" among the first.
    Cursor at(data, 0, 8192);
    WireMessage dictionary(at, data.size());
    WireField entry, key;
    if (dictionary.next(entry) && entry.number == 1 && entry.kind == WireField::varint)
      for (int i = 0; i < 8 && dictionary.next(entry) && entry.number == 2 && entry.kind == WireField::bytes; ++i) {
        WireMessage fields(at, entry.end);
        if (!fields.next(key) || key.number != 1 || key.kind != WireField::bytes) break;
        const auto name = wire_text(at, key, 64);
        if (name == "version" || name == "uid" || name == "primitive_functions" || name == "root_uid")
          return ProtoModel::cntk;
      }
  }
  return ProtoModel::none;
}

std::string inspect_proto_model(Reader& data, Inspection& inspection) {
  switch (proto_model(data)) {
    case ProtoModel::coreml:
      ProtoWalk(data, inspection, "coreml.malformed").coreml();
      return "coreml";
    case ProtoModel::paddle:
      ProtoWalk(data, inspection, "paddle.malformed").paddle();
      return "paddle-program";
    case ProtoModel::cntk:
      // Nobody maintains its loaders, and what its functions may name is no longer documented.
      inspect_texts_within(data, inspection);
      inspection.find("cntk.old", Severity::low, 0,
                      "a model of CNTK, whose loaders nobody maintains: convert it to ONNX");
      return "cntk";
    case ProtoModel::none:
      break;
  }
  return "unknown";
}

}  // namespace hauberk::scan
