#include "app/path_pattern.h"

#include <vector>

namespace hauberk::app {
namespace {

// Where in `pattern` a set ends, and whether the character is in it. A set without an end is an ordinary bracket.
std::size_t match_set(std::string_view pattern, std::size_t at, char c, bool& in) {
  std::size_t i = at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); ++i, first = false) {
    const char low = pattern[i];
    char high = low;
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') high = pattern[i += 2];
    found = found || (low <= c && c <= high);
  }
  if (i >= pattern.size()) {
    in = c == '[';
    return at + 1;
  }
  in = found != negated && c != '/';
  return i + 1;
}

// Of a pattern's states, all that can be reached: no choice is tried twice, so no pattern is slow.
bool matches_whole(std::string_view pattern, std::string_view path) {
  std::vector<bool> now(pattern.size() + 1), next;
  const auto open = [&](std::vector<bool>& states) {  // stars may stand for nothing
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (!states[i] || pattern[i] != '*') continue;
      const bool two = i + 1 < pattern.size() && pattern[i + 1] == '*';
      states[i + (two ? 2 : 1)] = true;
      // "**/" stands for no folder as well.
      if (two && i + 2 < pattern.size() && pattern[i + 2] == '/') states[i + 3] = true;
    }
  };
  now[0] = true;
  open(now);
  for (const char c : path) {
    next.assign(pattern.size() + 1, false);
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (!now[i]) continue;
      const char p = pattern[i];
      if (p == '*') {
        const bool two = i + 1 < pattern.size() && pattern[i + 1] == '*';
        if (two || c != '/') next[i] = true;
      } else if (p == '?') {
        if (c != '/') next[i + 1] = true;
      } else if (p == '[') {
        bool in = false;
        const auto after = match_set(pattern, i, c, in);
        if (in) next[after] = true;
      } else if (p == c) {
        next[i + 1] = true;
      }
    }
    open(next);
    now.swap(next);
  }
  return now[pattern.size()];
}

}  // namespace

bool is_pattern(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

bool matches_pattern(std::string_view pattern, std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  while (pattern.starts_with("./")) pattern.remove_prefix(2);
  if (pattern.ends_with('/')) pattern.remove_suffix(1);
  if (pattern.find('/') != std::string_view::npos) return matches_whole(pattern, path);
  const auto slash = path.rfind('/');
  return matches_whole(pattern, slash == std::string_view::npos ? path : path.substr(slash + 1));
}

}  // namespace hauberk::app
