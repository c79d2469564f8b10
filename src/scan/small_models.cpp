#include "scan/small_models.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "scan/program_text.h"

namespace hauberk::scan {
namespace {

constexpr std::size_t small_depth = 256;
constexpr std::uint64_t texts_read = 32u << 20;

// Forward reads with one failure flag, in the byte order that the format has.
class SmallReader {
 public:
  SmallReader(Reader& data, Inspection& inspection) : at_(data), inspection_(inspection) {}

  std::uint64_t big(std::size_t width) {
    std::uint64_t value = 0;
    if (!at_.need(width)) return fail();
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | at_.data()[i];
    at_.advance(width);
    return value;
  }
  std::uint64_t little(std::size_t width) {
    std::uint64_t value = 0;
    if (!at_.need(width)) return fail();
    for (std::size_t i = width; i-- > 0;) value = value << 8 | at_.data()[i];
    at_.advance(width);
    return value;
  }
  void skip(std::uint64_t count) {
    if (!at_.skip(count)) fail();
  }
  // A text is looked at, and its first characters are the answer.
  std::string text(std::uint64_t size) {
    if (size > at_.remaining()) return fail(), std::string();
    std::string out;
    const auto kept = std::min<std::uint64_t>(size, program_text_limit);
    while (out.size() < kept) {
      const auto part = std::min<std::size_t>(kept - out.size(), 16u << 10);
      if (!at_.need(part)) return fail(), std::string();
      out.append(reinterpret_cast<const char*>(at_.data()), part);
      at_.advance(part);
    }
    skip(size - kept);
    if (const auto program = program_in(out))
      inspection_.find("scan.program-text", program->severity, at_.position() - size,
                       "a text in the file is a program that " + program->does);
    return out;
  }
  bool spend() {
    if (inspection_.budget().spend_entries()) return good_;
    return fail(), false;
  }
  std::uint8_t peek() { return at_.need(1) ? *at_.data() : std::uint8_t{0}; }
  bool good() const { return good_; }
  std::uint64_t fail() { return good_ = false, 0; }
  std::uint64_t position() const { return at_.position(); }
  std::uint64_t remaining() const { return at_.remaining(); }

 private:
  Cursor at_;
  Inspection& inspection_;
  bool good_ = true;
};

bool word_text(ByteView bytes) {
  return !bytes.empty() &&
         std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t c) { return c >= 0x20 && c < 0x7f; });
}

void report_end(SmallReader& in, Inspection& inspection, std::string_view rule, std::string_view what) {
  if (inspection.out_of_budget()) return;
  if (!in.good())
    inspection.malformed(rule, in.position(), std::string(what) + " is damaged or cut off");
  else if (in.remaining() != 0)
    inspection.find("scan.trailing-bytes", Severity::low, in.position(),
                    std::to_string(in.remaining()) + " bytes follow " + std::string(what));
}

