#include "scan/text_proto.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "scan/import_names.h"
#include "scan/keras_config.h"
#include "scan/onnx.h"
#include "scan/tensorflow_graph.h"

namespace hauberk::scan {
namespace {

constexpr std::size_t text_depth = 200;
constexpr std::size_t text_value_kept = (1u << 20) + 1;

class TextProtoEvents {
 public:
  virtual ~TextProtoEvents() = default;
  virtual void begin(const std::string& field, std::uint64_t offset) = 0;
  virtual void end() = 0;
  virtual void value(const std::string& field, const std::string& text, std::uint64_t offset) = 0;
};

enum class TextEnd : std::uint8_t { complete, cut, malformed, too_deep, out_of_budget, unreadable };

class TextProtoReader {
 public:
  TextProtoReader(Reader& data, TextProtoEvents& events, Budget* budget)
      : at_(data), events_(events), budget_(budget) {}

  TextEnd run() {
    while (step()) {
    }
    if (end_ == TextEnd::complete && !open_.empty()) end_ = TextEnd::cut;
    // Whoever listens sees every beginning ended.
    for (; !open_.empty(); open_.pop_back())
      if (!open_.back().list) events_.end();
    return at_.failed() ? TextEnd::unreadable : end_;
  }
  std::uint64_t position() const { return at_.position(); }

 private:
  struct Level {
    std::string field;
    char close;
    bool list;
  };

  bool stop(TextEnd end) {
    if (end_ == TextEnd::complete) end_ = end;
    return false;
  }
  // The next character that is neither blank nor comment; negative at the end.
  int peek() {
    bool comment = false;
    while (at_.need(1)) {
      const auto c = static_cast<char>(*at_.data());
      if (c == '\n') comment = false;
      if (c == '#') comment = true;
      const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
      if (!comment && !blank) return static_cast<unsigned char>(c);
      at_.advance(1);
    }
    return -1;
  }
  static bool is_word(int c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  std::string word(std::string_view more) {
    std::string out;
    while (at_.need(1)) {
      const auto c = static_cast<char>(*at_.data());
      if (!is_word(c) && more.find(c) == std::string_view::npos) break;
      if (out.size() < 512) out += c;
      at_.advance(1);
    }
    return out;
  }

  bool step() {
    const int c = peek();
    if (c < 0) return false;
    if (c == ',' || c == ';') return at_.advance(1), true;
    if (!open_.empty() && c == open_.back().close) {
      at_.advance(1);
      if (!open_.back().list) events_.end();
      open_.pop_back();
      return true;
    }
    if (!open_.empty() && open_.back().list) return content(open_.back().field, true);
    std::string field;
    if (c == '[') {
      at_.advance(1);
      field = word("./ -%");
      if (peek() != ']') return stop(TextEnd::malformed);
      at_.advance(1);
    } else if (is_word(c)) {
      field = word("");
    } else {
      return stop(TextEnd::malformed);
    }
    const bool colon = peek() == ':';
    if (colon) at_.advance(1);
    return content(field, colon);
  }

  bool content(const std::string& field, bool scalar) {
    const int c = peek();
    // Weights are long lists of numbers, which cost nothing but time.
    const bool message = c == '{' || c == '<' || c == '[';
    if (budget_ != nullptr && (message ? !budget_->spend_entries() : (++values_ & 1023) == 0 && !budget_->check_time()))
      return stop(TextEnd::out_of_budget);
    const auto offset = at_.position();
    if (c < 0) return stop(TextEnd::cut);
    if (message) {
      if (open_.size() >= text_depth) return stop(TextEnd::too_deep);
      at_.advance(1);
      const std::string name = field;  // may be part of the level that moves
      open_.push_back({name, c == '{' ? '}' : c == '<' ? '>' : ']', c == '['});
      if (c != '[') events_.begin(name, offset);
      return true;
    }
    if (!scalar) return stop(TextEnd::malformed);
    std::string text;
    if (c == '"' || c == '\'') {
      // Several texts after each other are one.
      while (peek() == '"' || peek() == '\'')
        if (!quoted(text)) return false;
    } else {
      text = word("+-.");
      if (text == "-" && peek() >= 0) text += word("+-.");
      if (text.empty()) return stop(TextEnd::malformed);
    }
    events_.value(field, text, offset);
    return true;
  }

  bool quoted(std::string& out) {
    const auto quote = *at_.data();
    at_.advance(1);
    while (at_.need(1)) {
      const auto c = *at_.data();
      at_.advance(1);
      if (c == quote) return true;
      if (c == '\n') return stop(TextEnd::malformed);
      if (c != '\\')
        keep(out, static_cast<char>(c));
      else if (!escape(out))
        return stop(TextEnd::cut);
    }
    return stop(TextEnd::cut);
  }
  static void keep(std::string& out, char c) {
    if (out.size() < text_value_kept) out += c;
  }
  static int digit(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    const int low = c | 0x20;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : 99;
  }
  std::uint32_t digits(std::size_t most, int base) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < most && at_.need(1) && digit(*at_.data()) < base; ++i) {
      value = value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit(*at_.data()));
      at_.advance(1);
    }
    return value;
  }
  bool escape(std::string& out) {
    if (!at_.need(1)) return false;
    const auto c = static_cast<char>(*at_.data());
    constexpr std::string_view from = "abfnrtv\\'\"?", to = "\a\b\f\n\r\t\v\\'\"?";
    if (const auto known = from.find(c); known != std::string_view::npos) {
      at_.advance(1);
      keep(out, to[known]);
      return true;
    }
    if (c >= '0' && c <= '7') {
      keep(out, static_cast<char>(digits(3, 8)));
      return true;
    }
    at_.advance(1);
    if (c == 'x' || c == 'X') {
      keep(out, static_cast<char>(digits(2, 16)));
    } else if (c == 'u' || c == 'U') {
      const auto code = digits(c == 'u' ? 4 : 8, 16);
      // Beyond ASCII it does not matter here what it is.
      keep(out, code < 0x80 ? static_cast<char>(code) : '?');
    } else {
      keep(out, c);
    }
    return true;
  }

