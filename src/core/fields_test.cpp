#include "core/fields.h"

#include <gtest/gtest.h>

namespace hauberk {
namespace {

enum class Mode { enforce, shadow };

struct Inner {
  std::uint32_t per_minute = 60;
  Mode mode = Mode::enforce;
  static const Fields<Inner>& fields() {
    static const Fields<Inner> list{
        field("per_minute", &Inner::per_minute, range(1, 1'000'000), "requests per key and minute"),
        field("mode", &Inner::mode, choices<Mode>({{"enforce", Mode::enforce}, {"shadow", Mode::shadow}}),
              "obey it or only record it"),
    };
    return list;
  }
  bool operator==(const Inner&) const = default;
};

struct Outer {
  std::string name;
  bool enabled = true;
  double ratio = 0.5;
  std::uint16_t port = 8080;
  Duration timeout = std::chrono::seconds(30);
  std::optional<SecretRef> credential;
  std::vector<std::string> models{"a"};
  std::vector<Inner> limits;
  std::vector<Mode> modes;
  Inner inner;
  json::Value anything;
  static const Fields<Outer>& fields() {
    static const Fields<Outer> list =
        Fields<Outer>{
            field("name", &Outer::name, required, length(1, 8), "what it is called"),
            field("enabled", &Outer::enabled, "whether it runs"),
            field("ratio", &Outer::ratio, range(0.0, 1.0), "share"),
            field("port", &Outer::port, "TCP port"),
            field("timeout", &Outer::timeout, range(std::chrono::milliseconds(1), std::chrono::minutes(5)), "at most"),
            field("credential", &Outer::credential, "sent along"),
            field("models", &Outer::models, length(1, 3), "names"),
            field("limits", &Outer::limits, "several"),
            field("modes", &Outer::modes, choices<Mode>({{"enforce", Mode::enforce}, {"shadow", Mode::shadow}}),
                  "in turn"),
            field("inner", &Outer::inner, "one"),
            field("anything", &Outer::anything, "as it is"),
        }
            .with_check([](const Outer& o, const FieldPlace& place) {
              if (o.name == "bad" && o.enabled) place.fail("bad must not be enabled");
            });
    return list;
  }
};

std::expected<Outer, FieldErrors> read(std::string_view text) { return parse_fields<Outer>(*json::parse(text)); }

// "pointer: message" of the only error.
std::string error_of(std::string_view text) {
  const auto outer = read(text);
  if (outer) return "accepted";
  return outer.error().size() == 1 ? outer.error()[0].pointer + ": " + outer.error()[0].message : "several errors";
}

TEST(Fields, what_is_left_out_keeps_the_default_of_the_struct) {
  const auto outer = read(R"({"name":"x"})");
  ASSERT_TRUE(outer);
  EXPECT_EQ(outer->name, "x");
  EXPECT_TRUE(outer->enabled);
  EXPECT_EQ(outer->timeout, std::chrono::seconds(30));
  EXPECT_EQ(outer->models, std::vector<std::string>{"a"});
  EXPECT_EQ(outer->inner, Inner{});
  EXPECT_FALSE(outer->credential);
}

TEST(Fields, every_kind_is_read) {
  const auto outer =
      read(R"({"name":"x","enabled":false,"ratio":1,"port":65535,"timeout":"250ms","credential":"env:KEY",
    "models":["b","c"],"limits":[{"per_minute":5},{"mode":"shadow"}],"modes":["shadow"],"inner":{"per_minute":7},"anything":[1,{"k":null}]})");
  ASSERT_TRUE(outer) << to_error(outer.error()).text();
  EXPECT_FALSE(outer->enabled);
  EXPECT_EQ(outer->ratio, 1.0);
  EXPECT_EQ(outer->port, 65535);
  EXPECT_EQ(outer->timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(outer->credential->text(), "env:KEY");
  EXPECT_EQ(outer->limits, (std::vector<Inner>{{5, Mode::enforce}, {60, Mode::shadow}}));
  EXPECT_EQ(outer->modes, std::vector{Mode::shadow});
  EXPECT_EQ(outer->inner.per_minute, 7u);
  EXPECT_EQ(json::write(outer->anything), R"([1,{"k":null}])");
}

TEST(Fields, an_unknown_key_names_the_nearest) {
  EXPECT_EQ(error_of(R"({"name":"x","inner":{"per_minut":5}})"),
            "/inner/per_minut: unknown key 'per_minut'; did you mean 'per_minute'?");
  const auto far = read(R"({"name":"x","inner":{"zebra":5}})");
  ASSERT_FALSE(far);
  EXPECT_EQ(far.error()[0].message, "unknown key 'zebra'");
  EXPECT_EQ(far.error()[0].meaning, "the keys here are: mode, per_minute");
  EXPECT_TRUE(far.error()[0].at_key);
}

TEST(Fields, each_kind_and_range_is_checked) {
  EXPECT_EQ(error_of("{}"), ": the key 'name' is missing; expected a text from 1 to 8 characters");
  EXPECT_EQ(error_of(R"({"name":""})"), "/name: expected a text from 1 to 8 characters, found \"\"");
  EXPECT_EQ(error_of(R"({"name":"x","enabled":"yes"})"), "/enabled: expected true or false, found \"yes\"");
  EXPECT_EQ(error_of(R"({"name":"x","ratio":1.5})"), "/ratio: expected a number from 0 to 1, found 1.5");
  EXPECT_EQ(error_of(R"({"name":"x","port":65536})"), "/port: expected an integer from 0 to 65535, found 65536");
  EXPECT_EQ(error_of(R"({"name":"x","port":80.0})"), "/port: expected an integer from 0 to 65535, found 80.0");
  EXPECT_EQ(error_of(R"({"name":"x","port":18446744073709551615})"),
            "/port: expected an integer from 0 to 65535, found 18446744073709551615");
  EXPECT_EQ(error_of(R"({"name":"x","timeout":30})"),
            "/timeout: expected a duration such as 30s from 1ms to 5m, found 30");
  EXPECT_EQ(error_of(R"({"name":"x","timeout":"6m"})"),
            "/timeout: expected a duration such as 30s from 1ms to 5m, found \"6m\"");
  EXPECT_EQ(error_of(R"({"name":"x","models":[]})"),
            "/models: expected a list from 1 to 3 items (a text each), found 0 items");
  EXPECT_EQ(error_of(R"({"name":"x","models":["a",2]})"), "/models/1: expected a text, found 2");
  EXPECT_EQ(error_of(R"({"name":"x","modes":["shadwo"]})"),
            "/modes/0: expected enforce or shadow, found \"shadwo\"; did you mean 'shadow'?");
  EXPECT_EQ(error_of(R"({"name":"x","inner":null})"), "/inner: expected a section with keys, found nothing");
  EXPECT_EQ(error_of("[]"), ": expected a section with keys, found a list");
}

TEST(Fields, a_literal_secret_is_refused_and_not_repeated) {
  const auto text = error_of(R"({"name":"x","credential":"hunter2"})");
  EXPECT_TRUE(text.starts_with("/credential: expected a reference to a secret")) << text;
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
}

TEST(Fields, all_errors_are_collected_with_what_the_field_is_for) {
  const auto outer = read(R"({"port":-1,"limits":[{"per_minute":0},{"a/b~":1}]})");
  ASSERT_FALSE(outer);
  ASSERT_EQ(outer.error().size(), 4u);
  EXPECT_EQ(outer.error()[0].meaning, "TCP port");
  EXPECT_EQ(outer.error()[1].pointer, "/limits/0/per_minute");
  EXPECT_EQ(outer.error()[1].meaning, "requests per key and minute");
  EXPECT_EQ(outer.error()[2].pointer, "/limits/1/a~1b~0");
  EXPECT_EQ(outer.error()[3].pointer, "");
  const auto error = to_error(outer.error());
  EXPECT_EQ(error.context, "/port");
  EXPECT_NE(error.message.find("/limits/0/per_minute: expected an integer"), std::string::npos);
}

TEST(Fields, the_check_of_the_whole_runs_only_on_what_was_read_well) {
  EXPECT_EQ(error_of(R"({"name":"bad"})"), ": bad must not be enabled");
  EXPECT_EQ(error_of(R"({"name":"bad","enabled":false})"), "accepted");
  EXPECT_EQ(error_of(R"({"name":"bad","port":-1})"), "/port: expected an integer from 0 to 65535, found -1");
}

TEST(Fields, what_is_written_reads_back_to_the_same) {
  const auto outer =
      read(R"({"name":"x","timeout":"90s","credential":"file:/run/secrets/a","limits":[{"mode":"shadow"}]})");
  ASSERT_TRUE(outer);
  const auto written = write_fields(*outer);
  EXPECT_EQ(
      json::write(written),
      R"({"name":"x","enabled":true,"ratio":0.5,"port":8080,"timeout":"90s","credential":"file:/run/secrets/a",)"
      R"("models":["a"],"limits":[{"per_minute":60,"mode":"shadow"}],"modes":[],"inner":{"per_minute":60,"mode":"enforce"}})");
  EXPECT_EQ(write_fields(*parse_fields<Outer>(written)), written);
}

TEST(Fields, the_schema_says_what_the_reader_accepts) {
  const auto schema = json_schema(Outer::fields());
  EXPECT_EQ(schema.text_or("$schema", ""), "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(json::write(*schema.find("required")), R"(["name"])");
  EXPECT_EQ(json::write(*schema.find("additionalProperties")), "false");
  const auto& properties = *schema.find("properties");
  EXPECT_EQ(json::write(*properties.find("port")),
            R"({"type":"integer","minimum":0,"maximum":65535,"description":"TCP port","default":8080})");
  EXPECT_EQ(json::write(*properties.find("modes")->find("items")), R"({"enum":["enforce","shadow"]})");
  EXPECT_EQ(json::write(*properties.find("inner")->find("additionalProperties")), "false");
  EXPECT_EQ(json::write(*properties.find("anything")), R"({"description":"as it is"})");
}

TEST(Fields, the_reference_names_every_field_once_with_its_default) {
  const auto text = reference_markdown(Outer::fields(), "Configuration");
  EXPECT_NE(text.find("| `timeout` | a duration such as 30s from 1ms to 5m | `30s` | at most |\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("| `name` | a text from 1 to 8 characters | required | what it is called |\n"),
            std::string::npos);
  EXPECT_NE(text.find("\n### limits[]\n"), std::string::npos);
  EXPECT_NE(text.find("\n### inner\n"), std::string::npos);
}

}  // namespace
}  // namespace hauberk
