#include "sign/trust.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "crypto/timestamp.h"
#include "sign/log_entry.h"

namespace hauberk::sign {
namespace {

using crypto::Certificate;
using crypto::SignatureHash;
using crypto::VerifyingKey;

// What was signed, in the forms in which keys and logs want it.
struct Content {
  std::optional<Bytes> encoding;  // of an envelope; without it the digest is all there is
  Digest digest;
  SignatureHash hash = SignatureHash::of_curve;

  bool signed_by(const VerifyingKey& key, ByteView signature) const {
    return encoding ? key.verify(*encoding, signature, hash) : key.verify_hashed(digest, signature);
  }
};

struct Times {
  std::vector<Instant> all;
  std::string source;
};

class Check {
 public:
  Check(const Bundle& bundle, const Trust& trust, const Content& content, Instant now)
      : bundle_(bundle), trust_(trust), content_(content), now_(now) {}

  Result<Signer> run() {
    const int ways = !trust_.keys.empty() + !trust_.authorities.empty() + trust_.identity.has_value();
    if (ways != 1) return fail(Errc::invalid, "name one thing to trust: a key, certificate authorities or an identity");
    if (!trust_.keys.empty()) return by_key();
    return trust_.identity ? by_identity() : by_certificate();
  }

 private:
  std::unexpected<Error> denied(std::string message) const { return fail(Errc::denied, std::move(message)); }
  std::unexpected<Error> does_not_hold() const {
    return denied("the signature does not hold: what it signs was changed, or somebody else signed it");
  }
  std::unexpected<Error> other_way(std::string_view wanted) const {
    static constexpr std::string_view has[] = {"a bare key", "a certificate chain", "a Sigstore identity"};
    return denied(
        fmt::format("it was signed with {}, not with {}", has[static_cast<std::size_t>(bundle_.material)], wanted));
  }

  Result<Signer> by_key() {
    if (bundle_.material != Bundle::Material::key) return other_way("a bare key");
    for (const auto& key : trust_.keys)
      if (content_.signed_by(key, bundle_.signature()))
        return signer("key", key.id(), key.id(), TRY(all_times({}, key.pem())));
    return does_not_hold();
  }

  Result<Signer> by_certificate() {
    if (bundle_.material != Bundle::Material::chain) return other_way("a certificate chain");
    const auto chain = TRY(certificates());
    const auto& leaf = chain.front();
    CHECK(leaf.may_sign_content());
    const auto key = TRY(leaf.key());
    if (!content_.signed_by(key, bundle_.signature())) return does_not_hold();
    const auto times = TRY(all_times(leaf, ""));
    std::vector<Certificate> anchors, helpers(chain.begin() + 1, chain.end());
    for (const auto& one : trust_.authorities) (one.self_signed() ? anchors : helpers).push_back(one);
    if (anchors.empty()) anchors = trust_.authorities;
    // Without a trusted time a signature is as good as its certificate is now.
    for (const auto at : times.all.empty() ? std::vector{now_} : times.all)
      TRY(crypto::verify_chain(leaf, helpers, anchors, at));
    return signer("certificate", leaf.subject(), key.id(), times);
  }

  // The order is that of the Sigstore client specification: time, chain, certificate log, identity, transparency log,
  // signature.
  Result<Signer> by_identity() {
    const bool old_chain =
        bundle_.material == Bundle::Material::chain && bundle_.version < 3 && !bundle_.entries.empty();
    if (bundle_.material != Bundle::Material::certificate && !old_chain) return other_way("a Sigstore identity");
    if (!trust_.root) return fail(Errc::invalid, "an identity needs a trusted root: --trusted-root FILE");
    if (bundle_.entries.empty()) return denied("the signature is in no transparency log");
    if (trust_.root->logs.empty()) return denied("the trusted root names no transparency log");
    const auto chain = TRY(certificates());
    const auto& leaf = chain.front();
    for (const auto& one : chain)
      if (one.self_signed()) return denied("the bundle brings a root certificate of its own");
    const auto times = TRY(all_times(leaf, ""));
    if (times.all.empty())
      return denied("nobody trusted says when it was signed: there is no timestamp and no log that tells the time");
    for (const auto at : times.all) CHECK(check_issued(chain, at));
    CHECK(check_identity(leaf));
    const auto key = TRY(leaf.key());
    if (!content_.signed_by(key, bundle_.signature())) return does_not_hold();
    auto result = signer("sigstore", trust_.identity->name, key.id(), times);
    result.issuer = trust_.identity->issuer;
    return result;
  }

