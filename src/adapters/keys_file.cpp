#include "adapters/keys_file.h"

#include <fmt/format.h>

#include "adapters/keys_file_format.h"

namespace hauberk::adapters {
namespace {

using crypto::KeyPurpose;

const std::string* wanted_reference(const KeyFolder& folder, KeyPurpose purpose) {
  const auto found = folder.wanted.find(purpose);
  return found == folder.wanted.end() ? nullptr : &found->second;
}

bool is_where_wanted(const KeyFolder& folder, KeyPurpose purpose, const StoredKey& key) {
  const auto* wanted = wanted_reference(folder, purpose);
  const auto* kept = std::get_if<crypto::KeyElsewhere>(&key.key);
  return wanted == nullptr ? kept == nullptr : kept != nullptr && kept->key.reference == *wanted;
}

Error why_withheld(const KeyFolder& folder, KeyPurpose purpose, const StoredKey& key) {
  const auto* wanted = wanted_reference(folder, purpose);
  const auto environment = name(folder.environment);
  const auto command = purpose == KeyPurpose::wrap
                           ? fmt::format("hauberk store rotate -e {}", environment)
                           : fmt::format("hauberk key rotate -e {} --purpose {}", environment, crypto::name(purpose));
  return {Errc::precondition,
          fmt::format("the {} key of {} is {}, but the configuration wants {}: move it with `{}`",
                      crypto::name(purpose), environment, key.place(), wanted == nullptr ? "a file" : *wanted, command),
          {}};
}

Status make_key(const KeyFolder& folder, KeyPurpose purpose, const std::string& made) {
  if (const auto* wanted = wanted_reference(folder, purpose)) {
    const auto place = TRY(take_over(folder, purpose, *wanted));
    return write_reference(folder, join_path(folder.path, reference_file(purpose)), purpose, place.key, made);
  }
  const auto place = place_in(folder, join_path(folder.path, key_file(purpose)), purpose);
  return write_key(place, fresh_key(folder, purpose), sealing_at(place), made);
}

// What the old key did stays good: its public half verifies, or it unwraps or knows its tokens.
Status keep_old(const KeyFolder& folder, KeyPurpose purpose, const StoredKey& old) {
  const auto id = old.id();
  const auto stem = fmt::format("{}-{}", crypto::name(purpose), id.substr(id.find(':') + 1));
  const auto* kept = std::get_if<crypto::KeyElsewhere>(&old.key);
  const auto place = join_path(folder.path, is_symmetric(purpose) ? "retired" : "trusted");
  CHECK(folder.files.make_directories(place));
  if (!is_symmetric(purpose)) {
    const auto& pem =
        kept != nullptr ? kept->key.verifying->pem() : std::get<crypto::SigningKey>(old.key).verifying().pem();
    return write_file_atomically(folder.files, join_path(place, stem + ".pem"), as_bytes(pem));
  }
  if (kept != nullptr) return write_reference(folder, join_path(place, stem + ".ref"), purpose, kept->key, old.made);
  const auto content = TRY(read_key(place_in(folder, join_path(folder.path, old.file), purpose)));
  const auto retired = place_in(folder, join_path(place, stem + ".key"), purpose);
  return write_key(retired, content.text, sealing_at(retired), old.made);
}

}  // namespace

std::string_view name(KeyState state) {
  switch (state) {
    case KeyState::active:
      return "active";
    case KeyState::withheld:
      return "withheld";
    case KeyState::trusted:
      return "trusted";
    case KeyState::retired:
      return "retired";
  }
  return "unknown";
}

Status create_keys_file(const KeyFolder& folder) {
  CHECK(folder.files.make_directories(folder.path));
  bool made = false;
  for (const auto& kind : key_file_kinds) {
    if (TRY(is_there(folder, std::string(kind.file))) || TRY(is_there(folder, reference_file(kind.purpose)))) continue;
    CHECK(make_key(folder, kind.purpose, rfc3339(folder.clock.now())));
    made = true;
  }
  if (!made) return fail(Errc::exists, "the keys are there already; nothing was changed", folder.path);
  return {};
}

Result<std::unique_ptr<crypto::KeyProvider>> open_keys_file(const KeyFolder& folder) {
  std::map<KeyPurpose, Error> withheld;
  const auto current = [&](KeyPurpose purpose) -> Result<StoredKey> {
    auto key = TRY(read_current(folder, purpose));
    if (!is_where_wanted(folder, purpose, key)) withheld.emplace(purpose, why_withheld(folder, purpose, key));
    return key;
  };
  const auto signing = [&](KeyPurpose purpose) -> Result<crypto::SigningPlace> {
    auto stored = TRY(current(purpose));
    if (auto* kept = std::get_if<crypto::KeyElsewhere>(&stored.key)) return std::move(*kept);
    return std::get<crypto::SigningKey>(std::move(stored.key));
  };
  const auto wrapping = [](StoredKey stored) -> crypto::WrappingPlace {
    if (auto* kept = std::get_if<crypto::KeyElsewhere>(&stored.key)) return std::move(*kept);
    return std::get<Secret>(std::move(stored.key));
  };
  auto token = TRY(current(KeyPurpose::token));
  if (!std::holds_alternative<Secret>(token.key))
    return fail(Errc::unsupported, "the token key is needed at every request and lies in a file only", token.file);
  crypto::KeySet keys{TRY(signing(KeyPurpose::evidence)),
                      TRY(signing(KeyPurpose::ledger)),
                      wrapping(TRY(current(KeyPurpose::wrap))),
                      std::get<Secret>(std::move(token.key)),
                      TRY(signing(KeyPurpose::model)),
                      {},
                      {},
                      {},
                      {}};
  for (auto& one : TRY(read_trusted(folder))) keys.trusted.push_back(std::move(one.key));
  for (auto& one : TRY(read_retired(folder, KeyPurpose::wrap))) keys.retired_wraps.push_back(wrapping(std::move(one)));
  for (auto& one : TRY(read_retired(folder, KeyPurpose::token)))
    keys.retired_tokens.push_back(std::get<Secret>(std::move(one.key)));
  keys.withheld = std::move(withheld);
  return crypto::make_key_provider(std::move(keys), folder.random);
}

Result<std::vector<KeyListing>> list_keys_file(const KeyFolder& folder) {
  std::vector<KeyListing> list;
  const auto add = [&](KeyPurpose purpose, const StoredKey& key, KeyState state) {
    list.push_back({purpose, key.id(), key.place(), state, key.made, key.sealed});
  };
  const auto trusted = TRY(read_trusted(folder));
  for (const auto& kind : key_file_kinds) {
    const auto key = TRY(read_current(folder, kind.purpose));
    add(kind.purpose, key, is_where_wanted(folder, kind.purpose, key) ? KeyState::active : KeyState::withheld);
    if (is_symmetric(kind.purpose))
      for (const auto& one : TRY(read_retired(folder, kind.purpose))) add(kind.purpose, one, KeyState::retired);
    for (const auto& one : trusted)
      if (one.key.purpose == kind.purpose)
        list.push_back({kind.purpose, one.key.key.id(), one.file, KeyState::trusted, ""});
  }
  return list;
}

Result<KeyRotation> rotate_key_file(const KeyFolder& folder, KeyPurpose purpose) {
  const auto old = TRY(read_current(folder, purpose));
  const auto* wanted = wanted_reference(folder, purpose);
  const auto made = rfc3339(folder.clock.now());
  KeyRotation done{.before = old.id()};
  // Where a kill falls, the old key is in its own place or kept, and a reference stands before a file beside it.
  const auto file = join_path(folder.path, key_file(purpose));
  const auto reference = join_path(folder.path, reference_file(purpose));
  if (std::holds_alternative<crypto::KeyElsewhere>(old.key) && TRY(is_there(folder, key_file(purpose))))
    CHECK(folder.files.remove(file));
  if (wanted != nullptr) {
    const auto place = TRY(take_over(folder, purpose, *wanted));
    done.now = place.key.id();
    if (done.now == done.before) return done;
    CHECK(keep_old(folder, purpose, old));
    CHECK(folder.files.sync_directory(folder.path));
    CHECK(write_reference(folder, reference, purpose, place.key, made));
    if (TRY(is_there(folder, key_file(purpose)))) CHECK(folder.files.remove(file));
  } else {
    CHECK(keep_old(folder, purpose, old));
    CHECK(folder.files.sync_directory(folder.path));
    CHECK(make_key(folder, purpose, made));
    if (TRY(is_there(folder, reference_file(purpose)))) CHECK(folder.files.remove(reference));
    done.now = TRY(read_current(folder, purpose)).id();
  }
  CHECK(folder.files.sync_directory(folder.path));
  return done;
}

std::unexpected<Error> no_newer_key(const KeyFolder& folder, KeyPurpose purpose) {
  const auto* wanted = wanted_reference(folder, purpose);
  return fail(Errc::precondition,
              "its keeper has the same key there as before: rotate it there first, or name another one in the "
              "configuration",
              wanted == nullptr ? "" : *wanted);
}

Result<std::size_t> seal_keys_file(const KeyFolder& folder, KeySealing sealing) {
  std::vector<std::pair<KeyPurpose, std::string>> all;
  for (const auto& kind : key_file_kinds)
    if (TRY(is_there(folder, std::string(kind.file)))) all.emplace_back(kind.purpose, kind.file);
  for (const auto purpose : {KeyPurpose::wrap, KeyPurpose::token})
    for (const auto& one : TRY(read_retired(folder, purpose)))
      if (!one.file.ends_with(".ref")) all.emplace_back(purpose, one.file);
  for (const auto& [purpose, file] : all)
    CHECK(seal_key(place_in(folder, join_path(folder.path, file), purpose), sealing));
  return all.size();
}

}  // namespace hauberk::adapters
