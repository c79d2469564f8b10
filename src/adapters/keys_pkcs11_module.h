// A loaded PKCS #11 module, and what it shows of public keys. Used by keys_pkcs11 alone.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "crypto/signature.h"

struct _CK_FUNCTION_LIST;

namespace hauberk::adapters {

// One for each path and process, finalised with its last user.
class Pkcs11Module {
 public:
  // unavailable: it cannot be loaded, or does not start.
  static Result<std::shared_ptr<Pkcs11Module>> load(const std::string& path);
  ~Pkcs11Module();
  // The functions, entered by this very process: after a fork they are entered anew, and sessions are void.
  Result<struct _CK_FUNCTION_LIST*> functions();

 private:
  Pkcs11Module(std::string path, struct _CK_FUNCTION_LIST* functions);
  const std::string path_;
  struct _CK_FUNCTION_LIST* const functions_;
  int process_ = 0;  // that called C_Initialize
  bool ours_ = false;
};

// CKA_EC_POINT, with or without its OCTET STRING, as a key.
Result<crypto::VerifyingKey> key_of_point(crypto::SignatureAlgorithm algorithm, ByteView point);
// r || s, as CKM_ECDSA gives it, as DER.
Result<Bytes> der_signature(ByteView r_and_s);

}  // namespace hauberk::adapters
