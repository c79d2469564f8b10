#include "app/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <functional>

namespace hauberk::app {
namespace {

std::string printed(const std::function<void()>& print) {
  testing::internal::CaptureStdout();
  print();
  return testing::internal::GetCapturedStdout();
}

// What reaches a terminal: stdout becomes one for a moment.
std::string on_terminal(const std::function<void()>& print) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_EQ(::grantpt(master), 0);
  EXPECT_EQ(::unlockpt(master), 0);
  const int terminal = ::open(::ptsname(master), O_RDWR | O_NOCTTY);
  std::fflush(stdout);
  const int before = ::dup(STDOUT_FILENO);
  ::dup2(terminal, STDOUT_FILENO);
  print();
  std::fflush(stdout);
  ::dup2(before, STDOUT_FILENO);
  std::string text(4096, '\0');
  const auto count = ::read(master, text.data(), text.size());
  text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  for (const int descriptor : {before, terminal, master}) ::close(descriptor);
  return text;
}

std::vector<scan::Report> two_reports() {
  scan::Report bad{
      .path = "models/\x1b[2Jevil.pkl", .format = "pickle", .size = 26, .verdict = scan::ScanVerdict::malicious};
  bad.findings.push_back({.rule = "isolate.timeout",
                          .severity = Severity::critical,
                          .where = {.file = "models/evil.pkl", .offset = 11, .pointer = "archive/data.pkl"},
                          .message = "calls posix.system",
                          .excerpt = "id\n"});
  bad.findings.push_back({.rule = "isolate.crashed",
                          .severity = Severity::critical,
                          .where = {.file = bad.path + "!archive/data.pkl", .offset = 3},
                          .message = "calls nt.system"});
  bad.findings.insert(bad.findings.begin(),
                      {.rule = "isolate.memory", .severity = Severity::low, .message = "is large"});
  bad.notes = {"one member was not looked at"};
  return {bad, {.path = "model.onnx", .format = "onnx", .size = 3'200'000, .verdict = scan::ScanVerdict::clean}};
}

TEST(Output, prints_reports_for_people) {
  EXPECT_EQ(
      printed([] { Output(false, false).reports(two_reports()); }),
      "MALICIOUS     models/\\x1b[2Jevil.pkl  (pickle, 26 B)\n"
      "    critical calls posix.system  id\\x0a  (offset 11 archive/data.pkl)\n"
      "             isolate.timeout: If the file comes from a known source, raise isolation.time_limit and scan "
      "again.\n"
      "    critical calls nt.system  (archive/data.pkl, offset 3)\n"
      "             isolate.crashed: Do not load the file. Report it with its SHA-256: a file that ends its scanner "
      "was "
      "often made to.\n"
      "    low      is large\n"
      "             isolate.memory: If the file comes from a known source, raise isolation.memory and scan again.\n"
      "    note     one member was not looked at\n"
      "CLEAN         model.onnx  (onnx, 3.2 MB)\n");
}

TEST(Output, counts_clean_files_where_they_would_fill_the_screen) {
  auto many = two_reports();
  const auto clean = many[1];
  many.insert(many.begin(), 30, clean);
  const auto text = printed([&] { Output(false, false).reports(many); });
  EXPECT_TRUE(text.starts_with("MALICIOUS")) << text;
  EXPECT_TRUE(text.ends_with("CLEAN         31 files, not listed here (--json lists all)\n")) << text;
  EXPECT_EQ(text.find("model.onnx"), std::string::npos);
}

TEST(Output, lines_up_tables_by_columns_on_the_screen) {
  EXPECT_EQ(printed([] { Output(false, false).table({"NAME", "SIZE"}, {{"größe", "1"}, {"x", "22"}, {"\x07"}}); }),
            "NAME   SIZE\n"
            "größe  1\n"
            "x      22\n"
            "\\x07   \n");
}

TEST(Output, prints_nothing_but_json_where_json_is_wanted) {
  const auto text = printed([] {
    Output out(true, false);
    out.line("x");
    out.title("x");
    out.good("x");
    out.bad("x");
    out.table({"A"}, {{"b"}});
    out.reports(two_reports());
    out.json(json::Value().set("a", 1));
  });
  EXPECT_EQ(text, "{\n  \"a\": 1\n}\n");
}

TEST(Output, colours_a_terminal_unless_told_not_to) {
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "xterm", 1);
  EXPECT_EQ(printed([] { Output(false, false).good("yes"); }), "✓ yes\n");
  EXPECT_EQ(on_terminal([] { Output(false, false).good("yes"); }), "\x1b[32m✓\x1b[0m yes\r\n");
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(on_terminal([] { Output(false, false).good("yes"); }), "✓ yes\r\n");
  ::unsetenv("NO_COLOR");
  ::setenv("CLICOLOR", "0", 1);
  EXPECT_EQ(on_terminal([] { Output(false, false).good("yes"); }), "✓ yes\r\n");
  ::unsetenv("CLICOLOR");
}

