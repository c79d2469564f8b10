#include "guard/limiter.h"

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <unordered_map>

namespace hauberk::guard {
namespace {

constexpr std::size_t shards = 64;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

struct Shard {
  std::mutex mutex;
  std::unordered_map<std::string, std::int64_t, TextHash, std::equal_to<>> full_again_at;
  std::int64_t overflow = 0;  // shared by the keys that found no room
};

}  // namespace

struct Limiter::Impl {
  std::size_t keys_per_shard;
  std::array<Shard, shards> table;
};

Limiter::Limiter(std::size_t max_keys) : impl_(std::make_unique<Impl>()) {
  impl_->keys_per_shard = std::max<std::size_t>(1, max_keys / shards);
}
Limiter::~Limiter() = default;

Admission Limiter::admit(std::string_view key, const Rate& rate, Tick now) {
  const std::int64_t time = now.time_since_epoch().count();
  const std::int64_t interval = rate.interval.count();
  const std::int64_t tolerance = interval * rate.burst;
  auto& shard = impl_->table[TextHash()(key) % shards];
  const std::lock_guard lock(shard.mutex);

  auto found = shard.full_again_at.find(key);
  std::int64_t* state = nullptr;
  if (found != shard.full_again_at.end()) {
    state = &found->second;
  } else {
    // A key whose bucket is full again is as good as one never seen.
    if (shard.full_again_at.size() >= impl_->keys_per_shard)
      std::erase_if(shard.full_again_at, [&](const auto& entry) { return entry.second <= time; });
    state = shard.full_again_at.size() < impl_->keys_per_shard
                ? &shard.full_again_at.emplace(std::string(key), 0).first->second
                : &shard.overflow;
  }

  const std::int64_t next = std::max(*state, time) + interval;
  Admission admission;
  if (next - time <= tolerance) {
    *state = next;
    admission.allowed = true;
    admission.remaining = static_cast<std::uint32_t>((tolerance - (next - time)) / interval);
    admission.reset_after = Duration(next - time);
  } else {
    admission.retry_after = Duration(next - tolerance - time);
    admission.reset_after = Duration(*state - time);
  }
  return admission;
}

std::size_t Limiter::keys() const {
  std::size_t count = 0;
  for (auto& shard : impl_->table) {
    const std::lock_guard lock(shard.mutex);
    count += shard.full_again_at.size();
  }
  return count;
}

}  // namespace hauberk::guard