void inspect_msgpack(Reader& data, Inspection& inspection) {
  SmallReader in(data, inspection);
  std::vector<std::uint64_t> left{1};  // how many values each open collection still expects
  while (!left.empty() && in.good()) {
    if (left.back() == 0) {
      left.pop_back();
      continue;
    }
    --left.back();
    if (!in.spend()) break;
    const auto type = static_cast<unsigned>(in.big(1));
    std::uint64_t items = 0;
    bool collection = false;
    const auto extension = [&](std::uint64_t size) {
      const auto kind = in.big(1);
      if (in.good() && (kind < 1 || kind > 3))
        inspection.find("flax.extension", Severity::low, in.position(),
                        "an extension of a kind that Flax does not have: " + std::to_string(kind));
      in.skip(size);
    };
    if (type <= 0x7f || type >= 0xe0 || type == 0xc0 || type == 0xc2 || type == 0xc3) {
    } else if (type <= 0x8f) {
      items = 2 * (type & 15), collection = true;
    } else if (type <= 0x9f) {
      items = type & 15, collection = true;
    } else if (type <= 0xbf) {
      in.text(type & 31);
    } else {
      switch (type) {
        case 0xc4:
        case 0xc5:
        case 0xc6:
          in.skip(in.big(std::size_t{1} << (type - 0xc4)));
          break;
        case 0xc7:
        case 0xc8:
        case 0xc9:
          extension(in.big(std::size_t{1} << (type - 0xc7)));
          break;
        case 0xca:
        case 0xce:
        case 0xd2:
          in.skip(4);
          break;
        case 0xcb:
        case 0xcf:
        case 0xd3:
          in.skip(8);
          break;
        case 0xcc:
        case 0xd0:
          in.skip(1);
          break;
        case 0xcd:
        case 0xd1:
          in.skip(2);
          break;
        case 0xd4:
        case 0xd5:
        case 0xd6:
        case 0xd7:
        case 0xd8:
          extension(std::uint64_t{1} << (type - 0xd4));
          break;
        case 0xd9:
        case 0xda:
        case 0xdb:
          in.text(in.big(std::size_t{1} << (type - 0xd9)));
          break;
        case 0xdc:
        case 0xdd:
          items = in.big(type == 0xdc ? 2 : 4), collection = true;
          break;
        case 0xde:
        case 0xdf:
          items = 2 * in.big(type == 0xde ? 2 : 4), collection = true;
          break;
        default:
          in.fail();
      }
    }
    // Every value takes a byte at least: a count that the file cannot hold is no count.
    if (collection && items > in.remaining()) in.fail();
    if (collection) left.push_back(items);
    if (left.size() > small_depth)
      return inspection.inconclusive("scan.budget-exhausted", "the data is nested deeper than the scan follows");
  }
  report_end(in, inspection, "flax.malformed", "the message");
}

// UBJSON's integers; false for anything else.
bool ubj_integer(SmallReader& in, char type, std::uint64_t& value) {
  const int width = type == 'i' || type == 'U' ? 1 : type == 'I' ? 2 : type == 'l' ? 4 : type == 'L' ? 8 : 0;
  if (width == 0) return false;
  value = in.big(static_cast<std::size_t>(width));
  // Lengths below zero are no lengths.
  return in.good() && (type == 'U' || value >> (8 * width - 1) == 0);
}

int ubj_width(char type) {
  switch (type) {
    case 'i':
    case 'U':
    case 'C':
      return 1;
    case 'I':
      return 2;
    case 'l':
    case 'd':
      return 4;
    case 'L':
    case 'D':
      return 8;
    case 'Z':
    case 'N':
    case 'T':
    case 'F':
      return 0;
    default:
      return -1;
  }
}

void inspect_ubjson(Reader& data, Inspection& inspection) {
  SmallReader in(data, inspection);
  struct Open {
    bool object;
    bool counted;
    std::uint64_t left;
    char type;  // of all values; 0: each says its own
  };
  std::vector<Open> open;
  const auto text = [&] {
    std::uint64_t size = 0;
    if (!ubj_integer(in, static_cast<char>(in.big(1)), size)) in.fail();
    if (in.good()) in.text(size);
  };
  bool begun = false;
  while (in.good() && (!begun || !open.empty())) {
    char type = 0;
    if (!open.empty()) {
      auto& top = open.back();
      if (top.counted ? top.left == 0 : in.peek() == (top.object ? '}' : ']')) {
        if (!top.counted) in.big(1);
        open.pop_back();
        continue;
      }
      if (top.counted) --top.left;
      if (!in.spend()) break;
      if (top.object) text();
      type = top.type;
    }
    begun = true;
    if (type == 0) type = static_cast<char>(in.big(1));
    if (!in.good()) break;
    if (type == '{' || type == '[') {
      Open next{type == '{', false, 0, 0};
      if (in.peek() == '$') in.big(1), next.type = static_cast<char>(in.big(1));
      if (in.peek() == '#') {
        in.big(1);
        next.counted = ubj_integer(in, static_cast<char>(in.big(1)), next.left);
        if (!next.counted) in.fail();
      } else if (next.type != 0) {
        in.fail();
      }
      const int width = next.type != 0 ? ubj_width(next.type) : -1;
      if (in.good() && !next.object && width >= 0) {
        if (width > 0 && next.left > in.remaining() / static_cast<std::uint64_t>(width)) in.fail();
        if (in.good()) in.skip(next.left * static_cast<std::uint64_t>(width));
        continue;
      }
      if (next.counted && next.left > in.remaining()) in.fail();
      open.push_back(next);
    } else if (type == 'S' || type == 'H') {
      text();
    } else if (const int width = ubj_width(type); width >= 0) {
      in.skip(static_cast<std::uint64_t>(width));
    } else if (type != 'N') {
      in.fail();
    }
    if (open.size() > small_depth)
      return inspection.inconclusive("scan.budget-exhausted", "the data is nested deeper than the scan follows");
  }
  report_end(in, inspection, "xgboost.malformed", "the model");
}

