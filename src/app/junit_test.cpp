#include "app/junit.h"

#include <gtest/gtest.h>

namespace hauberk::app {
namespace {

TEST(Junit, every_file_is_a_case_and_what_passes_no_gate_a_failure_or_an_error) {
  std::vector<scan::Report> reports(3);
  reports[0] = {.path = "good.npy", .format = "npy", .verdict = scan::ScanVerdict::clean};
  reports[1] = {.path = "a<b>&\"c\".pkl", .format = "pickle", .verdict = scan::ScanVerdict::malicious};
  reports[1].findings.push_back({.rule = "pickle.dangerous-call",
                                 .severity = Severity::critical,
                                 .where = {.file = "x", .offset = 7},
                                 .message = "would run <posix.system>\x1b[31m"});
  reports[2] = scan::unscanned("gone", "it is gone");
  const auto xml = to_junit(reports, 0.25);
  EXPECT_NE(xml.find("tests=\"3\" failures=\"1\" errors=\"1\" time=\"0.250\""), std::string::npos) << xml;
  EXPECT_NE(xml.find("<testcase classname=\"npy\" name=\"good.npy\"/>"), std::string::npos) << xml;
  EXPECT_NE(xml.find("name=\"a&lt;b&gt;&amp;&quot;c&quot;.pkl\""), std::string::npos) << xml;
  EXPECT_NE(xml.find("critical pickle.dangerous-call x@7: would run &lt;posix.system&gt;"), std::string::npos) << xml;
  EXPECT_NE(xml.find("<error type=\"inconclusive\" message=\"it is gone\">"), std::string::npos) << xml;
  EXPECT_EQ(xml.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace hauberk::app
