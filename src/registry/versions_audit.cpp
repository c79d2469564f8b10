#include "registry/versions_audit.h"

#include <fmt/format.h>

#include <algorithm>

namespace hauberk::registry {
namespace {

constexpr std::string_view evidence_mark = "evidence:", arrow = " -> ";
constexpr std::size_t id_digits = 16;

std::vector<std::string> ids_in(std::string_view reason) {
  std::vector<std::string> ids;
  if (!reason.starts_with(evidence_mark)) return ids;
  auto list = reason.substr(evidence_mark.size(), reason.find(' ') - evidence_mark.size());
  for (; list.size() >= id_digits; list.remove_prefix(std::min(list.size(), id_digits + 1)))
    ids.emplace_back(list.substr(0, id_digits));
  return ids;
}

// "…approved -> staging, as magika"
std::optional<VersionState> next_in(std::string_view reason) {
  const auto at = reason.find(arrow);
  if (at == std::string_view::npos) return std::nullopt;
  const auto rest = reason.substr(at + arrow.size());
  return parse_version_state(rest.substr(0, rest.find_first_of(", ")));
}

// What an event says of a version's state where no intent did, as in release 0.1.
std::optional<VersionState> state_told(std::string_view kind, std::string_view reason, VersionState now) {
  if (kind == "revoke") return VersionState::revoked;
  if (kind == "promote") return parse_version_state(reason);
  if (kind == "scan" && now == VersionState::quarantined) return VersionState::scanned;
  return std::nullopt;
}

}  // namespace

std::string named_in_reason(const std::vector<Evidence>& evidence) {
  std::string text;
  for (const auto& piece : evidence)
    text += (text.empty() ? std::string(evidence_mark) : ",") + piece.id.hex().substr(0, id_digits);
  return text.empty() ? text : text + " ";
}

void VersionsAudit::settle(const Intent& intent) {
  if (intent.operation == "state") {
    auto& known = versions_[intent.target];
    if (intent.next) known.state = std::max(known.state, *intent.next);
    known.evidence.insert(known.evidence.end(), intent.evidence.begin(), intent.evidence.end());
  } else {
    auto& there = evidence_[intent.artifact];
    there.insert(there.end(), intent.evidence.begin(), intent.evidence.end());
  }
}

// The event of a verb ends the intents that it announced: those of its version or its content.
void VersionsAudit::finish(const json::Value& record) {
  const std::string kind(record.text_or("kind", "")), target(record.text_or("target", ""));
  const auto artifact = record.text_or("artifact", "");
  const bool ok = record.text_or("outcome", "") == "ok";
  std::erase_if(open_, [&](const Intent& intent) {
    if (intent.trace.empty() || intent.trace != record.text_or("trace", "")) return false;
    const bool this_one =
        intent.operation == "state" ? intent.target == target : intent.artifact == artifact && !artifact.empty();
    if (this_one) settle(intent);
    return this_one;
  });
  if (kind == "import" && ok) {
    versions_[target].artifact = artifact;
    versions_[target].importer = record.text_or("principal", "");
  }
  const auto known = versions_.find(target);
  if (known == versions_.end() || !ok || record.find("trace") != nullptr) return;
  // Of release 0.1, without intents.
  if (const auto state = state_told(kind, record.text_or("reason", ""), known->second.state))
    known->second.state = std::max(known->second.state, *state);
  if (kind == "approve" && known->second.state == VersionState::scanned)
    known->second.open.insert(VersionState::approved);
}

void VersionsAudit::add(const json::Value& record) {
  const auto kind = record.text_or("kind", ""), outcome = record.text_or("outcome", "");
  if (kind != "intent") {
    if (outcome == "ok" || kind == "scan") finish(record);
    return;
  }
  const auto reason = record.text_or("reason", "");
  Intent intent{std::string(record.text_or("trace", "")),
                std::string(record.text_or("operation", "")),
                std::string(record.text_or("target", "")),
                std::string(record.text_or("artifact", "")),
                next_in(reason),
                ids_in(reason)};
  if (intent.operation != "state" && intent.operation != "evidence" && intent.operation != "import" &&
      intent.operation != "rollback")
    return;
  if (outcome == "begun") {
    open_.push_back(std::move(intent));
    return;
  }
  const auto begun = std::ranges::find_if(open_, [&](const Intent& one) {
    return one.trace == intent.trace && one.operation == intent.operation && one.target == intent.target &&
           (one.operation == "state" || one.artifact == intent.artifact);
  });
  if (begun == open_.end()) return;
  if (outcome == "ok") settle(*begun);
  open_.erase(begun);
}

std::vector<std::string> VersionsAudit::differences(const Found& catalogue) const {
  std::vector<std::string> said;
  const auto ids_of = [&](const Digest& artifact) {
    std::set<std::string> ids;
    if (const auto found = catalogue.evidence.find(artifact); found != catalogue.evidence.end())
      for (const auto& envelope : found->second)
        ids.insert(crypto::sha256(as_bytes(envelope)).hex().substr(0, id_digits));
    return ids;
  };
  const auto check_evidence = [&](const std::string& of, const std::set<std::string>& there,
                                  const std::vector<std::string>& wanted) {
    for (const auto& id : wanted)
      if (!there.contains(id)) said.push_back(fmt::format("{}: the evidence {} is missing in the catalogue", of, id));
  };
  std::set<std::string> refs;
  for (const auto& version : catalogue.versions) {
    const auto ref = version.ref();
    const auto artifact = version.manifest.digest();
    refs.insert(ref);
    const auto found = versions_.find(ref);
    if (found == versions_.end() || found->second.artifact.empty()) {
      const bool being_imported = std::ranges::any_of(open_, [&](const Intent& intent) {
        return intent.operation == "import" && intent.target == version.name && intent.artifact == artifact.text();
      });
      if (!being_imported)
        said.push_back(fmt::format("version {}: is in the catalogue, but the ledger knows nothing of it", ref));
      continue;
    }
    const auto& known = found->second;
    if (known.artifact != artifact.text())
      said.push_back(fmt::format("version {}: has another content than the ledger says", ref));
    const bool may_be = std::ranges::any_of(open_, [&](const Intent& intent) {
      return intent.operation == "state" && intent.target == ref && intent.next == version.state;
    });
    if (version.state != known.state && !known.open.contains(version.state) && !may_be)
      said.push_back(fmt::format("version {}: is {} in the catalogue, and {} by the ledger", ref, name(version.state),
                                 name(known.state)));
    if (known.importer != version.imported_by)
      said.push_back(fmt::format("version {}: was imported by {} in the catalogue, and by {} by the ledger", ref,
                                 version.imported_by, known.importer));
    const auto there = ids_of(artifact);
    check_evidence("version " + ref, there, known.evidence);
    if (const auto more = evidence_.find(artifact.text()); more != evidence_.end())
      check_evidence("version " + ref, there, more->second);
  }
  for (const auto& [ref, known] : versions_)
    if (!known.artifact.empty() && !refs.contains(ref))
      said.push_back(fmt::format("version {}: is missing in the catalogue", ref));
  std::ranges::sort(said);
  const auto rest = std::ranges::unique(said);
  said.erase(rest.begin(), rest.end());
  return said;
}

}  // namespace hauberk::registry