// "binf" or nothing, LearnerModelParam of 136 bytes, the names of the objective and of the booster.
bool xgboost_names(SmallReader& in) {
  in.skip(136);
  for (int i = 0; i < 2; ++i) {
    const auto size = in.little(8);
    if (!in.good() || size == 0 || size > 64) return false;
    const auto name = in.text(size);
    if (!in.good() || !word_text(as_bytes(name))) return false;
    if (i == 1) return name == "gbtree" || name == "gblinear" || name == "dart";
  }
  return false;
}

void inspect_mxnet(Reader& data, Inspection& inspection) {
  SmallReader in(data, inspection);
  in.skip(16);
  const auto arrays = in.little(8);
  if (arrays > data.size() / 8) in.fail();
  for (std::uint64_t i = 0; i < arrays && in.spend(); ++i) {
    const auto magic = in.little(4);
    std::uint64_t dimensions = magic;
    std::size_t width = 4;
    if (magic == 0xf993fac9 || magic == 0xf993faca) {
      if (in.little(4) != 0)
        return inspection.inconclusive("scan.unsupported", "the file holds sparse arrays, which are not understood");
      width = 8, dimensions = in.little(4);
    } else if (magic == 0xf993fac8) {
      width = 8, dimensions = in.little(4);
    }
    if (dimensions > 32) in.fail();
    std::uint64_t count = 1;
    for (std::uint64_t d = 0; d < dimensions && in.good(); ++d) {
      const auto size = in.little(width);
      if (size != 0 && count > data.size() / size) in.fail();
      count *= size;
    }
    if (dimensions == 0) continue;
    in.skip(8);
    static constexpr std::uint64_t sizes[] = {4, 8, 2, 1, 4, 1, 8, 1, 2, 2, 4, 8, 2};
    const auto type = in.little(4);
    if (type >= std::size(sizes)) in.fail();
    if (in.good()) in.skip(count * sizes[type]);
  }
  const auto names = in.little(8);
  if (names > data.size() / 8) in.fail();
  for (std::uint64_t i = 0; i < names && in.spend(); ++i) in.text(in.little(8));
  report_end(in, inspection, "mxnet.malformed", "the list of arrays");
}

class RWalk {
 public:
  RWalk(Reader& data, Inspection& inspection) : in_(data, inspection), inspection_(inspection) {}

  void run() {
    if (in_.peek() == 'R') in_.skip(5);
    in_.skip(2);
    const auto version = in_.big(4);
    in_.skip(8);
    if (version == 3) in_.skip(in_.big(4));
    if (version != 2 && version != 3) in_.fail();
    work_.push_back(item);
    while (!work_.empty() && in_.good() && !stopped_) {
      const auto next = work_.back();
      work_.pop_back();
      if (!in_.spend()) break;
      if (work_.size() > 1'000'000)
        return inspection_.inconclusive("scan.budget-exhausted", "the data is nested deeper than the scan follows");
      next == skip_four ? in_.skip(4) : read(next);
    }
    if (!stopped_) report_end(in_, inspection_, "r.malformed", "the object");
  }

