#include "app/key_access.h"

#include "adapters/keys_aws.h"
#include "adapters/keys_pkcs11.h"
#include "adapters/keys_vault.h"
#include "app/wiring.h"
#include "net/http_client.h"

namespace hauberk::app {

KeyAccess::KeyAccess(const config::Settings& settings, Files& files, const Clock& clock, Random& random,
                     std::vector<SecretRef> before)
    : settings_(settings.keys), files_(files), clock_(clock), random_(random) {
  keepers_["vault"] = adapters::make_keys_vault(make_vault_client(settings));
  keepers_["aws-kms"] = adapters::make_keys_aws(
      std::make_shared<net::AwsClient>(net::AwsOptions{.service = "kms",
                                                       .target = "TrentService",
                                                       .region = settings.aws.region,
                                                       .endpoint = settings.aws.kms_endpoint,
                                                       .endpoint_variable = "AWS_ENDPOINT_URL_KMS"},
                                       files, clock, net::make_http_client()));
  keepers_["pkcs11"] =
      adapters::make_keys_pkcs11({.module = settings.pkcs11.module, .pin = settings.pkcs11.pin}, random);
  if (settings.keys.passphrase)
    passphrase_ = std::make_shared<adapters::KeyPassphrase>(*settings.keys.passphrase, std::move(before));
}

adapters::KeyFolder KeyAccess::folder(const std::string& data, Environment environment) const {
  adapters::KeyFolder out{.files = files_,
                          .random = random_,
                          .clock = clock_,
                          .path = join_path(join_path(data, "keys"), name(environment)),
                          .environment = environment,
                          .keepers = keepers_,
                          .passphrase = passphrase_};
  const auto& places = settings_.of(environment);
  const std::pair<crypto::KeyPurpose, const std::string*> all[] = {{crypto::KeyPurpose::model, &places.model},
                                                                   {crypto::KeyPurpose::evidence, &places.evidence},
                                                                   {crypto::KeyPurpose::ledger, &places.ledger},
                                                                   {crypto::KeyPurpose::wrap, &places.wrap}};
  for (const auto& [purpose, place] : all)
    if (*place != "file") out.wanted.emplace(purpose, *place);
  return out;
}

adapters::AddressKeyFile KeyAccess::address_key(const std::string& data) const {
  return {files_, random_, clock_, join_path(data, "keys/store/address.key"), passphrase_};
}

}  // namespace hauberk::app