  Result<std::vector<Certificate>> certificates() const {
    std::vector<Certificate> chain;
    for (const auto& der : bundle_.certificates) chain.push_back(TRY(Certificate::from_der(der)));
    return chain;
  }

  // Times that somebody trusted vouches for. Log entries and timestamps count only with a trusted root; then each entry
  // must hold, and of the timestamps at least one.
  Result<Times> all_times(std::optional<Certificate> leaf, std::string key_pem) {
    Times times;
    if (!trust_.root) return times;
    std::optional<Error> reason;
    for (const auto& token : bundle_.timestamps) {
      auto stamp = crypto::verify_timestamp(token, bundle_.signature(), trust_.root->timestamp_authorities);
      if (stamp)
        if (auto past = check_past(stamp->time); !past) stamp = std::unexpected(std::move(past).error());
      if (stamp) {
        times.all.push_back(stamp->time);
        times.source = stamp->authority;
      } else {
        reason = stamp.error();
      }
    }
    if (reason && times.all.empty()) return std::unexpected(*reason);
    if (trust_.root->logs.empty()) return times;  // somebody who trusts no log is not told anything by one
    const Signed what{bundle_, content_.digest, leaf ? leaf->der() : Bytes{}, std::move(key_pem)};
    for (const auto& entry : bundle_.entries) {
      CHECK(check_entry_tells_of(entry, what));
      const auto time = TRY(check_inclusion(entry, bundle_.version, *trust_.root));
      if (!time) continue;
      CHECK(check_past(*time));
      times.all.push_back(*time);
      if (times.source.empty()) times.source = "transparency log";
    }
    return times;
  }

  // Nobody has seen anything at a time that is not yet: that clock is wrong, or ours.
  Status check_past(Instant time) const {
    if (time <= now_ + clock_tolerance) return {};
    return denied(fmt::format("the trusted time {} lies in the future; check the clocks", rfc3339(time)));
  }

  Status check_issued(const std::vector<Certificate>& chain, Instant at) const {
    const auto& leaf = chain.front();
    CHECK(leaf.may_sign_content());
    if (!leaf.is_for_code()) return denied("the signer's certificate is not for signing code (extendedKeyUsage)");
    std::optional<Error> reason;
    for (const auto& authority : trust_.root->authorities) {
      if (at < authority.from || at > authority.to) continue;
      const std::vector anchors{authority.chain.back()};
      auto found = crypto::verify_chain(leaf, authority.chain, anchors, at);
      if (!found) {
        reason = std::move(found).error();
        continue;
      }
      return crypto::verify_logged(leaf, found->size() > 1 ? (*found)[1] : leaf, trust_.root->certificate_logs);
    }
    if (reason) return std::unexpected(*reason);
    return denied(fmt::format("no certificate authority is trusted for {}", rfc3339(at)));
  }

  Status check_identity(const Certificate& leaf) const {
    const auto names = leaf.identities();
    if (std::ranges::find(names, trust_.identity->name) == names.end())
      return denied(fmt::format("it was signed by {:.200}, not by {}", names.empty() ? "nobody" : names.front(),
                                trust_.identity->name));
    const auto issuer = issuer_of(leaf);
    if (issuer != trust_.identity->issuer)
      return denied(fmt::format("{:.200} vouched for the signer, not {}", issuer.empty() ? "nobody" : issuer,
                                trust_.identity->issuer));
    return {};
  }

