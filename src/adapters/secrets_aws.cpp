#include "adapters/secrets_aws.h"

#include <fmt/format.h>

#include "base/json.h"

namespace hauberk::adapters {

namespace {

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

class AwsSecrets final : public SecretSource {
 public:
  AwsSecrets(net::AwsOptions options, Files& files, const Clock& clock, std::unique_ptr<net::HttpClient> http)
      : aws_(std::move(options), files, clock, std::move(http)) {}

  Result<Secret> fetch(std::string_view place) override {
    const auto wanted = TRY(parse_aws_place(place));
    net::WipedJson body(json::Value().set("SecretId", wanted.name));
    if (!wanted.stage.empty()) body.value.set("VersionStage", wanted.stage);
    const auto answer = TRY(aws_.call(wanted.name, "GetSecretValue", body));
    if (answer.status != 200) return refusal(answer.status, answer.error);
    return pick(answer.body.value, wanted.key);
  }

 private:
  static std::unexpected<Error> refusal(int status, std::string_view type) {
    if (type == "ResourceNotFoundException")
      return fail(Errc::not_found, "Secrets Manager has no such secret, or no such stage of it");
    if (type == "InvalidRequestException") return fail(Errc::not_found, "the secret is marked for deletion");
    if (type == "AccessDeniedException" || type == "DecryptionFailure" || status == 401 || status == 403)
      return fail(Errc::denied, fmt::format("Secrets Manager denies it ({}): the credentials are not good, or their "
                                            "policies do not allow to read this",
                                            type.empty() ? "403" : type));
    return fail(Errc::denied, fmt::format("Secrets Manager refuses the request: {}", type));
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

  net::AwsClient aws_;
};

}  // namespace

std::unique_ptr<SecretSource> make_secrets_aws(net::AwsOptions options, Files& files, const Clock& clock,
                                               std::unique_ptr<net::HttpClient> http) {
  return std::make_unique<AwsSecrets>(std::move(options), files, clock, std::move(http));
}

}  // namespace hauberk::adapters
