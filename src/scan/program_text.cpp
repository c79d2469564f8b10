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
std::optional<std::string> shell_program(std::string_view text) {
  const bool fetches = (holds(text, "curl ") || holds(text, "wget ")) && holds(text, "://");
  const bool chained = holds(text, "| sh") || holds(text, "|sh") || holds(text, "| bash") || holds(text, "|bash") ||
                       holds(text, "&&") || holds(text, "; ");
  if (fetches && chained) return "fetches and runs something in a shell";
  if (holds(text, "/dev/tcp/") || holds(text, "nc -e") || holds(text, "bash -i ")) return "opens a shell to elsewhere";
  if (holds(text, "rm -rf /")) return "removes files in a shell";
  if (holds(text, "powershell -e") || holds(text, "powershell.exe -e")) return "runs encoded commands in a shell";
  return std::nullopt;
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

std::optional<std::string> program_in(std::string_view text) {
  if (text.size() < 16 || text.size() > program_text_limit || !may_be_program(text)) return std::nullopt;
  if (auto shell = shell_program(text)) return shell;
  for (const auto& call : python_calls(text)) {
    // In prose, eval( is a word; a statement begins its line.
    const auto before = text.substr(0, call.offset).find_last_not_of(" \t");
    const bool begins_line = before == std::string_view::npos || text[before] == '\n' || text[before] == ';';
    if (call.imported || call.qualified || begins_line) return "calls " + printable(call.name, 60);
  }
  return std::nullopt;
}

}  // namespace hauberk::scan