TEST(Output, keeps_the_lines_of_an_error_and_cleans_each) {
  const Error error{Errc::invalid, "expected a number\n  per_minute: \x1b[31mx\n              ^", "hauberk.yaml:3:15"};
  EXPECT_EQ(Output(false, false).error_line(error),
            "error: hauberk.yaml:3:15: expected a number\n  per_minute: \\x1b[31mx\n              ^");
}

TEST(Cleaned, leaves_honest_text_alone) {
  for (const std::string_view text : {"model-1.onnx", "größe", "模型", "🛡 mail", ""}) EXPECT_EQ(cleaned(text), text);
}

TEST(Cleaned, shows_what_would_hide_or_move_text) {
  EXPECT_EQ(cleaned("a\x1b]0;t\x07"), "a\\x1b]0;t\\x07");
  EXPECT_EQ(cleaned("\xC2\x9B"
                    "31m"),
            "\\u{9b}31m");  // C1 control sequence introducer
  EXPECT_EQ(cleaned("gpj.\xE2\x80\xAE"
                    "pkl"),
            "gpj.\\u{202e}pkl");  // right-to-left override
  EXPECT_EQ(cleaned("a\xE2\x80\x8B"
                    "b"),
            "a\\u{200b}b");                               // zero width
  EXPECT_EQ(cleaned("\xF3\xA0\x81\x81"), "\\u{e0041}");   // tag
  EXPECT_EQ(cleaned("\xE0\x80\x9B"), "\\xe0\\x80\\x9b");  // ESC, overlong
  EXPECT_EQ(cleaned("\xED\xA0\x80 \xFF \xC3"), "\\xed\\xa0\\x80 \\xff \\xc3");
  EXPECT_EQ(cleaned(std::string_view("\0", 1)), "\\x00");
}

TEST(FormatBytes, counts_as_disks_do) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.0 kB");
  EXPECT_EQ(format_bytes(999'499), "999 kB");
  EXPECT_EQ(format_bytes(999'999), "1.0 MB");
  EXPECT_EQ(format_bytes(3'200'000'000), "3.2 GB");
  EXPECT_EQ(format_bytes(UINT64_MAX), "18447 PB");
}

TEST(Progress, is_silent_where_nobody_watches) {
  testing::internal::CaptureStderr();
  {
    Output out(false, false);
    auto progress = out.progress("scanning", 100);
    progress.add(50);
    progress.add(100);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Progress, draws_a_bar_and_takes_it_away) {
  testing::internal::CaptureStderr();
  {
    Progress progress("scanning", 2000, true);
    progress.set(1000);
    auto moved = std::move(progress);
  }
  const auto text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find(" 50%  1.0 kB of 2.0 kB"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\x1b[K"));
}

}  // namespace
}  // namespace hauberk::app
