#include <algorithm>
#include <array>
#include <bit>
#include <set>

#include "scan/formats.h"
#include "scan/jinja.h"

namespace hauberk::scan {
namespace {

constexpr std::string_view gguf_rule = "gguf.malformed";
constexpr std::uint64_t text_kept = 1u << 20;

struct Block {
  std::uint32_t elements, bytes;  // 0 elements: an id that is no longer used
};
// By the tensor type's id, 0 to 41.
constexpr Block blocks[] = {{1, 4},     {1, 2},     {32, 18},   {32, 20},  {0, 0},     {0, 0},     {32, 22},
                            {32, 24},   {32, 34},   {32, 36},   {256, 84}, {256, 110}, {256, 144}, {256, 176},
                            {256, 210}, {256, 292}, {256, 66},  {256, 74}, {256, 98},  {256, 50},  {32, 18},
                            {256, 110}, {256, 82},  {256, 136}, {1, 1},    {1, 2},     {1, 4},     {1, 8},
                            {1, 8},     {256, 56},  {1, 2},     {0, 0},    {0, 0},     {0, 0},     {256, 54},
                            {256, 66},  {0, 0},     {0, 0},     {0, 0},    {32, 17},   {64, 36},   {128, 18}};

constexpr std::array<std::uint8_t, 13> value_sizes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};  // 0: text or array

struct Tensor {
  std::string name;
  std::uint64_t offset = 0, size = 0;
};

class GgufWalk {
 public:
  GgufWalk(Reader& data, Inspection& inspection) : data_(data), inspection_(inspection), at_(data, 4) {}

  void run() {
    std::uint64_t tensors = 0, values = 0;
    if (!at_.need(4)) return bad("the header is cut off");
    version_ = load_le<std::uint32_t>(at_.data());
    if (version_ > 0xffff) {
      swapped_ = true;
      version_ = std::byteswap(static_cast<std::uint32_t>(version_));
    }
    at_.advance(4);
    if (version_ < 1 || version_ > 3) return bad("a version that does not exist");
    if (!length(tensors) || !length(values)) return bad("the header is cut off");
    // Each value and each tensor takes at least a dozen bytes: larger counts are lies made to overflow.
    if (tensors > data_.size() / 12 || values > data_.size() / 12)
      return bad("more tensors or values than the file has room for");
    for (std::uint64_t i = 0; i < values; ++i)
      if (!key_value()) return;
    for (std::uint64_t i = 0; i < tensors; ++i)
      if (!tensor()) return;
    check_places();
  }

 private:
  void bad(std::string what, const std::string& name = {}) {
    if (at_.failed()) return inspection_.inconclusive("scan.not-scanned", "the data cannot be read");
    inspection_.malformed(gguf_rule, at_.position(), std::move(what), printable(name));
  }
  bool number(unsigned size, std::uint64_t& out) {
    if (!at_.need(size)) return false;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= std::uint64_t{at_.data()[swapped_ ? size - 1 - i : i]} << 8 * i;
    at_.advance(size);
    out = value;
    return true;
  }
  bool length(std::uint64_t& out) { return number(version_ == 1 ? 4 : 8, out); }
  bool text(std::string& out, std::uint64_t limit) {
    std::uint64_t size = 0;
    out.clear();
    if (!length(size) || size > at_.remaining()) return false;
    text_cut_ = size > limit;
    if (!text_cut_) {
      const auto bytes = read_part(data_, at_.position(), size, limit);
      if (!bytes) return false;
      out.assign(as_text(*bytes));
    }
    return at_.skip(size);
  }

  bool key_value() {
    if (!inspection_.budget().spend_entries()) return inspection_.out_of_budget(), false;
    std::string key;
    std::uint64_t type = 0;
    if (!text(key, 65535) || key.empty() || !number(4, type))
      return bad("a key is cut off or longer than any real one"), false;
    if (!keys_.insert(key).second) return bad("a key occurs twice", key), false;
    if (type == 8) {
      std::string value;
      const bool is_template = key == "tokenizer.chat_template" || key.starts_with("tokenizer.chat_template.");
      if (!text(value, text_kept)) return bad("a text is cut off", key), false;
      if (is_template && text_cut_)
        inspection_.inconclusive("scan.budget-exhausted", "a chat template is larger than the scan reads");
      else if (is_template)
        check_template(key, value, at_.position() - value.size());
      return true;
    }
    if (type == 9) return array(key, 0);
    if (type >= value_sizes.size()) return bad("a type of value that does not exist", key), false;
    std::uint64_t value = 0;
    if (!number(value_sizes[type], value)) return bad("a value is cut off", key), false;
    if (key != "general.alignment") return true;
    if (type != 4 || !std::has_single_bit(value) || value % 8 != 0 || value > (1u << 30))
      return bad("the alignment is no power of two from 8 on", key), false;
    alignment_ = value;
    return true;
  }

