#include "config/settings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace hauberk::config {
namespace {

namespace fs = std::filesystem;

const fs::path cases = fs::path(HAUBERK_SOURCE_DIR) / "tests/cases/config";

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Stands for the guards, which this layer does not know: names in a list, or a name with a section of known keys.
Hooks hooks() {
  Hooks out;
  out.check_guards = [](const json::Value& guards, const std::string& pointer) {
    FieldErrors errors;
    const auto* list = guards.as_array();
    if (list == nullptr) return FieldErrors{{pointer, "expected a list of guards", ""}};
    for (std::size_t i = 0; i < list->size(); ++i) {
      const auto at = child_pointer(pointer, i);
      if (const auto* name = (*list)[i].as_string(); name != nullptr && *name == "nonsense")
        errors.push_back({at, "unknown guard 'nonsense'", ""});
      if (const auto* limit = (*list)[i].find("rate_limit"); limit != nullptr && limit->find("per_minute") == nullptr)
        errors.push_back({child_pointer(child_pointer(at, "rate_limit"), "per_minut"),
                          "unknown key 'per_minut'; did you mean 'per_minute'?", "", true});
    }
    return errors;
  };
  out.guards_schema = [] { return json::Value().set("type", "array"); };
  out.guards_reference = [] { return std::string("In order.\n"); };
  return out;
}

// tests/cases/config/X.yaml is read; where X.expected lies beside it, exactly these errors must be told, otherwise
// none. After a change of words renew them with HAUBERK_WRITE_REFERENCE=1 and read the difference.
TEST(Settings, every_case_is_answered_as_expected) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(cases)) {
    if (entry.path().extension() != ".yaml") continue;
    SCOPED_TRACE(entry.path().filename().string());
    ++count;
    auto expected = entry.path();
    expected.replace_extension(".expected");
    const auto settings = load_settings(content(entry.path()), entry.path().filename().string(), hooks());
    const auto told = settings ? "" : render(settings.error());
    if (std::getenv("HAUBERK_WRITE_REFERENCE") != nullptr && !told.empty()) std::ofstream(expected) << told;
    EXPECT_EQ(told, fs::exists(expected) ? content(expected) : "");
  }
  EXPECT_GE(count, 30u);
}

TEST(Settings, every_key_is_read_and_shown_again) {
  const auto settings = load_settings(content(cases / "everything.yaml"), "everything.yaml", hooks());
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->environment, Environment::staging);
  EXPECT_EQ(settings->tls.min_version, TlsVersion::tls1_3);
  EXPECT_EQ(settings->limits.head_bytes, 16384u);
  EXPECT_EQ(settings->limits.drain, Duration(0));
  EXPECT_EQ(settings->ledger.when_full, WhenFull::drop);
  ASSERT_NE(settings->deployment("smollm"), nullptr);
  EXPECT_EQ(settings->deployment("smollm")->upstream->credential->text(), "env:UPSTREAM_KEY");
  EXPECT_EQ(settings->deployment("smollm")->upstream->model, "smollm2-135m-instruct");
  EXPECT_EQ(settings->deployment("fraud")->version, 3u);
  EXPECT_EQ(settings->deployment("other"), nullptr);
  EXPECT_EQ(settings->isolation.require, std::vector{IsolationLayer::seccomp});

  const auto again = load_settings(write_yaml(show(*settings)), "again.yaml", hooks());
  ASSERT_TRUE(again) << render(again.error());
  EXPECT_EQ(show(*again), show(*settings));
}

TEST(Settings, the_defaults_are_accepted_as_a_file) {
  const auto again = load_settings(write_yaml(show(Settings{})), "defaults.yaml", hooks());
  ASSERT_TRUE(again) << render(again.error());
  EXPECT_EQ(show(*again), show(Settings{}));
}

// Every property of the schema, by path, down to the leaves.
void properties(const json::Value& schema, const std::string& path, std::vector<std::string>& out) {
  if (const auto* members = schema.find("properties"))
    for (const auto& [key, property] : *members->as_object()) {
      out.push_back(path + key);
      properties(property, path + key + ".", out);
    }
  if (const auto* items = schema.find("items")) properties(*items, path, out);
}

TEST(Settings, schema_and_reference_describe_every_key) {
  const auto document = schema(hooks());
  std::vector<std::string> keys;
  properties(document, "", keys);
  for (const auto* key :
       {"listen", "tls.min_version", "deployments.upstream.credential", "deployments.guards", "isolation.require"})
    EXPECT_NE(std::ranges::find(keys, key), keys.end()) << key;
  const auto reference = reference_markdown(hooks());
  for (const auto& key : keys)
    EXPECT_NE(reference.find("`" + key.substr(key.rfind('.') + 1) + "`"), std::string::npos) << key;
  EXPECT_NE(reference.find("In order."), std::string::npos);
  EXPECT_EQ(document.find("properties")->find("guards")->text_or("type", ""), "array");
}

TEST(Settings, all_mistakes_become_one_error_for_callers_that_know_only_results) {
  const auto settings = load_settings("listen: 17\nworkers: x\n", "f.yaml", hooks());
  ASSERT_FALSE(settings);
  const auto error = to_error(settings.error());
  EXPECT_EQ(error.code, Errc::invalid);
  EXPECT_NE(error.message.find("f.yaml:1:9: error:"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("f.yaml:2:10: error:"), std::string::npos) << error.message;
}

TEST(HostPort, hosts_and_ports_are_told_apart) {
  EXPECT_EQ(parse_host_port("127.0.0.1:80")->port, 80);
  EXPECT_EQ(parse_host_port("[::1]:8080")->host, "::1");
  EXPECT_EQ(parse_host_port("localhost:0")->host, "localhost");
  for (const auto* address : {"127.0.0.1:80", "[::1]:8080", "localhost:0"})
    EXPECT_EQ(parse_host_port(address)->text(), address);
  for (const auto* bad : {"", ":", "80", ":80", "a:", "a:b", "a:-1", "a:65536", "a:8 0", "::1:80", "[]:80", "[x]:80",
                          "a b:80", "a:80/", "http://a:80"})
    EXPECT_FALSE(parse_host_port(bad)) << bad;
}

}  // namespace
}  // namespace hauberk::config
