#include "scan/pickle.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "scan/callables.h"
#include "scan/formats.h"
#include "scan/numpy_dtype.h"
#include "scan/pickle_text.h"
#include "scan/program_text.h"

namespace hauberk::scan {
namespace {

using Kind = PickleValue::Kind;

constexpr std::uint32_t calls_reported = 3;             // of one callable
constexpr std::uint64_t nested_text_limit = 64u << 20;  // bytes that are written as text and must be decoded in memory
constexpr std::uint64_t harmless_pickles_in_a_file = 1000;
constexpr std::uint32_t embedded_limit = 1000;  // constants that are tried as pickles
constexpr std::size_t embedded_size_limit = 1u << 20;

// What a dry run of a constant shows: nothing, a pickle to its last byte, one that imports what runs code.
enum class Hidden { nothing, pickle, harm };
Hidden hidden_in(Reader& data, Budget& budget);

// A few characters say which command it was without repeating a payload.
std::string masked(std::string_view text) {
  return "'" + printable(text.substr(0, 4), 4) + (text.size() > 4 ? "...'" : "'");
}

class PickleJudge final : public PickleListener {
 public:
  PickleJudge(Inspection& inspection, const PickleContext& context, bool skips_arrays)
      : inspection_(inspection), context_(context), skips_arrays_(skips_arrays) {}

  void imported(PickleMachine& machine, std::uint32_t global, std::uint64_t offset) override {
    while (seen_.size() <= global) {
      const auto& name = machine.global(static_cast<std::uint32_t>(seen_.size()));
      seen_.push_back({.judgement = judge_in_context(name), .name = name.full(), .offset = offset});
    }
  }

  std::uint32_t called(PickleMachine& machine, const PickleCall& call) override {
    if (call.callee.kind() == Kind::object) return called_object(machine, call), 0;
    if (call.callee.kind() != Kind::global) {
      find("pickle.computed-call", call.callee.kind() == Kind::persistent ? Severity::high : Severity::critical,
           call.offset, "would call something that the stream itself computes: " + rendered(machine, call));
      return 0;
    }
    auto& seen = seen_[call.callee.payload()];
    for (const auto argument : call.arguments) passed_on(argument, call.offset);
    switch (seen.judgement.risk) {
      case Risk::harmless:
        break;
      case Risk::class_only:
        check_constructor(machine, call, seen);
        break;
      case Risk::by_arguments:
        check_arguments(machine, call, seen);
        break;
      case Risk::unknown:
        seen.asked = true;
        break;
      case Risk::code:
        report_call(machine, call, seen, "pickle.code-object", Severity::high);
        break;
      case Risk::access:
        report_call(machine, call, seen, "pickle.dangerous-call",
                    call.form == CallForm::new_object ? Severity::high : Severity::critical);
        break;
      case Risk::execution:
        report_call(machine, call, seen, "pickle.dangerous-call", Severity::critical);
        break;
    }
    return detail_of(machine, call, seen);
  }

  void built(PickleMachine& machine, PickleValue target, PickleValue state, std::uint64_t offset) override {
    if (target.kind() == Kind::global) return attribute_write(machine, target, offset);
    if (target.kind() != Kind::object || target.callee() == PickleValue::no_global) return;
    const auto& maker = seen_[target.callee()];
    if (maker.judgement.check == Check::attribute)
      return find("pickle.attribute-write", Severity::critical, offset,
                  "would change what getattr() found, which is no object of the stream's own");
    if (maker.name == "numpy.dtype") return dtype_built(machine, target, state);
    if (maker.name == "joblib.numpy_pickle.NumpyArrayWrapper" && skips_arrays_) array_built(machine, state, offset);
  }

  void changed(PickleMachine& machine, PickleValue target, std::uint64_t offset) override {
    if (target.kind() == Kind::global)
      attribute_write(machine, target, offset);
    else if (target.kind() == Kind::object && target.callee() != PickleValue::no_global &&
             seen_[target.callee()].judgement.check == Check::attribute)
      find("pickle.attribute-write", Severity::critical, offset,
           "would change what getattr() found, which is no object of the stream's own");
  }

