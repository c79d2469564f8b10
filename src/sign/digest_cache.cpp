#include "sign/digest_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"

namespace hauberk::sign {
namespace {

constexpr std::string_view cache_type = "hauberk-digests-v2";
constexpr std::uint64_t largest_cache = 512u << 20;
constexpr auto still = std::chrono::seconds(2);

std::string key_of(const FileTree::Item& item, std::uint64_t begin, std::uint64_t end, bool blake2b) {
  return fmt::format("{}:{}:{}:{}:{}:{}:{}", item.device, item.inode, item.size, item.changed, begin, end,
                     blake2b ? "blake2b" : "sha256");
}

}  // namespace

Result<DigestCache> DigestCache::load(Files& files, const std::string& path) {
  DigestCache cache;
  cache.lasts_ = true;
  const auto info = files.info(path);
  if (!info)
    return info.error().code == Errc::not_found ? Result<DigestCache>(std::move(cache)) : std::unexpected(info.error());
  if ((info->mode & 022) != 0)
    return fail(Errc::denied,
                fmt::format("others may write it (mode {:04o}), and so forge digests; remove it", info->mode), path);
  if (info->owner != ::geteuid())
    return fail(Errc::denied, "it belongs to another user, who can forge digests; name a file of your own", path);
  const auto value = json::parse(as_text(TRY(read_file(files, path, largest_cache))), {.bytes = largest_cache});
  if (!value || value->text_or("type", "") != cache_type) return cache;
  const auto* digests = value->find("digests");
  const auto* members = digests != nullptr ? digests->as_object() : nullptr;
  if (members == nullptr) return cache;
  for (const auto& [key, member] : *members) {
    const auto* text = member.as_string();
    auto digest = text != nullptr ? from_hex(*text) : std::nullopt;
    if (digest && digest->size() == (key.ends_with("blake2b") ? 64u : 32u))
      cache.entries_.emplace(key, Entry{.digest = std::move(*digest)});
  }
  return cache;
}

const Bytes* DigestCache::find(const FileTree::Item& item, std::uint64_t begin, std::uint64_t end, bool blake2b) const {
  const auto found = entries_.find(key_of(item, begin, end, blake2b));
  if (found == entries_.end()) return nullptr;
  found->second.used = true;
  return &found->second.digest;
}

void DigestCache::keep(const FileTree::Item& item, std::uint64_t begin, std::uint64_t end, bool blake2b,
                       const Bytes& digest, Instant now) {
  if (now - Instant(Duration(item.changed)) < still) return;
  entries_.insert_or_assign(key_of(item, begin, end, blake2b), Entry{.digest = digest, .used = true});
}

Status DigestCache::save(Files& files, const std::string& path) const {
  json::Object digests;
  for (const auto& [key, entry] : entries_)
    if (entry.used) digests.emplace_back(key, hex(entry.digest));
  json::Value value;
  value.set("type", cache_type).set("digests", std::move(digests));
  return write_file_atomically(files, path, as_bytes(json::write(value) + "\n"));
}

}  // namespace hauberk::sign
