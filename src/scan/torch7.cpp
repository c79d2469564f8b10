#include "scan/torch7.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "scan/lua_chunk.h"
#include "scan/program_text.h"
#include "scan/text_model.h"
#include "scan/torch7_input.h"

namespace hauberk::scan {
namespace {

constexpr std::size_t torch7_depth = 1'000'000;          // graphs of modules refer to each other in long chains
constexpr std::uint64_t torch7_chunk_limit = 16u << 20;  // one function
constexpr std::size_t probed_values = 4096, probed_numbers = 1u << 20;
constexpr std::uint64_t torch7_name_limit = 512;

enum Torch7Tag {
  tag_nil = 0,
  tag_number = 1,
  tag_string = 2,
  tag_table = 3,
  tag_object = 4,
  tag_boolean = 5,
  tag_old_function = 6,
  tag_legacy_function = 7,
  tag_function = 8
};

constexpr Torch7Element torch7_elements[] = {
    {"Byte", 1, true},    {"Char", 1, true},     {"Short", 2, true},       {"Int", 4, true},
    {"Long", 0, true},    {"Float", 4, false},   {"Double", 8, false},     {"Half", 2, false},
    {"Cuda", 4, false},   {"CudaByte", 1, true}, {"CudaChar", 1, true},    {"CudaShort", 2, true},
    {"CudaInt", 4, true}, {"CudaLong", 0, true}, {"CudaDouble", 8, false}, {"CudaHalf", 2, false},
    {"Cl", 4, false},
};

// Packages whose classes write themselves as one table of their fields.
bool is_known_class(std::string_view name) {
  for (const std::string_view package : {"nn.", "cudnn.", "nngraph.", "graph.", "optim.", "inn.", "tnt."})
    if (name.starts_with(package)) return true;
  return false;
}

bool is_class_name(std::string_view name) {
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
}

// The element of torch.XTensor or torch.XStorage.
const Torch7Element* element_of(std::string_view name, std::string_view ending) {
  if (!name.starts_with("torch.") || !name.ends_with(ending)) return nullptr;
  name = name.substr(6, name.size() - 6 - std::min(name.size() - 6, ending.size()));
  for (const auto& element : torch7_elements)
    if (element.name == name) return &element;
  return nullptr;
}

class Torch7Walk {
 public:
  // Probing says nothing and ends as soon as it knows enough.
  Torch7Walk(Reader& data, bool ascii, Inspection& inspection, bool probing)
      : in_(data, ascii, inspection.budget()), inspection_(inspection), probing_(probing) {}

  bool probe() {
    walk();
    return evidence_ || (in_.good() && !stopped_ && (values_ > probed_values || complete()));
  }

  void run() {
    walk();
    if (functions_ > told_functions)
      inspection_.note(inspection_.path() + ": " + std::to_string(functions_) +
                       " functions, of which not all are listed");
    if (in_.short_longs())
      inspection_.find("torch7.short-longs", Severity::low, 0,
                       "written where a long has four bytes: where it has eight, a loader sees another object");
    if (inspection_.out_of_budget() || stopped_) return;
    if (!in_.good() && old_object_)
      return inspection_.inconclusive("scan.unsupported",
                                      "an object of a time before Torch7 numbered its classes' forms");
    if (!in_.good())
      return inspection_.malformed("torch7.malformed", in_.position(), "the object is damaged or cut off");
    if (!complete())
      inspection_.find("scan.trailing-bytes", Severity::low, in_.position(),
                       std::to_string(in_.remaining()) + " bytes follow the object");
  }

 private:
  static constexpr std::uint64_t told_functions = 10;

  enum class Expected { any, storage };
  struct Open {
    std::uint64_t left;  // how many values the collection still expects
    bool pairs;          // of keys and values
  };
  struct Storage {
    const Torch7Element* element;
    std::uint64_t size;
  };

  bool complete() {
    if (in_.ascii()) in_.skip_space();
    return in_.remaining() == 0;
  }

  void walk() {
    open_.push_back({1, false});
    while (!open_.empty() && in_.good() && !stopped_) {
      auto& top = open_.back();
      if (top.left == 0) {
        open_.pop_back();
        continue;
      }
      const bool key = top.pairs && top.left % 2 == 0;
      --top.left;
      if (probing_ && (evidence_ || values_ > probed_values || in_.numbers() > probed_numbers)) return;
      if (!inspection_.budget().spend_entries()) return (void)in_.fail();
      ++values_;
      const auto tag = in_.integer();
      if (key && tag == tag_nil) return (void)in_.fail();  // which Lua refuses
      value(tag);
      if (open_.size() > torch7_depth) stop("scan.budget-exhausted", "the data is nested deeper than the scan follows");
    }
  }

  void stop(std::string_view rule, std::string message) {
    stopped_ = true;
    if (!probing_) inspection_.inconclusive(rule, std::move(message));
  }

