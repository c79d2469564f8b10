#include "adapters/secrets_vault.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "base/json.h"

namespace hauberk::adapters {

// What may look at secrets here: the body that signs in, and the answers that hold one.
struct ServiceSecret {
  static std::string_view text(const Secret& secret) { return secret.reveal_text(SecretAccess()); }
  static Secret copy(const Secret& secret) { return secret.clone(SecretAccess()); }
};

namespace {

constexpr int attempts = 3;

struct VaultPlace {
  std::string path;
  std::string query;
  std::string key;
};

Result<VaultPlace> parse_vault_place(std::string_view place) {
  VaultPlace out;
  const auto hash = place.find('#');
  if (hash != std::string_view::npos) out.key = place.substr(hash + 1);
  auto path = place.substr(0, hash);
  if (const auto question = path.find('?'); question != std::string_view::npos) {
    const auto query = path.substr(question + 1);
    if (!query.starts_with("version=") || query.size() == 8 ||
        query.find_first_not_of("0123456789", 8) != std::string_view::npos)
      return fail(Errc::invalid, "after '?' only version=N may stand");
    out.query = query;
    path = path.substr(0, question);
  }
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.~/").contains(c);
  };
  if (path.empty() || path.starts_with('/') || path.contains("..") || !std::ranges::all_of(path, plain))
    return fail(Errc::invalid, "expected the path of a secret, such as vault:secret/data/team/hf#token");
  out.path = path;
  return out;
}

// A value that is wiped when it goes.
struct WipedJson {
  json::Value value;
  WipedJson(json::Value v) : value(std::move(v)) {}
  WipedJson(WipedJson&&) = default;
  WipedJson& operator=(WipedJson&&) = default;
  ~WipedJson() { value.wipe(); }
};

class VaultSecrets final : public SecretSource {
 public:
  VaultSecrets(VaultOptions options, std::unique_ptr<net::HttpClient> http)
      : options_(std::move(options)), http_(std::move(http)) {
    while (options_.url.ends_with('/')) options_.url.pop_back();
  }

  Result<Secret> fetch(std::string_view place) override {
    const auto wanted = TRY(parse_vault_place(place));
    if (options_.url.empty()) return fail(Errc::invalid, "which Vault? Set vault.url in hauberk.yaml, or VAULT_ADDR");
    const std::lock_guard lock(mutex_);
    const bool signed_in_before = !token_.empty();
    auto answer = read(wanted);
    // A token that ran out is refused like a missing right: signing in anew tells which it was.
    if (!answer && answer.error().code == Errc::denied && signed_in_before) {
      token_ = Secret();
      answer = read(wanted);
    }
    if (!answer) return std::unexpected(std::move(answer).error());
    return pick(answer->value, wanted.key);
  }

 private:
  Result<WipedJson> read(const VaultPlace& place) {
    if (token_.empty()) CHECK(sign_in());
    auto url = fmt::format("{}/v1/{}{}{}", options_.url, place.path, place.query.empty() ? "" : "?", place.query);
    net::HttpCall call{.url = std::move(url)};
    call.secret_headers.emplace_back("X-Vault-Token", ServiceSecret::copy(token_));
    return ask(call);
  }

  Status sign_in() {
    if (options_.token) {
      token_ = TRY(hauberk::resolve(*options_.token));
      return {};
    }
    if (options_.role_id.empty() || !options_.secret_id)
      return fail(Errc::unauthenticated,
                  "there is no way to sign in to Vault: set vault.token, or vault.role_id and "
                  "vault.secret_id");
    const auto secret_id = TRY(hauberk::resolve(*options_.secret_id));
    WipedJson body(json::Value().set("role_id", options_.role_id).set("secret_id", ServiceSecret::text(secret_id)));
    net::HttpCall call{.method = "POST", .url = fmt::format("{}/v1/{}/login", options_.url, options_.approle_path)};
    call.headers.emplace_back("Content-Type", "application/json");
    call.secret_body = Secret(json::write(body.value));
    const auto answer = TRY(ask(call));
    const auto* auth = answer.value.find("auth");
    const auto token = auth != nullptr ? auth->text_or("client_token", "") : std::string_view();
    if (token.empty()) return fail(Errc::unavailable, "Vault answered the sign-in without a token", options_.url);
    token_ = Secret(token);
    return {};
  }

  // What may pass by itself is asked for again: a leader being elected, too many requests.
  Result<WipedJson> ask(net::HttpCall& call) {
    call.headers.emplace_back("X-Vault-Request", "true");
    if (!options_.name_space.empty()) call.headers.emplace_back("X-Vault-Namespace", options_.name_space);
    call.timeout = options_.timeout;
    call.authorities = options_.authorities;
    for (int attempt = 1;; ++attempt) {
      auto reply = TRY(http_->call(call));
      const auto status = reply.status;
      const Secret body(std::move(reply.body));
      const bool passing = status == 412 || status == 429 || status == 472 || status == 473 || status == 500 ||
                           status == 502 || status == 503;
      if (passing && attempt < attempts) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100) * attempt);
        continue;
      }
      if (status == 200) {
        auto value = json::parse(ServiceSecret::text(body), {.bytes = 1 << 20, .depth = 16});
        if (!value || !value->is_object())
          return fail(Errc::unavailable, "Vault's answer is no JSON object: is this the address of its API?",
                      options_.url);
        return WipedJson(std::move(*value));
      }
      return refusal(status);
    }
  }

  // The server's own text may repeat what was asked for and is not shown.
  std::unexpected<Error> refusal(int status) const {
    switch (status) {
      case 400:
        return fail(Errc::denied, "Vault refuses the request (400): a wrong role, secret id or path", options_.url);
      case 403:
        return fail(Errc::denied,
                    "Vault denies it (403): the token is not good, or its policies do not allow to read this",
                    options_.url);
      case 404:
        return fail(Errc::not_found, "Vault has no such secret, or does not show it to this token (404)", options_.url);
      case 503:
        return fail(Errc::unavailable, "Vault is sealed or in maintenance (503)", options_.url);
      default:
        return fail(Errc::unavailable, fmt::format("Vault answered with status {}", status), options_.url);
    }
  }

  static Result<Secret> pick(const json::Value& answer, const std::string& key) {
    const auto* data = answer.find("data");
    if (data == nullptr || !data->is_object()) return fail(Errc::not_found, "Vault's answer holds no data");
    // Version 2 of the engine puts the secret one level deeper, beside its metadata.
    if (const auto* inner = data->find("data"); inner != nullptr && data->find("metadata") != nullptr) {
      if (!inner->is_object()) return fail(Errc::not_found, "this version of the secret was deleted");
      data = inner;
    }
    const auto& members = *data->as_object();
    const json::Value* value = nullptr;
    if (!key.empty())
      value = data->find(key);
    else if (members.size() == 1)
      value = &members.front().second;
    else
      return fail(Errc::invalid, fmt::format("the secret has {} keys: name one after '#'", members.size()));
    if (value == nullptr || !value->is_string())
      return fail(Errc::not_found, fmt::format("the secret has no text under the key '{:.64}'", key));
    return Secret(std::string_view(*value->as_string()));
  }

  VaultOptions options_;
  const std::unique_ptr<net::HttpClient> http_;
  std::mutex mutex_;
  Secret token_;
};

}  // namespace

std::unique_ptr<SecretSource> make_secrets_vault(VaultOptions options, std::unique_ptr<net::HttpClient> http) {
  return std::make_unique<VaultSecrets>(std::move(options), std::move(http));
}

}  // namespace hauberk::adapters
