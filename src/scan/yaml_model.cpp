// Sources: YAML 1.1 as PyYAML and libyaml read it; PyYAML's constructors for python/ tags; HyperPyYAML's tags.
#include "scan/yaml_model.h"

#include <yaml.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "scan/config_rules.h"
#include "scan/import_names.h"

namespace hauberk::scan {
namespace {

constexpr std::uint64_t yaml_size_limit = 32u << 20;
constexpr std::size_t yaml_depth_limit = 200;
constexpr std::uint64_t yaml_expansion_limit = 10'000'000;  // values, were all aliases expanded
constexpr std::string_view yaml_core = "tag:yaml.org,2002:";

int yaml_read(void* data, unsigned char* buffer, std::size_t size, std::size_t* got) {
  auto& at = *static_cast<Cursor*>(data);
  at.need(1);
  *got = std::min(size, at.buffered());
  std::copy_n(at.data(), *got, buffer);
  at.advance(*got);
  return 1;
}

std::string_view yaml_text(const yaml_char_t* text) {
  return text ? std::string_view(reinterpret_cast<const char*>(text)) : std::string_view{};
}

bool yaml_is_plain_value(std::string_view text) {
  for (const std::string_view word : {"", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False",
                                      "FALSE", "yes", "Yes", "no", "No", "on", "On", "off", "Off"})
    if (text == word) return true;
  return text.find_first_not_of("0123456789+-._eExXoabcdfABCDF:") == std::string_view::npos &&
         text.find_first_of("0123456789") != std::string_view::npos;
}

class YamlWalk {
 public:
  YamlWalk(Reader& data, Inspection& inspection, bool certain)
      : at_(data), inspection_(inspection), rules_(inspection, certain) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input(&parser_, yaml_read, &at_);
  }
  ~YamlWalk() { yaml_parser_delete(&parser_); }
  YamlWalk(const YamlWalk&) = delete;
  YamlWalk& operator=(const YamlWalk&) = delete;

  enum End { complete, malformed, stopped };
  End run() {
    while (true) {
      yaml_event_t event;
      if (!yaml_parser_parse(&parser_, &event)) return finish(malformed);
      const bool last = event.type == YAML_STREAM_END_EVENT;
      const bool go_on = on_event(event);
      yaml_event_delete(&event);
      if (last) return finish(complete);
      if (!go_on) return finish(stopped);
    }
  }
  bool structured() const { return structured_; }
  std::string shape() const { return rules_.shape("yaml"); }
  std::string problem() const { return parser_.problem ? parser_.problem : "not YAML"; }
  std::uint64_t problem_offset() const { return parser_.problem_mark.index; }
  bool unreadable() const { return at_.failed(); }

 private:
  struct Level {
    bool mapping = false;
    bool wants_key = true;  // of mappings
    std::uint64_t weight = 1;
    std::string anchor;
  };
  struct Anchor {
    std::uint64_t weight = 1;
    bool scalar = false, plain = false;
    std::string text;
  };

  End finish(End end) {
    for (; !levels_.empty(); levels_.pop_back()) rules_.end();
    rules_.finish();
    return end;
  }

  bool on_event(const yaml_event_t& event) {
    if (!inspection_.budget().spend_entries()) return inspection_.out_of_budget(), false;
    const std::uint64_t offset = event.start_mark.index;
    switch (event.type) {
      case YAML_SCALAR_EVENT: {
        const auto& scalar = event.data.scalar;
        const std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
        const bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE && yaml_is_plain_value(text);
        judge_tag(yaml_text(scalar.tag), text, offset);
        if (scalar.anchor)
          anchors_[std::string(yaml_text(scalar.anchor))] = {1, true, plain, std::string(text.substr(0, 4096))};
        on_scalar(text, plain, offset);
        return add(1);
      }
      case YAML_ALIAS_EVENT:
        return on_alias(yaml_text(event.data.alias.anchor), offset);
      case YAML_SEQUENCE_START_EVENT:
        judge_tag(yaml_text(event.data.sequence_start.tag), {}, offset);
        return open(false, yaml_text(event.data.sequence_start.anchor), offset);
      case YAML_MAPPING_START_EVENT:
        judge_tag(yaml_text(event.data.mapping_start.tag), {}, offset);
        return open(true, yaml_text(event.data.mapping_start.anchor), offset);
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        return close();
      case YAML_DOCUMENT_START_EVENT:
        anchors_.clear();
        return true;
      default:
        return true;
    }
  }