  Cursor at_;
  TextProtoEvents& events_;
  Budget* budget_;
  std::vector<Level> open_;
  std::uint64_t values_ = 0;
  TextEnd end_ = TextEnd::complete;
};

// Which messages stand outermost.
class TextProtoProbe final : public TextProtoEvents {
 public:
  void begin(const std::string& field, std::uint64_t) override {
    static const std::set<std::string_view> messages = {
        "node",           "library",          "versions",      "meta_graphs",   "graph",
        "graph_def",      "meta_info_def",    "opset_import",  "layer",         "layers",
        "saver_def",      "functions",        "training_info", "signature_def", "collection_def",
        "asset_file_def", "object_graph_def", "input_param",   "initializer",   "net_param",
        "train_net_param"};
    if (depth_++ == 0 && messages.contains(field)) known = true;
  }
  void end() override { --depth_; }
  void value(const std::string& field, const std::string&, std::uint64_t) override {
    if (depth_ == 0 && (field == "saved_model_schema_version" || field == "ir_version")) known = true;
  }
  bool known = false;

 private:
  std::size_t depth_ = 0;
};

class TextProtoRules final : public TextProtoEvents {
 public:
  explicit TextProtoRules(Inspection& inspection)
      : inspection_(inspection), graph_(inspection), external_(inspection) {}

  void begin(const std::string& field, std::uint64_t offset) override {
    path_.push_back(field);
    if (field == "node" || field == "node_def") {
      Node node;
      node.graph.offset = offset;
      if (!functions_.empty()) node.graph.scope = functions_.back().signature.scope;
      nodes_.push_back(std::move(node));
    } else if (field == "function") {
      functions_.push_back({{}, {.scope = "function@" + std::to_string(offset), .arguments = {}, .returns = {}}});
    } else if (field == "attr" && !nodes_.empty()) {
      nodes_.back().texts.clear();
      nodes_.back().key.clear();
    } else if (field == "external_data") {
      key_.clear(), value_.clear();
    } else if (field == "layer" || field == "layers") {
      layer_ = {};
    }
    begun_ = offset;
  }

