// Source: Python's language reference, lexical analysis and the import statement. The source is read as tokens only:
// which imported functions are called by name. What it would take to hide a call from this is plenty; the finding that
// there is code at all does not depend on it.
#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "scan/ascii.h"
#include "scan/callables.h"
#include "scan/text_model.h"

namespace hauberk::scan {
namespace {

struct PythonToken {
  std::string_view text;  // a name, or one character; empty for the end of a statement
  std::size_t offset = 0;
};

bool python_name_char(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::size_t skip_python_string(std::string_view source, std::size_t at) {
  const char quote = source[at];
  const bool three = source.substr(at, 3) == std::string(3, quote);
  for (at += three ? 3 : 1; at < source.size(); ++at) {
    if (source[at] == '\\') {
      ++at;
    } else if (source[at] == quote) {
      if (!three) return at + 1;
      if (source.substr(at, 3) == std::string(3, quote)) return at + 3;
    } else if (source[at] == '\n' && !three) {
      return at;
    }
  }
  return source.size();
}

std::vector<PythonToken> python_tokens(std::string_view source) {
  std::vector<PythonToken> tokens;
  int open = 0;
  for (std::size_t at = 0; at < source.size() && tokens.size() < 2'000'000;) {
    const char c = source[at];
    if (c == '#') {
      at = std::min(source.find('\n', at), source.size());
    } else if (c == '\'' || c == '"') {
      at = skip_python_string(source, at);
      tokens.push_back({"\"", at});
    } else if (python_name_char(c)) {
      const auto begin = at;
      while (at < source.size() && python_name_char(source[at])) ++at;
      const bool prefix = at < source.size() && (source[at] == '"' || source[at] == '\'') && at - begin <= 2;
      if (!prefix) tokens.push_back({source.substr(begin, at - begin), begin});
    } else {
      if (c == '(' || c == '[' || c == '{') ++open;
      if ((c == ')' || c == ']' || c == '}') && open > 0) --open;
      if (c == '\\' && at + 1 < source.size() && source[at + 1] == '\n')
        ++at;
      else if ((c == '\n' && open == 0) || c == ';')
        tokens.push_back({{}, at});
      else if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
        tokens.push_back({source.substr(at, 1), at});
      ++at;
    }
  }
  return tokens;
}

class PythonCalls {
 public:
  explicit PythonCalls(std::vector<PythonToken> tokens) : tokens_(std::move(tokens)) {}

  std::vector<PythonCall> run() {
    for (const std::string_view name : {"eval", "exec", "compile", "__import__", "breakpoint", "execfile"})
      names_[std::string(name)] = {"builtins." + std::string(name), false};
    // A fragment need not import what it uses.
    for (const std::string_view name : {"os", "subprocess", "commands", "webbrowser", "importlib", "pty", "runpy"})
      names_[std::string(name)] = {std::string(name), false};
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].text == "import")
        i = std::max(i, imports(i + 1, "") - 1);
      else if (tokens_[i].text == "from")
        i = from(i + 1);
    }
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (!begins_name(i) || (i > 0 && tokens_[i - 1].text == ".")) continue;
      std::size_t next = i;
      const std::string name = dotted(next);
      if (next < tokens_.size() && tokens_[next].text == "(") {
        call(name, tokens_[i].offset);
        if (name == "getattr") hidden_name(next + 1, tokens_[i].offset);
      }
      i = std::max(i, next - 1);
    }
    return std::move(calls_);
  }

 private:
  // getattr(os, "sys" + "tem"): who spells the name out by a computation does not want it read.
  void hidden_name(std::size_t i, std::size_t offset) {
    const auto known = begins_name(i) ? names_.find(dotted(i)) : names_.end();
    if (known == names_.end() || i + 2 >= tokens_.size() || tokens_[i].text != ",") return;
    const bool plain = tokens_[i + 1].text == "\"" && (tokens_[i + 2].text == ")" || tokens_[i + 2].text == ",");
    if (plain || begins_name(i + 1)) return;
    const auto module = std::string_view(known->second.whole).substr(0, known->second.whole.find('.'));
    for (const std::string_view dangerous :
         {"os", "subprocess", "builtins", "commands", "pty", "posix", "nt", "ctypes"})
      if (module == dangerous) calls_.push_back({"os.<computed>", "run a command of the system", offset, true, true});
  }
  struct Meaning {
    std::string whole;
    bool imported = false;
  };
  bool begins_name(std::size_t i) const {
    return i < tokens_.size() && !tokens_[i].text.empty() && python_name_char(tokens_[i].text[0]) &&
           !(tokens_[i].text[0] >= '0' && tokens_[i].text[0] <= '9');
  }
  std::string dotted(std::size_t& i) const {
    std::string name;
    while (begins_name(i)) {
      name += tokens_[i++].text;
      if (i >= tokens_.size() || tokens_[i].text != "." || !begins_name(i + 1) || name.size() > 400) break;
      name += ".";
      ++i;
    }
    return name;
  }
  // "a.b as c, d" after import or, with the module, after from … import.
  // The answer is the place behind.
  std::size_t imports(std::size_t i, const std::string& module) {
    if (i < tokens_.size() && tokens_[i].text == "(") ++i;
    while (begins_name(i)) {
      const std::string name = dotted(i);
      std::string as = module.empty() ? name.substr(0, name.find('.')) : name;
      std::string whole = module.empty() ? as : module + "." + name;
      if (i < tokens_.size() && tokens_[i].text == "as" && begins_name(i + 1)) {
        as = tokens_[i + 1].text;
        whole = module.empty() ? name : module + "." + name;
        i += 2;
      }
      names_[as] = {whole, true};
      if (i >= tokens_.size() || tokens_[i].text != ",") break;
      ++i;
    }
    return i;
  }
  // The place of its import, which is not one of its own.
  std::size_t from(std::size_t i) {
    const auto begin = i;
    const std::string module = dotted(i);
    if (module.empty() || i >= tokens_.size() || tokens_[i].text != "import") return begin - 1;
    return imports(i + 1, module) - 1;
  }
  void call(const std::string& name, std::size_t offset) {
    const auto dot = name.find('.');
    const auto known = names_.find(name.substr(0, dot));
    if (known == names_.end()) return;
    const std::string whole = known->second.whole + (dot == std::string::npos ? "" : name.substr(dot));
    const auto last = whole.rfind('.');
    if (last == std::string::npos) return;
    const auto judgement = judge(std::string_view(whole).substr(0, last), std::string_view(whole).substr(last + 1));
    // "os.path.join" is a rule for what pickles may call; in a program it is nothing.
    if (judgement.risk != Risk::execution || whole.starts_with("os.path.") || whole.starts_with("sys.") ||
        judgement.effect.find("serialised") != std::string_view::npos)
      return;
    if (whole.starts_with("os.") && !acts(whole.substr(3))) return;
    if (said_.size() < 10 && said_.insert(whole).second)
      calls_.push_back({whole, judgement.effect, offset, known->second.imported, dot != std::string::npos});
  }
  static bool acts(std::string_view name) {
    return starts_with_one_of(name, {"system", "popen", "exec", "spawn", "posix_spawn", "fork", "kill"});
  }

  std::vector<PythonToken> tokens_;
  std::map<std::string, Meaning> names_;
  std::set<std::string> said_;
  std::vector<PythonCall> calls_;
};