  // Fulcio's extensions: the newer one is a DER UTF8String, the older one the bare text.
  static std::string issuer_of(const Certificate& leaf) {
    if (const auto text = leaf.extension("1.3.6.1.4.1.57264.1.8")) {
      if (text->size() >= 2 && (*text)[0] == 0x0c && (*text)[1] < 0x80 && text->size() == 2u + (*text)[1])
        return std::string(as_text(ByteView(*text).subspan(2)));
      if (text->size() >= 3 && (*text)[0] == 0x0c && (*text)[1] == 0x81 && text->size() == 3u + (*text)[2])
        return std::string(as_text(ByteView(*text).subspan(3)));
      return {};
    }
    const auto text = leaf.extension("1.3.6.1.4.1.57264.1.1");
    return text ? std::string(as_text(*text)) : std::string();
  }

  static Signer signer(std::string_view method, std::string name, std::string key_id, const Times& times) {
    Signer result{.method = method, .name = std::move(name), .key_id = std::move(key_id), .time_source = times.source};
    if (!times.all.empty()) result.time = std::ranges::min(times.all);
    return result;
  }

  const Bundle& bundle_;
  const Trust& trust_;
  const Content& content_;
  const Instant now_;
};

}  // namespace

Result<Signer> check_envelope(const Bundle& bundle, const Trust& trust, Instant now, Legacy legacy) {
  if (!bundle.envelope) return fail(Errc::corrupt, "the bundle signs a file, not a statement");
  const auto& payload = bundle.envelope->payload;
  Content content{.encoding = crypto::pre_authentication_encoding(crypto::in_toto_type, payload), .digest = {}};
  content.digest = crypto::sha256(*content.encoding);
  auto signer = Check(bundle, trust, content, now).run();
  if (signer || legacy == Legacy::refuse) return signer;
  Content old{.encoding = legacy_encoding(crypto::in_toto_type, payload), .digest = {}, .hash = SignatureHash::sha256};
  auto old_signer = Check(bundle, trust, old, now).run();
  return old_signer ? std::move(old_signer) : std::move(signer);
}

Result<Signer> check_file(const Bundle& bundle, const Trust& trust, const Digest& file, Instant now) {
  if (!bundle.file) return fail(Errc::corrupt, "the bundle signs a statement, not a file");
  if (bundle.file->digest && *bundle.file->digest != file)
    return fail(Errc::denied, "the signature is of another file: its digest differs");
  const Content content{.encoding = std::nullopt, .digest = file};
  return Check(bundle, trust, content, now).run();
}

Result<RevocationList> open_revocations(std::string_view text, const crypto::VerifyingKey& key, Instant now) {
  const auto envelope = TRY(crypto::parse_envelope(text));
  const auto encoded = crypto::pre_authentication_encoding(crypto::in_toto_type, envelope.payload);
  if (std::ranges::none_of(envelope.signatures,
                           [&](const crypto::EnvelopeSignature& one) { return key.verify(encoded, one.signature); }))
    return fail(Errc::denied, fmt::format("the list of revocations is not signed by {}", key.id()));
  auto list = TRY(RevocationList::of(TRY(Statement::parse(envelope.payload))));
  if (now >= list.until)
    return fail(Errc::unavailable,
                fmt::format("the list of revocations was good until {}: fetch the newest", rfc3339(list.until)));
  return list;
}

Status check_has_time(const Signer& signer) {
  if (signer.time) return {};
  return fail(Errc::denied, "nobody trusted says when it was signed, and a trusted time is required");
}

Status check_revoked(const RevocationList& revoked, const Signer& signer, const Bundle& bundle,
                     std::span<const Digest> contents) {
  const auto refuse = [](const Revocation& one) {
    return fail(Errc::denied,
                fmt::format("the {} is revoked since {}: {}", name(one.thing), rfc3339(one.since), one.reason));
  };
  for (const auto& content : contents)
    if (const auto* one = revoked.find(Revocable::model, content.text())) return refuse(*one);
  // Of a signature by ECDSA anybody makes a second one that holds, too.
  auto spellings = crypto::twins_of_signature(bundle.signature());
  spellings.emplace_back(bundle.signature().begin(), bundle.signature().end());
  for (const auto& spelling : spellings)
    if (const auto* one = revoked.find(Revocable::signature, crypto::sha256(spelling).text())) return refuse(*one);
  if (const auto* one = revoked.find(Revocable::key, signer.key_id); one != nullptr)
    if (!signer.time || *signer.time >= one->since) return refuse(*one);
  return {};
}

}  // namespace hauberk::sign
