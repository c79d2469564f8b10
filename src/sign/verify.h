// Verifying a model by one or more signatures: enough different signers whom the caller trusts must have signed exactly
// what lies there. Each file is read once, however many signatures there are. Threads and errors: see sign/sign.h; also
// denied (too few signers; the message says why each other signature does not count).
#pragma once

#include "sign/sign.h"
#include "sign/trust.h"

namespace hauberk::sign {

struct NamedBundle {
  std::string path;  // left out of the model where it lies in it
  Bundle bundle;
  std::optional<Error> unreadable = {};  // why there is no bundle
};

struct VerifyRequest {
  std::string model;
  std::vector<NamedBundle> bundles;
  Trust trust;
  std::size_t threshold = 1;  // so many different holders of different keys
  std::optional<RevocationList> revoked = {};
  bool require_time = false;  // a signer counts only if somebody trusted says when it signed
  std::vector<std::string> ignore_paths;
  CompareOptions compare;
  Legacy legacy = Legacy::refuse;
  Instant now;
};

struct Verified {
  std::vector<Signer> signers;               // different ones, in the order of the bundles
  std::vector<std::string> not_counted;      // "path: reason" of bundles that are not among them
  ModelSignature list;                       // of the first signer
  std::set<std::string, std::less<>> files;  // that all of them list
  Comparison comparison;                     // with the lists of all of them
};
Result<Verified> verify_model(const VerifyRequest& request);
// The lists of the signers who count, if they are enough, before anything of the model is read.
Result<std::vector<ModelSignature>> signed_lists(const VerifyRequest& request);

}  // namespace hauberk::sign
