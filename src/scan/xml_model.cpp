// Sources: XML 1.0; PMML 4.4 (Extension, Apply); OpenVINO's IR v10 and v11; CVE classes of external entities (CWE-611)
// and of their expansion (CWE-776); java.beans.XMLDecoder.
#include "scan/xml_model.h"

#define XML_DTD  // the limits of expansion are declared for libraries that read declarations, as all do
#include <expat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <vector>

#include "scan/text_model.h"

namespace hauberk::scan {
namespace {

constexpr std::size_t xml_depth_limit = 1000;
constexpr std::size_t xml_chunk = 64u << 10;
constexpr std::size_t xml_token_limit = 8u << 20;  // of one tag with its attributes, one comment, one declaration

class XmlWalk {
 public:
  XmlWalk(Reader& data, Inspection& inspection) : at_(data), inspection_(inspection) {
    // '|' stands between the namespace and the name.
    parser_.reset(XML_ParserCreateNS(nullptr, '|'));
    auto* p = parser_.get();
    if (!p) return;
    XML_SetUserData(p, this);
    XML_SetElementHandler(p, on_start, on_end);
    XML_SetCharacterDataHandler(p, on_text);
    XML_SetProcessingInstructionHandler(p, on_instruction);
    XML_SetDoctypeDeclHandler(p, on_doctype, nullptr);
    XML_SetEntityDeclHandler(p, on_entity);
    // With a default handler that does not expand, entities within the text stay what they are.
    XML_SetDefaultHandler(p, on_other);
    XML_SetParamEntityParsing(p, XML_PARAM_ENTITY_PARSING_NEVER);
    XML_SetBillionLaughsAttackProtectionActivationThreshold(p, 1u << 20);
    XML_SetBillionLaughsAttackProtectionMaximumAmplification(p, 10.0f);
  }

  std::string run() {
    if (!parser_) {
      inspection_.inconclusive("scan.not-scanned", "no memory to read XML");
      return "xml";
    }
    while (!stopped_ && feed()) {
    }
    if (inspection_.name().ends_with(".pmml") && kind_ != "pmml" && !stopped_ && !part_of_pmml_)
      inspection_.malformed("xml.malformed", 0, "the name promises PMML, the content is something else");
    if (at_.failed()) inspection_.inconclusive("scan.not-scanned", "the data cannot be read");
    return kind_;
  }

 private:
  // Hands the parser more of the text. It reads a token that is not finished anew each time, so while one is not, it
  // gets twice as much: that keeps the work linear. False at the end.
  bool feed() {
    auto* p = parser_.get();
    if (!inspection_.budget().check_time()) return inspection_.out_of_budget(), false;
    auto* buffer = static_cast<char*>(XML_GetBuffer(p, static_cast<int>(chunk_)));
    if (!buffer) return inspection_.inconclusive("scan.not-scanned", "no memory to read XML"), false;
    std::size_t size = 0;
    while (size < chunk_ && at_.need(1)) {
      const auto part = std::min(at_.buffered(), chunk_ - size);
      std::memcpy(buffer + size, at_.data(), part);
      at_.advance(part);
      size += part;
    }
    const bool last = size < chunk_;
    if (XML_ParseBuffer(p, static_cast<int>(size), last) != XML_STATUS_OK) {
      if (!stopped_) failed();
      return false;
    }
    const auto reached = offset();
    const auto open = at_.position() - std::min(at_.position(), reached);
    if (!last && open > xml_token_limit) {
      inspection_.inconclusive("scan.budget-exhausted", "a part of the XML is longer than the scan reads");
      return false;
    }
    chunk_ = reached > reached_ ? xml_chunk : std::min(2 * chunk_, xml_token_limit);
    reached_ = reached;
    return !last;
  }