  void values(std::int64_t count, std::int64_t in_each) {
    // Each takes four bytes, or a digit and a blank.
    const auto least = in_.ascii() ? 2 : 4;
    if (count < 0 ||
        static_cast<std::uint64_t>(count) > (in_.remaining() + 1) / static_cast<std::uint64_t>(least * in_each))
      return (void)in_.fail();
    if (count != 0) open_.push_back({static_cast<std::uint64_t>(count * in_each), in_each == 2});
  }

  void value(std::int32_t tag) {
    if (!in_.good()) return;
    switch (tag) {
      case tag_nil:
        return;
      case tag_number:
        return in_.real();
      case tag_boolean:
        return (void)in_.integer();
      case tag_string:
        return string();
      case tag_table:
        return table();
      case tag_object:
        return (void)object(Expected::any);
      case tag_old_function:
        return function();
      case tag_legacy_function:
      case tag_function:
        if (!seen(in_.integer())) function();
        return;
      default:
        in_.fail();
    }
  }

  // Whether it is a reference to something that came before; otherwise the thing itself follows. Torch7 counts what it
  // writes from one, and reads whatever number there is.
  bool seen(std::int32_t index) {
    if (index == last_ + 1) {
      if (odd_.contains(index)) return true;
      last_ = index;
      return false;
    }
    return (index > 0 && index <= last_) || !odd_.insert(index).second;
  }

  void string() {
    const auto text = in_.text(in_.integer());
    if (!in_.good() || probing_) return;
    auto program = program_in(text);
    if (!program)
      if (auto lua = lua_program_in(text)) program = ProgramText{std::move(*lua), Severity::critical};
    if (program)
      inspection_.find("scan.program-text", program->severity, in_.position() - text.size(),
                       "a text in the file is a program that " + program->does);
  }

  void table() {
    if (in_.good() && !seen(in_.integer())) values(in_.integer(), 2);
  }

  // Byte code or source, and a table of what the function has from outside.
  void function() {
    const auto size = in_.integer();
    const auto begin = in_.position();
    if (size > 0 && static_cast<std::uint64_t>(size) > torch7_chunk_limit) {
      evidence_ = evidence_ || static_cast<std::uint64_t>(size) <= in_.remaining();
      return stop("scan.budget-exhausted", "a function is larger than the scan reads");
    }
    const auto chunk = in_.text(size, torch7_chunk_limit);
    if (!in_.good()) return;
    if (probing_) return probe_function(chunk);
    values(1, 1);
    // Beyond the list, only what is worse than what stands in it.
    if (++functions_ > told_functions && told_danger_) return;
    const std::string what = is_lua_byte_code(chunk) ? "a function as byte code" : "a function as source";
    if (const auto danger = lua_danger(chunk)) {
      told_danger_ = true;
      inspection_.find("torch7.dangerous-function", Severity::critical, begin,
                       what + " that " + *danger + ": it runs when the model is used");
    } else if (functions_ <= told_functions) {
      inspection_.find("torch7.function", Severity::high, begin, what + ": it runs when the model is used");
    }
  }

  void probe_function(const std::string& chunk) {
    evidence_ = is_lua_byte_code(chunk);
    if (evidence_) return;
    const auto tag = in_.integer();
    if (tag != tag_table && tag != tag_object) in_.fail();
    value(tag);
    evidence_ = evidence_ || (in_.good() && chunk.find_first_of("(=") != std::string::npos);
  }

  // An object; a storage is also the answer.
  std::optional<Storage> object(Expected expected) {
    const auto index = in_.integer();
    if (seen(index)) {
      const auto found = storages_.find(index);
      return found == storages_.end() ? std::nullopt : std::optional(found->second);
    }
    const auto begin = in_.position();
    std::string name = short_text();
    const bool versioned = name.starts_with("V ");
    if (versioned) {
      if (name.size() == 2 || name.find_first_not_of("0123456789.", 2) != std::string::npos) in_.fail();
      name = short_text();
    }
    if (!in_.good() || !is_class_name(name)) return (void)in_.fail(), std::nullopt;
    evidence_ = evidence_ || versioned || name.find('.') != std::string::npos;
    if (probing_ && evidence_) return std::nullopt;
    old_object_ = old_object_ || (!versioned && !name.starts_with("torch."));
    if (const auto* const element = element_of(name, "Storage")) return storage(index, *element);
    if (expected == Expected::storage) return (void)in_.fail(), std::nullopt;
    if (const auto* const element = element_of(name, "Tensor")) {
      tensor(begin, *element);
    } else if (name == "tds.Hash" || name == "tds_hash" || name == "tds.Vec" || name == "tds_vec") {
      values(in_.long_integer(), name.ends_with("ash") ? 2 : 1);
    } else {
      fields(begin, name);
    }
    return std::nullopt;
  }

  std::string short_text() {
    const auto size = in_.integer();
    if (size < 0 || static_cast<std::uint64_t>(size) > torch7_name_limit) in_.fail();
    return in_.good() ? in_.text(size) : std::string();
  }

