#include "base/secret_resolver.h"

#include <fmt/format.h>

namespace hauberk {

void SecretResolver::add(std::string scheme, std::unique_ptr<SecretSource> source) {
  sources_[std::move(scheme)] = std::move(source);
}

Result<std::shared_ptr<const Secret>> SecretResolver::fetch(const SecretRef& reference) {
  auto secret = read(reference);
  if (observer_) observer_(reference, secret ? Status{} : std::unexpected(secret.error()));
  return secret;
}

Result<std::shared_ptr<const Secret>> SecretResolver::read(const SecretRef& reference) {
  const auto source = sources_.find(reference.scheme);
  auto secret = source != sources_.end() ? source->second->fetch(reference.place) : hauberk::resolve(reference);
  if (!secret) return std::unexpected(std::move(secret).error().in(reference.text()));
  if (secret->empty()) return fail(Errc::invalid, "the secret is empty", reference.text());
  return std::make_shared<const Secret>(std::move(*secret));
}

Result<std::shared_ptr<const Secret>> SecretResolver::resolve(const SecretRef& reference) {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.now();
  auto& kept = kept_[reference.text()];
  if (kept.secret && sources_.contains(reference.scheme) && now - kept.fetched < ages_.fresh) return kept.secret;
  auto secret = fetch(reference);
  kept.tried = now;
  if (!secret) {
    const bool down = secret.error().code == Errc::unavailable || secret.error().code == Errc::deadline;
    if (down && kept.secret && now - kept.fetched < ages_.stale) return kept.secret;
    if (!kept.secret) kept_.erase(reference.text());
    return secret;
  }
  kept.fetched = now;
  return kept.secret = std::move(*secret);
}

bool SecretResolver::refresh(Which which) {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.now();
  bool changed = false;
  for (auto& [text, kept] : kept_) {
    if (!kept.secret || (which == Which::due && now - kept.tried < ages_.fresh)) continue;
    kept.tried = now;
    const auto reference = SecretRef::parse(text);
    auto secret = reference ? fetch(*reference) : std::unexpected(reference.error());
    if (!secret) continue;  // resolve() decides how long the old value is good
    kept.fetched = now;
    if ((*secret)->same_as(*kept.secret)) continue;
    kept.secret = std::move(*secret);
    changed = true;
  }
  return changed;
}

}  // namespace hauberk
