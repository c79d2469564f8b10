#include "scan/small_models.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include "scan/pickle.h"
#include "scan/program_text.h"

namespace hauberk::scan {
namespace {

constexpr std::size_t small_depth = 256;
constexpr std::uint64_t texts_read = 32u << 20;

// Forward reads with one failure flag, in the byte order that the format has.
class SmallReader {
 public:
  // A dry one skips texts.
  SmallReader(Reader& data, Inspection& inspection, bool dry = false) : at_(data), inspection_(inspection), dry_(dry) {}

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
    if (dry_) return skip(size), out;
    const auto kept = std::min<std::uint64_t>(size, program_text_limit);
    while (out.size() < kept) {
      const auto part = std::min<std::size_t>(kept - out.size(), 16u << 10);
      if (!at_.need(part)) return fail(), std::string();
      out.append(reinterpret_cast<const char*>(at_.data()), part);
      at_.advance(part);
    }
    skip(size - kept);
    judge(out, at_.position() - size);
    return out;
  }
  void judge(std::string_view text, std::uint64_t begin) {
    if (const auto program = program_in(text))
      inspection_.find("scan.program-text", program->severity, begin,
                       "a text in the file is a program that " + program->does);
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
  bool dry_ = false;
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

// One value with all that is in it. A dry walk says nothing and looks into nothing.
class MsgpackWalk {
 public:
  enum End : std::uint8_t { complete, broken, too_deep };
  MsgpackWalk(Reader& data, Inspection& inspection, bool dry)
      : data_(data), in_(data, inspection, dry), inspection_(inspection), dry_(dry) {}

  End run() {
    left_ = {1};
    while (!left_.empty() && in_.good()) {
      if (left_.back() == 0) {
        left_.pop_back();
        continue;
      }
      --left_.back();
      if (!in_.spend()) break;
      value(static_cast<unsigned>(in_.big(1)));
      if (left_.size() > small_depth) return too_deep;
    }
    return in_.good() ? complete : broken;
  }
  SmallReader& in() { return in_; }

 private:
  void value(unsigned type) {
    if (type <= 0x7f || type >= 0xe0 || type == 0xc0 || type == 0xc2 || type == 0xc3) return;
    if (type <= 0x8f) return open(2 * (type & 15));
    if (type <= 0x9f) return open(type & 15);
    if (type <= 0xbf) return (void)in_.text(type & 31);
    static constexpr std::uint8_t plain[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8};  // float, uint and int from 0xca on
    if (type >= 0xca && type <= 0xd3) return in_.skip(plain[type - 0xca]);
    if (type >= 0xd4 && type <= 0xd8) return extension(std::uint64_t{1} << (type - 0xd4));
    if (type >= 0xc4 && type <= 0xc6) return bytes(in_.big(std::size_t{1} << (type - 0xc4)));
    if (type >= 0xc7 && type <= 0xc9) return extension(in_.big(std::size_t{1} << (type - 0xc7)));
    if (type >= 0xd9 && type <= 0xdb) return (void)in_.text(in_.big(std::size_t{1} << (type - 0xd9)));
    if (type == 0xdc || type == 0xdd) return open(in_.big(type == 0xdc ? 2 : 4));
    if (type == 0xde || type == 0xdf) return open(2 * in_.big(type == 0xde ? 2 : 4));
    in_.fail();
  }
  // Every value takes a byte at least: a count that the file cannot hold is no count.
  void open(std::uint64_t items) { items > in_.remaining() ? (void)in_.fail() : left_.push_back(items); }

  void extension(std::uint64_t size) {
    const auto kind = in_.big(1);
    if (!dry_ && in_.good() && (kind < 1 || kind > 3))
      inspection_.find("flax.extension", Severity::low, in_.position(),
                       "an extension of a kind that Flax does not have: " + std::to_string(kind));
    in_.skip(size);
  }

  // Arrays of objects that msgpack-numpy writes are pickles, which its reader loads.
  void bytes(std::uint64_t size) {
    const auto begin = in_.position();
    in_.skip(size);
    if (dry_ || !in_.good() || size < 4) return;
    RangeReader part(data_, begin, size);
    if (!is_pickle(part, inspection_.budget())) return;
    Gathering trial{.budget = Budget(inspection_.budget().limits(), {})};
    Inspection unheard(trial, "");
    inspect_pickle_file(part, unheard);
    // Numbers may happen to read like a short pickle.
    if (trial.worst < Severity::medium && !trial.budget.exhausted()) return;
    Inspection inner = inspection_.child("bytes@" + std::to_string(begin));
    inspect_pickle_file(part, inner);
  }

  Reader& data_;
  SmallReader in_;
  Inspection& inspection_;
  bool dry_;
  std::vector<std::uint64_t> left_;  // how many values each open collection still expects
};

void inspect_msgpack(Reader& data, Inspection& inspection) {
  MsgpackWalk walk(data, inspection, false);
  if (walk.run() == MsgpackWalk::too_deep)
    return inspection.inconclusive("scan.budget-exhausted", "the data is nested deeper than the scan follows");
  report_end(walk.in(), inspection, "flax.malformed", "the message");
}

// Whether a walk through all of it ends where the file does, or not long before; or goes on for longer than numbers
// would make it.
bool is_msgpack(Reader& data, std::string_view head) {
  if (head.size() < 3) return false;
  const auto first = static_cast<unsigned char>(head[0]);
  const bool collection =
      (first >= 0x81 && first <= 0x8f) || (first >= 0x91 && first <= 0x9f) || (first >= 0xdc && first <= 0xdf);
  if (!collection) return false;
  Gathering nothing{.budget = Budget({}, {})};
  Inspection unheard(nothing, "");
  MsgpackWalk walk(data, unheard, true);
  const auto end = walk.run();
  if (nothing.budget.exhausted() || (end == MsgpackWalk::complete && walk.in().remaining() == 0)) return true;
  return begins_msgpack(head) &&
         (end == MsgpackWalk::too_deep || (end == MsgpackWalk::complete && walk.in().remaining() < data.size() / 2));
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

// What R's readers take, after the name of the format of load(): 'A' for numbers in decimals, 'B' for the order of the
// machine, 'X' for the order of the network; 0 for none of them. The second byte may be anything, and a line feed may
// stand before an A.
std::size_t r_header(std::string_view head) {
  const bool named = head.size() > 5 && head.starts_with("RD") &&
                     (head[2] == 'A' || head[2] == 'B' || head[2] == 'X') && (head[3] == '2' || head[3] == '3') &&
                     head[4] == '\n';
  return named ? 5 : 0;
}
char r_form(std::string_view head) {
  head.remove_prefix(r_header(head));
  if (head.starts_with("\nA")) head.remove_prefix(1);
  if (head.size() < 8) return 0;
  const char form = head[0];
  head.remove_prefix(2);
  if (form == 'A') {
    // Three numbers: the version of the format, and two of R.
    for (int i = 0; i < 3; ++i) {
      const auto begin = head.find_first_not_of(" \t\r\n\f\v");
      const auto end = begin == std::string_view::npos ? begin : head.find_first_of(" \t\r\n\f\v", begin);
      if (end == std::string_view::npos) return 0;
      const auto word = head.substr(begin, end - begin);
      if (word.size() > 9 || word.find_first_not_of("0123456789") != std::string_view::npos) return 0;
      if (i == 0 && word != "2" && word != "3") return 0;
      head.remove_prefix(end);
    }
    return form;
  }
  if ((form != 'B' && form != 'X') || head.size() < 12) return 0;
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
      value = value << 8 | static_cast<unsigned char>(head[at + (form == 'X' ? i : 3 - i)]);
    return value;
  };
  const bool versions = (number(0) == 2 || number(0) == 3) && number(4) < 1u << 24 && number(8) < 1u << 24;
  return versions ? form : '\0';
}

class RWalk {
 public:
  RWalk(Reader& data, Inspection& inspection, std::string_view head)
      : in_(data, inspection), inspection_(inspection), form_(r_form(head)) {
    in_.skip(r_header(head));
  }

  void run() {
    if (in_.peek() == '\n') in_.skip(1);
    in_.skip(2);
    const auto version = number();
    skip_numbers(2, 4);
    if (version == 3) text(number());
    if (version != 2 && version != 3) in_.fail();
    work_.push_back(item);
    while (!work_.empty() && in_.good() && !stopped_) {
      const auto next = work_.back();
      work_.pop_back();
      if (!in_.spend()) break;
      if (work_.size() > 1'000'000)
        return inspection_.inconclusive("scan.budget-exhausted", "the data is nested deeper than the scan follows");
      next == skip_four ? (void)number() : read(next);
    }
    if (form_ == 'A')
      while (in_.good() && in_.remaining() != 0 && is_blank(in_.peek())) in_.skip(1);
    if (!stopped_) report_end(in_, inspection_, "r.malformed", "the object");
  }

 private:
  enum Work : std::uint8_t { item, value_of_promise, name_of_package, skip_four };

  static bool is_blank(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  // A word between blanks, of an ASCII file.
  std::string word() {
    std::string out;
    while (in_.good() && in_.remaining() != 0 && is_blank(in_.peek())) in_.skip(1);
    while (in_.good() && in_.remaining() != 0 && !is_blank(in_.peek()) && out.size() < 100)
      out += static_cast<char>(in_.big(1));
    if (out.empty()) in_.fail();
    return out;
  }
  std::uint64_t number() {
    if (form_ == 'X') return in_.big(4);
    if (form_ == 'B') return in_.little(4);
    const auto digits = word();
    if (digits == "NA") return 0x80000000;
    std::int32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size()) in_.fail();
    return static_cast<std::uint32_t>(value);
  }
  void skip_numbers(std::uint64_t count, std::uint64_t width) {
    if (form_ != 'A') {
      if (count > in_.remaining() / width) in_.fail();
      if (in_.good()) in_.skip(count * width);
      return;
    }
    const std::uint64_t words = width == 16 ? 2 * count : count;
    if (words > in_.remaining()) in_.fail();
    for (std::uint64_t i = 0; i < words && in_.good(); ++i) {
      if (i % 64 == 63 && !in_.spend()) return;
      word();
    }
  }
  std::string text(std::uint64_t size) {
    if (form_ != 'A') return in_.text(size);
    if (size > in_.remaining()) return in_.fail(), std::string();
    std::string out;
    if (size != 0)
      while (in_.good() && in_.remaining() != 0 && is_blank(in_.peek())) in_.skip(1);
    const auto begin = in_.position();
    for (std::uint64_t i = 0; i < size && in_.good(); ++i) {
      auto c = static_cast<unsigned>(in_.big(1));
      if (c == '\\') c = escaped();
      if (out.size() < program_text_limit) out += static_cast<char>(c);
    }
    in_.judge(out, begin);
    return out;
  }
  unsigned escaped() {
    const auto c = static_cast<unsigned>(in_.big(1));
    if (c < '0' || c > '7') {
      constexpr std::string_view from = "ntvbrfa", to = "\n\t\v\b\r\f\a";
      const auto at = from.find(static_cast<char>(c));
      return at == std::string_view::npos ? c : static_cast<unsigned char>(to[at]);
    }
    unsigned value = c - '0';
    for (int digits = 1; digits < 3 && in_.peek() >= '0' && in_.peek() <= '7'; ++digits)
      value = value * 8 + static_cast<unsigned>(in_.big(1)) - '0';
    return value & 0xff;
  }
  // R loads the package to find its namespace; those that every R brings along do nothing.
  void judge_package(std::string_view name, std::uint64_t begin) {
    if (name.starts_with("package:")) name.remove_prefix(8);
    for (const std::string_view own : {"base", "stats", "utils", "methods", "graphics", "grDevices", "datasets",
                                       "tools", "parallel", "compiler", "splines", "stats4", "grid", "tcltk"})
      if (name == own) return;
    if (packages_++ < 20)
      inspection_.find("r.package", Severity::low, begin,
                       "reading the object would load the package " + printable(name, 60), printable(name));
  }

  void items(std::uint64_t count, Work what = item) {
    // Each takes four bytes at least, or a digit and a blank.
    if (count > (form_ == 'A' ? in_.remaining() / 2 + 1 : in_.remaining() / 4)) {
      in_.fail();
      return;
    }
    work_.insert(work_.end(), count, what);
  }
  std::uint64_t length() {
    const auto size = number();
    if (size != 0xffffffff) return size;
    const auto upper = number();
    return upper << 32 | number();
  }
  void data(std::uint64_t width) { skip_numbers(length(), width); }

  void read(Work as) {
    const auto begin = in_.position();
    const auto flags = number();
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
        if (flags >> 8 == 0) number();
        return;
      case 247:
      case 248:
      case 249:
        if (number() != 0) in_.fail();
        // A name, and for a namespace the version of its package.
        if (const auto names = number(); in_.good() && names != 0) {
          items(names - 1);
          work_.push_back(type == 247 ? item : name_of_package);
        }
        return;
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
        number();
        return items(4);
      case 22:
        return items(2 + (attributes ? 1 : 0));
      case 23:
      case 25:
        return items(attributes ? 1 : 0);
      case 7:
      case 8:
        text(number());
        return;
      case 9: {
        const auto size = number();
        if (size != 0xffffffff)
          if (const auto name = text(size); as == name_of_package) judge_package(name, begin);
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
  char form_;
  std::vector<Work> work_;
  std::size_t packages_ = 0;
  bool stopped_ = false;
};

std::string head_of(Reader& data, std::size_t count) {
  std::string head(count, '\0');
  const auto got = data.read_at(0, {reinterpret_cast<std::uint8_t*>(head.data()), head.size()});
  head.resize(got ? *got : 0);
  return head;
}

}  // namespace

SmallModel small_model(Reader& data) {
  const std::string head = head_of(data, 64);
  using namespace std::string_view_literals;
  if (head.starts_with("\x12\x01\0\0\0\0\0\0"sv)) return SmallModel::mxnet;
  // A binary header follows the name, no text.
  if (head.starts_with("RKNN"sv) &&
      std::any_of(head.begin() + 4, head.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(head.size(), 16)),
                  [](char c) { return static_cast<unsigned char>(c) < 9; }))
    return SmallModel::rknn;
  if (r_form(head) != 0) return SmallModel::r_data;
  if (head.size() > 2 && head[0] == '{' && std::string_view("LiIUl").find(head[1]) != std::string_view::npos &&
      static_cast<unsigned char>(head[2]) < 0x20)
    return SmallModel::ubjson;
  if (is_msgpack(data, head)) return SmallModel::msgpack;
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
      RWalk(data, inspection, head_of(data, 64)).run();
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
