#include "net/vault_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "net/service_secret.h"

namespace hauberk::net {
namespace {

constexpr int vault_attempts = 3;

}  // namespace

bool is_vault_path(std::string_view path) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.~/").contains(c);
  };
  return !path.empty() && !path.starts_with('/') && !path.ends_with('/') && !path.contains("..") &&
         !path.contains("//") && std::ranges::all_of(path, plain);
}

VaultClient::VaultClient(VaultOptions options, std::unique_ptr<HttpClient> http)
    : options_(std::move(options)), http_(std::move(http)) {
  while (options_.url.ends_with('/')) options_.url.pop_back();
}

Result<VaultAnswer> VaultClient::get(const std::string& path) { return authorised("GET", path, nullptr); }

Result<VaultAnswer> VaultClient::post(const std::string& path, const WipedJson& body) {
  return authorised("POST", path, &body);
}

Result<VaultAnswer> VaultClient::authorised(const std::string& method, const std::string& path, const WipedJson* body) {
  if (options_.url.empty()) return fail(Errc::invalid, "which Vault? Set vault.url in hauberk.yaml, or VAULT_ADDR");
  const std::lock_guard lock(mutex_);
  for (;;) {
    const bool fresh = token_.empty();
    if (fresh) CHECK(sign_in());
    HttpCall call{.method = method, .url = fmt::format("{}/v1/{}", options_.url, path)};
    call.secret_headers.emplace_back("X-Vault-Token", ServiceSecret::copy(token_));
    if (body != nullptr) {
      call.headers.emplace_back("Content-Type", "application/json");
      call.secret_body = body->text();
    }
    auto answer = ask(call);
    // A token that ran out is refused like a missing right: signing in anew tells which it was.
    if (answer || answer.error().code != Errc::denied) return answer;
    token_ = Secret();
    if (fresh) return answer;
  }
}

Status VaultClient::sign_in() {
  if (options_.token) {
    token_ = TRY(hauberk::resolve(*options_.token));
    return {};
  }
  if (options_.role_id.empty() || !options_.secret_id)
    return fail(Errc::unauthenticated,
                "there is no way to sign in to Vault: set vault.token, or vault.role_id and vault.secret_id");
  const auto secret_id = TRY(hauberk::resolve(*options_.secret_id));
  const WipedJson body(json::Value().set("role_id", options_.role_id).set("secret_id", ServiceSecret::text(secret_id)));
  HttpCall call{.method = "POST", .url = fmt::format("{}/v1/{}/login", options_.url, options_.approle_path)};
  call.headers.emplace_back("Content-Type", "application/json");
  call.secret_body = body.text();
  const auto answer = TRY(ask(call));
  if (answer.status == 400)
    return fail(Errc::denied, "Vault refuses the sign-in (400): a wrong role or secret id", options_.url);
  const auto* auth = answer.body.value.find("auth");
  const auto token = auth != nullptr ? auth->text_or("client_token", "") : std::string_view();
  if (token.empty()) return fail(Errc::unavailable, "Vault answered the sign-in without a token", options_.url);
  token_ = Secret(token);
  return {};
}

// What may pass by itself is asked for again: a leader being elected, too many requests.
Result<VaultAnswer> VaultClient::ask(HttpCall& call) {
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
    if (passing && attempt < vault_attempts) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100) * attempt);
      continue;
    }
    if (status == 400 || status == 404) return VaultAnswer{status, {}};
    if (status != 200) return refusal(status);
    auto value = json::parse(ServiceSecret::text(body), {.bytes = call.most_bytes, .depth = 16});
    if (!value || !value->is_object())
      return fail(Errc::unavailable, "Vault's answer is no JSON object: is this the address of its API?", options_.url);
    return VaultAnswer{status, WipedJson(std::move(*value))};
  }
}

std::unexpected<Error> VaultClient::refusal(int status) const {
  switch (status) {
    case 403:
      return fail(Errc::denied, "Vault denies it (403): the token is not good, or its policies do not allow this",
                  options_.url);
    case 429:
      return fail(Errc::unavailable, "Vault has too many requests (429)", options_.url);
    case 503:
      return fail(Errc::unavailable, "Vault is sealed or in maintenance (503)", options_.url);
    default:
      return fail(Errc::unavailable, fmt::format("Vault answered with status {}", status), options_.url);
  }
}

}  // namespace hauberk::net
