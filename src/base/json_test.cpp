#include "base/json.h"

#include <gtest/gtest.h>

namespace hauberk::json {
namespace {

TEST(Json, round_trips_every_kind_exactly) {
  const std::string_view text =
      R"({"n":null,"t":true,"i":-7,"big":18446744073709551615,"d":0.1,"one":1.0,"s":"a\"b\\\né","a":[1,[],{}]})";
  const auto value = parse(text);
  ASSERT_TRUE(value) << value.error().text();
  EXPECT_EQ(write(*value), text);
  EXPECT_EQ(*value->find("i")->as_int(), -7);
  EXPECT_EQ(*value->find("big")->as_large(), 18446744073709551615u);
  EXPECT_FALSE(value->find("one")->is_integer());
}

TEST(Json, refuses_what_two_parsers_could_read_differently) {
  const std::string_view bad[] = {R"({"a":1,"a":2})",
                                  R"({"a":1,"\u0061":2})",
                                  "\"\\ud800\"",
                                  "\"\xff\"",
                                  "[1,]",
                                  "[1] x",
                                  "01",
                                  "1e999",
                                  "18446744073709551616",
                                  "NaN",
                                  "",
                                  "{\"a\":1",
                                  "'a'",
                                  "\"a\nb\""};
  for (const auto text : bad) EXPECT_FALSE(parse(text)) << text;
}

TEST(Json, finds_duplicate_keys_in_large_objects_too) {
  std::string text = "{";
  for (int i = 0; i < 100; ++i) text += "\"k" + std::to_string(i) + "\":1,";
  EXPECT_TRUE(parse(text + "\"last\":1}"));
  EXPECT_FALSE(parse(text + "\"k99\":1}"));
  EXPECT_FALSE(parse(text + "\"k3\":1}"));
}

TEST(Json, the_number_of_values_is_bounded) {
  EXPECT_TRUE(parse("[1,2,3]", {.values = 3}));
  EXPECT_FALSE(parse("[1,2,3,4]", {.values = 3}));
  EXPECT_FALSE(parse("[[],{},[]]", {.values = 4}));
}

TEST(Json, nothing_is_no_document) {
  EXPECT_FALSE(parse(std::string_view()));  // whose data() is null
  EXPECT_FALSE(parse(" "));
  EXPECT_FALSE(members(std::string_view()));
}

TEST(Json, depth_and_size_are_bounded) {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_TRUE(parse(nested(100)));
  EXPECT_FALSE(parse(nested(101)));
  EXPECT_FALSE(parse(nested(5), {.bytes = 64, .depth = 4}));
  EXPECT_TRUE(parse(nested(100))) << "a call with other limits leaves nothing behind";
  EXPECT_FALSE(parse("[1,2,3]", {.bytes = 3}));
}

TEST(Json, output_is_valid_whatever_the_text) {
  std::string out;
  append_quoted(out, "a\x01\xff\xfe\"z");
  EXPECT_EQ(out, "\"a\\u0001\xEF\xBF\xBD\\\"z\"");
  EXPECT_TRUE(parse(out));
}

TEST(Json, quoting_leaves_what_needs_no_escape_and_escapes_the_rest_at_every_place) {
  for (std::size_t length = 0; length < 20; ++length)
    for (std::size_t at = 0; at <= length; ++at)
      for (const auto& [raw, quoted] : {std::pair<std::string, std::string>{"\"", "\\\""},
                                        {"\\", "\\\\"},
                                        {"\n", "\\n"},
                                        {std::string(1, '\0'), "\\u0000"},
                                        {"\x1f", "\\u001f"},
                                        {"\x7f", "\\u007f"},
                                        {"é", "é"},
                                        {" ", " "},
                                        {"\x80", "\xEF\xBF\xBD"}}) {
        std::string text(length, '~'), expected = text, out;
        text.insert(at, raw);
        expected.insert(at, quoted);
        append_quoted(out, text);
        EXPECT_EQ(out, '"' + expected + '"');
      }
}

TEST(Json, members_are_found_as_they_are_spelled) {
  const std::string_view text =
      " { \"a\" : 1e2 ,\"b\\u0063\\\"}\":[ {\"x\":\"]\\\\\"} ] , \"d\":\"\\\"\", \"\":null,\"e\":{},\"f\":-0.0 } ";
  const auto found = members(text);
  ASSERT_TRUE(found) << found.error().text();
  std::string told;
  for (const auto& [key, value] : *found) told += key + "=" + std::string(value) + ";";
  EXPECT_EQ(told, "a=1e2;bc\"}=[ {\"x\":\"]\\\\\"} ];d=\"\\\"\";=null;e={};f=-0.0;");
  EXPECT_TRUE(members("{}")->empty());
  for (const std::string_view bad :
       {"", "[]", "1", "{\"a\":1", R"({"a":1,"a":2})", R"({"a":{"b":1,"\u0062":2}})", R"({"a":[[]]})"})
    EXPECT_FALSE(members(bad, {.depth = 2})) << bad;
}

TEST(Json, members_are_set_replaced_and_erased_in_order) {
  Value value;
  value.set("b", 1).set("a", 2).set("b", 3);
  EXPECT_EQ(write(value), R"({"b":3,"a":2})");
  EXPECT_TRUE(value.erase("b"));
  EXPECT_FALSE(value.erase("b"));
  EXPECT_EQ(value.int_or("a", 0), 2);
  EXPECT_EQ(value.text_or("a", "none"), "none");
}

TEST(Json, pretty_output_reads_back_to_the_same_value) {
  const auto value = *parse(R"({"a":[1,2,{"b":[]}],"c":{}})");
  EXPECT_EQ(*parse(write_pretty(value)), value);
}

}  // namespace
}  // namespace hauberk::json
