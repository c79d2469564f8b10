// Output: what people and programs read. Results go to stdout, progress, hints and warnings to stderr. With --json
// nothing but one JSON value reaches stdout. Colours only on a terminal, and never with NO_COLOR; progress only on a
// terminal. Text from outside (file names, findings) is cleaned: no escape sequence reaches the terminal. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "scan/report.h"

namespace hauberk::app {

// A bar on stderr; nothing where stderr is no terminal or --quiet was given. Ends with finish() or its destructor.
class Progress {
 public:
  Progress(std::string label, std::uint64_t total, bool shown);
  Progress(Progress&& other) noexcept;
  Progress& operator=(Progress&&) = delete;
  ~Progress() { finish(); }
  void set(std::uint64_t done);
  void set(std::uint64_t done, std::uint64_t total);  // where the total shows itself only on the way
  void add(std::uint64_t more) { set(done_ + more); }
  void finish();

 private:
  void draw();
  std::string label_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  int drawn_percent_ = -1;
  bool shown_;
};

class Output {
 public:
  Output(bool json, bool quiet);

  void json(const json::Value& value);
  void line(std::string_view text);
  void title(std::string_view text);
  void good(std::string_view text);
  void bad(std::string_view text);
  void warn(std::string_view text);
  void hint(std::string_view text);
  void table(const std::vector<std::string>& headers, const std::vector<std::vector<std::string>>& rows);
  // The worst first; of more than a screenful of clean files only their number.
  void reports(std::span<const scan::Report> reports);
  Progress progress(std::string label, std::uint64_t total_bytes = 0);
  std::string error_line(const Error& error) const;

 private:
  std::string coloured(std::string_view code, std::string_view text, bool on) const;
  void report(const scan::Report& report) const;
  void finding(const scan::Report& report, const Finding& finding) const;
  bool json_;
  bool quiet_;
  bool colour_out_;
  bool colour_err_;
  bool progress_;
};

// "3.2 MB": decimal units, as disks and networks count.
std::string format_bytes(std::uint64_t bytes);
// Control characters and invalid UTF-8 become visible escapes.
std::string cleaned(std::string_view text);

}  // namespace hauberk::app
