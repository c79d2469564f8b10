#include "sign/verify.h"

#include <fmt/format.h>

#include <algorithm>

namespace hauberk::sign {
namespace {

struct Counted {
  Signer signer;
  ModelSignature list;
};

// First the signature, then what it signs: nothing unsigned is parsed any further.
Result<Counted> check_bundle(const VerifyRequest& request, const Bundle& bundle) {
  auto signer = TRY(check_envelope(bundle, request.trust, request.now, request.legacy));
  if (request.require_time) CHECK(check_has_time(signer));
  auto list = TRY(parse_statement(bundle.envelope->payload, request.legacy));
  if (request.revoked) CHECK(check_revoked(*request.revoked, signer, bundle, list.roots()));
  return Counted{std::move(signer), std::move(list)};
}

// One holder with two keys, or one key with two holders, is one signer.
bool is_same(const Signer& a, const Signer& b) {
  return a.key_id == b.key_id || (a.name == b.name && a.issuer == b.issuer);
}

void unite(std::vector<std::string>& names, const std::vector<std::string>& more) {
  names.insert(names.end(), more.begin(), more.end());
  std::ranges::sort(names);
  const auto rest = std::ranges::unique(names);
  names.erase(rest.begin(), rest.end());
}

std::unexpected<Error> too_few(const Verified& verified, std::size_t wanted) {
  std::string message = fmt::format("{} of {} signers that are needed", verified.signers.size(), wanted);
  for (const auto& one : verified.not_counted) message += "; " + one;
  return fail(Errc::denied, std::move(message));
}

std::size_t enough_of(const VerifyRequest& request) { return std::max<std::size_t>(request.threshold, 1); }

struct Signers {
  Verified verified;
  std::vector<ModelSignature> lists;  // beside the signers
};
// denied: too few.
Result<Signers> count_signers(const VerifyRequest& request) {
  Signers counted_all;
  auto& [verified, lists] = counted_all;
  std::optional<Error> reason;
  for (const auto& [path, bundle, unreadable] : request.bundles) {
    auto counted = unreadable ? std::unexpected(*unreadable) : check_bundle(request, bundle);
    if (!counted) {
      auto error = std::move(counted).error();
      verified.not_counted.push_back(fmt::format("{}: {}", path, error.text()));
      if (!reason) reason = std::move(error);
      continue;
    }
    // Signing twice does not make two signers.
    if (std::ranges::any_of(verified.signers, [&](const Signer& one) { return is_same(one, counted->signer); })) {
      verified.not_counted.push_back(fmt::format("{}: {} has signed once already", path, counted->signer.name));
      continue;
    }
    verified.signers.push_back(std::move(counted->signer));
    lists.push_back(std::move(counted->list));
  }
  if (verified.signers.size() < enough_of(request)) {
    if (request.bundles.size() == 1 && reason) return std::unexpected(std::move(*reason));
    return too_few(verified, request.threshold);
  }
  return counted_all;
}

}  // namespace

Result<std::vector<ModelSignature>> signed_lists(const VerifyRequest& request) {
  return std::move(TRY(count_signers(request)).lists);
}

Result<Verified> verify_model(const VerifyRequest& request) {
  auto [verified, lists] = TRY(count_signers(request));
  const auto enough = enough_of(request);

  DigestCache own;  // so that the second list costs no second reading
  auto options = request.compare;
  if (options.hashing.cache == nullptr && lists.size() > 1) options.hashing.cache = &own;
  options.hashing.now = request.now;
  ModelPlace place{.path = request.model, .bundles = {}, .ignore_paths = request.ignore_paths};
  for (const auto& one : request.bundles) place.bundles.push_back(one.path);
  std::vector<Comparison> found;
  for (const auto& list : lists) found.push_back(TRY(compare_model(place, list, options)));
  // Who signed something else does not count, if enough others signed what lies there.
  if (static_cast<std::size_t>(std::ranges::count_if(found, &Comparison::holds)) >= enough)
    for (std::size_t i = found.size(); i-- > 0;) {
      if (found[i].holds()) continue;
      const auto at = static_cast<std::ptrdiff_t>(i);
      verified.not_counted.push_back(fmt::format("{} signed another content", verified.signers[i].name));
      verified.signers.erase(verified.signers.begin() + at);
      lists.erase(lists.begin() + at);
      found.erase(found.begin() + at);
    }
  for (std::size_t i = 0; i < lists.size(); ++i) {
    auto& all = verified.comparison;
    const auto& one = found[i];
    unite(all.changed, one.changed);
    unite(all.missing, one.missing);
    unite(all.not_signed, one.not_signed);
    unite(all.ignored, one.ignored);
    all.checked = i == 0 ? one.checked : std::min(all.checked, one.checked);
    all.bytes = i == 0 ? one.bytes : std::min(all.bytes, one.bytes);
    auto files = signed_paths(lists[i]);
    if (i == 0)
      verified.files = std::move(files);
    else
      std::erase_if(verified.files, [&](const std::string& path) { return !files.contains(path); });
  }
  verified.list = std::move(lists.front());
  return verified;
}

}  // namespace hauberk::sign
