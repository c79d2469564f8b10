// KeyProvider over a folder of files of mode 0600, one folder an environment: evidence.pem and ledger.pem (Ed25519,
// PKCS#8), model.pem (ECDSA P-256), wrap.key and token.key (32 bytes); trusted/PURPOSE-*.pem, the public halves of
// earlier keys, and retired/*, earlier keys that still unwrap or know their tokens. Where a keeper has the key
// (crypto/key_keeper.h), PURPOSE.ref stands in the file's place: which key it is, for good, and its public half, so
// that only signing, wrapping and unwrapping ask the keeper. Each file says in its first line what it is and of which
// environment, so that a mix-up is an error with a name instead of a bad signature. A file with a private key may be
// sealed with a passphrase. Nothing moves by itself: while the configuration names another place than the folder holds,
// the old key verifies and unwraps, but signs and wraps nothing (precondition) until it is rotated. Errors: exists,
// not_found (with `hauberk init`), denied (permissions, with the chmod; a wrong passphrase), corrupt, and those of
// keepers. Thread safety: any.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/random.h"
#include "core/principal.h"
#include "crypto/key_keeper.h"
#include "crypto/key_provider.h"
#include "crypto/passphrase.h"

namespace hauberk::adapters {

// A passphrase where it is needed, read and stretched once: all files share one salt.
class KeyPassphrase {
 public:
  // `before`: what may still be on some files while the passphrase is being changed.
  explicit KeyPassphrase(SecretRef now, std::vector<SecretRef> before = {},
                         unsigned log2_n = crypto::ScryptParameters{}.log2_n);
  // "scrypt … SALT SEALED", bound to `header`.
  Result<std::string> seal(Random& random, std::string_view header, const Secret& key);
  Result<Secret> open(std::string_view header, std::string_view sealed);

 private:
  Result<const Secret*> derived(std::size_t which, const crypto::ScryptParameters& parameters);

  std::vector<SecretRef> references_;  // the one of today first
  std::mutex mutex_;
  std::map<std::pair<std::size_t, std::string>, Secret> derived_;  // by reference and parameters
  crypto::ScryptParameters parameters_;                            // those of the last file; no salt: of none yet
};

// Where the keys of one environment lie, and where the configuration wants them.
struct KeyFolder {
  Files& files;
  Random& random;
  const Clock& clock;
  std::string path;
  Environment environment;
  std::map<crypto::KeyPurpose, std::string> wanted{};  // references; what is missing is wanted in a file
  crypto::KeyKeepers keepers{};
  std::shared_ptr<KeyPassphrase> passphrase{};  // null: new files are not sealed, and sealed ones do not open
};

// Makes the keys that are missing, or takes them over from their keepers; never overwrites one. exists: all were there.
Status create_keys_file(const KeyFolder& folder);

// Asks no keeper.
Result<std::unique_ptr<crypto::KeyProvider>> open_keys_file(const KeyFolder& folder);

enum class KeyState {
  active,    // signs, wraps, makes MACs
  withheld,  // of today, but the configuration wants another one: verifies and unwraps only
  trusted,   // of former days: verifies only
  retired,   // of former days: unwraps, or knows its tokens, only
};
std::string_view name(KeyState state);

struct KeyListing {
  crypto::KeyPurpose purpose;
  std::string id;
  std::string place;  // a file below the folder, or the keeper's reference
  KeyState state;
  std::string made;  // RFC 3339: when it was made, or taken over from its keeper; empty where it is not known
  bool sealed = false;
};
Result<std::vector<KeyListing>> list_keys_file(const KeyFolder& folder);

// Makes a new key where the configuration wants it; of a keeper, the key that it has there today, after a trial. What
// the one before signed still verifies, what it wrapped still opens, tokens of its time still count: the public half
// goes to trusted/, a key that wraps or makes MACs to retired/, where it may be removed once everything is wrapped anew
// or has a new token. A killed rotation loses no key.
struct KeyRotation {
  std::string before;
  std::string now;  // the same if the keeper has no newer one: nothing was changed
};
Result<KeyRotation> rotate_key_file(const KeyFolder& folder, crypto::KeyPurpose purpose);

std::unexpected<Error> no_newer_key(const KeyFolder& folder, crypto::KeyPurpose purpose);  // precondition

// Seals every private file with the passphrase, or opens them all. Killed, it leaves some sealed and some not, which is
// read as well; run it again.
enum class KeySealing { sealed, open };
Result<std::size_t> seal_keys_file(const KeyFolder& folder, KeySealing sealing);  // how many files were written

}  // namespace hauberk::adapters