  void end() override {
    const std::string field = std::move(path_.back());
    path_.pop_back();
    if ((field == "node" || field == "node_def") && !nodes_.empty()) {
      end_node();
    } else if (field == "function" && !functions_.empty()) {
      graph_.function(functions_.back().name, std::move(functions_.back().signature));
      functions_.pop_back();
    } else if (field == "attr" && !nodes_.empty()) {
      auto& node = nodes_.back();
      for (auto& text : node.texts)
        if (node.graph.texts.size() < 256) node.graph.texts.emplace_back(node.key, std::move(text));
      node.texts.clear();
    } else if (field == "external_data") {
      external_.entry(begun_, tensor_, key_, value_);
    } else if (field == "layer" || field == "layers") {
      end_layer();
    } else if (field == "meta_graphs") {
      graph_.settle();
    }
  }

  void value(const std::string& field, const std::string& text, std::uint64_t offset) override {
    const std::string_view in = path_.empty() ? std::string_view() : std::string_view(path_.back());
    if (in == "node" || in == "node_def") {
      if (!nodes_.empty()) node_value(nodes_.back(), field, text);
    } else if (in == "external_data") {
      if (field == "key") key_ = text.substr(0, 4096);
      if (field == "value") value_ = text.substr(0, 4096);
    } else if (in == "asset_file_def" || in.ends_with("AssetFileDef")) {
      if (field == "filename") graph_.asset_file(text.substr(0, 4096), offset);
    } else if (in == "tensor_info") {
      if (field == "name") graph_.asset_tensor(text.substr(0, 4096));
    } else if (in == "layer" || in == "layers") {
      if (field == "type") layer_.type = text.substr(0, 200);
      if (field == "type") caffe_ = true;
    } else if (in == "python_param") {
      if (field == "module") layer_.module = text.substr(0, 200);
      if (field == "layer") layer_.name = text.substr(0, 200);
    } else if (in == "opset_import" || field == "ir_version") {
      onnx_ = true;
    } else if (field == "metadata" && text.size() > 1) {
      keras(text, offset);
    } else if (!functions_.empty() && nodes_.empty()) {
      function_value(functions_.back(), in, field, text);
    } else if (!nodes_.empty()) {
      attribute_value(nodes_.back(), in, field, text);
    }
    if (field == "saved_model_schema_version") tensorflow_ = true;
    if (field == "name" && (in == "initializer" || in == "t" || in == "tensors" || in == "values"))
      tensor_ = text.substr(0, 200);
  }

  std::string format() const {
    return tensorflow_ ? "tensorflow-text" : onnx_ ? "onnx-text" : caffe_ ? "caffe-prototxt" : "";
  }

  void finish() {
    graph_.finish();
    std::size_t said = 0;
    for (const auto& [domain, type] : foreign_)
      if (said++ < 16)
        inspection_.find("onnx.custom-domain", Severity::low, 0,
                         "needs operators of a library of its own: " + printable(domain) + "::" + printable(type), {},
                         printable(domain));
  }

 private:
  struct Node {
    TensorflowNode graph;
    std::string type, domain;        // of ONNX
    std::string key;                 // of the attribute at hand
    std::vector<std::string> texts;  // of that attribute
  };
  struct Function {
    std::string name;
    TensorflowGraph::Signature signature;
  };
  struct Layer {
    std::string type, module, name;
  };

  static void node_value(Node& node, const std::string& field, const std::string& text) {
    const std::string part = text.substr(0, 4096);
    if (field == "name") node.graph.name = part;
    if (field == "op") node.graph.op = part;
    if (field == "op_type") node.type = part;
    if (field == "domain") node.domain = part;
    if (field == "input" && node.graph.inputs.size() < tensorflow_inputs_kept)
      node.graph.inputs.push_back(part);
    else if (field == "input")
      node.graph.cut = true;
  }

  static void attribute_value(Node& node, std::string_view in, const std::string& field, const std::string& text) {
    if (in == "attr" && field == "key") node.key = text.substr(0, 200);
    if (field == "s" && !text.empty() && node.texts.size() < 64) node.texts.push_back(text.substr(0, 4096));
    if (in == "func" && field == "name" && node.graph.calls.size() < 256)
      node.graph.calls.push_back(text.substr(0, 4096));
    if (field != "string_val" && field != "tensor_content") return;
    if (field == "tensor_content") {
      const auto texts = tensorflow_texts(text);
      if (text.size() >= text_value_kept) node.graph.cut = true;
      if (texts)
        for (const auto& one : *texts) constant(node, one);
    } else {
      constant(node, text);
    }
  }
  static void constant(Node& node, const std::string& text) {
    if (node.graph.constants.size() < 512)
      node.graph.constants.push_back(text.substr(0, 4096));
    else
      node.graph.cut = true;
  }