// What is remarkable in source code that lies open to be read: commands, code out of texts, native code, sockets. Much
// else that no pickle may call is daily work there (inspect, gc, importlib.metadata, setuptools).
bool acts_in_source(std::string_view name) {
  return starts_with_one_of(name, {"os.",
                                   "subprocess.",
                                   "commands.",
                                   "popen2.",
                                   "pty.",
                                   "pexpect.",
                                   "asyncio.create_subprocess",
                                   "builtins.",
                                   "runpy.",
                                   "code.",
                                   "codeop.",
                                   "ctypes.CDLL",
                                   "ctypes.PyDLL",
                                   "ctypes.cdll",
                                   "ctypes.windll",
                                   "socket.socket",
                                   "webbrowser.",
                                   "importlib.machinery.",
                                   "zipimport.",
                                   "torch.utils.cpp_extension.",
                                   "torch.ops.load_library",
                                   "marshal."});
}

}  // namespace

std::vector<PythonCall> python_calls(std::string_view source) { return PythonCalls(python_tokens(source)).run(); }

void inspect_python(std::string_view source, Inspection& inspection, Severity severity) {
  for (const auto& call : python_calls(source))
    if (acts_in_source(call.name))
      inspection.find("text.python-call", severity, call.offset,
                      "the code calls " + printable(call.name, 60) + ", which would " + std::string(call.effect),
                      printable(call.name));
}

}  // namespace hauberk::scan
