#include "scan/flat_models.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "scan/flatbuffer.h"
#include "scan/tensorflow.h"

namespace hauberk::scan {
namespace {

constexpr std::string_view tflite_rule = "tflite.malformed";
constexpr std::uint64_t flex_limit = 4u << 20;

// The texts of a flexbuffer that is a vector of them, as TensorFlow's operators keep their name and node.
std::vector<ByteView> flex_texts(ByteView bytes) {
  std::vector<ByteView> out;
  const auto size = bytes.size();
  if (size < 3) return out;
  const auto number = [&](std::size_t at, std::size_t width) -> std::uint64_t {
    std::uint64_t value = 0;
    if (width > 8 || at > size || size - at < width) return ~0ull;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | bytes[at + i];
    return value;
  };
  const std::size_t root_width = bytes[size - 1];
  const unsigned type = bytes[size - 2] >> 2, packed_width = 1u << (bytes[size - 2] & 3);
  if (root_width == 0 || root_width > 8 || size < 2 + root_width || type != 10) return out;
  const auto root = size - 2 - root_width;
  const auto back = number(root, root_width);
  if (back > root) return out;
  const auto vector = root - back;
  if (vector < packed_width) return out;
  const auto count = number(vector - packed_width, packed_width);
  if (count > 16 || vector + count * packed_width + count > size) return out;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto element = vector + i * packed_width;
    const auto element_type = bytes[vector + count * packed_width + i];
    const std::size_t length_width = 1u << (element_type & 3);
    const auto distance = number(element, packed_width);
    if ((element_type >> 2) != 5 || distance > element || element - distance < length_width) return {};
    const auto begin = element - distance;
    const auto length = number(begin - length_width, length_width);
    if (length > size - begin) return {};
    out.push_back(bytes.subspan(begin, length));
  }
  return out;
}

// Operators of TFLite's own libraries.
bool is_stock_custom(std::string_view name) {
  static constexpr std::string_view stock[] = {"TFLite_Detection_PostProcess",
                                               "Mfcc",
                                               "AudioSpectrogram",
                                               "RFFT2D",
                                               "MaxPoolingWithArgmax2D",
                                               "MaxUnpooling2D",
                                               "Convolution2DTransposeBias",
                                               "TransformLandmarks",
                                               "TransformTensorBilinear",
                                               "Landmarks2TransformMatrix",
                                               "AlignCorners",
                                               "ReadVariable",
                                               "AssignVariable",
                                               "NumericVerify",
                                               "edgetpu-custom-op",
                                               "ethos-u",
                                               "HashTableLookup",
                                               "ExtractFeatures",
                                               "Normalize",
                                               "Predict",
                                               "RANDOM_UNIFORM",
                                               "Multinomial",
                                               "Roll",
                                               "HARD_SWISH",
                                               "ParseExample",
                                               "ParseExampleV2"};
  return std::find(std::begin(stock), std::end(stock), name) != std::end(stock) ||
         name.starts_with("TFSentencepiece") || name.starts_with("TFText>");
}

class TfliteWalk {
 public:
  TfliteWalk(Reader& data, Inspection& inspection) : data_(data), inspection_(inspection), flat_(data) {}

  void run() {
    const auto model = flat_.root();
    const auto codes = flat_.vector(model, 1, 4);
    // Every one of them: an operator may have any number.
    std::vector<bool> flex_codes(codes.count);
    for (std::uint32_t i = 0; i < codes.count && more(); ++i) {
      const auto code = flat_.element(codes, i);
      const auto builtin =
          std::max<std::int32_t>(flat_.number<std::int8_t>(code, 0, 0), flat_.number<std::int32_t>(code, 3, 0));
      if (builtin != 32) continue;
      const auto name = flat_.text(code, 1);
      flex_codes[i] = name.starts_with("Flex");
      if (customs_.size() < 1000 && customs_.insert(name).second) custom(name.empty() ? "?" : name);
    }
    const auto graphs = flat_.vector(model, 2, 4);
    for (std::uint32_t i = 0; i < graphs.count && more(); ++i) {
      const auto operators = flat_.vector(flat_.element(graphs, i), 3, 4);
      for (std::uint32_t k = 0; k < operators.count && more(); ++k) {
        const auto op = flat_.element(operators, k);
        const auto index = flat_.number<std::uint32_t>(op, 0, 0);
        if (index >= codes.count) {
          inspection_.malformed(tflite_rule, op.at, "an operator has a number that no operator has");
          return;
        }
        if (flex_codes[index]) flex(op);
      }
    }
    buffers(flat_.vector(model, 4, 4));
    if (flat_.broken())
      inspection_.malformed(tflite_rule, 0, "the model refers to a place outside of itself");
    else if (flat_.field(model, 2) == std::nullopt)
      inspection_.malformed(tflite_rule, 0, "the model has no graph");
  }

