#include "adapters/keys_file.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>

#include "crypto/key_set.h"

namespace hauberk::adapters {

// What may look at keys here: writing them to their files and reading them back.
struct KeyFile {
  static ByteView of(const Secret& secret) { return secret.reveal(SecretAccess()); }
  static std::string_view text(const Secret& secret) { return secret.reveal_text(SecretAccess()); }
};

namespace {

constexpr std::uint64_t largest_key_file = 16 << 10;

struct KeyFileKind {
  crypto::KeyPurpose purpose;
  std::string_view file;
};
constexpr KeyFileKind kinds[] = {{crypto::KeyPurpose::evidence, "evidence.pem"},
                                 {crypto::KeyPurpose::ledger, "ledger.pem"},
                                 {crypto::KeyPurpose::wrap, "wrap.key"},
                                 {crypto::KeyPurpose::token, "token.key"},
                                 {crypto::KeyPurpose::model, "model.pem"}};

crypto::SignatureAlgorithm algorithm_of(crypto::KeyPurpose purpose) {
  return purpose == crypto::KeyPurpose::model ? crypto::SignatureAlgorithm::ecdsa_p256
                                              : crypto::SignatureAlgorithm::ed25519;
}

std::string first_line(crypto::KeyPurpose purpose, Environment environment) {
  return fmt::format("hauberk-key-v1 {} {}\n", crypto::name(purpose), name(environment));
}

// The file's content after its first line.
Result<Secret> read_key(Files& files, const std::string& path, crypto::KeyPurpose purpose, Environment environment) {
  const auto info = files.info(path);
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
  const Secret content(TRY(read_file(files, path, largest_key_file)));
  const auto text = KeyFile::text(content);
  const auto expected = first_line(purpose, environment);
  if (!text.starts_with(expected)) {
    const auto line = text.substr(0, text.find('\n'));
    if (line.starts_with("hauberk-key-v1 ") && line.size() < 64)
      return fail(Errc::corrupt,
                  fmt::format("this is the key '{}', but '{}' belongs here: put the right file in its place",
                              line.substr(15), expected.substr(15, expected.size() - 16)),
                  path);
    return fail(Errc::corrupt, "this is no Hauberk key file, or it was damaged: restore it from your backup", path);
  }
  return Secret(text.substr(expected.size()));
}

Result<Secret> read_symmetric(Files& files, const std::string& path, crypto::KeyPurpose purpose,
                              Environment environment) {
  const auto content = TRY(read_key(files, path, purpose, environment));
  auto text = KeyFile::text(content);
  if (text.ends_with('\n')) text.remove_suffix(1);
  auto raw = from_base64(text);
  if (!raw || raw->size() != 32)
    return fail(Errc::corrupt, "the key file is damaged: restore it from your backup", path);
  return Secret(std::move(*raw));
}

Result<crypto::SigningKey> read_signing(Files& files, const std::string& path, crypto::KeyPurpose purpose,
                                        Environment environment) {
  const auto content = TRY(read_key(files, path, purpose, environment));
  auto key = crypto::SigningKey::from_pem(content);
  const auto algorithm = algorithm_of(purpose);
  if (!key || key->verifying().algorithm() != algorithm)
    return fail(Errc::corrupt,
                fmt::format("it holds no {} private key in PEM: restore it from your backup",
                            algorithm == crypto::SignatureAlgorithm::ed25519 ? "Ed25519" : "ECDSA P-256"),
                path);
  return key;
}

// "evidence-2025.pem": the name says what the key is trusted for.
Result<crypto::KeyPurpose> trusted_purpose(std::string_view file, const std::string& path) {
  for (const auto purpose : {crypto::KeyPurpose::evidence, crypto::KeyPurpose::ledger, crypto::KeyPurpose::model})
    if (file.starts_with(std::string(crypto::name(purpose)) + "-")) return purpose;
  return fail(Errc::invalid,
              "its name does not say what the key is trusted for: call it evidence-…, ledger-… or model-….pem", path);
}

Result<std::vector<crypto::TrustedKey>> read_trusted(Files& files, const std::string& folder) {
  std::vector<crypto::TrustedKey> keys;
  const auto names = files.list(folder);
  if (!names) {
    if (names.error().code == Errc::not_found) return keys;
    return std::unexpected(names.error());
  }
  for (const auto& file : *names) {
    if (!file.ends_with(".pem")) continue;
    const auto path = join_path(folder, file);
    const auto purpose = TRY(trusted_purpose(file, path));
    const auto pem = TRY(read_file(files, path, largest_key_file));
    auto key = crypto::VerifyingKey::from_pem(as_text(pem));
    if (!key) return std::unexpected(std::move(key).error().in(path));
    keys.push_back({purpose, std::move(*key)});
  }
  return keys;
}

// Earlier wrap keys.
Result<std::vector<Secret>> read_retired(Files& files, const std::string& folder, Environment environment) {
  std::vector<Secret> keys;
  const auto names = files.list(folder);
  if (!names) {
    if (names.error().code == Errc::not_found) return keys;
    return std::unexpected(names.error());
  }
  for (const auto& file : *names)
    if (file.ends_with(".key"))
      keys.push_back(TRY(read_symmetric(files, join_path(folder, file), crypto::KeyPurpose::wrap, environment)));
  return keys;
}

Secret fresh_key(crypto::KeyPurpose purpose, Random& random) {
  if (purpose != crypto::KeyPurpose::wrap && purpose != crypto::KeyPurpose::token)
    return crypto::SigningKey::generate(algorithm_of(purpose)).pem();
  const Secret raw(random.bytes(32));
  std::string text = base64(KeyFile::of(raw));
  Secret secret{std::string_view(text)};
  ::explicit_bzero(text.data(), text.size());
  return secret;
}

Status write_key(Files& files, const std::string& path, crypto::KeyPurpose purpose, Environment environment,
                 const Secret& key) {
  Bytes content = to_bytes(first_line(purpose, environment));
  const auto raw = KeyFile::of(key);
  content.insert(content.end(), raw.begin(), raw.end());
  if (content.back() != '\n') content.push_back('\n');
  const auto written = write_file_atomically(files, path, content);
  ::explicit_bzero(content.data(), content.size());
  return written;
}

}  // namespace

Status create_keys_file(Files& files, Random& random, const std::string& folder, Environment environment) {
  CHECK(files.make_directories(folder));
  bool made = false;
  for (const auto& kind : kinds) {
    const auto path = join_path(folder, kind.file);
    if (files.info(path)) continue;
    CHECK(write_key(files, path, kind.purpose, environment, fresh_key(kind.purpose, random)));
    made = true;
  }
  if (!made) return fail(Errc::exists, "the keys are there already; nothing was changed", folder);
  return {};
}

Result<std::unique_ptr<crypto::KeyProvider>> open_keys_file(Files& files, Random& random, const std::string& folder,
                                                            Environment environment) {
  const auto path = [&](std::size_t kind) { return join_path(folder, kinds[kind].file); };
  crypto::KeySet keys{TRY(read_signing(files, path(0), kinds[0].purpose, environment)),
                      TRY(read_signing(files, path(1), kinds[1].purpose, environment)),
                      TRY(read_symmetric(files, path(2), kinds[2].purpose, environment)),
                      TRY(read_symmetric(files, path(3), kinds[3].purpose, environment)),
                      TRY(read_signing(files, path(4), kinds[4].purpose, environment)),
                      TRY(read_trusted(files, join_path(folder, "trusted"))),
                      TRY(read_retired(files, join_path(folder, "retired"), environment))};
  return crypto::make_key_provider(std::move(keys), random);
}

Status rotate_wrap_key(Files& files, Random& random, const std::string& folder, Environment environment) {
  constexpr auto purpose = crypto::KeyPurpose::wrap;
  const auto path = join_path(folder, "wrap.key");
  const auto old = TRY(read_symmetric(files, path, purpose, environment));
  const auto retired = join_path(folder, "retired");
  CHECK(files.make_directories(retired));
  // First the old key is in both places, then the new one replaces it: no moment without it.
  const auto kept = join_path(retired, fmt::format("wrap-{}.key", crypto::key_fingerprint(old).substr(7)));
  const auto whole = TRY(read_key(files, path, purpose, environment));
  CHECK(write_key(files, kept, purpose, environment, whole));
  CHECK(files.sync_directory(folder));
  return write_key(files, path, purpose, environment, fresh_key(purpose, random));
}

Status rotate_signing_key(Files& files, const std::string& folder, Environment environment,
                          crypto::KeyPurpose purpose) {
  const auto* kind = std::ranges::find(kinds, purpose, &KeyFileKind::purpose);
  if (kind == std::end(kinds) || purpose == crypto::KeyPurpose::wrap || purpose == crypto::KeyPurpose::token)
    return fail(Errc::unsupported, "only keys for evidence, ledger and model are rotated this way");
  const auto path = join_path(folder, kind->file);
  const auto old = TRY(read_signing(files, path, purpose, environment));
  const auto trusted = join_path(folder, "trusted");
  CHECK(files.make_directories(trusted));
  const auto& id = old.verifying().id();
  const auto kept = join_path(trusted, fmt::format("{}-{}.pem", crypto::name(purpose), id.substr(id.find(':') + 1)));
  CHECK(write_file_atomically(files, kept, as_bytes(old.verifying().pem())));
  CHECK(files.sync_directory(folder));
  return write_key(files, path, purpose, environment, crypto::SigningKey::generate(algorithm_of(purpose)).pem());
}

}  // namespace hauberk::adapters