  static void function_value(Function& function, std::string_view in, const std::string& field,
                             const std::string& text) {
    if (in == "signature" && field == "name") function.name = text.substr(0, 4096);
    if (in == "input_arg" && field == "name" && function.signature.arguments.size() < 10'000)
      function.signature.arguments.push_back(text.substr(0, 4096));
    if (in == "ret" && field == "value" && function.signature.returns.size() < 10'000)
      function.signature.returns.push_back(text.substr(0, 4096));
  }

  void end_node() {
    Node node = std::move(nodes_.back());
    nodes_.pop_back();
    if (!node.graph.op.empty()) {
      tensorflow_ = true;
      graph_.node(std::move(node.graph));
    }
    if (node.type.empty()) return;
    onnx_ = true;
    if (!is_onnx_domain(node.domain) && foreign_.size() < 1000) foreign_.insert({node.domain, node.type});
    if (calls_python(node.type, node.domain))
      inspection_.find("onnx.python-operator", Severity::critical, begun_,
                       "the operator calls a Python function of the host: " + printable(node.type), {},
                       printable(node.type));
  }

  // Caffe imports the module and makes an object of the class when the net is built.
  void end_layer() {
    if (layer_.type != "Python" && layer_.type != "PYTHON" && layer_.module.empty()) return;
    caffe_ = true;
    const std::string whole = layer_.module + "." + layer_.name;
    const auto judged = judge_import_call(whole);
    const bool harm = !layer_.module.empty() && judged.severity == Severity::critical;
    if (layers_++ < 16)
      inspection_.find("caffe.python-layer", harm ? Severity::critical : Severity::high, begun_,
                       "the layer would import and run Python: " + printable(whole, 80), printable(whole, 80));
  }

  void keras(const std::string& text, std::uint64_t offset) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos || text[first] != '{') return;
    if (text.size() >= text_value_kept)
      return inspection_.inconclusive("scan.budget-exhausted", "a configuration is larger than the scan reads");
    Inspection inside = inspection_.child("keras@" + std::to_string(offset));
    inspect_keras_config(text, false, inside);
  }

  Inspection& inspection_;
  TensorflowGraph graph_;
  OnnxExternalData external_;
  std::vector<std::string> path_;
  std::vector<Node> nodes_;
  std::vector<Function> functions_;
  std::string key_, value_, tensor_;
  Layer layer_;
  std::set<std::pair<std::string, std::string>> foreign_;
  std::uint64_t begun_ = 0;
  std::size_t layers_ = 0;
  bool tensorflow_ = false, onnx_ = false, caffe_ = false;
};

}  // namespace

bool may_be_text_proto(std::string_view head) {
  MemoryReader data(as_bytes(head));
  TextProtoProbe probe;
  const auto end = TextProtoReader(data, probe, nullptr).run();
  // Comments and single fields may fill the beginning of a text that is one.
  return probe.known || ((end == TextEnd::complete || end == TextEnd::cut) && head.size() >= 60'000);
}

std::string inspect_text_proto(Reader& data, Inspection& inspection) {
  TextProtoRules rules(inspection);
  TextProtoReader reader(data, rules, &inspection.budget());
  const auto end = reader.run();
  const auto format = rules.format();
  if (end == TextEnd::out_of_budget) inspection.out_of_budget();
  if (end == TextEnd::unreadable) inspection.inconclusive("scan.not-scanned", "the data cannot be read");
  if (format.empty()) return {};
  rules.finish();
  if (end == TextEnd::too_deep)
    inspection.inconclusive("scan.budget-exhausted", "messages are nested deeper than the scan follows");
  if (end == TextEnd::cut || end == TextEnd::malformed)
    inspection.malformed("text-proto.malformed", reader.position(), "the text of a message is damaged or cut off");
  return format;
}

}  // namespace hauberk::scan