  bool array(const std::string& key, int depth) {
    std::uint64_t type = 0, count = 0, size = 0;
    if (depth > 8) return bad("arrays are nested too deep", key), false;
    if (!number(4, type) || !length(count) || type >= value_sizes.size() || count > at_.remaining())
      return bad("an array is cut off or of no type", key), false;
    if (value_sizes[type] != 0) {
      if (__builtin_mul_overflow(count, std::uint64_t{value_sizes[type]}, &size) || !at_.skip(size))
        return bad("an array is cut off", key), false;
      return true;
    }
    std::string element;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (type == 9) {
        if (!inspection_.budget().spend_entries()) return inspection_.out_of_budget(), false;
        if (!array(key, depth + 1)) return false;
      } else if (!text(element, 0)) {
        return bad("an array of texts is cut off", key), false;
      }
    }
    return true;
  }

  void check_template(const std::string& key, const std::string& text, std::uint64_t offset) {
    inspection_.note(inspection_.path() + ": holds a chat template (" + printable(key) +
                     "), a program that the server runs for each conversation");
    inspect_jinja(text, inspection_, TemplateTrust::certain, key, offset);
  }

  bool tensor() {
    if (!inspection_.budget().spend_entries()) return inspection_.out_of_budget(), false;
    Tensor tensor;
    std::uint64_t dimensions = 0, elements = 1, row = 1, type = 0;
    if (!text(tensor.name, 65535) || !number(4, dimensions)) return bad("a tensor's description is cut off"), false;
    if (dimensions > 4) return bad("a tensor has more than four dimensions", tensor.name), false;
    for (std::uint64_t i = 0; i < dimensions; ++i) {
      std::uint64_t size = 0;
      if (!length(size)) return bad("a tensor's description is cut off", tensor.name), false;
      if (size > INT64_MAX || __builtin_mul_overflow(elements, size, &elements))
        return bad("a tensor's shape overflows", tensor.name), false;
      if (i == 0) row = size;
    }
    if (!number(4, type) || !number(8, tensor.offset))
      return bad("a tensor's description is cut off", tensor.name), false;
    if (type >= std::size(blocks) || blocks[type].elements == 0) {
      inspection_.inconclusive("scan.unsupported", "tensor type " + std::to_string(type) +
                                                       " is not known: the places of the tensors cannot be checked");
      return false;
    }
    const auto block = blocks[type];
    if (row % block.elements != 0) return bad("a tensor's rows do not fill whole blocks", tensor.name), false;
    if (__builtin_mul_overflow(elements / block.elements, std::uint64_t{block.bytes}, &tensor.size))
      return bad("a tensor's size overflows", tensor.name), false;
    if (tensor.offset % alignment_ != 0) return bad("a tensor's place is not aligned", tensor.name), false;
    if (!names_.insert(tensor.name).second) return bad("two tensors have one name", tensor.name), false;
    tensors_.push_back(std::move(tensor));
    return true;
  }

  void check_places() {
    const std::uint64_t start = (at_.position() + alignment_ - 1) / alignment_ * alignment_;
    if (tensors_.empty()) return;
    if (start > data_.size()) return bad("the tensors' data is missing");
    const std::uint64_t room = data_.size() - start;
    std::sort(tensors_.begin(), tensors_.end(), [](const Tensor& a, const Tensor& b) { return a.offset < b.offset; });
    std::uint64_t end = 0;
    for (const auto& tensor : tensors_) {
      if (tensor.offset > room || tensor.size > room - tensor.offset)
        return bad("a tensor passes the end of the file", tensor.name);
      if (tensor.offset < end) return bad("two tensors overlap", tensor.name);
      if (tensor.offset - end >= alignment_)
        inspection_.find("gguf.unused-bytes", Severity::low, start + end, "bytes that belong to no tensor", {},
                         printable(tensor.name));
      end = tensor.offset + tensor.size;
    }
    if (room - end >= alignment_)
      inspection_.find("gguf.unused-bytes", Severity::low, start + end,
                       std::to_string(room - end) + " bytes follow the last tensor");
  }

  Reader& data_;
  Inspection& inspection_;
  Cursor at_;
  std::uint64_t version_ = 0;
  std::uint64_t alignment_ = 32;
  bool swapped_ = false;
  bool text_cut_ = false;  // the last text was longer than was asked for and is not here
  std::set<std::string> keys_, names_;
  std::vector<Tensor> tensors_;
};

}  // namespace

void inspect_gguf(Reader& data, Inspection& inspection) { GgufWalk(data, inspection).run(); }

}  // namespace hauberk::scan