  // Every value of a mapping needs a key before it; keys that are no texts get one in their stead.
  void before_value(std::uint64_t offset, bool collection) {
    if (levels_.empty() || !levels_.back().mapping) return;
    auto& level = levels_.back();
    if (level.wants_key && collection) rules_.key("?", offset);
    level.wants_key = !level.wants_key;
  }
  void on_scalar(std::string_view text, bool plain, std::uint64_t offset) {
    const bool is_key = !levels_.empty() && levels_.back().mapping && levels_.back().wants_key;
    before_value(offset, false);
    if (is_key)
      rules_.key(text, offset);
    else if (plain)
      rules_.plain(text, offset);
    else
      rules_.text(text.substr(0, config_text_kept), text.size() <= config_text_kept, offset);
  }
  bool open(bool mapping, std::string_view anchor, std::uint64_t offset) {
    structured_ = true;
    if (levels_.size() >= yaml_depth_limit) {
      inspection_.inconclusive("scan.budget-exhausted", "the YAML is nested deeper than the scan follows");
      return false;
    }
    before_value(offset, true);
    rules_.begin(mapping, offset);
    levels_.push_back({.mapping = mapping, .anchor = std::string(anchor)});
    return true;
  }
  bool close() {
    const auto level = std::move(levels_.back());
    levels_.pop_back();
    rules_.end();
    if (!level.anchor.empty()) anchors_[level.anchor] = {.weight = level.weight};
    return add(level.weight);
  }
  bool on_alias(std::string_view name, std::uint64_t offset) {
    const auto found = anchors_.find(name);
    if (found == anchors_.end()) {
      on_scalar("*", true, offset);
      return add(1);
    }
    const Anchor anchor = found->second;
    on_scalar(anchor.scalar ? std::string_view(anchor.text) : "*", !anchor.scalar || anchor.plain, offset);
    return add(anchor.weight);
  }
  bool add(std::uint64_t weight) {
    if (levels_.empty()) return true;
    auto& total = levels_.back().weight;
    if (__builtin_add_overflow(total, weight, &total)) total = UINT64_MAX;
    if (total > yaml_expansion_limit && !bomb_) {
      bomb_ = true;
      inspection_.find("yaml.alias-bomb", Severity::high, at_.position(),
                       "expanding the aliases would fill the memory of whoever reads the file");
    }
    return true;
  }

  // ---- tags ----

  void judge_tag(std::string_view tag, std::string_view value, std::uint64_t offset) {
    if (tag.empty() || tag == "!") return;
    if (tag.starts_with(yaml_core)) {
      const auto rest = tag.substr(yaml_core.size());
      if (rest.starts_with("python/")) return judge_python(rest.substr(7), offset);
      if (rest.find('.') != std::string_view::npos || rest.find('/') != std::string_view::npos)
        find_tag(
            rest,
            rest.starts_with("javax.script.") || rest.starts_with("java.net.") ? Severity::critical : Severity::high,
            "make an object of the class that the file names", offset);
      return;
    }
    if (tag.starts_with("!python/")) return judge_python(tag.substr(8), offset);
    for (const std::string_view foreign : {"!ruby/", "!php/", "!js/", "!java", "!!"})
      if (tag.starts_with(foreign))
        return find_tag(tag, Severity::high, "make an object of the class that the file names", offset);
    for (const std::string_view call : {"!new:", "!name:", "!apply:", "!applyref:", "!module:"})
      if (tag.starts_with(call)) {
        const auto name = tag.substr(call.size());
        const auto judgement = call == "!module:" ? judge_import_type(name, "X") : judge_import_call(name);
        if (judgement.severity) find_tag(tag, *judgement.severity, judgement.effect, offset);
        return;
      }
    if ((tag.starts_with("!include:") && leads_out(tag.substr(9))) || (tag == "!include" && leads_out(value)))
      find_tag(tag, Severity::medium, "read a file outside the folder", offset);
  }

