#include "app/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "core/rule_catalog.h"

namespace hauberk::app {
namespace {

constexpr std::string_view green = "32", red = "31", yellow = "33", dim = "2", bold = "1";

// https://no-color.org: set and not empty. CLICOLOR=0 and TERM=dumb say the same.
bool colours_wanted() {
  const auto value = [](const char* variable) {
    return std::string_view(std::getenv(variable) != nullptr ? std::getenv(variable) : "");
  };
  return value("NO_COLOR").empty() && value("CLICOLOR") != "0" && value("TERM") != "dumb";
}

struct CodePoint {
  char32_t value;
  std::size_t length;  // 0: this is no UTF-8
};

// Strict (Unicode 15, table 3-7): overlong forms of an escape character must not pass as something else.
CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : (lead & 0xF0) == 0xE0        ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  if (length == 0 || length > text.size()) return {0, 0};
  char32_t value = lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    value = value << 6 | (byte(i) & 0x3Fu);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {0, 0};
  return {value, length};
}

// What a reader does not see, or sees in another place: controls, direction marks, zero widths, line ends, tags.
bool is_deceptive(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  constexpr Range ranges[] = {{0x00, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},      {0x61C, 0x61C},   {0x115F, 0x1160},
                              {0x180E, 0x180E}, {0x200B, 0x200F}, {0x2028, 0x202E},  {0x2060, 0x206F}, {0x3164, 0x3164},
                              {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE0FFF}};
  return std::ranges::any_of(ranges, [c](Range range) { return c >= range.first && c <= range.last; });
}

// Columns on a terminal, near enough: one a code point.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string_view colour_of(scan::ScanVerdict verdict) {
  switch (verdict) {
    case scan::ScanVerdict::clean:
      return green;
    case scan::ScanVerdict::malicious:
      return red;
    default:
      return yellow;
  }
}

