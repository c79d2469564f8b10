// Is the signature in a bundle good, and whose is it? By a key that the caller has, by a certificate that chains to an
// authority that he names, or by an identity that Sigstore's services vouch for; all offline. Pure; any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/revocations.h"
#include "sign/bundle.h"
#include "sign/model_signature.h"
#include "sign/trusted_root.h"

namespace hauberk::sign {

struct Identity {
  std::string name;    // e-mail address or URI in the certificate
  std::string issuer;  // URL of who vouched for it
};

// What the caller trusts; exactly one of the three ways.
struct Trust {
  std::vector<crypto::VerifyingKey> keys;        // any of them
  std::vector<crypto::Certificate> authorities;  // self-signed ones are anchors; without any, all are
  std::optional<Identity> identity;              // needs `root`
  // Of the other two ways, too, gives meaning to timestamps and log entries in the bundle.
  std::optional<TrustedRoot> root;
};

// The newest list of the environment that the caller believes: it names what no longer counts.
// denied: the list is signed by another key, or not signed well; unavailable: it is stale at `now`.
Result<RevocationList> open_revocations(std::string_view envelope, const crypto::VerifyingKey& key, Instant now);

struct Signer {
  std::string_view method;      // "key", "certificate", "sigstore"
  std::string name;             // id of the key, subject of the certificate, identity
  std::string key_id;           // of the key that signed; of Sigstore identities a new one each time
  std::string issuer;           // sigstore only
  std::optional<Instant> time;  // when it was signed, where somebody trusted says so
  std::string time_source;      // who
};

// Over the bundle's envelope. `legacy` also takes what version 0.2.0 of OMS signed. Errors: denied (the signature does
// not hold, or its signer is not trusted), corrupt, invalid (Trust names no way or two).
Result<Signer> check_envelope(const Bundle& bundle, const Trust& trust, Instant now, Legacy legacy = Legacy::refuse);
// denied: the key, the signature or the content is revoked. `contents`: all digests by which what was signed may have
// been revoked (ModelSignature::roots). A key's signatures of before its revocation count where somebody trusted says
// when they were made.
Status check_revoked(const RevocationList& revoked, const Signer& signer, const Bundle& bundle,
                     std::span<const Digest> contents);
// denied: nobody trusted says when it was signed.
Status check_has_time(const Signer& signer);
// Over a file with that SHA-256.
Result<Signer> check_file(const Bundle& bundle, const Trust& trust, const Digest& file, Instant now);

}  // namespace hauberk::sign
