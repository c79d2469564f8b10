#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <map>
#include <mutex>

#include "base/json.h"
#include "base/time.h"

namespace hauberk::log {
namespace {

constexpr int lines_a_second = 10;

struct Site {
  std::int64_t second = 0;
  int lines = 0;
  std::uint64_t left_out = 0;
};

struct State {
  std::mutex mutex;
  std::map<std::pair<const char*, unsigned>, Site> sites;  // by file and line: as many as there are calls in the source
  std::shared_ptr<spdlog::logger> logger;
  Level least = Level::info;
  bool json = true;

  State() { set(Level::info, Format::automatic); }
  void set(Level level, Format format) {
    least = level;
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    json = format == Format::json || (format == Format::automatic && !terminal);
    if (!logger) {
      logger = std::make_shared<spdlog::logger>("hauberk", std::make_shared<spdlog::sinks::stderr_sink_mt>());
      logger->set_pattern("%v");
      logger->set_level(spdlog::level::trace);
      logger->flush_on(spdlog::level::trace);
    }
  }
};

State& state() {
  static State instance;
  return instance;
}

std::string_view name(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
  }
  return "error";
}

std::string render_json(Instant now, Level level, std::string_view message, std::initializer_list<Field> fields,
                        std::uint64_t left_out) {
  std::string out = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"message\":", rfc3339(now), name(level));
  json::append_quoted(out, message);
  for (const auto& [key, value] : fields) {
    out += ',';
    json::append_quoted(out, key);
    out += ':';
    json::append_quoted(out, value);
  }
  if (left_out != 0) out += fmt::format(",\"left_out\":{}", left_out);
  return out + "}";
}

std::string render_text(Instant now, Level level, std::string_view message, std::initializer_list<Field> fields,
                        std::uint64_t left_out) {
  const auto time = rfc3339(now);
  std::string out = fmt::format("{} {:7} {}", time.substr(11, 8), name(level), message);
  for (const auto& [key, value] : fields) {
    out += fmt::format(" {}=", key);
    json::append_quoted(out, value);  // quoted: no escape sequence from outside reaches the terminal
  }
  if (left_out != 0) out += fmt::format(" ({} like it left out)", left_out);
  return out;
}

}  // namespace

void configure(Level least, Format format) {
  const std::lock_guard lock(state().mutex);
  state().set(least, format);
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields, std::source_location where) {
  auto& all = state();
  const Instant now = SystemClock().now();
  const std::lock_guard lock(all.mutex);
  if (level < all.least) return;
  auto& site = all.sites[{where.file_name(), where.line()}];
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (second != site.second) {
    site.second = second;
    site.lines = 0;
  }
  if (++site.lines > lines_a_second) {
    ++site.left_out;
    return;
  }
  const auto left_out = std::exchange(site.left_out, 0);
  all.logger->log(spdlog::level::info, all.json ? render_json(now, level, message, fields, left_out)
                                                : render_text(now, level, message, fields, left_out));
}

}  // namespace hauberk::log
