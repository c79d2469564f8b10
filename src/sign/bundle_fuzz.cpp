// A bundle that is accepted holds what its type promises, and what of it can be written is read back the same. The
// statement, the log entries and the certificates inside are read, too; nothing in it is trusted.
#include <cstdint>
#include <cstdlib>

#include "crypto/certificate.h"
#include "crypto/timestamp.h"
#include "sign/bundle.h"
#include "sign/log_entry.h"
#include "sign/model_signature.h"

using namespace hauberk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bundle = sign::parse_bundle(as_text({data, size}));
  if (!bundle) return 0;
  if (bundle->envelope.has_value() == bundle->file.has_value() || bundle->signature().empty()) std::abort();
  if ((bundle->material == sign::Bundle::Material::key) != bundle->certificates.empty()) std::abort();
  for (const auto& der : bundle->certificates)
    if (const auto certificate = crypto::Certificate::from_der(der)) {
      (void)certificate->identities();
      (void)certificate->subject();
      (void)certificate->may_sign_content();
      (void)certificate->key();
      (void)certificate->extension("1.3.6.1.4.1.57264.1.8");
      (void)crypto::verify_logged(*certificate, *certificate, {});
    }
  for (const auto& token : bundle->timestamps) (void)crypto::verify_timestamp(token, bundle->signature(), {});
  const sign::TrustedRoot nobody;
  for (const auto& entry : bundle->entries) {
    if (sign::check_inclusion(entry, bundle->version, nobody)) std::abort();
    (void)sign::check_entry_tells_of(entry, {*bundle, {}, {}, ""});
  }
  if (!bundle->envelope) return 0;
  const auto again = sign::parse_bundle(sign::write_bundle(*bundle));
  if (!again || again->envelope->payload != bundle->envelope->payload || again->signature() != bundle->signature() ||
      again->certificates != bundle->certificates || again->timestamps != bundle->timestamps)
    std::abort();
  return 0;
}