  // A class's own fields, as nearly all classes write them.
  void fields(std::uint64_t begin, const std::string& name) {
    if (!probing_ && !is_known_class(name) && classes_.size() < 10 && classes_.insert(name).second)
      inspection_.find("torch7.unknown-class", Severity::low, begin,
                       "an object of a class of which nothing is known: what reads it is in a library of its own", {},
                       printable(name));
    const auto tag = in_.integer();
    if (!in_.good()) return;
    if (tag != tag_table)
      return stop("scan.unsupported", "how the class " + printable(name) + " writes itself is not known");
    table();
  }

  std::optional<Storage> storage(std::int32_t index, const Torch7Element& element) {
    in_.find_long_width_of_storage(element);
    const auto size = in_.long_integer();
    in_.skip_numbers(size, element);
    if (!in_.good()) return std::nullopt;
    return storages_[index] = {&element, static_cast<std::uint64_t>(size)};
  }

  // Torch7 believes sizes and strides: what they reach beyond the storage is other memory of the process.
  void tensor(std::uint64_t begin, const Torch7Element& element) {
    const auto dimensions = in_.integer();
    if (dimensions < 0 || dimensions > 1024) return (void)in_.fail();
    in_.find_long_width_of_tensor(dimensions);
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(dimensions));
    for (auto& size : sizes) size = in_.long_integer();
    bool inside = true, empty = dimensions == 0;
    std::int64_t last = 0;  // the element farthest from the first
    for (const auto size : sizes) {
      const auto stride = in_.long_integer();
      std::int64_t reach = 0;
      empty = empty || size == 0;
      inside = inside && size >= 0 && stride >= 0 &&
               (size == 0 ||
                (!__builtin_mul_overflow(size - 1, stride, &reach) && !__builtin_add_overflow(last, reach, &last)));
    }
    const auto offset = in_.long_integer();  // from one
    inside = inside && !__builtin_add_overflow(last, offset, &last) && offset >= 1;
    const auto tag = in_.integer();
    if (!in_.good() || (tag != tag_nil && tag != tag_object)) return (void)in_.fail();
    std::optional<Storage> storage;
    if (tag == tag_object) storage = object(Expected::storage);
    if (!in_.good() || stopped_ || probing_ || empty) return;
    if (!inside || !storage || storage->element != &element || static_cast<std::uint64_t>(last) > storage->size)
      inspection_.find("torch7.out-of-bounds", Severity::medium, begin,
                       "a tensor reaches beyond its storage: whoever loads it reads and writes other memory");
  }

  Torch7Input in_;
  Inspection& inspection_;
  bool probing_;
  std::vector<Open> open_;
  std::size_t values_ = 0;
  std::int32_t last_ = 0;  // all objects from one to this one are read
  std::unordered_set<std::int32_t> odd_;
  std::unordered_map<std::int32_t, Storage> storages_;
  std::unordered_set<std::string> classes_;
  std::uint64_t functions_ = 0;
  bool told_danger_ = false;
  bool evidence_ = false;    // something that nothing but Torch7 writes
  bool old_object_ = false;  // without a version: some of them have a form of their own
  bool stopped_ = false;
};

bool probe_torch7(Reader& data, bool ascii) {
  Gathering nothing{.budget = Budget({}, {})};
  Inspection unheard(nothing, "");
  return Torch7Walk(data, ascii, unheard, true).probe();
}

std::optional<bool> torch7_is_ascii(Reader& data) {
  std::array<std::uint8_t, 64> head{};
  const auto got = data.read_at(0, head);
  if (!got || *got < 6) return std::nullopt;
  const auto tag = load_le<std::uint32_t>(head.data());
  if (tag >= tag_table && tag <= tag_function && tag != tag_boolean)
    return probe_torch7(data, false) ? std::optional(false) : std::nullopt;
  const auto first =
      std::find_if(head.begin(), head.begin() + *got, [](std::uint8_t c) { return c != ' ' && (c < 9 || c > 13); });
  // All 64 may be blanks; nobody but Torch7 would look further.
  const bool digit = first != head.begin() + *got && ((*first >= '0' && *first <= '8') || *first == '+');
  return (digit || first == head.begin() + *got) && probe_torch7(data, true) ? std::optional(true) : std::nullopt;
}

// Whether other readers would take the data for a text.
bool is_printable_throughout(Reader& data) {
  Cursor at(data);
  while (at.need(1)) {
    const ByteView part(at.data(), at.buffered());
    if (std::any_of(part.begin(), part.end(), [](std::uint8_t c) { return c < 9 || (c > 13 && c < 0x20); }))
      return false;
    at.advance(part.size());
  }
  return !at.failed();
}

}  // namespace

bool is_torch7(Reader& data) { return torch7_is_ascii(data).has_value(); }

std::string inspect_torch7(Reader& data, Inspection& inspection) {
  const bool ascii = torch7_is_ascii(data).value_or(false);
  Torch7Walk(data, ascii, inspection, false).run();
  if (!ascii) return "torch7";
  // Templates, YAML and requirements may begin with the digits that make them an object of Torch7 as well.
  if (is_printable_throughout(data)) inspect_text(data, inspection);
  return "torch7-ascii";
}

}  // namespace hauberk::scan
