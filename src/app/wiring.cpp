#include "app/wiring.h"

#include <fmt/format.h>

#include "adapters/keys_pkcs11.h"
#include "adapters/secrets_aws.h"
#include "adapters/secrets_vault.h"
#include "app/workspace.h"
#include "guard/chain.h"
#include "net/http_client.h"

namespace hauberk::app {

IsolationOptions isolation_options(const config::Settings& settings) {
  IsolationOptions options;
  options.require.clear();
  for (const auto layer : settings.isolation.require) switch (layer) {
      case config::IsolationLayer::namespaces:
        options.require.push_back(Layer::namespaces);
        break;
      case config::IsolationLayer::landlock:
        options.require.push_back(Layer::landlock);
        break;
      case config::IsolationLayer::seccomp:
        options.require.push_back(Layer::seccomp);
        break;
    }
  options.memory = settings.isolation.memory;
  options.time_limit = settings.isolation.time_limit;
  return options;
}

std::shared_ptr<net::VaultClient> make_vault_client(const config::Settings& settings) {
  const auto otherwise = [](const std::string& configured, const char* variable) {
    return configured.empty() ? environment_variable(variable).value_or("") : configured;
  };
  net::VaultOptions vault{.url = otherwise(settings.vault.url, "VAULT_ADDR"),
                          .name_space = otherwise(settings.vault.name_space, "VAULT_NAMESPACE"),
                          .authorities = otherwise(settings.vault.authorities, "VAULT_CACERT"),
                          .token = settings.vault.token,
                          .role_id = settings.vault.role_id,
                          .secret_id = settings.vault.secret_id};
  if (!vault.token && vault.role_id.empty()) vault.token = SecretRef{"env", "VAULT_TOKEN"};
  return std::make_shared<net::VaultClient>(std::move(vault), net::make_http_client());
}

std::unique_ptr<SecretResolver> make_secret_resolver(const config::Settings& settings, Files& files, const Clock& clock,
                                                     Random& random) {
  auto resolver = std::make_unique<SecretResolver>(clock);
  resolver->add("vault", adapters::make_secrets_vault(make_vault_client(settings)));
  resolver->add("aws-sm", adapters::make_secrets_aws({.service = "secretsmanager",
                                                      .target = "secretsmanager",
                                                      .region = settings.aws.region,
                                                      .endpoint = settings.aws.endpoint,
                                                      .endpoint_variable = "AWS_ENDPOINT_URL_SECRETS_MANAGER"},
                                                     files, clock, net::make_http_client()));
  resolver->add("pkcs11",
                adapters::make_secrets_pkcs11({.module = settings.pkcs11.module, .pin = settings.pkcs11.pin}, random));
  return resolver;
}

config::Hooks config_hooks() {
  return {.check_guards = [](const json::Value& guards, const std::string& pointer) -> FieldErrors {
            auto chain = guard::build_chain(guards, pointer, {.limiter = std::make_shared<guard::Limiter>()});
            return chain ? FieldErrors() : std::move(chain).error();
          },
          .guards_schema = guard::chain_schema,
          .guards_reference = guard::chain_reference};
}

json::Value deployment_section(const config::Settings& settings, std::string_view deployment) {
  const auto* section = settings.deployment(deployment);
  json::Value value = section != nullptr ? write_fields(*section) : json::Value::object();
  value.erase("name");
  const auto& guards = section != nullptr && !section->guards.is_null() ? section->guards : settings.guards;
  if (guards.is_null())
    value.erase("guards");
  else
    value.set("guards", guards);
  return value;
}

Result<Policy> read_policy(std::string_view text, const std::string& file) {
  auto document = config::parse_yaml(text, file);
  if (!document) return std::unexpected(config::to_error({document.error()}));
  auto policy = policy_from_json(document->value);
  if (policy) return policy;
  const FieldErrors errors{{.pointer = policy.error().context, .message = policy.error().message}};
  return std::unexpected(config::to_error(config::locate(errors, *document, text, file)));
}

}  // namespace hauberk::app
