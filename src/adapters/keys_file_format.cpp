#include "adapters/keys_file_format.h"

#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "base/json.h"
#include "crypto/aead.h"

namespace hauberk::adapters {
namespace {

constexpr std::uint64_t largest_key_file = 16 << 10;
constexpr std::string_view key_file_version = "hauberk-key-v1 ";

crypto::SignatureAlgorithm algorithm_of(crypto::KeyPurpose purpose) {
  return purpose == crypto::KeyPurpose::model ? crypto::SignatureAlgorithm::ecdsa_p256
                                              : crypto::SignatureAlgorithm::ed25519;
}

std::string first_line(std::string_view label, const std::string& made) {
  return fmt::format("{}{}{}{}", key_file_version, label, made.empty() ? "" : " ", made);
}

Result<crypto::SigningKey> signing(const Secret& content, const std::string& path, crypto::KeyPurpose purpose) {
  auto key = crypto::SigningKey::from_pem(content);
  const auto algorithm = algorithm_of(purpose);
  if (!key || key->verifying().algorithm() != algorithm)
    return fail(Errc::corrupt,
                fmt::format("it holds no {} private key in PEM: restore it from your backup",
                            algorithm == crypto::SignatureAlgorithm::ed25519 ? "Ed25519" : "ECDSA P-256"),
                path);
  return key;
}

// Whoever owns the file or its folder chooses the key.
Status check_owner(Files& files, const std::string& path, std::uint32_t owner) {
  const auto folder = parent_directory(path);
  const auto ours = [](std::uint32_t who) { return who == 0 || who == ::geteuid(); };
  if (!ours(owner))
    return fail(Errc::denied, fmt::format("the key belongs to another user (id {}): take it over with chown", owner),
                path);
  if (const auto info = TRY(files.info(folder)); !ours(info.owner))
    return fail(
        Errc::denied,
        fmt::format("the folder of the keys belongs to another user (id {}): take it over with chown", info.owner),
        folder);
  return {};
}

// One changed character of a private key is another key, or a worse one: a file that is not sealed carries a check
// value of all that it says. Not of release 0.1.
constexpr std::string_view check_mark = " check:";
constexpr std::size_t check_digits = 16;
std::string check_of(std::string_view first, ByteView content) {
  crypto::Sha256 sha256;
  sha256.update(as_bytes(first));
  sha256.update(as_bytes("\n"));
  sha256.update(content);
  return sha256.finish().hex().substr(0, check_digits);
}

struct FirstLine {
  std::string made;   // when the key was made, empty for a file that does not say
  std::string check;  // empty for a file that has none
};
// corrupt: another's line.
Result<FirstLine> read_first_line(std::string_view line, const KeyFilePlace& place) {
  const auto expected = first_line(place.label, "");
  FirstLine out;
  if (const auto at = line.find(check_mark);
      at != std::string_view::npos && line.size() == at + check_mark.size() + check_digits) {
    out.check = line.substr(at + check_mark.size());
    line = line.substr(0, at);
  }
  if (line == expected) return out;
  if (line.starts_with(expected + " ")) {
    out.made = line.substr(expected.size() + 1);
    if (parse_rfc3339(out.made)) return out;
  } else if (line.starts_with(key_file_version) && line.size() < 96) {
    return fail(Errc::corrupt,
                fmt::format("this is the key '{}', but '{}' belongs here: put the right file in its place",
                            line.substr(key_file_version.size()), place.label),
                place.path);
  }
  return fail(Errc::corrupt, "this is no Hauberk key file, or it was damaged: restore it from your backup", place.path);
}

Result<crypto::KeyElsewhere> reference(const Secret& content, const std::string& path, const KeyFolder& folder,
                                       crypto::KeyPurpose purpose) {
  const auto damaged = [&] {
    return fail(Errc::corrupt, "the reference to a key is damaged: restore it from your backup", path);
  };
  auto text = KeyFile::text(content);
  if (text.ends_with('\n')) text.remove_suffix(1);
  const auto value = json::parse(text, {.bytes = largest_key_file, .depth = 4});
  if (!value || !value->is_object()) return damaged();
  crypto::KeyElsewhere out{{.reference = std::string(value->text_or("reference", "")),
                            .version = std::string(value->text_or("version", "")),
                            .verifying = {}},
                           {}};
  if (!out.key.reference.contains(':')) return damaged();
  if (!is_symmetric(purpose)) {
    auto key = crypto::VerifyingKey::from_pem(value->text_or("public_key", ""));
    if (!key) return damaged();
    out.key.verifying = std::make_shared<const crypto::VerifyingKey>(std::move(*key));
  }
  if (const auto keeper = folder.keepers.find(out.key.scheme()); keeper != folder.keepers.end())
    out.keeper = keeper->second;
  return out;
}

Result<StoredKey> read_stored(const KeyFolder& folder, crypto::KeyPurpose purpose, const std::string& file) {
  const auto path = join_path(folder.path, file);
  auto content = TRY(read_key(place_in(folder, path, purpose)));
  const auto stored = [&](auto key) {
    return StoredKey{std::move(key), file, std::move(content.made), content.sealed};
  };
  if (file.ends_with(".ref")) return stored(TRY(reference(content.text, path, folder, purpose)));
  if (is_symmetric(purpose)) return stored(TRY(symmetric_key(content.text, path)));
  return stored(TRY(signing(content.text, path, purpose)));
}

// "evidence-2025.pem": the name says what the key is trusted for.
Result<crypto::KeyPurpose> trusted_purpose(std::string_view file, const std::string& path) {
  for (const auto purpose : {crypto::KeyPurpose::evidence, crypto::KeyPurpose::ledger, crypto::KeyPurpose::model})
    if (file.starts_with(std::string(crypto::name(purpose)) + "-")) return purpose;
  return fail(Errc::invalid,
              "its name does not say what the key is trusted for: call it evidence-…, ledger-… or model-….pem", path);
}

// "model-0123456789abcdef.pem", as rotations call them: of that key and no other. What people put there has names of
// their own.
Status check_named_id(std::string_view name, std::string_view id, const std::string& path) {
  constexpr std::size_t digits = 16;
  const auto said = name.substr(0, name.size() - std::string_view(".pem").size());
  const auto stem = said.substr(said.find('-') + 1);
  const bool is_id = stem.size() == digits && stem.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!is_id || id.substr(id.find(':') + 1) == stem) return {};
  return fail(
      Errc::corrupt,
      fmt::format("it holds the key {}, and its name is that of another: restore it from your backup, or remove "
                  "it if nobody here put it there",
                  id),
      path);
}

Result<std::vector<std::string>> list_if_there(Files& files, const std::string& folder) {
  auto names = files.list(folder);
  if (!names && names.error().code == Errc::not_found) return std::vector<std::string>();
  return names;
}

Status check_kind(const KeyFolder& folder, crypto::KeyPurpose purpose, const crypto::KeptKey& key) {
  if (is_symmetric(purpose)) return {};
  if (key.verifying == nullptr) return fail(Errc::internal, "the keeper shows no public key", key.reference);
  const auto algorithm = key.verifying->algorithm();
  const bool fits = algorithm == algorithm_of(purpose) ||
                    (purpose == crypto::KeyPurpose::evidence && algorithm == crypto::SignatureAlgorithm::ecdsa_p256);
  if (fits) return {};
  return fail(Errc::unsupported,
              fmt::format("it is an {} key, but the {} key of {} must be {}", crypto::name(algorithm),
                          crypto::name(purpose), name(folder.environment),
                          purpose == crypto::KeyPurpose::model    ? "ecdsa-p256"
                          : purpose == crypto::KeyPurpose::ledger ? "ed25519"
                                                                  : "ed25519 or ecdsa-p256"),
              key.reference);
}

// A keeper is believed after it has shown that it can do what is wanted, and refuses what must not open.
Status try_wrapping(const KeyFolder& folder, const crypto::KeyElsewhere& place) {
  const Secret key(folder.random.bytes(32));
  const auto wrapped = TRY(place.keeper->wrap(place.key, key, as_bytes("a trial")));
  const auto again = TRY(place.keeper->unwrap(place.key, wrapped, as_bytes("a trial")));
  if (!again.same_as(key)) return fail(Errc::corrupt, "what it wraps comes back as something else");
  if (place.keeper->unwrap(place.key, wrapped, as_bytes("another trial")))
    return fail(Errc::unsupported, "it opens what was wrapped for something else: it does not bind what it wraps");
  return {};
}

}  // namespace

