#include "scan/lua_chunk.h"

#include <algorithm>

#include "scan/program_text.h"

namespace hauberk::scan {
namespace {

bool lua_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Whether the word is one of the chunk's constants or names. Before a constant stands its length: one more than it has
// letters (Lua 5.1: in four or eight bytes; later: in one), five more (LuaJIT), with bit 7 as an end mark (5.4).
bool lua_names(std::string_view chunk, std::string_view word) {
  for (auto at = chunk.find(word); at != std::string_view::npos; at = chunk.find(word, at + 1)) {
    const char before = at == 0 ? '\0' : chunk[at - 1];
    const auto counted = static_cast<unsigned char>(before) & 0x7fu;
    if (counted == word.size() + 1 || counted == word.size() + 5) return true;
    const auto end = at + word.size();
    if (!lua_letter(before) && (end == chunk.size() || !lua_letter(chunk[end]))) return true;
  }
  return false;
}

struct LuaDanger {
  std::string_view first, second;  // both must be named; the second may be empty
  std::string_view unless;         // a name that explains the second in another way
  std::string_view told;
};

constexpr LuaDanger lua_dangers[] = {
    {"execute", "os", "", "os.execute"},
    {"execute", "sys", "", "sys.execute"},
    {"fexecute", "", "", "sys.fexecute"},
    {"popen", "", "", "io.popen"},
    {"PipeFile", "", "", "torch.PipeFile"},
    {"loadstring", "", "", "loadstring"},
    {"loadfile", "", "", "loadfile"},
    {"dofile", "", "", "dofile"},
    {"loadlib", "", "", "package.loadlib"},
    {"cdef", "", "", "ffi.cdef"},
    {"rename", "os", "", "os.rename"},
    {"remove", "os", "table", "os.remove"},
    {"require", "os", "", "require 'os'"},
    {"require", "io", "", "require 'io'"},
    {"require", "ffi", "", "require 'ffi'"},
    {"require", "posix", "", "require 'posix'"},
    {"require", "socket", "", "require 'socket'"},
    {"require", "lfs", "", "require 'lfs'"},
};

// Texts of some length within the byte code, as shell commands are.
std::optional<std::string> program_in_chunk(std::string_view chunk) {
  for (std::size_t at = 0; at < chunk.size();) {
    auto end = at;
    while (end < chunk.size() &&
           ((chunk[end] >= 0x20 && chunk[end] < 0x7f) || chunk[end] == '\n' || chunk[end] == '\t'))
      ++end;
    if (auto program = program_in(chunk.substr(at, std::min(end - at, program_text_limit)))) return program->does;
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace

bool is_lua_byte_code(std::string_view chunk) { return chunk.starts_with("\x1bLua") || chunk.starts_with("\x1bLJ"); }

std::optional<std::string> lua_danger(std::string_view chunk) {
  for (const auto& danger : lua_dangers) {
    if (!lua_names(chunk, danger.first) || (!danger.second.empty() && !lua_names(chunk, danger.second))) continue;
    if (danger.unless.empty() || !lua_names(chunk, danger.unless)) return "names " + std::string(danger.told);
  }
  return program_in_chunk(chunk);
}

std::optional<std::string> lua_program_in(std::string_view text) {
  for (const std::string_view call : {"os.execute", "os.remove", "os.rename", "io.popen", "sys.execute", "sys.fexecute",
                                      "torch.PipeFile", "package.loadlib", "loadstring", "dofile", "ffi.cdef"})
    for (auto at = text.find(call); at != std::string_view::npos; at = text.find(call, at + 1)) {
      const auto next = text.find_first_not_of(" \t", at + call.size());
      const bool whole = at == 0 || (!lua_letter(text[at - 1]) && text[at - 1] != '.');
      // With one argument, Lua needs no parentheses.
      if (whole && next != std::string_view::npos &&
          std::string_view("(\"'[").find(text[next]) != std::string_view::npos)
        return "calls " + std::string(call);
    }
  return std::nullopt;
}

}  // namespace hauberk::scan
