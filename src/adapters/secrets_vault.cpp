#include "adapters/secrets_vault.h"

#include <fmt/format.h>

#include "base/json.h"

namespace hauberk::adapters {

namespace {

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
  if (!net::is_vault_path(path))
    return fail(Errc::invalid, "expected the path of a secret, such as vault:secret/data/team/hf#token");
  out.path = path;
  return out;
}

class VaultSecrets final : public SecretSource {
 public:
  explicit VaultSecrets(std::shared_ptr<net::VaultClient> vault) : vault_(std::move(vault)) {}

  Result<Secret> fetch(std::string_view place) override {
    const auto wanted = TRY(parse_vault_place(place));
    const auto answer = TRY(vault_->get(wanted.path + (wanted.query.empty() ? "" : "?" + wanted.query)));
    if (answer.status == 400)
      return fail(Errc::denied, "Vault refuses the request (400): is the path right?", vault_->url());
    if (answer.status == 404)
      return fail(Errc::not_found, "Vault has no such secret, or does not show it to this token (404)", vault_->url());
    return pick(answer.body.value, wanted.key);
  }

 private:
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

  const std::shared_ptr<net::VaultClient> vault_;
};

}  // namespace

std::unique_ptr<SecretSource> make_secrets_vault(std::shared_ptr<net::VaultClient> vault) {
  return std::make_unique<VaultSecrets>(std::move(vault));
}

}  // namespace hauberk::adapters