std::string key_file(crypto::KeyPurpose purpose) {
  return std::string(std::ranges::find(key_file_kinds, purpose, &KeyFileKind::purpose)->file);
}
std::string reference_file(crypto::KeyPurpose purpose) { return fmt::format("{}.ref", crypto::name(purpose)); }

KeyFilePlace place_in(const KeyFolder& folder, const std::string& path, crypto::KeyPurpose purpose) {
  return {folder.files, folder.random, folder.passphrase.get(), path,
          fmt::format("{} {}", crypto::name(purpose), name(folder.environment))};
}

Result<Secret> symmetric_key(const Secret& content, const std::string& path) {
  auto text = KeyFile::text(content);
  if (text.ends_with('\n')) text.remove_suffix(1);
  auto raw = from_base64(text);
  if (raw && raw->size() == 32) return Secret(std::move(*raw));
  if (raw) ::explicit_bzero(raw->data(), raw->size());
  return fail(Errc::corrupt, "the key file is damaged: restore it from your backup", path);
}

Secret fresh_symmetric_key(Random& random) {
  const Secret raw(random.bytes(32));
  std::string text = base64(KeyFile::of(raw));
  Secret secret{std::string_view(text)};
  ::explicit_bzero(text.data(), text.size());
  return secret;
}

Result<KeyFileContent> read_key(const KeyFilePlace& place) {
  const auto& path = place.path;
  const auto info = place.files.info(path);
  if (!info) {
    if (info.error().code == Errc::not_found)
      return fail(Errc::not_found,
                  "the key file is missing: restore it from your backup; without it nothing sealed with it can be read",
                  path);
    return std::unexpected(info.error());
  }
  if ((info->mode & 077) != 0)
    return fail(Errc::denied, fmt::format("others may read the key (mode {:04o}); run: chmod 600 {}", info->mode, path),
                path);
  CHECK(check_owner(place.files, path, info->owner));
  const Secret content(TRY(read_file(place.files, path, largest_key_file)));
  auto text = KeyFile::text(content);
  const auto header = text.substr(0, text.find('\n'));
  const auto first = TRY(read_first_line(header, place));
  KeyFileContent out{.text = {}, .made = first.made};
  text.remove_prefix(std::min(header.size() + 1, text.size()));
  out.sealed = text.starts_with("scrypt ");
  if (!out.sealed) {
    if (!first.check.empty() && check_of(header.substr(0, header.find(check_mark)), as_bytes(text)) != first.check)
      return fail(Errc::corrupt, "the key file was changed or damaged: restore it from your backup", path);
    out.text = Secret(text);
    return out;
  }
  if (place.passphrase == nullptr)
    return fail(Errc::denied,
                "the key is sealed with a passphrase: set keys.passphrase in hauberk.yaml to where that is", path);
  if (text.ends_with('\n')) text.remove_suffix(1);
  auto opened = place.passphrase->open(header, text);
  if (!opened) return std::unexpected(std::move(opened).error().in(path));
  out.text = std::move(*opened);
  return out;
}