 private:
  bool more() {
    if (!inspection_.budget().spend_entries()) return inspection_.out_of_budget(), false;
    return !flat_.broken();
  }

  void custom(const std::string& name) {
    if (name.empty() || is_stock_custom(name)) return;
    if (name.starts_with("Flex") && is_tensorflow_operator(std::string_view(name).substr(4))) return;
    inspection_.find("tflite.custom-operator", Severity::low, 0,
                     "needs an operator of a library of its own: " + printable(name, 80), {}, printable(name));
  }

  void flex(const FlatTable& op) {
    const auto options = flat_.vector(op, 5, 1);
    if (flat_.broken()) return;
    const auto bytes = read_part(data_, options.at, options.count, flex_limit);
    if (!bytes) return inspection_.inconclusive("scan.not-scanned", "an operator's options are too large to read");
    const auto texts = flex_texts(*bytes);
    if (texts.size() < 2)
      return inspection_.inconclusive("scan.unsupported",
                                      "the options of one of TensorFlow's operators cannot be read");
    MemoryReader node(texts[1]);
    Cursor at(node);
    inspect_tensorflow_node(at, {.number = 1, .kind = WireField::bytes, .end = node.size()}, inspection_);
  }

  // Data lies within the buffers or, in large models, behind the flatbuffer.
  void buffers(const FlatVector& buffers) {
    for (std::uint32_t i = 0; i < buffers.count && more(); ++i) {
      const auto buffer = flat_.element(buffers, i);
      (void)flat_.vector(buffer, 0, 1);
      const auto offset = flat_.number<std::uint64_t>(buffer, 1, 0), size = flat_.number<std::uint64_t>(buffer, 2, 0);
      if (offset > 1 && (offset > data_.size() || size > data_.size() - offset))
        return inspection_.malformed(tflite_rule, buffer.at, "a buffer lies outside of the file");
    }
  }

  Reader& data_;
  Inspection& inspection_;
  Flatbuffer flat_;
  std::set<std::string> customs_;
};

}  // namespace

void inspect_tflite(Reader& data, Inspection& inspection) { TfliteWalk(data, inspection).run(); }

namespace {

// Program: 1 execution plans, 2 constant buffers, 3 data of delegates, 4 segments: offset and size behind the program.
void inspect_program(Flatbuffer& flat, std::uint64_t segments_at, std::uint64_t size, Inspection& inspection) {
  const auto program = flat.root();
  for (const unsigned part : {1u, 2u, 3u, 4u}) {
    const auto items = flat.vector(program, part, 4);
    for (std::uint32_t i = 0; i < items.count && !flat.broken(); ++i) {
      if (!inspection.budget().spend_entries()) return (void)inspection.out_of_budget();
      const auto item = flat.element(items, i);
      if (part == 1)
        for (const unsigned list : {2u, 5u, 6u, 7u}) (void)flat.vector(item, list, 4);
      if (part == 2) (void)flat.vector(item, 0, 1);
      if (part == 3) (void)flat.vector(item, 0, 1);
      if (part != 4) continue;
      const auto offset = flat.number<std::uint64_t>(item, 0, 0), length = flat.number<std::uint64_t>(item, 1, 0);
      if (segments_at > size || offset > size - segments_at || length > size - segments_at - offset)
        return inspection.malformed("executorch.malformed", item.at, "a segment passes the end of the file");
    }
  }
}

}  // namespace

void inspect_executorch(Reader& data, Inspection& inspection) {
  Flatbuffer flat(data);
  std::uint8_t extended[4] = {};
  std::uint64_t segments = 0;
  const auto got = data.read_at(8, extended);
  if (got && *got == 4 && as_text(extended) == "eh00") {
    const auto length = flat.at<std::uint32_t>(12);
    const auto size = flat.at<std::uint64_t>(16);
    segments = flat.at<std::uint64_t>(24);
    if (length < 24 || size > data.size() || segments > data.size())
      inspection.malformed("executorch.malformed", 8, "the header describes more than the file holds");
  }
  inspect_program(flat, segments, data.size(), inspection);
  if (flat.broken())
    inspection.malformed("executorch.malformed", 0, "the program refers to a place outside of itself");
  else
    inspection.note("what its delegates compute is not checked");
}

}  // namespace hauberk::scan
