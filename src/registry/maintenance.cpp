#include "registry/maintenance.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace hauberk::registry {
namespace {

constexpr Environment beyond_dev[] = {Environment::staging, Environment::production};
constexpr std::size_t check_buffer_bytes = 1u << 20, batch_keys = 500;

struct Place {
  std::string where;  // of the first version that refers to it
  std::uint64_t size = 0;
  std::set<Environment> served_by{};  // beside dev
};

// What the versions refer to, each blob once.
Result<std::map<Digest, Place>> referred(const Ports& ports) {
  std::map<Digest, Place> blobs;
  for (const auto& version : TRY(ports.catalog.versions("")))
    for (const auto& file : version.manifest.files) {
      auto& place = blobs.try_emplace(file.digest, Place{fmt::format("{} {}", version.ref(), file.path), file.size})
                        .first->second;
      for (const auto environment : beyond_dev)
        if (serves(environment, version.state)) place.served_by.insert(environment);
    }
  return blobs;
}

std::set<BlobAddress> addresses_of(const Ports& ports, const std::map<Digest, Place>& blobs) {
  std::set<BlobAddress> addresses;
  for (const auto& [digest, place] : blobs) addresses.insert(ports.blobs.address_of(digest));
  return addresses;
}

// Empty if the other environments have the same data key, where they have one or must.
Result<std::string> fault_of_keys(const Ports& ports, const Digest& digest, const Place& place,
                                  const Secret& data_key) {
  for (const auto environment : beyond_dev) {
    if (!TRY(ports.catalog.wrapped_key(digest, environment))) {
      if (place.served_by.contains(environment)) return fmt::format("{} has no data key of it", name(environment));
      continue;
    }
    const auto key = unwrap_from(ports, digest, environment);
    if (!key) return fmt::format("{}: {}", name(environment), key.error().text());
    if (!key->same_as(data_key)) return fmt::format("{} has another data key of it", name(environment));
  }
  return "";
}

// Empty if the blob is what its name says.
Result<std::string> fault_of(const Ports& ports, const Digest& digest, const Place& place, Bytes& buffer) {
  auto key = unwrap_from(ports, digest, Environment::dev);
  if (!key) return key.error().text();
  if (auto fault = TRY(fault_of_keys(ports, digest, place, *key)); !fault.empty()) return fault;
  auto reader = ports.blobs.open(digest, std::move(*key));
  if (!reader) return reader.error().text();
  if ((*reader)->size() != place.size) return "its size is not that of the manifest";
  crypto::Sha256 hash;
  for (std::uint64_t at = 0; at < place.size;) {
    const auto count = (*reader)->read_at(at, buffer);
    if (!count) return count.error().text();
    if (*count == 0) return "it ends too early";
    hash.update(ByteView(buffer).first(*count));
    at += *count;
  }
  return hash.finish() == digest ? "" : "its content is not that of its digest";
}

}  // namespace

Result<StoreCheck> check_store(const Ports& ports, const Principal& principal, const StoreProgress& progress) {
  CHECK(require_grant(principal, "admin", "store", no_kind));
  TRY(ports.keys.need(Environment::dev));
  const auto blobs = TRY(referred(ports));
  StoreCheck check{.blobs = blobs.size()};
  std::uint64_t total = 0, done = 0;
  for (const auto& [digest, place] : blobs) total += place.size;
  Bytes buffer(check_buffer_bytes);
  for (const auto& [digest, place] : blobs) {
    const auto fault = TRY(fault_of(ports, digest, place, buffer));
    if (fault.empty())
      check.bytes += place.size;
    else
      check.damaged.push_back(fmt::format("{}: {}", place.where, fault));
    done += place.size;
    if (progress) progress(done, total);
  }
  const auto belonging = addresses_of(ports, blobs);
  for (const auto& address : TRY(ports.blobs.list())) check.orphans += belonging.contains(address) ? 0 : 1;
  return check;
}

Result<Garbage> collect_garbage(const Ports& ports, Duration age, GarbageMode mode, const Principal& principal) {
  CHECK(require_grant(principal, "admin", "store", no_kind));
  // The blobs first: what is imported meanwhile is in the catalogue by the time that is read, or too young.
  const auto stored = TRY(ports.blobs.list());
  const auto oldest = ports.clock.now() - age;
  Garbage garbage;
  std::vector<BlobAddress> candidates;
  for (const auto& address : stored) {
    const auto time = ports.blobs.stored_at(address);
    if (time && *time <= oldest) candidates.push_back(address);
  }
  const auto belonging = addresses_of(ports, TRY(referred(ports)));
  for (const auto& address : stored)
    if (!belonging.contains(address)) ++garbage.young;
  for (const auto& address : candidates) {
    if (belonging.contains(address)) continue;
    if (mode == GarbageMode::remove) {
      const auto lock = TRY(ports.blobs.lock());
      const auto time = ports.blobs.stored_at(address);
      if (!time || *time > oldest) continue;  // an import has taken it over
      CHECK(ports.blobs.remove(address));
    }
    --garbage.young;
    garbage.orphans.push_back(address);
  }
  return garbage;
}

Result<Rewrapped> rewrap_all(const Ports& ports, Environment environment, const Principal& principal,
                             const StoreProgress& progress) {
  CHECK(require_grant(principal, "admin", "store", no_kind));
  const auto today = TRY(TRY(ports.keys.need(environment))->key_id(crypto::KeyPurpose::wrap));
  const auto blobs = TRY(referred(ports));
  Rewrapped result;
  std::vector<WrappedKey> batch;
  std::uint64_t done = 0;
  for (const auto& [digest, place] : blobs) {
    if (progress) progress(done++, blobs.size());
    const auto key = TRY(ports.catalog.wrapped_key(digest, environment));
    if (!key) continue;  // the environment has nothing of it
    if (key->key_id == today) {
      ++result.already;
      continue;
    }
    const auto data_key = TRY(unwrap_from(ports, digest, environment));
    batch.push_back(TRY(wrap_for(ports, digest, environment, data_key)));
    ++result.wrapped;
    if (batch.size() < batch_keys) continue;
    CHECK(ports.catalog.put_wrapped_keys(batch));
    batch.clear();
  }
  if (!batch.empty()) CHECK(ports.catalog.put_wrapped_keys(batch));
  return result;
}

}  // namespace hauberk::registry
