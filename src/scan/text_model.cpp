// Sources: pip's requirements file format; the names under which transformers and vLLM look for templates.
#include "scan/text_model.h"

#include <algorithm>
#include <map>

#include "scan/ascii.h"
#include "scan/callables.h"
#include "scan/jinja.h"
#include "scan/small_models.h"
#include "scan/text_proto.h"
#include "scan/yaml_model.h"

namespace hauberk::scan {
namespace {

constexpr std::uint64_t text_source_limit = 8u << 20;
constexpr std::uint64_t text_template_limit = 1u << 20;

// Text is UTF-8 without zero bytes from end to end: what begins as text may go on as anything. False, and said, if not.
bool is_text_throughout(Reader& data, Inspection& inspection) {
  Cursor at(data);
  unsigned following = 0;
  while (at.need(1)) {
    if (!inspection.budget().check_time()) return inspection.out_of_budget(), false;
    for (std::size_t i = 0; i < at.buffered(); ++i) {
      const auto c = at.data()[i];
      const bool inside = (c & 0xc0) == 0x80;
      if (c == 0 || inside != (following > 0) || c == 0xc0 || c == 0xc1 || c > 0xf4) {
        inspection.inconclusive("scan.unsupported", "it looks like text and is none: not UTF-8 from end to end");
        return false;
      }
      following = inside ? following - 1 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    }
    at.advance(at.buffered());
  }
  if (at.failed()) inspection.inconclusive("scan.not-scanned", "the data cannot be read");
  if (following != 0) inspection.inconclusive("scan.unsupported", "it looks like text and is cut off within a letter");
  return !at.failed() && following == 0;
}

// Documents and tables in the encodings of old; nothing but people and tables' readers look at them.
bool is_document_name(std::string_view name) {
  return ends_with_one_of(name,
                          {".txt", ".csv", ".tsv", ".md", ".rst", ".html", ".htm", ".log", ".srt", ".tex", ".bib"}) &&
         name.find("requirements") == std::string_view::npos;
}

bool is_old_text(Reader& data) {
  Cursor at(data);
  const bool wide =
      at.need(2) && ((at.data()[0] == 0xff && at.data()[1] == 0xfe) || (at.data()[0] == 0xfe && at.data()[1] == 0xff));
  while (at.need(1)) {
    const auto some = ByteView(at.data(), at.buffered());
    const bool fine = std::all_of(some.begin(), some.end(), [&](std::uint8_t b) {
      return b >= 0x20 || (b >= 9 && b <= 13) || b == 0x1b || wide;
    });
    if (!fine) return false;
    at.advance(some.size());
  }
  return !at.failed();
}

// What makes pip fetch from elsewhere than its index, or run more than it says.
void inspect_requirements(std::string_view text, Inspection& inspection) {
  std::uint64_t offset = 0;
  std::size_t told = 0;
  while (offset < text.size()) {
    auto line = text.substr(offset, text.find('\n', offset) - offset);
    const auto begin = offset;
    offset += line.size() + 1;
    if (const auto comment = line.find(" #"); comment != std::string_view::npos) line = line.substr(0, comment);
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || line[first] == '#') continue;
    const std::string lower = lower_ascii(line.substr(first));
    bool elsewhere = lower.find("://") != std::string::npos || lower.find("git+") != std::string::npos ||
                     lower.find("@ file:") != std::string::npos;
    for (const std::string_view option :
         {"-i ", "--index-url", "--extra-index-url", "-f ", "--find-links", "--trusted-host", "--no-index", "-e ",
          "--editable", "--global-option", "--config-settings"})
      elsewhere = elsewhere || lower.starts_with(option);
    if (elsewhere && told++ < 5)
      inspection.find("text.requirement", Severity::medium, begin,
                      "installing the requirements would fetch code from a place of the author's choice",
                      printable(line));
  }
}

// A text of at most `limit` bytes; says so if it is longer or cannot be read.
std::optional<std::string> text_whole(Reader& data, std::uint64_t limit, Inspection& inspection) {
  const auto bytes = read_part(data, 0, data.size(), limit);
  if (!bytes) {
    inspection.failed(bytes.error(), "scan.not-scanned", 0);
    return std::nullopt;
  }
  return std::string(as_text(*bytes));
}

// By names in lower case.
bool is_python_name(std::string_view name) { return ends_with_one_of(name, {".py", ".pyw"}); }
bool is_requirements_name(std::string_view name) {
  return name.ends_with(".txt") && name.find("requirements") != std::string_view::npos;
}
bool is_template_name(std::string_view name) {
  return ends_with_one_of(name, {".jinja", ".jinja2", ".j2", ".template"}) ||
         name.find("chat_template") != std::string_view::npos;
}
bool is_yaml_name(std::string_view name) {
  return ends_with_one_of(name, {".yaml", ".yml", ".dvc"}) || name == "mlmodel";
}

// What makes an installer of the project fetch from, or run code of, a place of the author's choice.
void inspect_pyproject(std::string_view text, Inspection& inspection) {
  for (const std::string_view elsewhere : {"@ http", "@http", "git+", "@ file:", "backend-path"})
    if (const auto at = text.find(elsewhere); at != std::string_view::npos)
      inspection.find("text.requirement", Severity::medium, at,
                      "installing the project would run or fetch code from a place of the author's choice",
                      printable(text.substr(at, 80)));
}

}  // namespace

