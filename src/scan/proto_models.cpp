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
      case 502:
        mil_program(part, depth);
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

  // MIL: functions, their blocks, operations in those, and values that may lie in files beside the model.
  void mil_program(const WireField& program, int depth) {
    mil_paths(program);
    each(program, depth, [&](const WireField& f) {
      if (f.number == 2) mil_entry(f, depth + 1, &ProtoWalk::mil_function);
      if (f.number == 4) mil_entry(f, depth + 1, &ProtoWalk::mil_value);
    });
  }

  using MilPart = void (ProtoWalk::*)(const WireField&, int);
  void mil_entry(const WireField& entry, int depth, MilPart part) {
    each(entry, depth, [&](const WireField& f) {
      if (f.number == 2) (this->*part)(f, depth + 1);
    });
  }
  void mil_function(const WireField& function, int depth) {
    each(function, depth, [&](const WireField& f) {
      if (f.number == 3) mil_entry(f, depth + 1, &ProtoWalk::mil_block);
      if (f.number == 4) mil_entry(f, depth + 1, &ProtoWalk::mil_value);
    });
  }
  void mil_block(const WireField& block, int depth) {
    each(block, depth, [&](const WireField& f) {
      if (f.number == 3) mil_operation(f, depth + 1);
      if (f.number == 4) mil_entry(f, depth + 1, &ProtoWalk::mil_value);
    });
  }
  void mil_operation(const WireField& operation, int depth) {
    each(operation, depth, [&](const WireField& f) {
      if (f.number == 2) mil_entry(f, depth + 1, &ProtoWalk::mil_argument);
      if (f.number == 4) mil_block(f, depth + 1);
      if (f.number == 5) mil_entry(f, depth + 1, &ProtoWalk::mil_value);
    });
  }
  void mil_argument(const WireField& argument, int depth) {
    each(argument, depth, [&](const WireField& binding) {
      if (binding.number == 1) mil_entry(binding, depth + 1, &ProtoWalk::mil_value);
    });
  }
  void mil_value(const WireField& value, int depth) {
    each(value, depth, [&](const WireField& f) {
      if (f.number == 5)
        each(f, depth + 1, [&](const WireField& part) {
          if (part.number == 1) mil_file(wire_text(at_, part), part.begin);
        });
      // Tuples and lists of values.
      if (f.number == 3)
        each(f, depth + 1, [&](const WireField& kind) {
          if (kind.number == 2 || kind.number == 3)
            each(kind, depth + 2, [&](const WireField& item) {
              if (item.number == 1) mil_value(item, depth + 3);
            });
        });
    });
  }
  void mil_file(std::string_view path, std::uint64_t offset) {
    if (path.starts_with("@model_path")) path.remove_prefix(std::min<std::size_t>(path.size(), 12));
    if (leads_out(path) && reported_paths_++ < 16)
      inspection_.find("coreml.linked-model", Severity::critical, offset,
                       "would read weights from the file " + printable(path, 80) + " outside the model");
  }
  // Wherever in the program they stand: what begins so is a path for every loader of it.
  void mil_paths(const WireField& program) {
    constexpr std::string_view root = "@model_path";
    Cursor at(data_, program.begin);
    while (at.position() < program.end && at.need(1)) {
      const auto loaded = as_text(
          {at.data(), static_cast<std::size_t>(std::min<std::uint64_t>(at.buffered(), program.end - at.position()))});
      const auto found = loaded.find(root);
      if (found == std::string_view::npos) {
        // A beginning of it may stand at the end of the window.
        const auto keep = at.position() + loaded.size() < program.end ? root.size() - 1 : 0;
        if (loaded.size() > keep) {
          at.advance(loaded.size() - keep);
          continue;
        }
        if (!at.need(root.size())) return;
        continue;
      }
      at.advance(found + root.size());
      std::string path;
      while (path.size() < 4096 && at.position() < program.end && at.need(1) && *at.data() >= 0x20 &&
             *at.data() < 0x7f) {
        path += static_cast<char>(*at.data());
        at.advance(1);
      }
      mil_file(path.starts_with('/') ? std::string_view(path).substr(1) : path, at.position());
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
  std::size_t reported_paths_ = 0;
};

constexpr std::string_view cntk_old = std::string_view("B\0C\0N\0", 6);

bool begins_with(Reader& data, std::string_view magic) {
  std::uint8_t head[8] = {};
  const auto got = data.read_at(0, head);
  return got && *got >= magic.size() && as_text(ByteView(head).first(magic.size())) == magic;
}

// ModelDescription: metadata at 100, or outputs at 10.
bool is_description(Cursor& at, std::uint64_t end) {
  WireMessage message(at, end);
  WireField field;
  bool metadata = false;
  while (message.next(field))
    metadata = metadata || ((field.number == 100 || field.number == 10) && field.kind == WireField::bytes);
  return !message.broken() && metadata;
}

// Fields that loaders do not know say nothing: they skip them.
bool is_coreml(Reader& data) {
  Cursor at(data, 0, 8192);
  WireMessage model(at, data.size());
  WireField field;
  bool version = false, description = false;
  for (std::size_t fields = 0; model.next(field) && fields < 10'000 && !(version && description); ++fields) {
    if (field.number == 1 && field.kind == WireField::varint) version = field.value >= 1 && field.value <= 32;
    if (field.number == 2 && field.kind == WireField::bytes) description = description || is_description(at, field.end);
  }
  return version && description;
}

// ProgramDesc: the first block has the number 0 and no parent.
bool is_paddle(Reader& data) {
  Cursor at(data, 0, 8192);
  WireMessage program(at, data.size());
  WireField block, field;
  for (std::size_t fields = 0; program.next(block) && fields < 10'000; ++fields) {
    if (block.number != 1 || block.kind != WireField::bytes) continue;
    WireMessage parts(at, block.end);
    bool first = false, orphan = false;
    for (std::size_t i = 0; i < 64 && parts.next(field) && !(first && orphan); ++i) {
      if (field.kind != WireField::varint) continue;
      first = first || (field.number == 1 && field.value == 0);
      orphan = orphan || (field.number == 2 && static_cast<std::int32_t>(field.value) == -1);
    }
    if (first && orphan) return true;
  }
  return false;
}

}  // namespace

ProtoModel proto_model(Reader& data) {
  if (begins_with(data, cntk_old)) return ProtoModel::cntk;
  if (is_coreml(data)) return ProtoModel::coreml;
  if (is_paddle(data)) return ProtoModel::paddle;
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
