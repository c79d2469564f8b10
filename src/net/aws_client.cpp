#include "net/aws_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "net/service_secret.h"

namespace hauberk::net {
namespace {

constexpr int aws_attempts = 3;
constexpr std::string_view instance_metadata = "http://169.254.169.254/latest";
constexpr std::string_view container_metadata = "http://169.254.170.2";

std::string from_environment(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (auto value = environment_variable(name)) return *value;
  return "";
}

Result<json::Value> parsed(const Secret& body) {
  auto value = json::parse(ServiceSecret::text(body), {.bytes = 1 << 20, .depth = 16});
  if (!value || !value->is_object()) return fail(Errc::unavailable, "the answer of AWS is no JSON object");
  return value;
}

// [profile] of an INI file: "key = value".
std::optional<AwsCredentials> of_profile(std::string_view text, std::string_view profile) {
  AwsCredentials out;
  bool inside = false;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto trim = [](std::string_view part) {
      while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
      while (!part.empty() && (part.back() == ' ' || part.back() == '\t' || part.back() == '\r')) part.remove_suffix(1);
      return part;
    };
    line = trim(line);
    if (line.starts_with('[')) {
      inside = line.ends_with(']') && trim(line.substr(1, line.size() - 2)) == profile;
      continue;
    }
    const auto equals = line.find('=');
    if (!inside || equals == std::string_view::npos || line.starts_with('#')) continue;
    const auto key = trim(line.substr(0, equals)), value = trim(line.substr(equals + 1));
    if (key == "aws_access_key_id") out.access_key = value;
    if (key == "aws_secret_access_key") out.secret_key = Secret(value);
    if (key == "aws_session_token") out.session_token = Secret(value);
  }
  if (out.access_key.empty() || out.secret_key.empty()) return std::nullopt;
  return out;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string_view without_line_end(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

std::string form_encoded(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (is_letter(c) || (c >= '0' && c <= '9') || std::string_view("-_.~").contains(c))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return out;
}

// The text of the first element of that name in the XML of a query API: keys and times, in which nothing is escaped.
std::string_view element(std::string_view xml, std::string_view name) {
  const auto open = fmt::format("<{}>", name);
  const auto begin = xml.find(open);
  if (begin == std::string_view::npos) return {};
  const auto rest = xml.substr(begin + open.size());
  const auto end = rest.find('<');
  const auto value = rest.substr(0, end);
  return end == std::string_view::npos || value.contains('&') ? std::string_view() : value;
}

std::string error_code(std::string_view xml) {
  const std::string code(element(xml, "Code"));
  return !code.empty() && code.size() <= 64 && std::ranges::all_of(code, is_letter) ? code : "no known error";
}

std::unexpected<Error> none() {
  return fail(Errc::unauthenticated,
              "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials");
}

}  // namespace

AwsClient::AwsClient(AwsOptions options, Files& files, const Clock& clock, std::unique_ptr<HttpClient> http)
    : options_(std::move(options)), files_(files), clock_(clock), http_(std::move(http)) {}

Result<std::string> AwsClient::region_for(std::string_view name) const {
  auto region = options_.region.empty() ? from_environment({"AWS_REGION", "AWS_DEFAULT_REGION"}) : options_.region;
  if (region.empty() && name.starts_with("arn:")) {  // arn:aws:secretsmanager:REGION:…
    auto rest = name;
    for (int i = 0; i < 3 && rest.contains(':'); ++i) rest.remove_prefix(rest.find(':') + 1);
    region = rest.substr(0, rest.find(':'));
  }
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (region.empty() || !std::ranges::all_of(region, plain))
    return fail(Errc::invalid, "which region? Set aws.region or AWS_REGION");
  return region;
}

Result<AwsCredentials> AwsClient::credentials(std::string_view region) {
  if (auto key = environment_variable("AWS_ACCESS_KEY_ID")) {
    AwsCredentials out{*key, TRY(hauberk::resolve(SecretRef{"env", "AWS_SECRET_ACCESS_KEY"})), {}};
    if (auto session = hauberk::resolve(SecretRef{"env", "AWS_SESSION_TOKEN"})) out.session_token = std::move(*session);
    return out;
  }
  auto path = from_environment({"AWS_SHARED_CREDENTIALS_FILE"});
  if (path.empty())
    if (const auto home = environment_variable("HOME")) path = *home + "/.aws/credentials";
  if (!path.empty() && files_.info(path)) {
    const Secret text(TRY(read_file(files_, path, 1 << 20)));
    const auto profile = environment_variable("AWS_PROFILE").value_or("default");
    if (auto found = of_profile(ServiceSecret::text(text), profile)) return std::move(*found);
  }
  if (const auto token = environment_variable("AWS_WEB_IDENTITY_TOKEN_FILE")) return of_web_identity(*token, region);
  return of_machine();
}

// The token proves to STS who this workload is (OIDC); it changes, so it is read at each exchange.
Result<AwsCredentials> AwsClient::of_web_identity(const std::string& token_file, std::string_view region) {
  const std::lock_guard lock(mutex_);
  const auto copy = [&] {
    return AwsCredentials{assumed_.access_key, ServiceSecret::copy(assumed_.secret_key),
                          ServiceSecret::copy(assumed_.session_token)};
  };
  if (!assumed_.access_key.empty() && clock_.now() < assumed_until_) return copy();
  const auto role = environment_variable("AWS_ROLE_ARN");
  if (!role)
    return fail(Errc::unauthenticated, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but not the role: set AWS_ROLE_ARN");
  const Secret token(TRY(read_file(files_, token_file, 64 << 10)));
  auto url = from_environment({"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"});
  if (url.empty()) url = fmt::format("https://sts.{}.amazonaws.com{}", region, region.starts_with("cn-") ? ".cn" : "");
  HttpCall ask{.method = "POST", .url = url.ends_with('/') ? url : url + "/"};
  ask.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  const auto session = environment_variable("AWS_ROLE_SESSION_NAME").value_or("hauberk");
  ask.secret_body = Secret(std::string_view(fmt::format(
      "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}&WebIdentityToken={}",
      form_encoded(*role), form_encoded(session), form_encoded(without_line_end(ServiceSecret::text(token))))));
  ask.timeout = options_.timeout;
  auto reply = TRY(http_->call(ask));
  const Secret answer(std::move(reply.body));
  const auto text = ServiceSecret::text(answer);
  if (reply.status != 200)
    return fail(
        reply.status >= 500 ? Errc::unavailable : Errc::unauthenticated,
        fmt::format("STS does not take the web identity for {} (status {}, {})", *role, reply.status, error_code(text)),
        url);
  const auto expiration = parse_rfc3339(element(text, "Expiration"));
  assumed_ = {std::string(element(text, "AccessKeyId")), Secret(element(text, "SecretAccessKey")),
              Secret(element(text, "SessionToken"))};
  if (!expiration || assumed_.access_key.empty() || assumed_.secret_key.empty() || assumed_.session_token.empty()) {
    assumed_ = {};
    return fail(Errc::unavailable, "the answer of STS holds no credentials", url);
  }
  assumed_until_ = *expiration - std::chrono::minutes(5);
  return copy();
}

// Credentials of the container or of the instance, which are those of its role.
Result<AwsCredentials> AwsClient::of_machine() {
  HttpCall ask{.method = "GET", .url = from_environment({"AWS_CONTAINER_CREDENTIALS_FULL_URI"})};
  if (const auto relative = environment_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
    ask.url = fmt::format("{}{}", container_metadata, *relative);
  if (!ask.url.empty()) {
    const auto file = environment_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (file)
      ask.secret_headers.emplace_back("Authorization", Secret(TRY(read_file(files_, *file, 64 << 10))));
    else if (auto token = hauberk::resolve(SecretRef{"env", "AWS_CONTAINER_AUTHORIZATION_TOKEN"}))
      ask.secret_headers.emplace_back("Authorization", std::move(*token));
  } else {
    if (environment_variable("AWS_EC2_METADATA_DISABLED").value_or("false") == "true") return none();
    HttpCall sign_in{.method = "PUT", .url = fmt::format("{}/api/token", instance_metadata)};
    sign_in.headers.emplace_back("X-aws-ec2-metadata-token-ttl-seconds", "300");
    auto token = metadata(sign_in);
    if (!token) return none();
    const auto roles = fmt::format("{}/meta-data/iam/security-credentials/", instance_metadata);
    HttpCall which{.method = "GET", .url = roles};
    which.secret_headers.emplace_back("X-aws-ec2-metadata-token", ServiceSecret::copy(*token));
    const auto role = metadata(which);
    if (!role) return none();
    ask.url = roles + std::string(ServiceSecret::text(*role));
    ask.secret_headers.emplace_back("X-aws-ec2-metadata-token", std::move(*token));
  }
  auto answer = TRY(parsed(TRY(metadata(ask))));
  AwsCredentials out{std::string(answer.text_or("AccessKeyId", "")), Secret(answer.text_or("SecretAccessKey", "")),
                     Secret(answer.text_or("Token", ""))};
  answer.wipe();
  if (out.access_key.empty() || out.secret_key.empty()) return none();
  return out;
}

// These addresses are the machine's own and speak plain HTTP.
Result<Secret> AwsClient::metadata(HttpCall& ask) {
  ask.timeout = std::chrono::seconds(2);
  ask.may_be_plain = true;
  auto reply = TRY(http_->call(ask));
  Secret body(std::move(reply.body));
  if (reply.status != 200) return fail(Errc::unavailable, fmt::format("status {}", reply.status), ask.url);
  return body;
}

Result<AwsAnswer> AwsClient::call(std::string_view name, std::string_view action, const WipedJson& body) {
  const auto region = TRY(region_for(name));
  const auto target = fmt::format("{}.{}", options_.target, action);
  const auto text = body.text();
  auto url = options_.endpoint.empty() ? from_environment({options_.endpoint_variable.c_str(), "AWS_ENDPOINT_URL"})
                                       : options_.endpoint;
  if (url.empty())
    url =
        fmt::format("https://{}.{}.amazonaws.com{}", options_.service, region, region.starts_with("cn-") ? ".cn" : "");
  while (url.ends_with('/')) url.pop_back();
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return fail(Errc::invalid, "the endpoint is no URL", url);
  const std::string host = url.substr(scheme + 3);
  const auto identity = TRY(credentials(region));
  for (int attempt = 1;; ++attempt) {
    AwsRequest request{
        .headers = {{"Content-Type", "application/x-amz-json-1.1"}, {"Host", host}, {"X-Amz-Target", target}},
        .body = ServiceSecret::bytes(text)};
    const auto signature = sign_aws(request, identity, {.region = region, .service = options_.service}, clock_.now());
    HttpCall http{.method = "POST", .url = url + "/", .headers = std::move(request.headers)};
    http.secret_body = ServiceSecret::copy(text);
    http.timeout = options_.timeout;
    http.headers.emplace_back("X-Amz-Date", signature.date);
    http.headers.emplace_back("Authorization", signature.authorization);
    if (!identity.session_token.empty())
      http.secret_headers.emplace_back("X-Amz-Security-Token", ServiceSecret::copy(identity.session_token));
    auto reply = TRY(http_->call(http));
    const int status = reply.status;
    const Secret answer(std::move(reply.body));
    auto value = parsed(answer);
    if (status == 200) return AwsAnswer{status, "", WipedJson(TRY(std::move(value)))};
    auto type = value ? std::string(value->text_or("__type", "")) : std::string();
    type = type.substr(type.find('#') == std::string::npos ? 0 : type.find('#') + 1);
    if (type.size() > 64 || !std::ranges::all_of(type, is_letter)) type = "of no known type";
    const bool busy = type == "ThrottlingException" || type == "Throttling" || type == "RequestLimitExceeded";
    if (status < 500 && !busy) return AwsAnswer{status, type, {}};
    if (attempt == aws_attempts)
      return fail(Errc::unavailable,
                  busy ? std::string("AWS has too many requests") : fmt::format("AWS answered with status {}", status),
                  url);
    std::this_thread::sleep_for(std::chrono::milliseconds(100) * attempt);
  }
}

}  // namespace hauberk::net
