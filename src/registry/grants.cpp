#include "registry/grants.h"

#include "base/log.h"

namespace hauberk::registry {
namespace {

// JSON, so that no value can pass for two; no statement begins like this.
std::string text_of(const CustomRole& role) {
  auto grants = json::Value::array();
  for (const auto& grant : role.grants) grants.push(grant.text());
  return json::write(json::Value::array()
                         .push("hauberk role v1")
                         .push(name(role.environment))
                         .push(role.name)
                         .push(std::move(grants))
                         .push(role.summary));
}
std::string text_of(const Binding& binding) {
  return json::write(json::Value::array()
                         .push("hauberk binding v1")
                         .push(name(binding.environment))
                         .push(binding.subject)
                         .push(binding.role)
                         .push(binding.pattern));
}

// "KEY BASE64"
Result<std::string> seal_of(const std::string& text, crypto::KeyProvider& keys) {
  const auto id = TRY(keys.key_id(crypto::KeyPurpose::evidence));
  const auto signature = TRY(keys.sign(crypto::KeyPurpose::evidence, as_bytes(text)));
  return id + " " + base64(signature);
}

bool holds(const std::string& text, std::string_view seal, crypto::KeyProvider& keys) {
  const auto space = seal.find(' ');
  if (space == std::string_view::npos) return false;
  const auto signature = from_base64(seal.substr(space + 1));
  return signature && keys.verify(crypto::KeyPurpose::evidence, seal.substr(0, space), as_bytes(text), *signature);
}

template <typename T>
void keep_sealed(std::vector<T>& all, crypto::KeyProvider& keys, auto described) {
  std::erase_if(all, [&](const T& one) {
    if (holds(text_of(one), one.seal, keys)) return false;
    log::warning(
        "the catalogue has a grant that is not signed here, which grants nothing; if it is right, give it again",
        {{"grant", described(one)}});
    return true;
  });
}

}  // namespace

Result<Grants> sealed_grants(Catalog& catalog, Environment environment, crypto::KeyProvider& keys) {
  Grants grants{TRY(catalog.roles(environment)), TRY(catalog.bindings(environment))};
  keep_sealed(grants.roles, keys, [](const CustomRole& role) { return "role " + role.name; });
  keep_sealed(grants.bindings, keys,
              [](const Binding& binding) { return "role " + binding.text() + " of " + binding.subject; });
  return grants;
}

Digest digest_of(const CustomRole& role) { return crypto::sha256(as_bytes(text_of(role))); }

bool is_sealed(const CustomRole& role, crypto::KeyProvider& keys) { return holds(text_of(role), role.seal, keys); }
bool is_sealed(const Binding& binding, crypto::KeyProvider& keys) {
  return holds(text_of(binding), binding.seal, keys);
}

Status seal(CustomRole& role, crypto::KeyProvider& keys) {
  role.seal = TRY(seal_of(text_of(role), keys));
  return {};
}
Status seal(Binding& binding, crypto::KeyProvider& keys) {
  binding.seal = TRY(seal_of(text_of(binding), keys));
  return {};
}

}  // namespace hauberk::registry