bool is_text_by_name(std::string_view file_name) {
  const std::string name = lower_ascii(file_name);
  return is_python_name(name) || is_requirements_name(name) || is_template_name(name) || is_yaml_name(name);
}

std::string inspect_text(Reader& data, Inspection& inspection) {
  const std::string name = lower_ascii(inspection.name());
  const auto mark = inspection.mark();
  if (!is_text_throughout(data, inspection)) {
    if (!is_document_name(name) || !is_old_text(data)) return "unknown";
    inspection.keep_harm_since(mark);
    return "text";
  }
  if (is_python_name(name)) {
    inspection.find("text.python", Severity::info, 0, "Python code beside the model: whoever imports it runs it");
    if (const auto source = text_whole(data, text_source_limit, inspection)) inspect_python(*source, inspection);
    return "python";
  }
  if (is_requirements_name(name)) {
    if (const auto text = text_whole(data, text_source_limit, inspection)) inspect_requirements(*text, inspection);
    return "requirements";
  }
  if (name == "pyproject.toml")
    if (const auto text = text_whole(data, text_source_limit, inspection)) inspect_pyproject(*text, inspection);
  const auto head_bytes = read_part(data, 0, std::min<std::uint64_t>(data.size(), 64u << 10), 64u << 10);
  const std::string head = head_bytes ? std::string(as_text(*head_bytes)) : std::string();
  const auto first = head.find_first_not_of(" \t\r\n");
  const std::string_view opening = first == std::string::npos ? "" : std::string_view(head).substr(first, 2);
  if (is_template_name(name) || opening == "{%" || opening == "{{" || opening == "{#") {
    if (const auto text = text_whole(data, text_template_limit, inspection))
      inspect_jinja(*text, inspection, TemplateTrust::certain);
    return "jinja";
  }
  if (head.starts_with("tree\nversion=v")) {
    inspect_texts_within(data, inspection);
    return "lightgbm";
  }
  // Documentation shows templates and runs none.
  const bool documentation = name.ends_with(".md") || name.ends_with(".rst");
  if (data.size() <= text_template_limit && !documentation)
    if (const auto text = text_whole(data, text_template_limit, inspection); text && has_jinja_tags(*text))
      inspect_jinja(*text, inspection, TemplateTrust::possible);
  std::string message;  // flow YAML can read the same, so that one does not stand in for the other
  if (!documentation && may_be_text_proto(head)) message = inspect_text_proto(data, inspection);
  const bool named_yaml = is_yaml_name(name);
  if (named_yaml || (may_be_yaml(head) && !documentation))
    if (const auto found = inspect_yaml(data, inspection, named_yaml)) return message.empty() ? *found : message;
  return message.empty() ? "text" : message;
}

}  // namespace hauberk::scan