 private:
  enum Work : std::uint8_t { item, value_of_promise, skip_four };

  void items(std::uint64_t count, Work what = item) {
    if (count > in_.remaining() / 4) {  // each takes four bytes at least
      in_.fail();
      return;
    }
    work_.insert(work_.end(), count, what);
  }
  std::uint64_t length() {
    const auto size = in_.big(4);
    return size == 0xffffffff ? in_.big(4) << 32 | in_.big(4) : size;
  }
  void data(std::uint64_t width) {
    const auto count = length();
    if (count > in_.remaining() / width) in_.fail();
    if (in_.good()) in_.skip(count * width);
  }

  void read(Work as) {
    const auto begin = in_.position();
    const auto flags = in_.big(4);
    const auto type = flags & 0xff;
    const bool attributes = (flags & 0x200) != 0, tag = (flags & 0x400) != 0;
    // R evaluates a promise without a value as soon as anybody touches it: CVE-2024-27322.
    if (as == value_of_promise && type == 252)
      inspection_.find("r.promise", Severity::critical, begin,
                       "a promise without a value: R runs the expression in it when the object is used "
                       "(CVE-2024-27322)");
    switch (type) {
      case 254:
      case 253:
      case 252:
      case 251:
      case 250:
      case 242:
      case 241:
        return;
      case 255:
        if (flags >> 8 == 0) in_.skip(4);
        return;
      case 247:
      case 248:
      case 249:
        in_.skip(4);
        return items(in_.big(4));
      case 1:
        return items(1);
      case 5:
        inspection_.find("r.promise", Severity::medium, begin, "a promise: an expression that waits to be run");
        items(1);
        work_.push_back(value_of_promise);
        return items((attributes ? 1 : 0) + (tag ? 1 : 0));
      case 2:
      case 3:
      case 6:
      case 17:
        return items(2 + (attributes ? 1 : 0) + (tag ? 1 : 0));
      case 4:
        in_.skip(4);
        return items(4);
      case 22:
        return items(2 + (attributes ? 1 : 0));
      case 23:
      case 25:
        return items(attributes ? 1 : 0);
      case 7:
      case 8:
        in_.text(in_.big(4));
        return;
      case 9: {
        const auto size = in_.big(4);
        if (size != 0xffffffff) in_.text(size);
        return items(attributes ? 1 : 0);
      }
      case 10:
      case 13:
        data(4);
        return items(attributes ? 1 : 0);
      case 14:
        data(8);
        return items(attributes ? 1 : 0);
      case 15:
        data(16);
        return items(attributes ? 1 : 0);
      case 24:
        data(1);
        return items(attributes ? 1 : 0);
      case 16:
      case 19:
      case 20:
        items(attributes ? 1 : 0);
        return items(length());
      case 238:
        return items(3);
      case 21:
        stopped_ = true;
        return inspection_.inconclusive("scan.unsupported",
                                        "the object holds functions as byte code, which is not understood");
      default:
        in_.fail();
    }
  }

  SmallReader in_;
  Inspection& inspection_;
  std::vector<Work> work_;
  bool stopped_ = false;
};

std::string head_of(Reader& data, std::size_t count) {
  std::string head(count, '\0');
  const auto got = data.read_at(0, {reinterpret_cast<std::uint8_t*>(head.data()), head.size()});
  head.resize(got ? *got : 0);
  return head;
}

bool begins_msgpack(std::string_view head) {
  if (head.size() < 3) return false;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(head[i]); };
  // A map with a text for its first key.
  const std::size_t key = byte(0) >= 0x81 && byte(0) <= 0x8f ? 1 : byte(0) == 0xde ? 3 : byte(0) == 0xdf ? 5 : 0;
  if (key == 0 || key + 1 >= head.size()) return false;
  const bool fixed = byte(key) >= 0xa1 && byte(key) <= 0xbf;
  const std::size_t size = fixed ? byte(key) & 31u : byte(key) == 0xd9 ? byte(key + 1) : 0;
  const auto text = head.substr(std::min(head.size(), key + (fixed ? 1 : 2)), size);
  return size != 0 && word_text(as_bytes(text));
}

}  // namespace