  struct Free {
    void operator()(XML_ParserStruct* p) const { XML_ParserFree(p); }
  };
  static XmlWalk& self(void* user) { return *static_cast<XmlWalk*>(user); }
  std::uint64_t offset() const {
    const auto at = XML_GetCurrentByteIndex(parser_.get());
    return at < 0 ? 0 : static_cast<std::uint64_t>(at);
  }
  void find(std::string_view rule, Severity severity, std::string message, std::string_view excerpt = {}) {
    if (++told_ <= 50)
      inspection_.find(rule, severity, offset(), std::move(message), printable(excerpt));
    else
      inspection_.find(rule, severity, offset(), "and more of these");
  }
  void stop() {
    stopped_ = true;
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  void failed() {
    const auto error = XML_GetErrorCode(parser_.get());
    if (error == XML_ERROR_AMPLIFICATION_LIMIT_BREACH)
      return find("xml.entity-bomb", Severity::critical,
                  "entities that expand without end would fill the reader's memory");
    if (error == XML_ERROR_UNKNOWN_ENCODING || error == XML_ERROR_INCORRECT_ENCODING)
      return inspection_.inconclusive("scan.unsupported", "XML in an encoding that is not understood");
    if (error == XML_ERROR_NO_MEMORY) return inspection_.inconclusive("scan.not-scanned", "no memory to read XML");
    // Text may begin like XML: templates begin with tokens in angle brackets.
    const auto name = inspection_.name();
    if (kind_ == "xml" && told_ == 0 && !name.ends_with(".xml") && !name.ends_with(".pmml")) {
      kind_ = "text";
      return;
    }
    inspection_.malformed("xml.malformed", offset(), std::string("not valid XML: ") + XML_ErrorString(error));
  }

  // ---- declarations ----

  static void XMLCALL on_doctype(void* user, const XML_Char*, const XML_Char* system, const XML_Char* pub, int) {
    if (system || pub)
      self(user).find("xml.external-dtd", Severity::high,
                      "readers that load document types would fetch one from where the file says",
                      system ? system : pub);
  }
  static void XMLCALL on_entity(void* user, const XML_Char* name, int parameter, const XML_Char* value, int length,
                                const XML_Char*, const XML_Char* system, const XML_Char* pub, const XML_Char*) {
    auto& walk = self(user);
    if (!value) {
      walk.find("xml.external-entity", Severity::critical,
                "readers that follow entities would read a file or an address: " + printable(system ? system : pub, 80),
                name);
      return;
    }
    const std::string_view text(value, static_cast<std::size_t>(length));
    if (parameter != 0 || text.find('&') != std::string_view::npos || text.find('%') != std::string_view::npos)
      // One within another may be an editor's doing; the next level multiplies.
      walk.find("xml.entity-bomb", ++walk.nested_entities_ >= 2 ? Severity::critical : Severity::high,
                "an entity that is made of other entities: they expand without end", name);
    else
      walk.find("xml.entity", Severity::low, "an entity of the file's own: models need none", name);
  }
  static void XMLCALL on_instruction(void* user, const XML_Char* target, const XML_Char* data) {
    if (std::string_view(target) == "xml-stylesheet")
      self(user).find("xml.stylesheet", Severity::low, "a style sheet that viewers would fetch and run", data);
  }
  static void XMLCALL on_other(void*, const XML_Char*, int) {}

  // ---- elements ----

  static std::string_view local(std::string_view name) {
    const auto bar = name.rfind('|');
    return bar == std::string_view::npos ? name : name.substr(bar + 1);
  }
  static std::string_view attribute(const XML_Char** attributes, std::string_view name) {
    for (; attributes && *attributes; attributes += 2)
      if (local(attributes[0]) == name) return attributes[1];
    return {};
  }
  static bool has_attribute(const XML_Char** attributes, std::string_view name) {
    for (; attributes && *attributes; attributes += 2)
      if (local(attributes[0]) == name) return true;
    return false;
  }

  static void XMLCALL on_start(void* user, const XML_Char* name, const XML_Char** attributes) {
    self(user).start(name, attributes);
  }
  static void XMLCALL on_end(void* user, const XML_Char*) {
    auto& walk = self(user);
    if (walk.depth_ == walk.extension_depth_) walk.extension_depth_ = 0;
    --walk.depth_;
  }
  static void XMLCALL on_text(void*, const XML_Char*, int) {}

  void start(std::string_view whole, const XML_Char** attributes) {
    if (!inspection_.budget().spend_entries()) {
      inspection_.out_of_budget();
      return stop();
    }
    if (++depth_ > xml_depth_limit) {
      inspection_.inconclusive("scan.budget-exhausted", "the XML is nested deeper than the scan follows");
      return stop();
    }
    const auto name = local(whole);
    if (depth_ == 1) root(whole, name, attributes);
    if (whole.find("http://www.w3.org/2001/XInclude|") == 0 || whole.find("http://www.w3.org/2003/XInclude|") == 0)
      find("xml.include", Severity::high, "readers that follow inclusions would read another file",
           attribute(attributes, "href"));
    if (kind_ == "pmml") pmml(name, attributes);
    if (kind_ == "openvino") openvino(name, attributes);
  }

  void root(std::string_view whole, std::string_view name, const XML_Char** attributes) {
    if (name == "PMML") {
      kind_ = "pmml";
      if (!has_attribute(attributes, "version"))
        inspection_.malformed("xml.malformed", offset(), "PMML that does not say its version");
    } else if (name == "net" && (has_attribute(attributes, "version") || has_attribute(attributes, "name"))) {
      kind_ = "openvino";
    } else if (whole.starts_with("http://www.dmg.org/PMML-")) {
      part_of_pmml_ = true;
    } else if (name == "java") {
      find("xml.java-objects", Severity::critical, "java.beans.XMLDecoder would run the methods that the file names");
    } else if (name == "stylesheet" || name == "transform" || name == "beans") {
      find("xml.program", Severity::medium, "XML that its reader runs as a program", name);
    }
  }

  // PMML computes by its own functions alone; names with points are classes of Java to some evaluators.
  void pmml(std::string_view name, const XML_Char** attributes) {
    if (name == "Extension") {
      if (extension_depth_ == 0) extension_depth_ = depth_;
      const auto value = attribute(attributes, "value");
      if (value.starts_with("http://") || value.starts_with("https://") || value.starts_with("file:"))
        find("pmml.extension", Severity::low, "an extension names an address", value);
    } else if (extension_depth_ != 0 && (name == "script" || name == "Script" || name == "code" || name == "program")) {
      find("pmml.extension", Severity::medium, "an extension holds a program", name);
    }
    if (name == "Apply" && attribute(attributes, "function").find('.') != std::string_view::npos)
      find("pmml.function", Severity::medium, "some evaluators would load a class under the name of this function",
           attribute(attributes, "function"));
  }

  void openvino(std::string_view name, const XML_Char** attributes) {
    if (name == "layer") {
      if (has_attribute(attributes, "library"))
        find("openvino.library", Severity::critical, "loading the model would load a native library",
             attribute(attributes, "library"));
      const auto type = attribute(attributes, "type");
      if (type == "Python" || type == "PythonOp" || type == "Custom" || type == "CustomLayer")
        find("openvino.custom-layer", Severity::medium, "a layer that an extension of the author's has to run", type);
      else if (attribute(attributes, "version") == "extension")
        find("openvino.custom-layer", Severity::low, "a layer that a library beside OpenVINO has to run", type);
    } else if (name == "extension" || name == "extensions" || name == "custom_layer" || name == "CustomLayer") {
      find("openvino.library", Severity::high, "the model names a library of its own", name);
    } else if (name == "data" && has_attribute(attributes, "offset")) {
      std::uint64_t begin = 0, size = 0, end = 0;
      if (!number(attribute(attributes, "offset"), begin) || !number(attribute(attributes, "size"), size) ||
          __builtin_add_overflow(begin, size, &end) || end > INT64_MAX)
        inspection_.malformed("openvino.malformed", offset(), "the place of a layer's weights is no place");
    }
  }
  static bool number(std::string_view text, std::uint64_t& value) {
    if (text.empty()) return true;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
  }

  Cursor at_;
  std::size_t chunk_ = xml_chunk;
  std::uint64_t reached_ = 0;
  Inspection& inspection_;
  std::unique_ptr<XML_ParserStruct, Free> parser_;
  std::string kind_ = "xml";
  std::size_t depth_ = 0, extension_depth_ = 0, told_ = 0, nested_entities_ = 0;
  bool stopped_ = false, part_of_pmml_ = false;
};

}  // namespace

std::string inspect_xml(Reader& data, Inspection& inspection) {
  std::string kind = XmlWalk(data, inspection).run();
  return kind == "text" ? inspect_text(data, inspection) : kind;
}

}  // namespace hauberk::scan