  PickleValue persistent(PickleMachine& machine, PickleValue id, std::uint64_t offset) override {
    if (context_.storages_outside) {
      // PyTorch's older form names the classes of whole modules thus: ('module', class, file, source).
      const auto parts = machine.tuple_items(id);
      if (parts.size() >= 2 && parts[1].kind() == Kind::global && machine.text_of(parts[0], 16) == "module")
        return parts[1];
    } else if (!std::exchange(persistent_seen_, true)) {
      find("pickle.persistent-id", Severity::info, offset,
           "refers to objects outside the stream, which only a loader of its own can supply");
    }
    return {Kind::persistent};
  }

  void embedded(PickleMachine& machine, PickleValue constant, std::uint64_t offset) override {
    if (probing_ || embedded_ >= embedded_limit) return;
    const auto text = machine.text_of(constant, embedded_size_limit);
    if (!text || !inspection_.budget().spend_bytes_out(text->size())) return;
    ++embedded_;
    if (const auto program = program_in(*text))
      return find("pickle.program-text", program->severity, offset,
                  "a constant is the text of a program that " + program->does);
    std::optional<Bytes> decoded;
    if (text->starts_with("gA"))
      decoded = from_base64(*text);
    else if (text->starts_with("80"))
      decoded = from_hex(*text);
    else
      decoded = to_bytes(*text);
    if (!decoded) return;
    MemoryReader inner(*decoded);
    const auto hidden = hidden_in(inner, inspection_.budget());
    if (hidden == Hidden::harm)
      find("pickle.hidden-pickle", Severity::critical, offset,
           "a constant is itself a pickle that does harm: whoever loads it in turn runs it");
    else if (hidden == Hidden::pickle && nested_.size() < embedded_limit)
      nested_.push_back(offset);
  }

  void extension(PickleMachine&, std::uint32_t code, std::uint64_t offset) override {
    find("pickle.extension-code", Severity::critical, offset,
         "would import whatever is registered under extension code " + std::to_string(code));
  }

  void anomaly(PickleMachine&, PickleAnomaly kind, std::uint64_t offset) override {
    switch (kind) {
      case PickleAnomaly::frame_straddled:
        return find("pickle.frame-mismatch", Severity::critical, offset,
                    "an opcode crosses the end of its frame, so that loaders and scanners read different streams");
      case PickleAnomaly::frame_nested:
        return find(
            "pickle.frame-mismatch", Severity::critical, offset,
            "a frame begins before the last one has ended, so that loaders and scanners read different streams");
      case PickleAnomaly::frame_past_end:
        if (!probing_) inspection_.malformed("pickle.malformed", offset, "a frame announces more bytes than there are");
        return;
      case PickleAnomaly::computed_name:
        return find("pickle.computed-name", Severity::critical, offset,
                    "would import a name that the stream itself computes");
      case PickleAnomaly::huge_memo_index:
        return find("pickle.memory-bomb", Severity::medium, offset,
                    "a memo entry so far out that the unpickler would reserve gigabytes for it");
      case PickleAnomaly::long_name:
        return find("pickle.unknown-import", Severity::high, offset,
                    "would import a name that is longer than any real one");
    }
  }

  // After the run: what was imported and never called.
  void finish() {
    if (!nested_.empty())
      find("pickle.nested-pickle", Severity::low, nested_.front(),
           "a constant is a whole pickle of its own, and nothing here loads it");
    for (const auto& seen : seen_) {
      if (seen.calls != 0) continue;
      const std::string would =
          seen.judgement.effect.empty() ? std::string{} : ", which would " + std::string(seen.judgement.effect);
      switch (seen.judgement.risk) {
        case Risk::execution:
          find(seen.judgement.indirect ? "pickle.indirect-name" : "pickle.dangerous-import", Severity::critical,
               seen.offset, "imports " + printable(seen.name) + would);
          break;
        case Risk::access:
          find("pickle.dangerous-import", Severity::high, seen.offset, "imports " + printable(seen.name) + would);
          break;
        case Risk::code:
          find("pickle.code-object", Severity::high, seen.offset, "imports " + printable(seen.name) + would);
          break;
        case Risk::unknown:
          if (seen.judgement.in_known_library && !seen.asked) break;
          find("pickle.unknown-import", Severity::medium, seen.offset,
               "imports " + printable(seen.name) + ", of which nothing is known");
          break;
        case Risk::harmless:
        case Risk::class_only:
        case Risk::by_arguments:
          break;
      }
    }
  }