Status write_key(const KeyFilePlace& place, const Secret& text, KeySealing sealing, const std::string& made,
                 IfThere if_there) {
  const auto header = first_line(place.label, made);
  Bytes content;
  if (sealing == KeySealing::sealed) {
    content = to_bytes(header + "\n");
    const auto sealed = TRY(place.passphrase->seal(place.random, header, text));
    content.insert(content.end(), sealed.begin(), sealed.end());
  } else {
    const auto raw = KeyFile::of(text);
    const auto room = header.size() + check_mark.size() + check_digits + 1;
    content.reserve(room + raw.size() + 1);  // no copy left behind by growth
    content.resize(room);
    content.insert(content.end(), raw.begin(), raw.end());
    if (content.back() != '\n') content.push_back('\n');
    const auto line = fmt::format("{}{}{}\n", header, check_mark, check_of(header, ByteView(content).subspan(room)));
    std::ranges::copy(line, content.begin());
  }
  if (content.back() != '\n') content.push_back('\n');
  const auto written = write_file_atomically(place.files, place.path, content, OpenMode::create_new, if_there);
  ::explicit_bzero(content.data(), content.size());
  return written;
}

KeySealing sealing_at(const KeyFilePlace& place) {
  return place.passphrase == nullptr ? KeySealing::open : KeySealing::sealed;
}

