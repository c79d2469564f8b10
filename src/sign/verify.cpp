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
  if (request.require_time && !signer.time)
    return fail(Errc::denied, "nobody trusted says when it was signed, and a trusted time is required");
  auto list = TRY(parse_statement(bundle.envelope->payload, request.legacy));
  if (request.revoked) CHECK(check_revoked(*request.revoked, signer, bundle, list.root()));
  return Counted{std::move(signer), std::move(list)};
}

void unite(std::vector<std::string>& names, const std::vector<std::string>& more) {
  names.insert(names.end(), more.begin(), more.end());
  std::ranges::sort(names);
  const auto rest = std::ranges::unique(names);
  names.erase(rest.begin(), rest.end());
}

}  // namespace

Result<Verified> verify_model(const VerifyRequest& request) {
  Verified verified;
  std::vector<ModelSignature> lists;
  std::optional<Error> reason;
  for (const auto& [path, bundle] : request.bundles) {
    auto counted = check_bundle(request, bundle);
    if (!counted) {
      auto error = std::move(counted).error();
      verified.not_counted.push_back(fmt::format("{}: {}", path, error.text()));
      if (!reason) reason = std::move(error);
      continue;
    }
    // Signing twice does not make two signers.
    if (std::ranges::find(verified.signers, counted->signer.key_id, &Signer::key_id) != verified.signers.end()) {
      verified.not_counted.push_back(fmt::format("{}: {} has signed once already", path, counted->signer.name));
      continue;
    }
    verified.signers.push_back(std::move(counted->signer));
    lists.push_back(std::move(counted->list));
  }
  if (verified.signers.size() < std::max<std::size_t>(request.threshold, 1)) {
    if (request.bundles.size() == 1 && reason) return std::unexpected(std::move(*reason));
    std::string message = fmt::format("{} of {} signers that are needed", verified.signers.size(), request.threshold);
    for (const auto& one : verified.not_counted) message += "; " + one;
    return fail(Errc::denied, std::move(message));
  }

  DigestCache own;  // so that the second list costs no second reading
  auto options = request.compare;
  if (options.hashing.cache == nullptr && lists.size() > 1) options.hashing.cache = &own;
  options.hashing.now = request.now;
  ModelPlace place{.path = request.model, .bundles = {}, .ignore_paths = request.ignore_paths};
  for (const auto& one : request.bundles) place.bundles.push_back(one.path);
  for (std::size_t i = 0; i < lists.size(); ++i) {
    auto one = TRY(compare_model(place, lists[i], options));
    auto& all = verified.comparison;
    unite(all.changed, one.changed);
    unite(all.missing, one.missing);
    unite(all.not_signed, one.not_signed);
    unite(all.ignored, one.ignored);
    all.checked = i == 0 ? one.checked : std::min(all.checked, one.checked);
    all.bytes = i == 0 ? one.bytes : std::min(all.bytes, one.bytes);
  }
  verified.list = std::move(lists.front());
  return verified;
}

}  // namespace hauberk::sign
