#include "scan/numpy_dtype.h"

#include <charconv>
#include <limits>

namespace hauberk::scan {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > (std::uint64_t{1} << 62)) return std::nullopt;
  return product;
}

// A reader of the Python literals that numpy writes: {'descr': …, 'fortran_order': …, 'shape': (…), }.
class Literal {
 public:
  explicit Literal(std::string_view text) : rest_(text) {}

  std::optional<NpyHeader> header() {
    bool descr = false, shape = false, order = false;
    NpyHeader header{.dtype = {}, .count = 1};
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      const auto key = string();
      if (!key || !take(':')) return std::nullopt;
      if (*key == "descr" && !descr) {
        const auto dtype = this->dtype(0);
        if (!dtype) return std::nullopt;
        header.dtype = *dtype;
        descr = true;
      } else if (*key == "shape" && !shape) {
        const auto count = this->shape();
        if (!count) return std::nullopt;
        header.count = *count;
        shape = true;
      } else if (*key == "fortran_order" && !order) {
        if (!word("True") && !word("False")) return std::nullopt;
        order = true;
      } else {
        return std::nullopt;
      }
      if (!take(',') && !peek('}')) return std::nullopt;
    }
    skip_blanks();
    if (!rest_.empty() || !descr || !shape || !order) return std::nullopt;
    return header;
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t' || rest_[0] == '\r'))
      rest_.remove_prefix(1);
  }
  bool peek(char c) {
    skip_blanks();
    return !rest_.empty() && rest_[0] == c;
  }
  bool take(char c) {
    if (!peek(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view word) {
    skip_blanks();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  // Escapes are kept as they are: names of fields do not matter, and a dtype has none.
  std::optional<std::string_view> string() {
    skip_blanks();
    while (!rest_.empty() && (rest_[0] == 'u' || rest_[0] == 'b')) rest_.remove_prefix(1);
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) return std::nullopt;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\\')
        ++i;
      else if (rest_[i] == rest_[0]) {
        const auto text = rest_.substr(1, i - 1);
        rest_.remove_prefix(i + 1);
        return text;
      }
    }
    return std::nullopt;
  }
  std::optional<std::uint64_t> shape() {
    if (!peek('(')) {  // the shape of a field may be a bare number
      return integer();
    }
    std::uint64_t count = 1;
    if (!take('(')) return std::nullopt;
    while (!take(')')) {
      const auto size = integer();
      const auto product = size ? multiply(count, *size) : std::nullopt;
      if (!product) return std::nullopt;
      count = *product;
      if (!take(',') && !peek(')')) return std::nullopt;
    }
    return count;
  }
  std::optional<std::uint64_t> integer() {
    skip_blanks();
    const auto end = rest_.find_first_not_of("0123456789");
    const auto value = number(rest_.substr(0, end));
    if (value) rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end);
    if (!rest_.empty() && rest_[0] == 'L') rest_.remove_prefix(1);  // as Python 2 wrote it
    return value;
  }
  // 'f8' | [(name, dtype[, shape]), …] | (dtype, shape)
  std::optional<Dtype> dtype(int depth) {
    if (depth > 16) return std::nullopt;
    if (peek('[')) return fields(depth);
    if (take('(')) {
      auto base = dtype(depth + 1);
      if (!base || !take(',')) return std::nullopt;
      const auto count = shape();
      const auto size = count ? multiply(base->item_size, *count) : std::nullopt;
      take(',');
      if (!size || !take(')')) return std::nullopt;
      return Dtype{*size, base->has_object};
    }
    const auto text = string();
    return text ? parse_dtype(*text) : std::nullopt;
  }
  std::optional<Dtype> fields(int depth) {
    Dtype total;
    if (!take('[')) return std::nullopt;
    while (!take(']')) {
      if (!take('(')) return std::nullopt;
      if (peek('(')) {  // a title before the name
        take('(');
        if (!string() || !take(',') || !string() || !take(')')) return std::nullopt;
      } else if (!string()) {
        return std::nullopt;
      }
      if (!take(',')) return std::nullopt;
      const auto field = dtype(depth + 1);
      if (!field) return std::nullopt;
      std::uint64_t count = 1;
      if (take(',') && !peek(')')) {
        const auto repeated = shape();
        if (!repeated) return std::nullopt;
        count = *repeated;
        take(',');
      }
      const auto size = multiply(field->item_size, count);
      if (!size || !take(')') || __builtin_add_overflow(total.item_size, *size, &total.item_size)) return std::nullopt;
      total.has_object = total.has_object || field->has_object;
      if (!take(',') && !peek(']')) return std::nullopt;
    }
    return total;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<Dtype> parse_dtype(std::string_view text) {
  if (!text.empty() && (text[0] == '<' || text[0] == '>' || text[0] == '|' || text[0] == '=')) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  const char kind = text[0];
  std::string_view digits = text.substr(1);
  if (const auto unit = digits.find('['); unit != std::string_view::npos) {
    if (kind != 'M' && kind != 'm') return std::nullopt;
    digits = digits.substr(0, unit);
  }
  if (kind == 'O') return Dtype{8, true};
  if (kind == '?' && digits.empty()) return Dtype{1, false};
  if ((kind == 'S' || kind == 'U' || kind == 'V' || kind == 'a') && digits.empty()) return Dtype{0, false};
  const auto size = number(digits);
  if (!size || *size > (std::uint64_t{1} << 40)) return std::nullopt;
  switch (kind) {
    case 'U':
      return Dtype{*size * 4, false};
    case 'S':
    case 'V':
    case 'a':
      return Dtype{*size, false};
    case 'b':
    case 'i':
    case 'u':
    case 'f':
    case 'c':
    case 'M':
    case 'm':
      return *size >= 1 && *size <= 32 ? std::optional(Dtype{*size, false}) : std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<Dtype> parse_type_name(std::string_view name) {
  struct Named {
    std::string_view name;
    std::uint64_t item_size;
  };
  static constexpr Named types[] = {
      {"ml_dtypes.bfloat16", 2},
      {"ml_dtypes.float4_e2m1fn", 1},
      {"ml_dtypes.float6_e2m3fn", 1},
      {"ml_dtypes.float6_e3m2fn", 1},
      {"ml_dtypes.float8_e3m4", 1},
      {"ml_dtypes.float8_e4m3", 1},
      {"ml_dtypes.float8_e4m3b11fnuz", 1},
      {"ml_dtypes.float8_e4m3fn", 1},
      {"ml_dtypes.float8_e4m3fnuz", 1},
      {"ml_dtypes.float8_e5m2", 1},
      {"ml_dtypes.float8_e5m2fnuz", 1},
      {"ml_dtypes.float8_e8m0fnu", 1},
      {"ml_dtypes.int1", 1},
      {"ml_dtypes.int2", 1},
      {"ml_dtypes.int4", 1},
      {"ml_dtypes.uint1", 1},
      {"ml_dtypes.uint2", 1},
      {"ml_dtypes.uint4", 1},
      {"numpy.bool", 1},
      {"numpy.bool_", 1},
      {"numpy.complex128", 16},
      {"numpy.complex64", 8},
      {"numpy.double", 8},
      {"numpy.float16", 2},
      {"numpy.float32", 4},
      {"numpy.float64", 8},
      {"numpy.half", 2},
      {"numpy.int16", 2},
      {"numpy.int32", 4},
      {"numpy.int64", 8},
      {"numpy.int8", 1},
      {"numpy.single", 4},
      {"numpy.uint16", 2},
      {"numpy.uint32", 4},
      {"numpy.uint64", 8},
      {"numpy.uint8", 1},
  };
  for (const auto& type : types)
    if (type.name == name) return Dtype{type.item_size, false};
  return std::nullopt;
}

std::optional<NpyHeader> parse_npy_header(std::string_view literal) { return Literal(literal).header(); }

}  // namespace hauberk::scan