  void probe_only() { probing_ = true; }
  bool saw_arrays() const { return arrays_ != 0; }
  bool saw_harm() const {
    return std::any_of(seen_.begin(), seen_.end(),
                       [](const Seen& s) { return s.judgement.risk == Risk::execution && !s.judgement.indirect; });
  }
  bool saw_anything_known() const {
    return std::any_of(seen_.begin(), seen_.end(), [](const Seen& s) { return s.judgement.risk != Risk::unknown; });
  }

 private:
  struct Seen {
    Judgement judgement;
    std::string name;
    std::uint64_t offset = 0;
    std::uint32_t calls = 0;  // that were reported
    bool asked = false;       // called, and nobody knows what it does
  };
  // What later opcodes must know about the result of a call.
  struct Detail {
    std::optional<Dtype> dtype;
    PickleValue encoded;  // the text that _codecs.encode turns into bytes
  };

  void find(std::string_view rule, Severity severity, std::uint64_t offset, std::string message,
            std::string excerpt = {}) {
    if (!probing_) inspection_.find(rule, severity, offset, std::move(message), std::move(excerpt));
  }

  Judgement judge_in_context(const PickleGlobal& name) const {
    if (context_.torchscript_types && (name.module == "__torch__" || name.module.starts_with("__torch__.")) &&
        !is_internal_name(name.name))
      return {.risk = Risk::harmless};
    return judge(name);
  }

  std::string rendered(PickleMachine& machine, PickleValue value) const {
    switch (value.kind()) {
      case Kind::none:
        return "None";
      case Kind::boolean:
        return value.payload() ? "True" : "False";
      case Kind::integer:
        return std::to_string(value.integer());
      case Kind::number:
        return "<number>";
      case Kind::text:
      case Kind::bytes:
      case Kind::byte_array: {
        const auto text = machine.text_of(value, 1u << 16);
        return (value.kind() == Kind::text ? "" : "b") + (text ? masked(*text) : std::string("'...'"));
      }
      case Kind::tuple:
        return "(...)";
      case Kind::list:
        return "[...]";
      case Kind::dict:
        return "{...}";
      case Kind::set:
        return "{...}";
      case Kind::global:
        return printable(machine.global(static_cast<std::uint32_t>(value.payload())).full());
      case Kind::object:
        return value.callee() == PickleValue::no_global
                   ? "<object>"
                   : "<result of " + printable(machine.global(value.callee()).full()) + ">";
      case Kind::buffer:
      case Kind::persistent:
      case Kind::extension:
      case Kind::unknown:
        return "<object>";
    }
    return "<object>";
  }

  std::string rendered(PickleMachine& machine, const PickleCall& call) const {
    std::string text = rendered(machine, call.callee) + "(";
    for (std::size_t i = 0; i < std::min<std::size_t>(call.arguments.size(), 4); ++i)
      text += (i ? ", " : "") + rendered(machine, call.arguments[i]);
    return text + (call.arguments.size() > 4 || !call.complete ? ", ...)" : ")");
  }

  void report_call(PickleMachine& machine, const PickleCall& call, Seen& seen, std::string_view rule,
                   Severity severity) {
    if (++seen.calls > calls_reported) return;
    std::string excerpt = rendered(machine, call);
    find(seen.judgement.indirect ? "pickle.indirect-name" : rule, severity, call.offset,
         "would " + std::string(seen.judgement.effect) + " when loaded: " + excerpt, excerpt);
  }

  void attribute_write(PickleMachine& machine, PickleValue target, std::uint64_t offset) {
    find("pickle.attribute-write", Severity::critical, offset,
         "would change " + rendered(machine, target) + " itself, for everybody who uses it");
  }

  // An object is called: what getattr() or a maker of functions gave, or an instance with __call__.
  void called_object(PickleMachine& machine, const PickleCall& call) {
    const auto callee = call.callee.callee();
    const bool named = callee != PickleValue::no_global;
    const bool fetched = named && seen_[callee].judgement.check == Check::attribute;
    if (fetched && call.form == CallForm::new_object) return;  // a class within a class, as protocols below 4 write it
    const bool code = !named || makes_functions(seen_[callee]);
    if (++object_calls_ > calls_reported) return;
    find("pickle.computed-call", code ? Severity::critical : Severity::high, call.offset,
         "would call an object that the stream itself makes: " + rendered(machine, call), rendered(machine, call));
  }