SmallModel small_model(Reader& data) {
  const std::string head = head_of(data, 64);
  using namespace std::string_view_literals;
  if (head.starts_with("\x12\x01\0\0\0\0\0\0"sv)) return SmallModel::mxnet;
  if (head.starts_with("RKNN"sv)) return SmallModel::rknn;
  if (head.starts_with("X\n\0\0\0\2"sv) || head.starts_with("X\n\0\0\0\3"sv) || head.starts_with("RDX2\nX\n"sv) ||
      head.starts_with("RDX3\nX\n"sv))
    return SmallModel::r_data;
  if (head.size() > 2 && head[0] == '{' && std::string_view("LiIUl").find(head[1]) != std::string_view::npos &&
      static_cast<unsigned char>(head[2]) < 0x20)
    return SmallModel::ubjson;
  if (begins_msgpack(head)) return SmallModel::msgpack;
  Gathering nothing{.budget = Budget({}, {})};
  Inspection unheard(nothing, "");
  const bool marked = head.starts_with("binf");
  RangeReader rest(data, marked ? 4 : 0, data.size() - (marked ? 4 : 0));
  SmallReader in(rest, unheard);
  if (data.size() > 160 && xgboost_names(in)) return SmallModel::xgboost;
  return SmallModel::none;
}

std::string inspect_small_model(Reader& data, Inspection& inspection) {
  switch (small_model(data)) {
    case SmallModel::msgpack:
      inspect_msgpack(data, inspection);
      return "flax-msgpack";
    case SmallModel::ubjson:
      inspect_ubjson(data, inspection);
      return "xgboost-ubjson";
    case SmallModel::xgboost:
      inspection.note("XGBoost's old binary format: its trees are not checked");
      return "xgboost-binary";
    case SmallModel::mxnet:
      inspect_mxnet(data, inspection);
      return "mxnet-params";
    case SmallModel::rknn:
      if (data.size() < 16) inspection.malformed("rknn.malformed", 0, "the file is cut off");
      inspect_texts_within(data, inspection);
      inspection.note("a program for Rockchip's processors: what it computes is not checked");
      return "rknn";
    case SmallModel::r_data:
      RWalk(data, inspection).run();
      return "r-data";
    case SmallModel::none:
      break;
  }
  return "unknown";
}

void inspect_catboost(Reader& data, Inspection& inspection) {
  SmallReader in(data, inspection);
  in.skip(4);
  const auto core = in.little(4);
  if (!in.good() || core < 8 || core > in.remaining())
    return inspection.malformed("catboost.malformed", 4, "the model is cut off");
  inspect_texts_within(data, inspection);
}

void inspect_texts_within(Reader& data, Inspection& inspection) {
  Cursor at(data);
  std::string run;
  const auto end = std::min<std::uint64_t>(data.size(), texts_read);
  std::size_t said = 0;
  const auto judge = [&] {
    const auto program = program_in(run);
    if (program && said++ < 10)
      inspection.find("scan.program-text", program->severity, at.position() - run.size(),
                      "a text in the file is a program that " + program->does);
    run.clear();
  };
  while (at.position() < end && at.need(1)) {
    const auto count = std::min<std::size_t>(at.buffered(), end - at.position());
    const auto* bytes = at.data();
    at.advance(count);
    for (std::size_t i = 0; i < count; ++i) {
      const bool text = (bytes[i] >= 0x20 && bytes[i] < 0x7f) || bytes[i] == '\n' || bytes[i] == '\t';
      if (text && run.size() < 4096)
        run += static_cast<char>(bytes[i]);
      else if (!run.empty())
        judge();
    }
  }
  if (!run.empty()) judge();
}

}  // namespace hauberk::scan