Status seal_key(const KeyFilePlace& place, KeySealing sealing) {
  if (place.passphrase == nullptr)
    return fail(Errc::precondition, "which passphrase? Set keys.passphrase in hauberk.yaml to where it is");
  const auto content = TRY(read_key(place));
  return write_key(place, content.text, sealing, content.made);
}

std::string StoredKey::id() const {
  if (const auto* signing = std::get_if<crypto::SigningKey>(&key)) return signing->verifying().id();
  if (const auto* wrapping = std::get_if<Secret>(&key)) return crypto::key_fingerprint(*wrapping);
  return std::get<crypto::KeyElsewhere>(key).key.id();
}

std::string StoredKey::place() const {
  const auto* elsewhere = std::get_if<crypto::KeyElsewhere>(&key);
  return elsewhere == nullptr ? file : elsewhere->key.reference;
}

Result<bool> is_there(const KeyFolder& folder, const std::string& file) {
  const auto info = folder.files.info(join_path(folder.path, file));
  if (!info && info.error().code != Errc::not_found) return std::unexpected(info.error());
  return info.has_value();
}

Result<StoredKey> read_current(const KeyFolder& folder, crypto::KeyPurpose purpose) {
  const bool kept = TRY(is_there(folder, reference_file(purpose)));
  return read_stored(folder, purpose, kept ? reference_file(purpose) : key_file(purpose));
}

Result<std::vector<StoredKey>> read_retired(const KeyFolder& folder, crypto::KeyPurpose purpose) {
  std::vector<StoredKey> keys;
  for (const auto& file : TRY(list_if_there(folder.files, join_path(folder.path, "retired")))) {
    if (!file.ends_with(".key") && !file.ends_with(".ref")) continue;
    const auto its = file.starts_with("token-") ? crypto::KeyPurpose::token : crypto::KeyPurpose::wrap;
    if (its == purpose) keys.push_back(TRY(read_stored(folder, purpose, join_path("retired", file))));
  }
  return keys;
}

Result<std::vector<StoredTrust>> read_trusted(const KeyFolder& folder) {
  std::vector<StoredTrust> keys;
  for (const auto& name : TRY(list_if_there(folder.files, join_path(folder.path, "trusted")))) {
    if (!name.ends_with(".pem")) continue;
    const auto file = join_path("trusted", name);
    const auto path = join_path(folder.path, file);
    const auto purpose = TRY(trusted_purpose(name, path));
    const auto info = TRY(folder.files.info(path));
    CHECK(check_owner(folder.files, path, info.owner));
    if ((info.mode & 022) != 0)
      return fail(Errc::denied,
                  fmt::format("others may change whom it trusts (mode {:04o}); run: chmod 644 {}", info.mode, path),
                  path);
    const auto pem = TRY(read_file(folder.files, path, largest_key_file));
    auto key = crypto::VerifyingKey::from_pem(as_text(pem));
    if (!key) return std::unexpected(std::move(key).error().in(path));
    CHECK(check_named_id(name, key->id(), path));
    keys.push_back({{purpose, std::move(*key)}, file});
  }
  return keys;
}

