#include "scan/scanner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/rule_catalog.h"
#include "scan/callables.h"

namespace hauberk::scan {
namespace {

struct Case {
  std::string name, data, verdict, file = "x.bin";
  std::vector<std::string> rules;  // each "rule" or "rule@offset"
  int line = 0;
};

// \n, \r, \t, \\ and \xNN; blanks at the end of a line do not count.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'x' && i + 2 < text.size()) {
      const auto byte = from_hex(text.substr(i + 1, 2));
      out += byte ? static_cast<char>((*byte)[0]) : '?';
      i += 2;
    } else {
      out += c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
    }
  }
  return out;
}

// Blocks of "key: value" lines, separated by empty lines; '#' begins a comment. Several data lines are put together.
std::vector<Case> read_cases(const std::string& file) {
  std::vector<Case> cases;
  std::ifstream in(file);
  std::string line;
  Case current;
  int number = 0;
  const auto finish = [&] {
    if (!current.name.empty()) cases.push_back(current);
    current = {};
  };
  while (std::getline(in, line)) {
    ++number;
    if (line.starts_with('#')) continue;
    const auto colon = line.find(": ");
    if (colon == std::string::npos) {
      finish();
      continue;
    }
    const auto key = line.substr(0, colon), value = line.substr(colon + 2);
    if (key == "case")
      current.name = value, current.line = number;
    else if (key == "data")
      current.data += unescape(value);
    else if (key == "file")
      current.file = value;
    else if (key == "verdict")
      current.verdict = value;
    else if (key == "finds")
      current.rules.push_back(value);
    else
      ADD_FAILURE() << file << ":" << number << ": unknown key " << key;
  }
  finish();
  return cases;
}

std::string explained(const Report& report) {
  std::string text = std::string(name(report.verdict)) + " " + report.format;
  for (const auto& finding : report.findings)
    text += "\n  " + finding.rule + " " + finding.where.text() + ": " + finding.message;
  return text;
}

bool found(const Report& report, std::string_view wanted) {
  const auto at = wanted.find('@');
  return std::any_of(report.findings.begin(), report.findings.end(), [&](const Finding& finding) {
    if (finding.rule != wanted.substr(0, at)) return false;
    return at == std::string_view::npos ||
           (finding.where.offset && std::to_string(*finding.where.offset) == wanted.substr(at + 1));
  });
}

TEST(Scanner, judges_each_case_as_written) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(HAUBERK_SOURCE_DIR "/tests/cases/scan")) {
    if (entry.path().extension() != ".cases") continue;
    for (const auto& one : read_cases(entry.path().string())) {
      ++count;
      MemoryReader reader(as_bytes(one.data));
      const auto report = scan(reader, one.file);
      const std::string where = entry.path().filename().string() + ":" + std::to_string(one.line) + " " + one.name;
      EXPECT_EQ(name(report.verdict), one.verdict) << where << "\n" << explained(report);
      for (const auto& rule : one.rules)
        EXPECT_TRUE(found(report, rule)) << where << ": no " << rule << " in\n" << explained(report);
      for (const auto& finding : report.findings)
        EXPECT_NE(find_rule(finding.rule), nullptr) << finding.rule << " is not in the catalogue";
    }
  }
  EXPECT_GT(count, 60u);
}

TEST(Scanner, names_the_call_and_masks_its_arguments) {
  MemoryReader reader(as_bytes("cos\nsystem\n(S'curl http://secret.example/token'\ntR."));
  const auto report = scan(reader, "m.pkl");
  ASSERT_EQ(report.findings.size(), 1u) << explained(report);
  EXPECT_EQ(report.findings[0].message, "would run a command of the system when loaded: os.system('curl...')");
  EXPECT_EQ(report.findings[0].where.file, "m.pkl");
}

TEST(Scanner, prose_that_reads_like_an_import_is_text_and_a_broken_pickle_is_not) {
  const auto verdict = [](std::string_view content, std::string_view name) {
    MemoryReader reader(as_bytes(content));
    return scan(reader, name).verdict;
  };
  EXPECT_EQ(verdict("ccache - a fast compiler cache\n===\n\n[x](https://example.org/a.svg)\n", "README.md"),
            ScanVerdict::clean);
  EXPECT_EQ(verdict("cos\nsystem\n(S'true'\ntR~", "README.md"), ScanVerdict::malicious);
}

TEST(Scanner, computes_the_digest_only_when_asked) {
  MemoryReader reader(as_bytes("N."));
  EXPECT_FALSE(scan(reader, "x").sha256);
  const auto report = scan(reader, "x", {.hash = true});
  ASSERT_TRUE(report.sha256);
  EXPECT_EQ(*report.sha256, crypto::sha256(as_bytes("N.")));
}