  // Instances of a class that dill or cloudpickle made are called now and then; functions that they made are not.
  static bool makes_functions(const Seen& maker) {
    return maker.judgement.risk == Risk::execution ||
           (maker.judgement.risk == Risk::code &&
            (maker.name.find("unction") != std::string::npos || maker.name.find("skel_func") != std::string::npos ||
             maker.name.find("CodeType") != std::string::npos));
  }

  // A function whose effect depends on its arguments, given to another one that may call it with any.
  void passed_on(PickleValue argument, std::uint64_t offset) {
    if (argument.kind() != Kind::global) return;
    auto& seen = seen_[argument.payload()];
    if (seen.judgement.check != Check::attribute && seen.judgement.check != Check::nested_pickle) return;
    find("pickle.computed-call", Severity::high, offset,
         "hands " + printable(seen.name) + " to another function, which may call it with anything");
  }

  // The constructor of a library's class: plain data is fine, a function or class that is no data is for a person.
  void check_constructor(PickleMachine& machine, const PickleCall& call, Seen& seen) {
    if (call.form == CallForm::new_object) return;
    for (const auto argument : call.arguments) {
      const bool code = argument.kind() == Kind::extension || argument.kind() == Kind::unknown ||
                        (argument.kind() == Kind::object && argument.callee() == PickleValue::no_global);
      if (!code) continue;
      if (++seen.calls <= calls_reported)
        find("pickle.unusual-call", Severity::medium, call.offset,
             "calls a class with arguments that cannot be followed: " + rendered(machine, call));
      return;
    }
  }