Status write_reference(const KeyFolder& folder, const std::string& path, crypto::KeyPurpose purpose,
                       const crypto::KeptKey& key, const std::string& made) {
  json::Value value = json::Value().set("reference", key.reference).set("version", key.version);
  if (key.verifying != nullptr) value.set("public_key", key.verifying->pem());
  return write_key(place_in(folder, path, purpose), Secret(json::write(value)), KeySealing::open, made);
}

Secret fresh_key(const KeyFolder& folder, crypto::KeyPurpose purpose) {
  return is_symmetric(purpose) ? fresh_symmetric_key(folder.random)
                               : crypto::SigningKey::generate(algorithm_of(purpose)).pem();
}

Result<crypto::KeyElsewhere> take_over(const KeyFolder& folder, crypto::KeyPurpose purpose,
                                       const std::string& reference) {
  const auto colon = std::min(reference.find(':'), reference.size());
  const auto keeper = folder.keepers.find(std::string_view(reference).substr(0, colon));
  if (keeper == folder.keepers.end() || colon == reference.size())
    return fail(Errc::unsupported, "no keeper of this kind is known", reference);
  const auto use = is_symmetric(purpose) ? crypto::KeyUse::wrap : crypto::KeyUse::sign;
  auto found = keeper->second->find(std::string_view(reference).substr(colon + 1), use);
  if (!found) return std::unexpected(std::move(found).error().in(reference));
  crypto::KeyElsewhere out{std::move(*found), keeper->second};
  CHECK(check_kind(folder, purpose, out.key));
  if (use == crypto::KeyUse::wrap) {
    if (auto tried = try_wrapping(folder, out); !tried) return std::unexpected(std::move(tried).error().in(reference));
  } else {
    // No statement, checkpoint or model can have this content.
    (void)TRY(crypto::sign_elsewhere(out, as_bytes("hauberk: a trial of " + out.key.id())));
  }
  return out;
}

KeyPassphrase::KeyPassphrase(SecretRef now, std::vector<SecretRef> before, unsigned log2_n)
    : references_(std::move(before)) {
  references_.insert(references_.begin(), std::move(now));
  parameters_.log2_n = log2_n;
}

Result<const Secret*> KeyPassphrase::derived(std::size_t which, const crypto::ScryptParameters& parameters) {
  auto& kept = derived_[{which, parameters.text()}];
  if (kept.empty()) {
    const auto passphrase = TRY(resolve(references_[which]));
    auto key = crypto::derive_key(passphrase, parameters);
    if (!key) return std::unexpected(std::move(key).error().in(references_[which].text()));
    kept = std::move(*key);
  }
  return &kept;
}

Result<std::string> KeyPassphrase::seal(Random& random, std::string_view header, const Secret& key) {
  const std::lock_guard lock(mutex_);
  if (parameters_.salt.empty()) parameters_.salt = random.bytes(16);
  const auto* sealing = TRY(derived(0, parameters_));
  const auto sealed =
      crypto::seal_small(*sealing, random.bytes(crypto::gcm_nonce_size), as_bytes(header), KeyFile::of(key));
  return fmt::format("{} {}", parameters_.text(), base64(sealed));
}

Result<Secret> KeyPassphrase::open(std::string_view header, std::string_view sealed) {
  const std::lock_guard lock(mutex_);
  const auto space = sealed.rfind(' ');
  const auto parameters = TRY(crypto::ScryptParameters::parse(sealed.substr(0, std::min(space, sealed.size()))));
  const auto content = from_base64(space == std::string_view::npos ? "" : sealed.substr(space + 1));
  if (!content) return fail(Errc::corrupt, "the sealed key is damaged: restore it from your backup");
  for (std::size_t which = 0; which < references_.size(); ++which) {
    const auto* key = TRY(derived(which, parameters));
    auto opened = crypto::open_small(*key, as_bytes(header), *content);
    if (!opened) continue;
    if (which == 0) parameters_ = parameters;
    return opened;
  }
  return fail(Errc::denied, fmt::format("the passphrase of {} does not open the key: it is another one, or the file "
                                        "was changed",
                                        references_.front().text()));
}

}  // namespace hauberk::adapters
