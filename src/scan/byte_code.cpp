#include "scan/byte_code.h"

#include <algorithm>

#include "scan/inspection.h"

namespace hauberk::scan {
namespace {

// How the parts of a code object follow each other: integers, objects, the line number, objects.
struct CodeLayout {
  int numbers, before, after;
};
constexpr CodeLayout code_layouts[] = {{5, 8, 2},   // 3.11 and later
                                       {6, 8, 1},   // 3.8 to 3.10
                                       {5, 8, 1},   // 3.0 to 3.7
                                       {4, 8, 1}};  // 2.7

constexpr std::size_t code_texts_limit = 100'000;

class MarshalWalk {
 public:
  MarshalWalk(ByteView bytes, const CodeLayout& layout) : bytes_(bytes), layout_(layout) {}

  bool run(std::vector<std::string>& texts) {
    texts_ = &texts;
    // A stack of what is still expected instead of recursion: 'o' an object, 'n' a number.
    expect('o', 1);
    while (!expected_.empty()) {
      auto& top = expected_.back();
      const char what = top.what;
      if (--top.count == 0) expected_.pop_back();
      if (what == 'n' ? !skip(4) : !object()) return false;
      if (expected_.size() > 10'000) return false;
    }
    return at_ == bytes_.size() || (at_ + 1 == bytes_.size() && bytes_[at_] == '\n');
  }

 private:
  struct Expected {
    char what;
    std::uint64_t count;
  };
  void expect(char what, std::uint64_t count) {
    if (count != 0) expected_.push_back({what, count});
  }
  bool skip(std::uint64_t count) {
    if (count > bytes_.size() - at_) return false;
    at_ += count;
    return true;
  }
  bool number(std::size_t width, std::uint64_t& value) {
    if (width > bytes_.size() - at_) return false;
    value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | bytes_[at_ + i];
    at_ += width;
    return true;
  }
  bool text(std::uint64_t size) {
    if (size > bytes_.size() - at_ || texts_->size() > code_texts_limit) return false;
    const auto view = as_text(bytes_.subspan(at_, size));
    const bool printable = std::all_of(view.begin(), view.end(),
                                       [](char c) { return static_cast<unsigned char>(c) >= 0x20 || c == '\n'; });
    if (printable && size != 0) texts_->emplace_back(view);
    at_ += size;
    return true;
  }
  bool object() {
    std::uint64_t type = 0, size = 0;
    if (!number(1, type)) return false;
    switch (type & 0x7f) {
      case '0':
      case 'N':
      case 'F':
      case 'T':
      case 'S':
      case '.':
        return true;
      case 'i':
      case 'r':
      case 'R':
        return skip(4);
      case 'I':
      case 'g':
        return skip(8);
      case 'y':
        return skip(16);
      case 'f':
        return number(1, size) && skip(size);
      case 'x':
        return number(1, size) && skip(size) && number(1, size) && skip(size);
      case 'l': {
        if (!number(4, size)) return false;
        const auto digits = static_cast<std::int32_t>(size);
        return skip(2 * static_cast<std::uint64_t>(digits < 0 ? -static_cast<std::int64_t>(digits) : digits));
      }
      case 's':
      case 't':
      case 'u':
      case 'a':
      case 'A':
        return number(4, size) && text(size);
      case 'z':
      case 'Z':
        return number(1, size) && text(size);
      case ')':
        if (!number(1, size)) return false;
        return expect('o', size), true;
      case '(':
      case '[':
      case '<':
      case '>':
        if (!number(4, size) || size > bytes_.size()) return false;
        return expect('o', size), true;
      case 'c':
        expect('o', static_cast<std::uint64_t>(layout_.after));
        expect('n', 1);
        expect('o', static_cast<std::uint64_t>(layout_.before));
        expect('n', static_cast<std::uint64_t>(layout_.numbers));
        return true;
      default:
        return false;
    }
  }

  ByteView bytes_;
  const CodeLayout& layout_;
  std::size_t at_ = 0;
  std::vector<Expected> expected_;
  std::vector<std::string>* texts_ = nullptr;
};

bool word_char(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

// The words of a text, in order; also those within quotes, which eval would read.
void powerful_words(std::string_view text, std::vector<std::string>& found) {
  for (std::size_t at = 0; at < text.size();) {
    if (!word_char(text[at])) {
      ++at;
      continue;
    }
    const auto begin = at;
    while (at < text.size() && word_char(text[at])) ++at;
    const auto word = text.substr(begin, at - begin);
    if (is_powerful_word(word) && found.size() < 8 && std::find(found.begin(), found.end(), word) == found.end())
      found.emplace_back(word);
  }
}

EmbeddedCode judge_words(const std::vector<std::string>& found) {
  if (found.empty())
    return {Severity::medium,
            "it names nothing that reaches files, commands or the network, and runs as the model does",
            {}};
  std::string names;
  for (const auto& name : found) names += (names.empty() ? "" : ", ") + name;
  return {Severity::critical, "it names " + printable(names), printable(names)};
}

std::optional<Bytes> unwrap_base64(std::string_view text) {
  std::string dense;
  for (const char c : text)
    if (c != '\n' && c != '\r' && c != ' ') dense += c;
  if (dense.size() < 8) return std::nullopt;
  return from_base64(dense);
}

}  // namespace

bool is_powerful_word(std::string_view word) {
  static constexpr std::string_view words =
      " eval exec compile open getattr setattr delattr globals locals vars input breakpoint execfile os posix nt sys"
      " subprocess socket shutil importlib ctypes cffi pickle cPickle _pickle dill cloudpickle marshal builtins runpy "
      "pty"
      " urllib urllib2 requests http httplib ftplib smtplib telnetlib paramiko tempfile pathlib fileinput glob platform"
      " multiprocessing threading signal asyncio webbrowser code codeop inspect pkgutil types gc atexit sqlite3 zipfile"
      " tarfile system popen Popen check_output check_call getoutput execv execve execl spawnl spawnv import_module"
      " urlopen urlretrieve urlretrieve read_file write_file gfile GFile py_function py_func numpy_function "
      "load_library"
      " load_op_library func_globals gi_frame f_globals f_back f_builtins co_code mro get_file load_model from_file"
      " unlink rmtree chmod environ getenv putenv connect sendall recv ";
  if (word.size() > 4 && word.starts_with("__") && word.ends_with("__"))
    return word != "__init__" && word != "__name__" && word != "__doc__" && word != "__main__" && word != "__class__";
  return !word.empty() && words.find(" " + std::string(word) + " ") != std::string_view::npos;
}

std::optional<std::vector<std::string>> code_object_texts(ByteView marshalled) {
  if (marshalled.empty() || (marshalled[0] & 0x7f) != 'c') return std::nullopt;
  for (const auto& layout : code_layouts) {
    std::vector<std::string> texts;
    if (MarshalWalk(marshalled, layout).run(texts)) return texts;
  }
  return std::nullopt;
}

EmbeddedCode judge_embedded_code(std::string_view text) {
  const auto decoded = unwrap_base64(text);
  const std::string_view content = decoded ? as_text(*decoded) : text;
  std::vector<std::string> found;
  if (decoded && !decoded->empty() && ((*decoded)[0] & 0x7f) == 'c') {
    if (const auto texts = code_object_texts(*decoded)) {
      for (const auto& part : *texts) powerful_words(part, found);
      return judge_words(found);
    }
    powerful_words(content, found);
    if (found.empty()) return {Severity::critical, "it is byte code that no Python reads", {}};
    return judge_words(found);
  }
  powerful_words(content, found);
  if (!found.empty()) return judge_words(found);
  const bool readable = std::all_of(content.begin(), content.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t' || c == '\r';
  });
  // Base64 of something else decodes to noise; a text that only looks like base64 is read as it stands.
  if (!readable && decoded) return {Severity::critical, "it is encoded and cannot be read", {}};
  return judge_words(found);
}

}  // namespace hauberk::scan
