#include "config/yaml.h"

#include <gtest/gtest.h>

namespace hauberk::config {
namespace {

std::string parsed(std::string_view text) {
  const auto document = parse_yaml(text, "t.yaml");
  return document ? json::write(document->value) : "error: " + document.error().message;
}

TEST(Yaml, plain_texts_are_read_by_the_core_schema) {
  EXPECT_EQ(parsed("[null, Null, ~, true, TRUE, false]"), "[null,null,null,true,true,false]");
  EXPECT_EQ(parsed("[0, -7, +7, 0x1F, 0o17, 18446744073709551615, -9223372036854775808]"),
            "[0,-7,7,31,15,18446744073709551615,-9223372036854775808]");
  EXPECT_EQ(parsed("[1.5, -.5, 1e3, 2., 0.25]"), "[1.5,-0.5,1000.0,2.0,0.25]");
  EXPECT_EQ(parsed("[yes, No, on, off, 0777, 1_000, 12:30:45, 2026-11-24, 0b1, -x]"),
            R"(["yes","No","on","off","0777","1_000","12:30:45","2026-11-24","0b1","-x"])");
}

TEST(Yaml, quoted_and_block_texts_stay_texts) {
  EXPECT_EQ(parsed("['1', \"true\", '', \"a\\tb\\u00e9\", 'it''s']"), R"(["1","true","","a\tbé","it's"])");
  EXPECT_EQ(parsed("a: |\n  1\n  2\nb: >\n  x\n  y\n"), R"({"a":"1\n2\n","b":"x y\n"})");
}

TEST(Yaml, block_and_flow_style_give_the_same_value) {
  EXPECT_EQ(parsed("a:\n  - 1\n  - b: 2\n    c: {d: []}\n"), parsed(R"({"a": [1, {"b": 2, "c": {"d": []}}]})"));
  EXPECT_EQ(parsed("a:\n- 1\n- 2\nb:\n"), R"({"a":[1,2],"b":null})");
}

TEST(Yaml, an_empty_document_is_an_empty_section) {
  for (const auto* text : {"", "\n\n", "# remark\n", "---\n", "---\n...\n", "\xEF\xBB\xBF"})
    EXPECT_EQ(parsed(text), "{}") << text;
}

TEST(Yaml, what_two_readers_could_read_differently_is_refused) {
  for (const auto* text : {"a: 1\na: 2\n",
                           "{a: 1, \"a\": 2}",
                           "a: &x 1\nb: *x\n",
                           "a: !!int 1\n",
                           "a: !x 1\n",
                           "<<: {a: 1}\n",
                           "{\"<<\": 1}",
                           "[a]: 1\n",
                           "? {a: b}\n: c\n",
                           ": 1\n",
                           "a: 1\n---\nb: 2\n",
                           "a: .inf\n",
                           "a: -.INF\n",
                           "a: .nan\n",
                           "a: 1e999\n",
                           "a: 99999999999999999999\n",
                           "a: [1\n",
                           "a:\n\tb: 1\n",
                           "a: \"\\0\"\n",
                           "a: 'x\n",
                           "%YAML 9.9\n---\na: 1\n",
                           "a: b: c\n",
                           "{a: 1}}\n",
                           "@x\n",
                           "*x\n"})
    EXPECT_TRUE(parsed(text).starts_with("error: ")) << text << " gave " << parsed(text);
  EXPECT_TRUE(parsed(std::string_view("a: \0", 4)).starts_with("error: "));
  EXPECT_TRUE(parsed("a: \xed\xa0\x80").starts_with("error: "));
  EXPECT_TRUE(parsed("\xff\xfe").starts_with("error: "));
}

TEST(Yaml, size_depth_and_number_of_values_are_bounded) {
  EXPECT_FALSE(parse_yaml("[1, 2, 3]", "t", {.bytes = 8}));
  EXPECT_FALSE(parse_yaml("[1, 2, 3]", "t", {.values = 3}));
  EXPECT_TRUE(parse_yaml("[1, 2, 3]", "t", {.values = 4}));
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_TRUE(parse_yaml(nested(32), "t"));
  EXPECT_FALSE(parse_yaml(nested(33), "t"));
  EXPECT_FALSE(parse_yaml(nested(500'000), "t"));
  std::string maps;
  for (int i = 0; i < 100'000; ++i) maps += "{a: ";
  EXPECT_FALSE(parse_yaml(maps, "t"));
}

TEST(Yaml, every_value_has_its_place) {
  const auto document = parse_yaml("a: 1\nlist:\n  - x: é\n    ö: {k: [1, 22]}\n", "t.yaml");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->position("/a", true), (Position{1, 1}));
  EXPECT_EQ(document->position("/a", false), (Position{1, 4}));
  EXPECT_EQ(document->position("/list/0", false), (Position{3, 5}));
  EXPECT_EQ(document->position("/list/0/ö", true), (Position{4, 5}));
  EXPECT_EQ(document->position("/list/0/ö/k/1", false), (Position{4, 16}));
  EXPECT_EQ(document->position("/list/0/ö/k/1/not/there", false), (Position{4, 16})) << "the nearest that exists";
  EXPECT_EQ(document->position("/nowhere", false), document->position("", false));
}

TEST(Yaml, errors_look_like_those_of_a_compiler) {
  const auto document = parse_yaml("a:\n  b: 1\n  b: 2\n", "f.yaml");
  ASSERT_FALSE(document);
  EXPECT_EQ(render(document.error()), "f.yaml:3:3: error: the key 'b' occurs twice\n    3 |   b: …\n      |   ^\n");
}

TEST(Yaml, no_control_character_of_a_file_reaches_the_terminal) {
  ConfigError error{"f", {1, 3}, "m", "", "a\x1b[31m\tb"};
  EXPECT_EQ(render(error), "f:1:3: error: m\n    1 | …[… …\n      |  ^\n");
}

TEST(Yaml, what_is_written_reads_back_to_the_same) {
  const auto value = *json::parse(
      R"({"a":{"b":[1,[],{},[{"x":null,"y":[true]},"no"]],"c d":"1"},"t":["yes","12:30","0777","a: b","# x","- x","","~","é","127.0.0.1:80","env:NAME",1.0,"a\nb","\u2028"]})");
  const auto document = parse_yaml(write_yaml(value), "t.yaml");
  ASSERT_TRUE(document) << write_yaml(value) << render(document.error());
  EXPECT_EQ(document->value, value) << write_yaml(value);
}

}  // namespace
}  // namespace hauberk::config
