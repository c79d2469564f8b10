#include "core/finding.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "core/rule_catalog.h"
#include "core/version.h"

namespace hauberk {
namespace {

Finding full_finding() {
  return {.rule = "isolate.timeout",
          .severity = Severity::high,
          .where = {.file = "dir/we ird#é.pkl", .offset = 1234, .line = 3, .pointer = "/a/b"},
          .message = "calls posix.system",
          .excerpt = "id"};
}

const json::Value& at(const json::Value& value, std::initializer_list<std::string_view> path) {
  const auto* here = &value;
  for (const auto part : path) {
    const auto* array = here->as_array();
    here = array != nullptr ? &array->at(std::stoul(std::string(part))) : here->find(part);
    if (here == nullptr) {
      ADD_FAILURE() << "no " << part;
      static const json::Value none;
      return none;
    }
  }
  return *here;
}

TEST(Severity, has_names_that_come_back) {
  for (const auto severity : {Severity::info, Severity::low, Severity::medium, Severity::high, Severity::critical})
    EXPECT_EQ(parse_severity(name(severity)), severity);
  EXPECT_EQ(parse_severity("severe"), std::nullopt);
}

TEST(Where, is_one_word_for_people) {
  EXPECT_EQ((Where{.file = "a.pkl", .offset = 7}).text(), "a.pkl@7");
  EXPECT_EQ((Where{.file = "hauberk.yaml", .line = 3}).text(), "hauberk.yaml:3");
  EXPECT_EQ((Where{.file = "m.onnx", .pointer = "/graph/node/3"}).text(), "m.onnx /graph/node/3");
  EXPECT_EQ((Where{.offset = 7}).text(), "offset 7");
  EXPECT_EQ(Where{}.text(), "");
}

TEST(Finding, comes_back_from_json) {
  Finding bare{.rule = "scan.not-scanned", .message = "why"};
  Finding far = full_finding();
  far.where.offset = UINT64_MAX;
  for (const auto& finding : {bare, full_finding(), far}) {
    const auto parsed = json::parse(json::write(to_json(finding)));
    ASSERT_TRUE(parsed);
    const auto back = finding_from_json(*parsed);
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(*back, finding);
  }
}

TEST(Finding, refuses_json_that_is_none) {
  for (const auto* text :
       {"null", "{}", R"({"rule":"x","severity":"high"})", R"({"rule":"","severity":"high","where":{}})",
        R"({"rule":"x","severity":"severe","where":{}})", R"({"rule":"x","severity":"high","where":{"offset":-1}})",
        R"({"rule":"x","severity":"high","where":{"offset":1.5}})",
        R"({"rule":"x","severity":"high","where":{"line":0}})"})
    EXPECT_FALSE(finding_from_json(json::parse(text).value())) << text;
}

// What SARIF 2.1.0 and GitHub code scanning demand: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
TEST(Sarif, has_what_code_scanning_needs) {
  const std::vector<Finding> findings = {
      full_finding(), full_finding(), {.rule = "nobody.knows", .where = {.file = "/abs/b.pkl"}, .message = "m"}};
  const auto sarif = to_sarif(findings, "1.2.3");
  EXPECT_EQ(at(sarif, {"version"}), json::Value("2.1.0"));
  EXPECT_EQ(at(sarif, {"$schema"}), json::Value("https://json.schemastore.org/sarif-2.1.0.json"));
  const auto& run = at(sarif, {"runs", "0"});
  EXPECT_EQ(at(run, {"tool", "driver", "name"}), json::Value("Hauberk"));
  EXPECT_EQ(at(run, {"tool", "driver", "semanticVersion"}), json::Value("1.2.3"));
  ASSERT_EQ(at(run, {"tool", "driver", "rules"}).as_array()->size(), 2);
  const auto& rule = at(run, {"tool", "driver", "rules", "0"});
  EXPECT_EQ(at(rule, {"id"}), json::Value("isolate.timeout"));
  EXPECT_EQ(at(rule, {"properties", "security-severity"}), json::Value("5.5"));
  EXPECT_EQ(at(rule, {"properties", "tags", "1"}), json::Value("external/cwe/cwe-400"));
  EXPECT_FALSE(at(rule, {"help", "text"}).as_string()->empty());
  ASSERT_EQ(at(run, {"results"}).as_array()->size(), 3);
  const auto& result = at(run, {"results", "0"});
  EXPECT_EQ(at(result, {"ruleId"}), json::Value("isolate.timeout"));
  EXPECT_EQ(at(result, {"level"}), json::Value("error"));
  EXPECT_EQ(at(result, {"message", "text"}), json::Value("calls posix.system: id"));
  const auto& place = at(result, {"locations", "0", "physicalLocation"});
  EXPECT_EQ(at(place, {"artifactLocation", "uri"}), json::Value("dir/we%20ird%23%C3%A9.pkl"));
  EXPECT_EQ(at(place, {"region", "byteOffset"}), json::Value(1234));
  EXPECT_EQ(at(place, {"region", "startLine"}), json::Value(3));
  EXPECT_EQ(at(run, {"results", "2", "ruleIndex"}), json::Value(1));
  EXPECT_EQ(at(run, {"results", "2", "locations", "0", "physicalLocation", "artifactLocation", "uri"}),
            json::Value("file:///abs/b.pkl"));
}

TEST(Sarif, tells_equal_findings_apart_and_names_them_alike_each_time) {
  const std::vector<Finding> findings = {full_finding(), full_finding()};
  const auto first = to_sarif(findings, "1"), second = to_sarif(findings, "2");
  const auto print = [](const json::Value& sarif, std::string_view index) {
    return *at(sarif, {"runs", "0", "results", index, "partialFingerprints", "primaryLocationLineHash"}).as_string();
  };
  EXPECT_NE(print(first, "0"), print(first, "1"));
  EXPECT_EQ(print(first, "0"), print(second, "0"));
}

TEST(Sarif, places_a_member_in_the_file_that_holds_it) {
  const std::vector<Finding> findings = {
      {.rule = "x.y", .where = {.file = "m.pt!archive/data.pkl", .offset = 9}, .message = "m"}};
  const auto sarif = to_sarif(findings, "1");
  const auto& location = at(sarif, {"runs", "0", "results", "0", "locations", "0"});
  EXPECT_EQ(at(location, {"physicalLocation", "artifactLocation", "uri"}), json::Value("m.pt"));
  EXPECT_EQ(at(location, {"physicalLocation", "region"}).find("byteOffset"), nullptr);
  EXPECT_EQ(at(location, {"logicalLocations", "0", "fullyQualifiedName"}), json::Value("m.pt!archive/data.pkl@9"));
}

TEST(Sarif, without_findings_is_an_empty_run) {
  const auto sarif = to_sarif({}, "1");
  EXPECT_TRUE(at(sarif, {"runs", "0", "results"}).as_array()->empty());
  EXPECT_TRUE(at(sarif, {"runs", "0", "tool", "driver", "rules"}).as_array()->empty());
}

TEST(RuleCatalog, is_sorted_unique_and_complete) {
  std::set<std::string_view> ids;
  for (const auto& rule : rule_catalog()) {
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id << " is there twice";
    EXPECT_NE(rule.id.find('.'), std::string_view::npos) << rule.id;
    EXPECT_FALSE(rule.title.empty() || rule.fix.empty()) << rule.id;
    EXPECT_TRUE(rule.cwe.empty() || rule.cwe.starts_with("CWE-")) << rule.id;
    EXPECT_EQ(find_rule(rule.id), &rule);
  }
  EXPECT_GT(ids.size(), 5);
  EXPECT_EQ(find_rule("nobody.knows"), nullptr);
  EXPECT_EQ(find_rule(""), nullptr);
}

// Renew it with: HAUBERK_WRITE_REFERENCE=1 test_core --gtest_filter='RuleCatalog.*'
TEST(RuleCatalog, is_what_the_reference_says) {
  const std::string path = std::string(HAUBERK_SOURCE_DIR) + "/docs/reference/rules.md";
  if (std::getenv("HAUBERK_WRITE_REFERENCE") != nullptr) std::ofstream(path) << rules_markdown();
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), rules_markdown());
}

TEST(ProgramVersion, is_that_of_the_build) {
  std::stringstream text;
  text << std::ifstream(std::string(HAUBERK_SOURCE_DIR) + "/CMakeLists.txt").rdbuf();
  EXPECT_NE(text.str().find("project(hauberk VERSION " + std::string(program_version) + " "), std::string::npos);
}

}  // namespace
}  // namespace hauberk
