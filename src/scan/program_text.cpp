#include "scan/program_text.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "scan/ascii.h"
#include "scan/inspection.h"
#include "scan/text_model.h"

namespace hauberk::scan {
namespace {

bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

struct ShellProgram {
  std::string_view does;
  std::array<std::string_view, 4> begins;  // the words by which it is found
};

// Commands that one does not mention in passing: fetched and run, or destroying.
std::optional<ShellProgram> shell_program(std::string_view text) {
  const bool fetches = (holds(text, "curl ") || holds(text, "wget ")) && holds(text, "://");
  const bool chained = holds(text, "| sh") || holds(text, "|sh") || holds(text, "| bash") || holds(text, "|bash") ||
                       holds(text, "&&") || holds(text, "; ");
  if (fetches && chained) return ShellProgram{"fetches and runs something in a shell", {"curl ", "wget "}};
  if (holds(text, "/dev/tcp/") || holds(text, "nc -e") || holds(text, "bash -i "))
    return ShellProgram{"opens a shell to elsewhere", {"bash ", "nc -e", "exec ", "/dev/tcp/"}};
  if (holds(text, "rm -rf /")) return ShellProgram{"removes files in a shell", {"rm -rf /"}};
  if (holds(text, "powershell -e") || holds(text, "powershell.exe -e"))
    return ShellProgram{"runs encoded commands in a shell", {"powershell"}};
  return std::nullopt;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Most of it words, and five at least.
bool is_prose_line(std::string_view line) {
  std::size_t words = 0, others = 0;
  while (!line.empty()) {
    auto word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(line.size(), word.size() + 1));
    while (!word.empty() && std::string_view(",.:;!?)").find(word.back()) != std::string_view::npos)
      word.remove_suffix(1);
    if (word.empty()) continue;
    const bool plain = std::all_of(word.begin(), word.end(), [](char c) { return is_letter(c) || c == '\''; });
    ++(plain ? words : others);
  }
  return words >= 5 && words >= 2 * others;
}

// Whether the text explains: with fences or code in backticks, or with sentences on lines of their own.
bool is_explanation(std::string_view text) {
  if (holds(text, "```") || holds(text, "~~~")) return true;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    if (is_prose_line(line)) return true;
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return false;
}

// Whether a command that begins there is one, and not a word in a sentence: it begins its line, follows another
// command or stands in the quotes of a call.
bool begins_command(std::string_view text, std::size_t at) {
  const auto line_begin = text.substr(0, at).rfind('\n') + 1;
  const auto line = text.substr(line_begin, text.find('\n', at) - line_begin);
  if (line.find('`') != std::string_view::npos) return false;
  auto before = line.substr(0, at - line_begin);
  const auto trim = [&] {
    while (!before.empty() && (before.back() == ' ' || before.back() == '\t')) before.remove_suffix(1);
  };
  for (bool more = true; more;) {
    trim();
    more = false;
    // What may stand between: sudo curl, exec bash, /bin/bash, a prompt.
    for (const std::string_view word : {"sudo", "exec", "nohup", "/bin/", "/usr/bin/", "then", "do", "-c", "!", "%"})
      if (before.ends_with(word) &&
          (before.size() == word.size() || !is_letter(before[before.size() - word.size() - 1]))) {
        before.remove_suffix(word.size());
        more = true;
        if (word == "-c") return true;
      }
  }
  if (before.empty()) return true;
  const char last = before.back();
  if (std::string_view(";&|$={}@>").find(last) != std::string_view::npos) return true;
  if (last != '\'' && last != '"' && last != '(' && last != '[') return false;
  // In a sentence a blank stands before the quote; in a program a bracket, a comma or nothing.
  const bool quote = last == '\'' || last == '"';
  while (!before.empty() && (before.back() == '\'' || before.back() == '"')) before.remove_suffix(1);
  trim();
  if (before.empty()) return true;
  if (before.back() == ':') return quote && before.size() > 1 && before[before.size() - 2] == '"';
  if (std::string_view("([{,=").find(before.back()) != std::string_view::npos)
    return quote || before.size() < 2 || before[before.size() - 2] != ' ';
  return before.ends_with("-c") || before.ends_with("eval") || before.ends_with("exec");
}

Severity severity_of(const ShellProgram& program, std::string_view text) {
  if (is_explanation(text)) return Severity::medium;
  for (const auto word : program.begins) {
    if (word.empty()) continue;
    std::size_t tries = 0;
    for (auto at = text.find(word); at != std::string_view::npos && tries++ < 64; at = text.find(word, at + 1))
      if (begins_command(text, at)) return Severity::critical;
  }
  return Severity::medium;
}

// Functions whose argument is a command, as against those that import or evaluate.
bool runs_commands(std::string_view name) {
  return starts_with_one_of(name, {"os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn", "subprocess.",
                                   "commands.", "pty.spawn", "posix.system", "nt.system", "popen2."});
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
  std::optional<ProgramText> found;
  if (const auto shell = shell_program(text)) found = {std::string(shell->does), severity_of(*shell, text)};
  if (found && found->severity == Severity::critical) return found;
  const bool fenced = holds(text, "```");
  for (const auto& call : python_calls(text)) {
    // In prose, eval( is a word; a statement begins its line.
    const auto before = text.substr(0, call.offset).find_last_not_of(" \t");
    const bool begins_line = before == std::string_view::npos || text[before] == '\n' || text[before] == ';';
    if (!call.imported && !call.qualified && !begins_line) continue;
    const auto severity = runs_commands(call.name) && !fenced ? Severity::critical : Severity::medium;
    if (!found || severity > found->severity) found = ProgramText{"calls " + printable(call.name, 60), severity};
  }
  return found;
}

}  // namespace hauberk::scan