TEST(Scanner, a_limit_that_is_used_up_is_inconclusive_and_named) {
  std::string many = "(";
  for (int i = 0; i < 200'000; ++i) many += "N0";
  many += "t.";
  MemoryReader reader(as_bytes(many));
  ASSERT_EQ(scan(reader, "x").verdict, ScanVerdict::clean);
  const auto few_opcodes = scan(reader, "x", {.limits = {.opcodes = 100'000}});
  EXPECT_EQ(few_opcodes.verdict, ScanVerdict::inconclusive) << explained(few_opcodes);
  ASSERT_TRUE(found(few_opcodes, "scan.budget-exhausted"));
  EXPECT_NE(few_opcodes.notes.at(0).find("pickle opcodes"), std::string::npos);
  int asked = 0;
  const auto late = scan(reader, "x", {.out_of_time = [&]() -> std::string_view { return ++asked > 2 ? "time" : ""; }});
  EXPECT_EQ(late.verdict, ScanVerdict::inconclusive) << explained(late);
}

TEST(Scanner, a_stack_without_end_does_not_take_memory_without_end) {
  std::string deep(4u << 20, 'N');
  MemoryReader reader(as_bytes(deep));
  const auto report = scan(reader, "x", {.limits = {.memory = 1u << 20}});
  EXPECT_EQ(report.verdict, ScanVerdict::inconclusive) << explained(report);
}

TEST(Scanner, harm_before_the_end_of_the_budget_still_counts) {
  std::string text = "cos\nsystem\n(S'id'\ntR";
  text += std::string(1u << 20, 'N');
  MemoryReader reader(as_bytes(text));
  EXPECT_EQ(scan(reader, "x", {.limits = {.memory = 64u << 10}}).verdict, ScanVerdict::malicious);
}

class FailingReader final : public Reader {
 public:
  FailingReader(ByteView bytes, std::uint64_t fails_from) : inner_(bytes), fails_from_(fails_from) {}
  std::uint64_t size() const override { return inner_.size(); }
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override {
    if (offset + out.size() > fails_from_ && offset < size()) return fail(Errc::unavailable, "the disk is gone");
    return inner_.read_at(offset, out);
  }

 private:
  MemoryReader inner_;
  std::uint64_t fails_from_;
};

TEST(Scanner, data_that_cannot_be_read_is_inconclusive) {
  std::string text = "(";
  for (int i = 0; i < 100'000; ++i) text += "I1\n";
  text += "t.";
  FailingReader reader(as_bytes(text), 200'000);
  const auto report = scan(reader, "x");
  EXPECT_EQ(report.verdict, ScanVerdict::inconclusive) << explained(report);
  FailingReader dead(as_bytes(text), 0);
  EXPECT_EQ(scan(dead, "x").verdict, ScanVerdict::inconclusive);
}

TEST(Report, makes_the_round_trip_through_json) {
  MemoryReader reader(as_bytes("cos\nsystem\n(S'id'\ntR."));
  auto report = scan(reader, "a/b.pkl", {.hash = true});
  report.notes.push_back("a note");
  const auto value = json::parse(json::write(to_json(report)));
  ASSERT_TRUE(value);
  const auto again = report_from_json(*value);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(*again, report);
  EXPECT_FALSE(report_from_json(json::Value::object()));
  EXPECT_FALSE(report_from_json(json::Value("clean")));
}

TEST(Report, only_all_clean_is_clean) {
  const auto of = [](std::initializer_list<ScanVerdict> verdicts) {
    std::vector<Report> reports;
    for (const auto verdict : verdicts) reports.push_back({.verdict = verdict});
    return overall(reports);
  };
  using enum ScanVerdict;
  EXPECT_EQ(of({}), inconclusive);
  EXPECT_EQ(of({clean, clean}), clean);
  EXPECT_EQ(of({clean, review, clean}), review);
  EXPECT_EQ(of({review, inconclusive}), inconclusive);
  EXPECT_EQ(of({inconclusive, malformed}), malformed);
  EXPECT_EQ(of({malformed, malicious, clean}), malicious);
  for (const auto verdict : {review, malicious, malformed, inconclusive}) EXPECT_FALSE(passes_gate(verdict));
  EXPECT_TRUE(passes_gate(clean));
  EXPECT_EQ(unscanned("f", "the scanner died").verdict, inconclusive);
}

TEST(Callables, table_is_sorted_and_without_contradictions) {
  const auto rules = callable_rules();
  ASSERT_GT(rules.size(), 1000u);
  for (std::size_t i = 1; i < rules.size(); ++i) EXPECT_LT(rules[i - 1].pattern, rules[i].pattern);
  for (const auto& rule : rules)
    if (rule.risk >= Risk::code) EXPECT_FALSE(rule.effect.empty()) << rule.pattern;
}

TEST(Callables, full_names_are_judged_and_not_their_parts) {
  const auto risk = [](std::string_view module, std::string_view name) { return judge(module, name).risk; };
  EXPECT_EQ(risk("collections", "OrderedDict"), Risk::harmless);
  EXPECT_EQ(risk("os", "system"), Risk::execution);
  EXPECT_EQ(risk("os.path", "join"), Risk::execution);
  EXPECT_EQ(risk("osx", "system"), Risk::unknown);
  EXPECT_EQ(risk("torch.serialization", "os.system"), Risk::execution);
  EXPECT_EQ(risk("collections", "_sys.modules"), Risk::execution);
  EXPECT_EQ(risk("numpy", "__builtins__"), Risk::execution);
  EXPECT_EQ(risk("sklearn.linear_model._base", "LinearRegression"), Risk::class_only);
  EXPECT_EQ(risk("sklearn.linear_model._base", "Popen"), Risk::execution);
  EXPECT_EQ(risk("sklearn.linear_model._base", "Thread"), Risk::unknown);
  EXPECT_EQ(risk("sklearn.utils.fixes", "run"), Risk::unknown);
  EXPECT_EQ(risk("pathlib", "PosixPath"), Risk::harmless);
  EXPECT_EQ(risk("pathlib", "Path.write_text"), Risk::access);
  EXPECT_EQ(risk("my.module", "Thing"), Risk::unknown);
  EXPECT_EQ(risk("", ""), Risk::unknown);
}

TEST(Callables, modules_within_modules_are_no_classes) {
  const auto risk = [](std::string_view module, std::string_view name) { return judge(module, name).risk; };
  EXPECT_EQ(risk("scipy.sparse._construct", "os"), Risk::execution);
  EXPECT_EQ(risk("torch.nn.functional", "importlib"), Risk::execution);
  EXPECT_EQ(risk("scipy.sparse._matrix_io", "np"), Risk::code);
  EXPECT_EQ(risk("scipy.sparse._matrix_io", "np.memmap"), Risk::access);
  EXPECT_EQ(risk("torch.nn.modules.activation", "F"), Risk::code);
  EXPECT_EQ(risk("scipy.special._basic", "ndimage.foo"), Risk::unknown);
  EXPECT_FALSE(judge("scipy.special._basic", "ndimage.foo").in_known_library);
  EXPECT_EQ(risk("scipy.sparse._csr", "csr_matrix"), Risk::class_only);
  EXPECT_EQ(risk("scipy.stats._continuous_distns", "norm_gen"), Risk::class_only);
  EXPECT_EQ(risk("scipy.stats._continuous_distns", "optimize"), Risk::unknown);
  EXPECT_EQ(risk("somewhere.enums", "Framework.torch"), Risk::unknown);
}

TEST(Callables, methods_of_known_classes_are_data_unless_they_act) {
  const auto plain = judge("scipy.interpolate._interpolate", "interp1d._call_linear_np");
  EXPECT_EQ(plain.risk, Risk::unknown);
  EXPECT_TRUE(plain.in_known_library);
  EXPECT_EQ(judge("pandas.core.frame", "DataFrame.to_pickle").risk, Risk::access);
  EXPECT_EQ(judge("pathlib", "PosixPath.unlink").risk, Risk::access);
  EXPECT_FALSE(judge("my.module", "Thing.method").in_known_library);
}

TEST(FileReader, reads_windows_and_says_what_is_wrong) {
  const std::string path = testing::TempDir() + "scan_reader_test";
  std::ofstream(path, std::ios::binary) << "0123456789";
  const auto reader = FileReader::open(path);
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->size(), 10u);
  std::array<std::uint8_t, 4> bytes{};
  EXPECT_EQ((*reader)->read_at(8, bytes), 2u);
  EXPECT_EQ((*reader)->read_at(10, bytes), 0u);
  RangeReader range(**reader, 2, 3);
  EXPECT_EQ(range.size(), 3u);
  EXPECT_EQ(read_part(range, 0, 3, 10), to_bytes("234"));
  EXPECT_FALSE(read_part(range, 1, 3, 10));
  EXPECT_FALSE(read_part(range, 0, 3, 2));
  std::filesystem::resize_file(path, 5);
  EXPECT_EQ((*reader)->read_at(8, bytes).error().code, Errc::unavailable);
  std::filesystem::remove(path);
  EXPECT_EQ(FileReader::open(path).error().code, Errc::not_found);
  EXPECT_EQ(FileReader::open(testing::TempDir()).error().code, Errc::invalid);
}

TEST(Cursor, walks_in_windows_and_stops_at_the_end) {
  std::string text(1000, 'x');
  text += "end";
  MemoryReader reader(as_bytes(text));
  Cursor cursor(reader, 10, 64);
  EXPECT_TRUE(cursor.need(64));
  EXPECT_FALSE(cursor.need(65));
  EXPECT_TRUE(cursor.skip(990));
  ASSERT_TRUE(cursor.need(3));
  EXPECT_EQ(as_text({cursor.data(), 3}), "end");
  EXPECT_FALSE(cursor.need(4));
  EXPECT_FALSE(cursor.failed());
  EXPECT_FALSE(cursor.skip(4));
  EXPECT_TRUE(cursor.skip(3));
  EXPECT_EQ(cursor.remaining(), 0u);
}

}  // namespace
}  // namespace hauberk::scan