  void check_arguments(PickleMachine& machine, const PickleCall& call, Seen& seen) {
    const auto& arguments = call.arguments;
    const auto unusual = [&](Severity severity, std::string what) {
      if (++seen.calls <= calls_reported)
        find("pickle.unusual-call", severity, call.offset, std::move(what) + ": " + rendered(machine, call),
             rendered(machine, call));
    };
    if (!call.complete && arguments.empty()) return unusual(Severity::high, "the arguments cannot be followed");
    switch (seen.judgement.check) {
      case Check::none:
        return;
      case Check::calls_first: {
        const bool harmless = !arguments.empty() && arguments[0].kind() == Kind::global &&
                              seen_[arguments[0].payload()].judgement.risk == Risk::harmless;
        if (!harmless) unusual(Severity::high, "hands on the call to something that is not known to be harmless");
        return;
      }
      case Check::encoding: {
        if (arguments.size() < 2) return;
        auto codec = machine.text_of(arguments[1], 32);
        if (codec) {
          std::erase_if(*codec, [](char c) { return c == '-' || c == '_'; });
          std::transform(codec->begin(), codec->end(), codec->begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        }
        if (!codec || (*codec != "latin1" && *codec != "utf8" && *codec != "ascii" && *codec != "iso88591"))
          unusual(Severity::medium, "decodes text with a codec that is not one for text");
        return;
      }
      case Check::partial:
        if (arguments.empty() || arguments[0].kind() != Kind::global)
          unusual(Severity::high, "wraps a function that the stream itself makes");
        return;
      case Check::getter:
        for (const auto argument : arguments) {
          const auto text = argument.kind() == Kind::text ? machine.text_of(argument) : std::nullopt;
          if (text && is_internal_name(*text))
            return unusual(Severity::critical, "would reach into Python's internals");
          if (argument.kind() == Kind::text ? !text : argument.kind() > Kind::tuple)
            return unusual(Severity::medium, "fetches something that cannot be followed");
        }
        return;
      case Check::attribute:
        return check_attribute(machine, call, seen);
      case Check::nested_pickle:
        return nested_pickle(machine, call, seen);
      case Check::dill_type: {
        static constexpr std::string_view plain[] = {"int",       "float",     "bool",         "str",
                                                     "bytes",     "list",      "dict",         "tuple",
                                                     "set",       "frozenset", "object",       "type",
                                                     "NoneType",  "slice",     "range",        "complex",
                                                     "bytearray", "ndarray",   "EllipsisType", "NotImplementedType"};
        const auto name = arguments.empty() ? std::nullopt : machine.text_of(arguments[0], 64);
        if (!name || std::find(std::begin(plain), std::end(plain), *name) == std::end(plain))
          report_call(machine, call, seen, "pickle.code-object", Severity::high);
        return;
      }
      case Check::type_of:
        if (arguments.size() != 1) unusual(Severity::high, "makes a class");
        return;
    }
  }

  void check_attribute(PickleMachine& machine, const PickleCall& call, Seen& seen) {
    const auto& arguments = call.arguments;
    const auto name = arguments.size() >= 2 ? machine.text_of(arguments[1]) : std::nullopt;
    const auto report = [&](Severity severity, std::string what) {
      if (++seen.calls <= calls_reported)
        find(severity == Severity::critical ? "pickle.dangerous-call" : "pickle.unusual-call", severity, call.offset,
             std::move(what) + ": " + rendered(machine, call), rendered(machine, call));
    };
    if (!name) return report(Severity::critical, "would fetch an attribute whose name the stream computes");
    if (is_internal_name(*name)) return report(Severity::critical, "would reach into Python's internals");
    const auto target = arguments[0];
    if (target.kind() == Kind::global) {
      const auto& owner = machine.global(static_cast<std::uint32_t>(target.payload()));
      const auto whole = judge(owner.full(), *name);
      const auto dotted = judge(owner.module, owner.name + "." + *name);
      if (whole.risk == Risk::execution ||
          (dotted.risk == Risk::execution && seen_[target.payload()].judgement.risk != Risk::class_only))
        return report(Severity::critical, "would reach a function that can do harm");
      if (seen_[target.payload()].judgement.risk == Risk::harmless ||
          seen_[target.payload()].judgement.risk == Risk::class_only)
        return;
    }
    report(Severity::high, "fetches an attribute of something that is not plain data");
  }

  // Bytes that reach a loader: a whole file within the stream.
  void nested_pickle(PickleMachine& machine, const PickleCall& call, Seen& seen) {
    const auto argument = call.arguments.empty() ? PickleValue{} : call.arguments[0];
    Inspection inside = inspection_.child("bytes@" + std::to_string(argument.payload()));
    if (probing_) return;
    std::erase(nested_, argument.payload());
    if (argument.kind() == Kind::bytes || argument.kind() == Kind::byte_array) {
      if (const auto span = machine.content_of(argument)) {
        RangeReader part(machine.data(), span->offset, span->length);
        inspect_any(part, inside);
        return;
      }
    }
    if (argument.kind() == Kind::object && argument.detail() != 0 &&
        details_[argument.detail() - 1].encoded.kind() == Kind::text) {
      const auto text = machine.text_of(details_[argument.detail() - 1].encoded, nested_text_limit);
      std::string bytes;
      if (text && latin1_bytes(*text, bytes) && inspection_.budget().spend_bytes_out(bytes.size())) {
        MemoryReader part(as_bytes(bytes));
        inspect_any(part, inside);
        return;
      }
    }
    ++seen.calls;
    if (call.complete && call.arguments.empty())
      return find("pickle.unusual-call", Severity::medium, call.offset,
                  "calls a loader of bytes without giving it any: " + rendered(machine, call));
    inspection_.inconclusive("scan.not-scanned", "loads bytes that cannot be followed: " + rendered(machine, call));
  }

  std::uint32_t detail_of(PickleMachine& machine, const PickleCall& call, const Seen& seen) {
    Detail detail;
    if (seen.name == "numpy.dtype") {
      const auto text = call.arguments.empty() ? std::nullopt : machine.text_of(call.arguments[0], 64);
      if (text) detail.dtype = parse_dtype(*text);
    } else if (seen.judgement.check == Check::encoding && !call.arguments.empty()) {
      detail.encoded = call.arguments[0];
    } else {
      return 0;
    }
    if (details_.size() >= 1'000'000) return 0;
    details_.push_back(detail);
    return static_cast<std::uint32_t>(details_.size());
  }

  // The state of a dtype with fields: (version, byte order, subdtype, names, fields, …).
  void dtype_built(PickleMachine& machine, PickleValue target, PickleValue state) {
    if (target.detail() == 0) return;
    auto& dtype = details_[target.detail() - 1].dtype;
    bool complete = false;
    const auto items = machine.tuple_items(state, &complete);
    if (items.size() < 5 || !dtype) return;
    const auto has_object = [&](PickleValue value) {
      return value.kind() != Kind::object || value.detail() == 0 || !details_[value.detail() - 1].dtype ||
             details_[value.detail() - 1].dtype->has_object;
    };
    if (items[2].kind() == Kind::tuple) {
      const auto sub = machine.tuple_items(items[2]);
      if (sub.empty() || has_object(sub[0])) dtype->has_object = true;
    }
    if (items[4].kind() != Kind::dict) return;
    const auto fields = machine.dict_items(items[4], &complete);
    if (!complete) dtype.reset();
    for (std::size_t i = 1; i < fields.size() && dtype; i += 2) {
      const auto field = machine.tuple_items(fields[i]);
      if (field.empty() || has_object(field[0])) dtype->has_object = true;
    }
  }

  // joblib reads the array from the file right here, before the unpickler reads its next opcode.
  void array_built(PickleMachine& machine, PickleValue state, std::uint64_t offset) {
    ++arrays_;
    bool complete = false, aligned = false;
    std::optional<std::uint64_t> count;
    std::optional<Dtype> dtype;
    const auto items = machine.dict_items(state, &complete);
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      const auto key = machine.text_of(items[i], 64);
      const auto value = items[i + 1];
      if (key == "numpy_array_alignment_bytes") aligned = value.kind() != Kind::none;
      if (key == "dtype" && value.kind() == Kind::object && value.detail() != 0)
        dtype = details_[value.detail() - 1].dtype;
      if (key == "shape") count = product(machine, value);
    }
    if (!complete || !count || !dtype) return lost(machine, offset, "the shape or type of an array cannot be followed");
    if (dtype->has_object) return nested_array(machine);
    std::uint64_t size = 0;
    if (__builtin_mul_overflow(*count, dtype->item_size, &size))
      return lost(machine, offset, "an array is larger than any memory");
    if (aligned) {
      std::uint8_t padding = 0;
      const auto got = machine.data().read_at(machine.position(), {&padding, 1});
      if (!got || *got != 1 || !machine.skip_foreign(1u + padding)) return lost(machine, offset, "an array is cut off");
    }
    if (!machine.skip_foreign(size)) return lost(machine, offset, "an array is cut off");
  }

