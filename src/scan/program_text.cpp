#include "scan/program_text.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "scan/inspection.h"
#include "scan/text_model.h"

namespace hauberk::scan {
namespace {

bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// Commands that one does not mention in passing: fetched and run, or destroying.
std::optional<std::string_view> shell_program(std::string_view text) {
  const bool fetches = (holds(text, "curl ") || holds(text, "wget ")) && holds(text, "://");
  const bool chained = holds(text, "| sh") || holds(text, "|sh") || holds(text, "| bash") || holds(text, "|bash") ||
                       holds(text, "&&") || holds(text, "; ");
  if (fetches && chained) return "fetches and runs something in a shell";
  if (holds(text, "/dev/tcp/") || holds(text, "nc -e") || holds(text, "bash -i ")) return "opens a shell to elsewhere";
  if (holds(text, "rm -rf /")) return "removes files in a shell";
  if (holds(text, "powershell -e") || holds(text, "powershell.exe -e")) return "runs encoded commands in a shell";
  return std::nullopt;
}

// Functions whose argument is a command, as against those that import or evaluate.
bool runs_commands(std::string_view name) {
  for (const std::string_view beginning :
       {"os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn", "subprocess.", "commands.", "pty.spawn",
        "posix.system", "nt.system", "popen2."})
    if (name.starts_with(beginning)) return true;
  return false;
}

// From its first characters on, so that other texts cost nothing.
bool is_base64(std::string_view text) {
  return text.size() >= 24 && text.size() % 4 == 0 && std::all_of(text.begin(), text.end() - 2, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
         });
}

}  // namespace

bool may_be_program(std::string_view text) {
  const auto head = text.substr(0, 64);
  if (std::any_of(head.begin(), head.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r'; }))
    return false;
  if (memchr(text.data(), '(', text.size()) == nullptr)
    return text.size() < 4096 && (holds(text, "rm -") || holds(text, "://") || holds(text, "/dev/tcp") ||
                                  holds(text, "nc -") || holds(text, "bash ") || holds(text, "powershell"));
  for (const std::string_view word : {"import", "system", "exec", "eval", "open", "process", "://", "rm -", "/dev/tcp"})
    if (holds(text, word)) return true;
  return false;
}

std::optional<ProgramText> program_in(std::string_view text) {
  if (text.size() < 16 || text.size() > program_text_limit) return std::nullopt;
  if (!may_be_program(text)) {
    const auto decoded = is_base64(text) ? from_base64(text) : std::nullopt;
    return decoded && may_be_program(as_text(*decoded)) ? program_in(as_text(*decoded)) : std::nullopt;
  }
  if (const auto shell = shell_program(text)) return ProgramText{std::string(*shell), Severity::critical};
  std::optional<ProgramText> found;
  for (const auto& call : python_calls(text)) {
    // In prose, eval( is a word; a statement begins its line.
    const auto before = text.substr(0, call.offset).find_last_not_of(" \t");
    const bool begins_line = before == std::string_view::npos || text[before] == '\n' || text[before] == ';';
    if (!call.imported && !call.qualified && !begins_line) continue;
    const auto severity = runs_commands(call.name) ? Severity::critical : Severity::medium;
    if (!found || severity > found->severity) found = ProgramText{"calls " + printable(call.name, 60), severity};
  }
  return found;
}

}  // namespace hauberk::scan
