// The operator's log: JSON lines on stderr (or short coloured lines on a terminal), level = who must act. It is not the
// ledger and holds no payloads and no secrets. Each call site prints at most ten lines a second; what is left out is
// counted and said with the next line. Thread safety: any thread.
#pragma once

#include <initializer_list>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace hauberk::log {

enum class Level {
  debug,    // nobody; for whoever traces a problem
  info,     // nobody; what happened
  warning,  // somebody, in working hours
  error,    // somebody, now
};

using Field = std::pair<std::string_view, std::string>;

enum class Format { automatic, json, text };
// Call once, before threads start. `automatic` is text on a terminal and JSON elsewhere.
void configure(Level least, Format format);

void write(Level level, std::string_view message, std::initializer_list<Field> fields = {},
           std::source_location where = std::source_location::current());
inline void debug(std::string_view m, std::initializer_list<Field> f = {},
                  std::source_location w = std::source_location::current()) {
  write(Level::debug, m, f, w);
}
inline void info(std::string_view m, std::initializer_list<Field> f = {},
                 std::source_location w = std::source_location::current()) {
  write(Level::info, m, f, w);
}
inline void warning(std::string_view m, std::initializer_list<Field> f = {},
                    std::source_location w = std::source_location::current()) {
  write(Level::warning, m, f, w);
}
inline void error(std::string_view m, std::initializer_list<Field> f = {},
                  std::source_location w = std::source_location::current()) {
  write(Level::error, m, f, w);
}

}  // namespace hauberk::log