  void lost(PickleMachine& machine, std::uint64_t offset, std::string why) {
    inspection_.malformed("pickle.malformed", offset, std::move(why));
    machine.refuse();
  }

  static std::optional<std::uint64_t> product(PickleMachine& machine, PickleValue shape) {
    bool complete = false;
    std::uint64_t count = 1;
    const auto sizes = machine.tuple_items(shape, &complete);
    if (shape.kind() != Kind::tuple || !complete) return std::nullopt;
    for (const auto size : sizes)
      if (size.kind() != Kind::integer || size.integer() < 0 ||
          __builtin_mul_overflow(count, static_cast<std::uint64_t>(size.integer()), &count))
        return std::nullopt;
    return count;
  }

  void nested_array(PickleMachine& machine) {
    Inspection inside = inspection_.child("array@" + std::to_string(machine.position()));
    if (inside.depth() > inspection_.budget().limits().depth) {
      inspection_.inconclusive("scan.budget-exhausted", "pickles are nested deeper than the scan follows");
      return machine.refuse();
    }
    const auto outcome = inspect_pickle(machine.data(), inside, {.start = machine.position()});
    if (outcome.end != PickleEnd::stopped || !machine.skip_foreign(outcome.next - machine.position())) machine.refuse();
  }

  Inspection& inspection_;
  PickleContext context_;
  bool skips_arrays_;
  bool probing_ = false;
  bool persistent_seen_ = false;
  std::uint32_t object_calls_ = 0;
  std::uint32_t embedded_ = 0;
  std::uint64_t arrays_ = 0;
  std::vector<Seen> seen_;
  std::vector<Detail> details_;
  std::vector<std::uint64_t> nested_;  // constants that are whole pickles, less those that reach a loader
};

// torch.save's older form starts with a pickle of this number and nothing else.
bool is_torch_magic(PickleMachine& machine) {
  static constexpr std::uint8_t magic[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
  std::uint8_t bytes[sizeof magic];
  if (machine.result().kind() != Kind::number) return false;
  const auto got = machine.data().read_at(machine.result().payload(), bytes);
  return got && *got == sizeof magic && std::memcmp(bytes, magic, sizeof magic) == 0;
}

// What plain pickle.load() would make of a file that joblib wrote: it takes the arrays for opcodes. Harmless arrays end
// that within a few bytes; made ones do not.
void inspect_as_plain(Reader& data, Inspection& inspection, const PickleContext& context) {
  PickleJudge judge(inspection, context, false);
  judge.probe_only();
  PickleMachine machine(data, context.start, inspection.budget(), judge);
  machine.run();
  if (judge.saw_harm())
    inspection.find("pickle.dangerous-import", Severity::critical, machine.opcode_offset(),
                    "the bytes of an array are opcodes that do harm when the file is read without joblib");
}

}  // namespace

PickleOutcome inspect_pickle(Reader& data, Inspection& inspection, const PickleContext& context) {
  PickleJudge judge(inspection, context, true);
  PickleMachine machine(data, context.start, inspection.budget(), judge);
  PickleOutcome outcome{.end = machine.run(), .next = machine.position(), .torch_magic = false};
  judge.finish();
  if (outcome.end == PickleEnd::stopped)
    outcome.torch_magic = is_torch_magic(machine);
  else if (outcome.end == PickleEnd::out_of_budget)
    inspection.out_of_budget();
  else if (outcome.end == PickleEnd::read_error)
    inspection.inconclusive("scan.not-scanned", "the data cannot be read");
  else if (outcome.end != PickleEnd::refused)
    inspection.malformed("pickle.malformed", machine.opcode_offset(),
                         "the pickle breaks off: " + std::string(describe(outcome.end)));
  if (judge.saw_arrays()) inspect_as_plain(data, inspection, context);
  return outcome;
}

bool is_pickle(Reader& data, Budget& budget) {
  std::uint8_t first = 0;
  const auto got = data.read_at(0, {&first, 1});
  if (!got || *got == 0) return false;
  // What a pickle can begin with: an opcode that needs nothing below it.
  static constexpr std::string_view openers =
      "(NILFSVUTXKJMG]})cP.\x80\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96\x97\x82\x83\x84"
      "BC";
  if (openers.find(static_cast<char>(first)) == std::string_view::npos || first == '.') return false;
  ScanLimits limits = budget.limits();
  limits.opcodes = std::min<std::uint64_t>(limits.opcodes, 50'000'000);
  Gathering nothing{.budget = Budget(limits, {})};
  Inspection inspection(nothing, "");
  PickleJudge judge(inspection, {}, true);
  judge.probe_only();
  PickleMachine machine(data, 0, nothing.budget, judge);
  const auto end = machine.run();
  return end == PickleEnd::stopped || end == PickleEnd::out_of_budget || judge.saw_anything_known();
}

namespace {

Hidden hidden_in(Reader& data, Budget& budget) {
  ScanLimits limits = budget.limits();
  limits.opcodes = 1'000'000;
  limits.memory = 8u << 20;
  Gathering nothing{.budget = Budget(limits, {})};
  Inspection inspection(nothing, "");
  PickleJudge judge(inspection, {}, false);
  judge.probe_only();
  PickleMachine machine(data, 0, nothing.budget, judge);
  const auto end = machine.run();
  if (judge.saw_harm()) return Hidden::harm;
  return end == PickleEnd::stopped && machine.position() == data.size() ? Hidden::pickle : Hidden::nothing;
}

}  // namespace

std::string inspect_pickle_file(Reader& data, Inspection& inspection) {
  PickleContext context;
  std::string format = "pickle";
  std::uint64_t torch_pickles_left = 0;
  for (std::uint64_t number = 0;; ++number) {
    const auto outcome = inspect_pickle(data, inspection, context);
    if (number == 0 && outcome.torch_magic) {
      format = "torch-legacy";
      context.storages_outside = true;
      torch_pickles_left = 5;
    }
    if (outcome.end != PickleEnd::stopped) return format;
    context.start = outcome.next;
    if (torch_pickles_left != 0 && --torch_pickles_left == 0) return format;  // raw storages follow
    if (context.start == data.size()) {
      if (torch_pickles_left != 0)
        inspection.malformed("pickle.malformed", context.start,
                             "PyTorch's older form has five pickles; here one is missing");
      return format;
    }
    if (torch_pickles_left != 0) continue;
    RangeReader rest(data, context.start, data.size() - context.start);
    if (number < harmless_pickles_in_a_file && is_pickle(rest, inspection.budget())) continue;
    inspection.find("pickle.trailing-bytes", Severity::low, context.start,
                    std::to_string(rest.size()) + " bytes follow the pickle, which its loader does not read");
    Inspection behind = inspection.child("after@" + std::to_string(context.start));
    inspect_trailing(rest, behind);
    return format;
  }
}

}  // namespace hauberk::scan
