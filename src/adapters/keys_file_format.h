// The files of a key folder, one by one. Used by keys_file and key_addresses. Thread safety: as the Files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "adapters/keys_file.h"
#include "crypto/key_set.h"

namespace hauberk::adapters {

// What may look at keys here: writing them to their files, reading them back, and the trial of a keeper.
struct KeyFile {
  static ByteView of(const Secret& secret) { return secret.reveal(SecretAccess()); }
  static std::string_view text(const Secret& secret) { return secret.reveal_text(SecretAccess()); }
  static Secret copy(const Secret& secret) { return secret.clone(SecretAccess()); }
};

struct KeyFileKind {
  crypto::KeyPurpose purpose;
  std::string_view file;
};
inline constexpr KeyFileKind key_file_kinds[] = {{crypto::KeyPurpose::evidence, "evidence.pem"},
                                                 {crypto::KeyPurpose::ledger, "ledger.pem"},
                                                 {crypto::KeyPurpose::wrap, "wrap.key"},
                                                 {crypto::KeyPurpose::token, "token.key"},
                                                 {crypto::KeyPurpose::model, "model.pem"}};

inline bool is_symmetric(crypto::KeyPurpose purpose) {
  return purpose == crypto::KeyPurpose::wrap || purpose == crypto::KeyPurpose::token;
}
std::string key_file(crypto::KeyPurpose purpose);        // "model.pem"
std::string reference_file(crypto::KeyPurpose purpose);  // "model.ref"

// What a file holds after its first line, opened with the passphrase if it was sealed.
struct KeyFileContent {
  Secret text;
  std::string made;
  bool sealed = false;
};
struct KeyFilePlace {
  Files& files;
  Random& random;
  KeyPassphrase* passphrase;  // null: none is known
  std::string path;
  std::string label;  // what its first line must say: "wrap dev"
};
KeyFilePlace place_in(const KeyFolder& folder, const std::string& path, crypto::KeyPurpose purpose);
Result<KeyFileContent> read_key(const KeyFilePlace& place);
Status write_key(const KeyFilePlace& place, const Secret& text, KeySealing sealing, const std::string& made,
                 IfThere if_there = IfThere::replace);
KeySealing sealing_at(const KeyFilePlace& place);  // of new keys: as the passphrase is known or not
// Writes it again, sealed or open. precondition: no passphrase is known.
Status seal_key(const KeyFilePlace& place, KeySealing sealing);
Result<Secret> symmetric_key(const Secret& content, const std::string& path);  // from the text of a file
Secret fresh_symmetric_key(Random& random);                                    // as it lies in a file

// One key of the folder with where it lies.
struct StoredKey {
  std::variant<crypto::SigningKey, Secret, crypto::KeyElsewhere> key;
  std::string file;  // below the folder
  std::string made;
  bool sealed = false;

  std::string id() const;
  std::string place() const;  // the file, or the reference
};
Result<bool> is_there(const KeyFolder& folder, const std::string& file);
// The reference where there is one: a file beside it is what a killed rotation left.
Result<StoredKey> read_current(const KeyFolder& folder, crypto::KeyPurpose purpose);
// `purpose`: wrap or token.
Result<std::vector<StoredKey>> read_retired(const KeyFolder& folder, crypto::KeyPurpose purpose);
struct StoredTrust {
  crypto::TrustedKey key;
  std::string file;
};
Result<std::vector<StoredTrust>> read_trusted(const KeyFolder& folder);

Status write_reference(const KeyFolder& folder, const std::string& path, crypto::KeyPurpose purpose,
                       const crypto::KeptKey& key, const std::string& made);

Secret fresh_key(const KeyFolder& folder, crypto::KeyPurpose purpose);  // as it lies in a file

// The key that the place has today: one of the right kind, which was tried.
Result<crypto::KeyElsewhere> take_over(const KeyFolder& folder, crypto::KeyPurpose purpose,
                                       const std::string& reference);

}  // namespace hauberk::adapters
