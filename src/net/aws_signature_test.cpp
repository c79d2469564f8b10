#include "net/aws_signature.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json.h"
#include "crypto/digest.h"

namespace hauberk::net {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Parsed {
  AwsRequest request;
  std::string body;
};

// The suite's requests are HTTP heads with folded lines and raw spaces in the path, which no parser of ours would take.
Parsed parse_request(const std::string& text) {
  Parsed out;
  const auto end = text.find("\n\n");
  if (end != std::string::npos) out.body = text.substr(end + 2);
  std::string head = text.substr(0, end);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < head.size();) {
    const auto stop = std::min(head.find('\n', at), head.size());
    auto line = head.substr(at, stop - at);
    if (line.ends_with('\r')) line.pop_back();
    if (line.starts_with(' ') && lines.size() > 1)
      lines.back() += line;
    else if (!line.empty())
      lines.push_back(line);
    at = stop + 1;
  }
  const auto first = lines.front().find(' '), last = lines.front().rfind(' ');
  out.request.method = lines.front().substr(0, first);
  const auto target = lines.front().substr(first + 1, last - first - 1);
  const auto question = target.find('?');
  out.request.path = target.substr(0, question);
  if (question != std::string::npos) out.request.query = target.substr(question + 1);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto colon = lines[i].find(':');
    out.request.headers.emplace_back(lines[i].substr(0, colon), lines[i].substr(colon + 1));
  }
  return out;
}

TEST(AwsSignature, is_that_of_the_published_suite_step_by_step) {
  const fs::path suite =
      fs::path(HAUBERK_SOURCE_DIR) / "../shared/data/registry/open/sigv4/tests/aws-signing-test-suite/v4";
  if (!fs::exists(suite)) GTEST_SKIP() << "the signing suite is not beside this checkout";
  std::size_t cases = 0;
  for (const auto& folder : fs::directory_iterator(suite)) {
    SCOPED_TRACE(folder.path().filename());
    const auto context = json::parse(content(folder.path() / "context.json"));
    ASSERT_TRUE(context) << context.error().text();
    const auto& given = *context->find("credentials");
    const AwsCredentials credentials{std::string(given.text_or("access_key_id", "")),
                                     Secret(given.text_or("secret_access_key", "")),
                                     Secret(given.text_or("token", ""))};
    const auto flag = [&](std::string_view name) {
      const auto* value = context->find(name);
      return value != nullptr && value->as_bool() != nullptr && *value->as_bool();
    };
    AwsScope scope{std::string(context->text_or("region", "")), std::string(context->text_or("service", ""))};
    if (!flag("normalize")) scope.path = AwsPath::as_it_is;
    if (flag("omit_session_token")) scope.session_token = AwsSessionToken::is_added_after;
    auto parsed = parse_request(content(folder.path() / "request.txt"));
    parsed.request.body = as_bytes(parsed.body);
    if (flag("sign_body"))
      parsed.request.headers.emplace_back("X-Amz-Content-Sha256", crypto::sha256(parsed.request.body).hex());
    const auto now = parse_rfc3339(context->text_or("timestamp", ""));
    ASSERT_TRUE(now);
    const auto signature = sign_aws(parsed.request, credentials, scope, *now);
    EXPECT_EQ(signature.canonical_request, content(folder.path() / "header-canonical-request.txt"));
    EXPECT_EQ(signature.string_to_sign, content(folder.path() / "header-string-to-sign.txt"));
    EXPECT_TRUE(signature.authorization.ends_with("Signature=" + content(folder.path() / "header-signature.txt")));
    ++cases;
  }
  EXPECT_EQ(cases, 38u);
}

TEST(AwsSignature, of_a_secret_with_a_session_is_that_of_another_implementation) {
  const AwsCredentials credentials{"AKIDEXAMPLE", Secret(std::string_view("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")),
                                   Secret(std::string_view("SESSIONTOKEN"))};
  const AwsRequest request{.headers = {{"Content-Type", "application/x-amz-json-1.1"},
                                       {"Host", "secretsmanager.eu-west-1.amazonaws.com"},
                                       {"X-Amz-Target", "secretsmanager.GetSecretValue"}},
                           .body = as_bytes(R"({"SecretId":"prod/hf-token"})")};
  const auto signature = sign_aws(request, credentials, {.region = "eu-west-1", .service = "secretsmanager"},
                                  *parse_rfc3339("2026-11-22T19:00:00Z"));
  EXPECT_NE(signature.authorization.find("d40934d2bab968bec8e0da4baecdd7137520e3c96ba2562048440be24327c959"),
            std::string::npos)
      << signature.canonical_request;
}

}  // namespace
}  // namespace hauberk::net
