#include "scan/pickle_judge.h"

#include <algorithm>
#include <utility>

#include "scan/program_text.h"

namespace hauberk::scan {
namespace {

using Kind = PickleValue::Kind;

constexpr std::uint32_t calls_reported = 3;     // of one callable
constexpr std::uint32_t embedded_limit = 1000;  // constants that are tried as pickles
constexpr std::size_t embedded_size_limit = 1u << 20;
constexpr std::size_t name_limit = 256;  // no real name is longer
constexpr std::size_t places_kept = 10'000;
constexpr std::size_t globals_limit = 20'000;  // real pickles name some hundred

// A few characters say which command it was without repeating a payload.
std::string masked(std::string_view text) {
  return "'" + printable(text.substr(0, 4), 4) + (text.size() > 4 ? "...'" : "'");
}

bool evaluates(Check check) {
  return check == Check::reduces || check == Check::set_attribute || check == Check::subimport ||
         check == Check::dill_repr || check == Check::dill_method;
}

// What random bytes come upon now and then when they are read as opcodes.
bool may_be_chance(std::string_view rule) {
  for (const std::string_view one : {"pickle.memory-bomb", "pickle.frame-mismatch", "pickle.extension-code",
                                     "pickle.computed-name", "pickle.computed-call", "pickle.nested-pickle"})
    if (rule == one) return true;
  return false;
}

}  // namespace

PickleJudge::PickleJudge(Inspection& inspection, const PickleContext& context, PickleMode mode)
    : inspection_(inspection),
      context_(context),
      mode_(mode),
      skips_arrays_(!context.plain_unpickler && !context.storages_outside && !context.torchscript_types) {}

bool PickleJudge::is_plain_name(std::string_view dotted) {
  return dotted.size() <= name_limit && dotted.find('.') != std::string_view::npos &&
         std::all_of(dotted.begin(), dotted.end(), [](char c) {
           return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
}

PickleJudge::Maker PickleJudge::maker_of(const PickleGlobal& name) {
  if (name.module == "numpy" && name.name == "dtype") return Maker::dtype;
  if (name.module == "numpy._core._internal" && name.name == "_convert_to_stringdtype_kwargs") return Maker::text_dtype;
  if (name.module.ends_with("joblib.numpy_pickle") || name.module.ends_with("joblib.numpy_pickle_compat")) {
    if (name.name == "NumpyArrayWrapper") return Maker::array_wrapper;
    if (name.name == "NDArrayWrapper" || name.name == "ZNDArrayWrapper") return Maker::file_wrapper;
  }
  if ((name.module == "functools" || name.module == "_functools") && name.name == "partial") return Maker::partial;
  if (name.module.starts_with("scipy.stats") || name.module.starts_with("statsmodels.distributions"))
    return Maker::distribution;
  if (name.module == "statsmodels.base.data") return Maker::model_data;
  if ((name.module == "_io" || name.module == "io") && name.name == "BytesIO") return Maker::byte_stream;
  if (name.name == "CloudpickleWrapper") return Maker::inner_pickle;
  return Maker::other;
}

void PickleJudge::imported(PickleMachine& machine, std::uint32_t global, std::uint64_t offset) {
  while (seen_.size() <= global) {
    if (seen_.size() == globals_limit) {
      inspection_.budget().exhaust("imports of one pickle");
      machine.refuse();
    }
    PickleGlobal name = machine.global(static_cast<std::uint32_t>(seen_.size()));
    if (name.name.size() > name_limit || name.module.size() > name_limit) {
      anomaly(machine, PickleAnomaly::long_name, offset);
      name.name.resize(std::min(name.name.size(), name_limit));
      name.module.resize(std::min(name.module.size(), name_limit));
    }
    seen_.push_back(
        {.judgement = judge_in_context(name), .name = name.full(), .offset = offset, .maker = maker_of(name)});
  }
}

Judgement PickleJudge::judge_in_context(const PickleGlobal& name) const {
  if (context_.torchscript_types && (name.module == "__torch__" || name.module.starts_with("__torch__.")) &&
      !is_internal_name(name.name))
    return {.risk = Risk::harmless};
  return judge(name);
}

PickleJudge::Seen* PickleJudge::seen_of(PickleValue value) {
  if (value.kind() == Kind::global) return &seen_[value.payload()];
  return value.kind() == Kind::object && value.callee() != PickleValue::no_global ? &seen_[value.callee()] : nullptr;
}

PickleJudge::Detail* PickleJudge::detail_of(PickleValue object) {
  return object.kind() == Kind::object && object.detail() != 0 ? &details_[object.detail() - 1] : nullptr;
}

void PickleJudge::find(std::string_view rule, Severity severity, std::uint64_t offset, std::string message,
                       std::string excerpt) {
  if (mode_ == PickleMode::probe || (mode_ == PickleMode::dry && may_be_chance(rule))) return;
  if (found_at_.size() < places_kept) found_at_.insert(offset);
  inspection_.find(rule, severity, offset, std::move(message), std::move(excerpt));
}

// What getattr(), type() and caches hand out is no object of the stream's own.
bool PickleJudge::is_shared(PickleValue object) {
  const auto* maker = seen_of(object);
  if (!maker) return false;
  const auto check = maker->judgement.check;
  return check == Check::attribute || check == Check::type_of || check == Check::dill_type || check == Check::shared ||
         check == Check::subimport || check == Check::types_name;
}

void PickleJudge::built(PickleMachine& machine, PickleValue target, PickleValue state, std::uint64_t offset) {
  if (target.kind() == Kind::global || is_shared(target)) return attribute_write(machine, target, offset);
  if (target.kind() != Kind::object) return;
  auto* maker = seen_of(target);
  switch (maker ? maker->maker : Maker::other) {
    case Maker::dtype:
      return dtype_built(machine, target, state);
    case Maker::partial:
      return partial_built(machine, target, state, *maker, offset);
    case Maker::inner_pickle:
      return nested_pickle(machine, state, offset, *maker);
    case Maker::byte_stream:
      return byte_stream_built(machine, target, state, offset);
    case Maker::model_data:
      model_data_built(machine, state, offset);
      return check_keys(machine, state, offset);
    case Maker::array_wrapper:
      if (skips_arrays_) return array_built(machine, target, state, offset);
      return;
    case Maker::file_wrapper:
      if (skips_arrays_) return file_built(machine, state, offset);
      return;
    case Maker::text_dtype:
      return;
    case Maker::distribution:
      distribution_built(machine, state, offset);
      return check_keys(machine, state, offset);
    case Maker::other:
      return check_keys(machine, state, offset);
  }
}

void PickleJudge::changed(PickleMachine& machine, PickleValue target, std::uint64_t offset) {
  if (target.kind() == Kind::global || is_shared(target)) attribute_write(machine, target, offset);
}

void PickleJudge::attribute_write(PickleMachine& machine, PickleValue target, std::uint64_t offset) {
  find("pickle.attribute-write", Severity::critical, offset,
       "would change " + rendered(machine, target) + " itself, for everybody who uses it");
}

PickleValue PickleJudge::persistent(PickleMachine& machine, PickleValue id, std::uint64_t offset) {
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

void PickleJudge::embedded(PickleMachine& machine, PickleValue constant, std::uint64_t offset) {
  if (mode_ != PickleMode::report || embedded_ >= embedded_limit) return;
  const auto text = machine.text_of(constant, embedded_size_limit);
  if (!text || !inspection_.budget().spend_bytes_out(text->size())) return;
  ++embedded_;
  if (const auto program = program_in(*text))
    return find("pickle.program-text", context_.holds_source ? Severity::info : program->severity, offset,
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
  const auto hidden = dry_run_pickle(inner, inspection_);
  if (hidden.worst > Severity::low)
    find("pickle.hidden-pickle", hidden.worst, offset,
         hidden.worst == Severity::critical
             ? "a constant is itself a pickle that does harm: whoever loads it in turn runs it"
             : "a constant is itself a pickle that needs a look: whoever loads it in turn runs it");
  else if (hidden.whole && nested_.size() < embedded_limit)
    nested_.push_back(offset);
}

void PickleJudge::extension(PickleMachine&, std::uint32_t code, std::uint64_t offset) {
  find("pickle.extension-code", Severity::critical, offset,
       "would import whatever is registered under extension code " + std::to_string(code));
}

void PickleJudge::anomaly(PickleMachine&, PickleAnomaly kind, std::uint64_t offset) {
  switch (kind) {
    case PickleAnomaly::frame_straddled:
      return find("pickle.frame-mismatch", Severity::critical, offset,
                  "an opcode crosses the end of its frame, so that loaders and scanners read different streams");
    case PickleAnomaly::frame_nested:
      return find("pickle.frame-mismatch", Severity::critical, offset,
                  "a frame begins before the last one has ended, so that loaders and scanners read different streams");
    case PickleAnomaly::frame_past_end:
      if (mode_ == PickleMode::report)
        inspection_.malformed("pickle.malformed", offset, "a frame announces more bytes than there are");
      return;
    case PickleAnomaly::computed_name:
      return find("pickle.computed-name", Severity::critical, offset,
                  "would import a name that the stream itself computes");
    case PickleAnomaly::huge_memo_index:
      return find("pickle.memory-bomb", Severity::medium, offset,
                  "a memo entry so far out that the unpickler would reserve gigabytes for it");
    case PickleAnomaly::long_name:
      if (mode_ != PickleMode::report) return;
      return find("pickle.unknown-import", Severity::high, offset,
                  "would import a name that is longer than any real one");
  }
}

void PickleJudge::finish() {
  if (!nested_.empty())
    find("pickle.nested-pickle", Severity::low, nested_.front(),
         "a constant is a whole pickle of its own, and nothing here loads it");
  for (const auto& seen : seen_) {
    if (seen.calls != 0) continue;
    const std::string would =
        seen.judgement.effect.empty() ? std::string{} : ", which would " + std::string(seen.judgement.effect);
    const std::string_view rule = seen.judgement.indirect ? "pickle.indirect-name" : "pickle.dangerous-import";
    switch (seen.judgement.risk) {
      case Risk::execution:
        find(rule, Severity::critical, seen.offset, "imports " + printable(seen.name) + would);
        break;
      case Risk::access:
        find(rule, Severity::high, seen.offset, "imports " + printable(seen.name) + would);
        break;
      case Risk::code:
        find(seen.judgement.indirect ? rule : "pickle.code-object", Severity::high, seen.offset,
             "imports " + printable(seen.name) + would);
        break;
      case Risk::unknown:
        if (seen.judgement.in_known_library && !seen.asked && seen.offset >= last_opaque_) break;
        if (mode_ == PickleMode::dry && !is_plain_name(seen.name)) break;
        find("pickle.unknown-import", Severity::medium, seen.offset,
             "imports " + printable(seen.name) + ", of which nothing is known");
        break;
      case Risk::harmless:
      case Risk::class_only:
        break;
      case Risk::by_arguments:
        // Kept to be called later, with whatever comes then.
        if (!seen.called && evaluates(seen.judgement.check))
          find("pickle.dangerous-import", Severity::critical, seen.offset, "imports " + printable(seen.name) + would);
        break;
    }
  }
}

bool PickleJudge::saw_anything_known() const {
  return std::any_of(seen_.begin(), seen_.end(), [](const Seen& s) { return s.judgement.risk != Risk::unknown; });
}

std::string PickleJudge::rendered(PickleMachine& machine, PickleValue value) const {
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

std::string PickleJudge::rendered(PickleMachine& machine, const PickleCall& call) const {
  std::string text = rendered(machine, call.callee) + "(";
  for (std::size_t i = 0; i < std::min<std::size_t>(call.arguments.size(), 4); ++i)
    text += (i ? ", " : "") + rendered(machine, call.arguments[i]);
  return text + (call.arguments.size() > 4 || !call.complete ? ", ...)" : ")");
}

void PickleJudge::report_call(PickleMachine& machine, const PickleCall& call, Seen& seen, std::string_view rule,
                              Severity severity) {
  if (!is_news(seen, severity)) return;
  std::string excerpt = rendered(machine, call);
  find(seen.judgement.indirect ? "pickle.indirect-name" : rule, severity, call.offset,
       "would " + std::string(seen.judgement.effect) + " when loaded: " + excerpt, excerpt);
}

void PickleJudge::unusual(PickleMachine& machine, const PickleCall& call, Seen& seen, Severity severity,
                          std::string what) {
  if (!is_news(seen, severity)) return;
  std::string excerpt = rendered(machine, call);
  find("pickle.unusual-call", severity, call.offset, std::move(what) + ": " + excerpt, excerpt);
}

// The first calls of a callable are reported, and each that is worse than those before.
bool PickleJudge::is_news(Seen& seen, Severity severity) {
  const bool worse = severity > seen.worst;
  if (worse) seen.worst = severity;
  return ++seen.calls <= calls_reported || worse;
}

}  // namespace hauberk::scan