// "archive/data.pkl, offset 11": where in the file, whose name stands above already.
std::string place_in(const scan::Report& report, const Finding& finding) {
  Where where = finding.where;
  const std::string member = where.file.starts_with(report.path + "!") ? where.file.substr(report.path.size() + 1) : "";
  where.file.clear();
  const std::string rest = where.text();
  return member + (member.empty() || rest.empty() ? "" : ", ") + rest;
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::string_view units[] = {"kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (value /= 1000; value >= 999.5 && unit + 1 < std::size(units); ++unit) value /= 1000;
  return fmt::format("{:.{}f} {}", value, value < 9.95 ? 1 : 0, units[unit]);
}

std::string cleaned(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [value, length] = first_code_point(text);
    if (length > 0 && !is_deceptive(value)) {
      out += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    if (length > 1) {
      out += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(value));
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

Progress::Progress(std::string label, std::uint64_t total, bool shown)
    : label_(std::move(label)), total_(total), shown_(shown) {}

Progress::Progress(Progress&& other) noexcept
    : label_(std::move(other.label_)),
      total_(other.total_),
      done_(other.done_),
      drawn_percent_(other.drawn_percent_),
      shown_(std::exchange(other.shown_, false)) {}

void Progress::set(std::uint64_t done) {
  done_ = std::min(done, total_);
  if (shown_ && total_ > 0) draw();
}

void Progress::set(std::uint64_t done, std::uint64_t total) {
  total_ = total;
  set(done);
}

void Progress::draw() {
  const int percent = static_cast<int>(done_ * 100 / total_);
  if (percent == drawn_percent_) return;
  drawn_percent_ = percent;
  constexpr int columns = 30;
  const int filled = percent * columns / 100;
  std::string bar;
  for (int i = 0; i < columns; ++i) bar += i < filled ? "█" : "░";
  std::fprintf(stderr, "\r%-10s %s %3d%%  %s of %s\x1b[K", label_.c_str(), bar.c_str(), percent,
               format_bytes(done_).c_str(), format_bytes(total_).c_str());
  std::fflush(stderr);
}

void Progress::finish() {
  if (!shown_) return;
  shown_ = false;
  if (drawn_percent_ >= 0) std::fprintf(stderr, "\r\x1b[K");
}

Output::Output(bool json, bool quiet) : json_(json), quiet_(quiet) {
  const bool colour = colours_wanted();
  colour_out_ = colour && ::isatty(STDOUT_FILENO) != 0;
  colour_err_ = colour && ::isatty(STDERR_FILENO) != 0;
  progress_ = !quiet && ::isatty(STDERR_FILENO) != 0;
}

std::string Output::coloured(std::string_view code, std::string_view text, bool on) const {
  return on ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

void Output::json(const json::Value& value) { std::printf("%s\n", json::write_pretty(value).c_str()); }

void Output::line(std::string_view text) {
  if (!json_) std::printf("%s\n", cleaned(text).c_str());
}
void Output::title(std::string_view text) {
  if (!json_) std::printf("%s\n", coloured(bold, cleaned(text), colour_out_).c_str());
}
void Output::good(std::string_view text) {
  if (!json_) std::printf("%s %s\n", coloured(green, "✓", colour_out_).c_str(), cleaned(text).c_str());
}
void Output::bad(std::string_view text) {
  if (!json_) std::printf("%s %s\n", coloured(red, "✗", colour_out_).c_str(), cleaned(text).c_str());
}
void Output::warn(std::string_view text) {
  std::fprintf(stderr, "%s %s\n", coloured(yellow, "!", colour_err_).c_str(), cleaned(text).c_str());
}
void Output::hint(std::string_view text) {
  if (!json_ && !quiet_) std::fprintf(stderr, "%s\n", coloured(dim, cleaned(text), colour_err_).c_str());
}

void Output::table(const std::vector<std::string>& headers, const std::vector<std::vector<std::string>>& rows) {
  if (json_) return;
  std::vector<std::size_t> widths;
  for (const auto& header : headers) widths.push_back(width(header));
  std::vector<std::vector<std::string>> cells;
  for (const auto& row : rows) {
    auto& out = cells.emplace_back();
    for (std::size_t i = 0; i < headers.size(); ++i) {
      out.push_back(i < row.size() ? cleaned(row[i]) : std::string());
      widths[i] = std::max(widths[i], width(out.back()));
    }
  }
  const auto print = [&](const std::vector<std::string>& row, std::string_view colour) {
    std::string text;
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += coloured(colour, row[i], colour_out_ && !colour.empty());
      if (i + 1 < row.size()) text.append(widths[i] - width(row[i]) + 2, ' ');
    }
    std::printf("%s\n", text.c_str());
  };
  print(headers, dim);
  for (const auto& row : cells) print(row, "");
}

void Output::report(const scan::Report& report) const {
  std::string verdict(scan::name(report.verdict));
  std::ranges::transform(verdict, verdict.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  std::printf("%s  %s  (%s, %s)\n",
              coloured(colour_of(report.verdict), fmt::format("{:12}", verdict), colour_out_).c_str(),
              cleaned(report.path).c_str(), cleaned(report.format).c_str(), format_bytes(report.size).c_str());
  for (const auto severity : {Severity::critical, Severity::high, Severity::medium, Severity::low, Severity::info})
    for (const auto& finding : report.findings)
      if (finding.severity == severity) this->finding(report, finding);
  for (const auto& note : report.notes) {
    const auto said = [&](const Finding& finding) { return note.ends_with(finding.message); };
    if (!std::ranges::any_of(report.findings, said)) std::printf("    note     %s\n", cleaned(note).c_str());
  }
}

void Output::finding(const scan::Report& report, const Finding& finding) const {
  const auto place = place_in(report, finding);
  const bool says_it_already = finding.message.contains(finding.excerpt);
  std::printf("    %s %s%s%s\n",
              coloured(finding.severity >= Severity::high ? red : yellow, fmt::format("{:8}", name(finding.severity)),
                       colour_out_)
                  .c_str(),
              cleaned(finding.message).c_str(),
              says_it_already ? "" : fmt::format("  {}", cleaned(finding.excerpt)).c_str(),
              place.empty() ? "" : fmt::format("  ({})", cleaned(place)).c_str());
  const auto* rule = find_rule(finding.rule);
  std::printf("             %s\n",
              coloured(dim, rule != nullptr ? fmt::format("{}: {}", finding.rule, rule->fix) : cleaned(finding.rule),
                       colour_out_)
                  .c_str());
}

void Output::reports(std::span<const scan::Report> reports) {
  if (json_) return;
  constexpr std::ptrdiff_t passed_shown = 25;
  const auto passed = std::ranges::count(reports, scan::ScanVerdict::clean, &scan::Report::verdict);
  using enum scan::ScanVerdict;
  for (const auto verdict : {malicious, review, malformed, inconclusive, clean})
    for (const auto& report : reports)
      if (report.verdict == verdict && (verdict != clean || passed <= passed_shown)) this->report(report);
  if (passed > passed_shown)
    std::printf("%s\n", coloured(dim, fmt::format("CLEAN         {} files, not listed here (--json lists all)", passed),
                                 colour_out_)
                            .c_str());
}

Progress Output::progress(std::string label, std::uint64_t total_bytes) {
  return Progress(std::move(label), total_bytes, progress_ && !json_);
}

std::string Output::error_line(const Error& error) const {
  // Errors of the configuration show a line of the file and a caret below it: line ends stay.
  std::string text;
  const std::string whole = error.text();
  for (std::size_t start = 0; start <= whole.size();) {
    const auto end = std::min(whole.find('\n', start), whole.size());
    text += (start == 0 ? "" : "\n") + cleaned(std::string_view(whole).substr(start, end - start));
    start = end + 1;
  }
  return fmt::format("{} {}", coloured(red, "error:", colour_err_), text);
}

}  // namespace hauberk::app
