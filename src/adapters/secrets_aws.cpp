#include "adapters/secrets_aws.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "base/json.h"
#include "net/aws_signature.h"

namespace hauberk::adapters {

// What may look at secrets here: the answers that hold one, and the session's token on its way into a header.
struct ServiceSecret {
  static std::string_view text(const Secret& secret) { return secret.reveal_text(SecretAccess()); }
  static Secret copy(const Secret& secret) { return secret.clone(SecretAccess()); }
};

namespace {

constexpr int aws_attempts = 3;
constexpr std::string_view instance_metadata = "http://169.254.169.254/latest";
constexpr std::string_view container_metadata = "http://169.254.170.2";

struct AwsPlace {
  std::string name;
  std::string stage;
  std::string key;
};

Result<AwsPlace> parse_aws_place(std::string_view place) {
  AwsPlace out;
  const auto hash = place.find('#');
  if (hash != std::string_view::npos) out.key = place.substr(hash + 1);
  auto name = place.substr(0, hash);
  if (const auto question = name.find('?'); question != std::string_view::npos) {
    const auto query = name.substr(question + 1);
    if (!query.starts_with("stage=") || query.size() == 6)
      return fail(Errc::invalid, "after '?' only stage=NAME may stand");
    out.stage = query.substr(6);
    name = name.substr(0, question);
  }
  if (name.empty()) return fail(Errc::invalid, "expected the name of a secret, such as aws-sm:prod/hf#token");
  out.name = name;
  return out;
}

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
std::optional<net::AwsCredentials> of_profile(std::string_view text, std::string_view profile) {
  net::AwsCredentials out;
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

class AwsSecrets final : public SecretSource {
 public:
  AwsSecrets(AwsOptions options, Files& files, const Clock& clock, std::unique_ptr<net::HttpClient> http)
      : options_(std::move(options)), files_(files), clock_(clock), http_(std::move(http)) {}

  Result<Secret> fetch(std::string_view place) override {
    const auto wanted = TRY(parse_aws_place(place));
    const auto region = TRY(region_for(wanted.name));
    json::Value body;
    body.set("SecretId", wanted.name);
    if (!wanted.stage.empty()) body.set("VersionStage", wanted.stage);
    auto answer = TRY(call(region, "secretsmanager.GetSecretValue", json::write(body)));
    auto secret = pick(answer, wanted.key);
    answer.wipe();
    return secret;
  }

 private:
  Result<std::string> region_for(std::string_view name) const {
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

  Result<net::AwsCredentials> credentials() {
    if (auto key = environment_variable("AWS_ACCESS_KEY_ID")) {
      net::AwsCredentials out{*key, TRY(hauberk::resolve(SecretRef{"env", "AWS_SECRET_ACCESS_KEY"})), {}};
      if (auto session = hauberk::resolve(SecretRef{"env", "AWS_SESSION_TOKEN"}))
        out.session_token = std::move(*session);
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
    return of_machine();
  }

  // Credentials of the container or of the instance, which are those of its role.
  Result<net::AwsCredentials> of_machine() {
    net::HttpCall ask{.method = "GET", .url = from_environment({"AWS_CONTAINER_CREDENTIALS_FULL_URI"})};
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
      net::HttpCall sign_in{.method = "PUT", .url = fmt::format("{}/api/token", instance_metadata)};
      sign_in.headers.emplace_back("X-aws-ec2-metadata-token-ttl-seconds", "300");
      auto token = metadata(sign_in);
      if (!token) return none();
      const auto roles = fmt::format("{}/meta-data/iam/security-credentials/", instance_metadata);
      net::HttpCall which{.method = "GET", .url = roles};
      which.secret_headers.emplace_back("X-aws-ec2-metadata-token", ServiceSecret::copy(*token));
      const auto role = metadata(which);
      if (!role) return none();
      ask.url = roles + std::string(ServiceSecret::text(*role));
      ask.secret_headers.emplace_back("X-aws-ec2-metadata-token", std::move(*token));
    }
    auto answer = TRY(parsed(TRY(metadata(ask))));
    net::AwsCredentials out{std::string(answer.text_or("AccessKeyId", "")),
                            Secret(answer.text_or("SecretAccessKey", "")), Secret(answer.text_or("Token", ""))};
    answer.wipe();
    if (out.access_key.empty() || out.secret_key.empty()) return none();
    return out;
  }
  // These addresses are the machine's own and speak plain HTTP.
  Result<Secret> metadata(net::HttpCall& ask) {
    ask.timeout = std::chrono::seconds(2);
    ask.may_be_plain = true;
    auto reply = TRY(http_->call(ask));
    Secret body(std::move(reply.body));
    if (reply.status != 200) return fail(Errc::unavailable, fmt::format("status {}", reply.status), ask.url);
    return body;
  }
  static std::unexpected<Error> none() {
    return fail(Errc::unauthenticated,
                "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials");
  }

  Result<json::Value> call(const std::string& region, const std::string& target, const std::string& body) {
    auto url = options_.endpoint.empty() ? from_environment({"AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"})
                                         : options_.endpoint;
    if (url.empty())
      url = fmt::format("https://secretsmanager.{}.amazonaws.com{}", region, region.starts_with("cn-") ? ".cn" : "");
    while (url.ends_with('/')) url.pop_back();
    const auto scheme = url.find("://");
    if (scheme == std::string::npos) return fail(Errc::invalid, "the endpoint is no URL", url);
    const std::string host = url.substr(scheme + 3);
    const auto identity = TRY(credentials());
    for (int attempt = 1;; ++attempt) {
      net::AwsRequest request{
          .headers = {{"Content-Type", "application/x-amz-json-1.1"}, {"Host", host}, {"X-Amz-Target", target}},
          .body = as_bytes(body)};
      const auto signature =
          net::sign_aws(request, identity, {.region = region, .service = "secretsmanager"}, clock_.now());
      net::HttpCall http{.method = "POST", .url = url + "/", .headers = std::move(request.headers)};
      http.body = to_bytes(body);
      http.timeout = options_.timeout;
      http.headers.emplace_back("X-Amz-Date", signature.date);
      http.headers.emplace_back("Authorization", signature.authorization);
      if (!identity.session_token.empty())
        http.secret_headers.emplace_back("X-Amz-Security-Token", ServiceSecret::copy(identity.session_token));
      auto reply = TRY(http_->call(http));
      const int status = reply.status;
      const Secret answer(std::move(reply.body));
      if (status == 200) return parsed(answer);
      const auto value = parsed(answer);
      auto type = value ? std::string(value->text_or("__type", "")) : std::string();
      type = type.substr(type.find('#') == std::string::npos ? 0 : type.find('#') + 1);
      const bool passing = status >= 500 || type == "ThrottlingException";
      if (!passing || attempt == aws_attempts) return refusal(status, type);
      std::this_thread::sleep_for(std::chrono::milliseconds(100) * attempt);
    }
  }

  static std::unexpected<Error> refusal(int status, std::string_view type) {
    if (type == "ResourceNotFoundException")
      return fail(Errc::not_found, "Secrets Manager has no such secret, or no such stage of it");
    if (type == "InvalidRequestException") return fail(Errc::not_found, "the secret is marked for deletion");
    if (type == "AccessDeniedException" || type == "DecryptionFailure" || status == 401 || status == 403)
      return fail(Errc::denied, fmt::format("Secrets Manager denies it ({}): the credentials are not good, or their "
                                            "policies do not allow to read this",
                                            type.empty() ? "403" : type));
    if (status < 500) return fail(Errc::denied, fmt::format("Secrets Manager refuses the request: {:.64}", type));
    return fail(Errc::unavailable, fmt::format("Secrets Manager answered with status {}", status));
  }

  static Result<Secret> pick(const json::Value& answer, const std::string& key) {
    if (const auto* text = answer.find("SecretString"); text != nullptr && text->is_string()) {
      if (key.empty()) return Secret(std::string_view(*text->as_string()));
      auto pairs = json::parse(*text->as_string(), {.bytes = 1 << 20, .depth = 16});
      const auto* value = pairs ? pairs->find(key) : nullptr;
      if (value == nullptr || !value->is_string())
        return fail(Errc::not_found, fmt::format("the secret has no text under the key '{:.64}'", key));
      Secret secret(std::string_view(*value->as_string()));
      pairs->wipe();
      return secret;
    }
    auto binary = from_base64(answer.text_or("SecretBinary", ""));
    if (!binary || binary->empty() || !key.empty())
      return fail(Errc::not_found, "the secret is neither a text nor bytes with the key asked for");
    return Secret(std::move(*binary));
  }

  const AwsOptions options_;
  Files& files_;
  const Clock& clock_;
  const std::unique_ptr<net::HttpClient> http_;
};

}  // namespace

std::unique_ptr<SecretSource> make_secrets_aws(AwsOptions options, Files& files, const Clock& clock,
                                               std::unique_ptr<net::HttpClient> http) {
  return std::make_unique<AwsSecrets>(std::move(options), files, clock, std::move(http));
}

}  // namespace hauberk::adapters