  void judge_python(std::string_view what, std::uint64_t offset) {
    for (const std::string_view plain :
         {"none", "bool", "str", "unicode", "bytes", "int", "long", "float", "complex", "list", "tuple", "dict"})
      if (what == plain) return;
    for (const std::string_view call : {"object/apply:", "object/new:"})
      if (what.starts_with(call)) {
        const auto judgement = judge_import_call(what.substr(call.size()));
        return find_tag(what, judgement.severity ? Severity::critical : Severity::medium,
                        judgement.severity ? judgement.effect : "make an object", offset);
      }
    for (const std::string_view mention : {"object:", "name:"})
      if (what.starts_with(mention)) {
        const auto judgement = judge_import_call(what.substr(mention.size()));
        const auto severity = !judgement.severity                         ? Severity::low
                              : *judgement.severity == Severity::critical ? Severity::critical
                                                                          : Severity::high;
        return find_tag(what, severity, judgement.severity ? judgement.effect : "make an object", offset);
      }
    find_tag(what, Severity::high, "import what the file names", offset);
  }

  void find_tag(std::string_view tag, Severity severity, const std::string& effect, std::uint64_t offset) {
    inspection_.find("yaml.tag", severity, offset, "a full loader of YAML would " + effect + ": " + printable(tag, 80),
                     printable(tag));
  }

  Cursor at_;
  Inspection& inspection_;
  ConfigRules rules_;
  yaml_parser_t parser_;
  std::vector<Level> levels_;
  std::map<std::string, Anchor, std::less<>> anchors_;
  bool structured_ = false, bomb_ = false;
};

}  // namespace

bool may_be_yaml(std::string_view beginning) {
  if (beginning.starts_with("\xef\xbb\xbf")) beginning.remove_prefix(3);
  while (!beginning.empty()) {
    const auto line = beginning.substr(0, beginning.find('\n'));
    const auto first = line.find_first_not_of(" \t\r");
    if (first != std::string_view::npos && line[first] != '#') {
      const auto rest = line.substr(first);
      // A collection, an anchor or tag, a directive, a document; or a key before a colon.
      if (std::string_view("-[{!&%?|>\"'*<").find(rest[0]) != std::string_view::npos) return true;
      for (auto colon = rest.find(':'); colon != std::string_view::npos; colon = rest.find(':', colon + 1))
        if (colon + 1 == rest.size() || rest[colon + 1] == ' ' || rest[colon + 1] == '\r' || rest[colon + 1] == '\t')
          return true;
      return false;
    }
    if (line.size() == beginning.size()) break;
    beginning.remove_prefix(line.size() + 1);
  }
  return false;
}

std::optional<std::string> inspect_yaml(Reader& data, Inspection& inspection, bool certain) {
  if (data.size() > yaml_size_limit) {
    inspection.inconclusive("scan.budget-exhausted", "text that may be YAML is larger than the scan reads");
    return "yaml";
  }
  const auto walk = std::make_unique<YamlWalk>(data, inspection, certain);
  const auto end = walk->run();
  if (walk->unreadable()) inspection.inconclusive("scan.not-scanned", "the data cannot be read");
  if (end == YamlWalk::malformed) {
    if (!certain) return std::nullopt;
    inspection.malformed("yaml.malformed", walk->problem_offset(), "not valid YAML: " + printable(walk->problem()));
  }
  return walk->structured() ? walk->shape() : "text";
}

}  // namespace hauberk::scan
