#include "registry/grants_audit.h"

#include <fmt/format.h>

#include <algorithm>

#include "registry/tokens.h"

namespace hauberk::registry {
namespace {

constexpr std::string_view absent, unknown = "?", revoked_mark = " revoked";

// What an operation does to which thing: its key, and what state follows from the one before.
struct Change {
  std::string key;
  std::string next;      // of what makes or takes away
  bool revokes = false;  // the state before, revoked
};

std::optional<Change> change_of(std::string_view operation, const json::Value& record) {
  const std::string target(record.text_or("target", ""));
  const auto digest = record.text_or("artifact", unknown);
  const auto key = [&](std::string_view kind) { return fmt::format("{} {}", kind, target); };
  if (operation == "token.create" || operation == "init") return Change{key("token"), std::string(digest)};
  if (operation == "token.revoke") return Change{.key = key("token"), .next = {}, .revokes = true};
  if (operation == "access.define") return Change{key("role"), std::string(digest)};
  if (operation == "access.forget") return Change{key("role"), std::string(absent)};
  const auto binding = fmt::format("{} {}", key("binding"), record.text_or("reason", ""));
  if (operation == "access.bind") return Change{binding, "bound"};
  if (operation == "access.unbind") return Change{binding, std::string(absent)};
  if (operation == "revocation.add") return Change{fmt::format("{} {}", key("revocation"), digest), "listed"};
  return std::nullopt;
}

std::set<std::string> after(const Change& change, const std::set<std::string>& now) {
  if (!change.revokes) return {change.next};
  std::set<std::string> next;
  for (const auto& state : now)
    next.insert(state.ends_with(revoked_mark)
                    ? state
                    : (state == absent ? std::string(unknown) : state) + std::string(revoked_mark));
  return next;
}

}  // namespace

Digest digest_of(const Revocation& revocation) {
  return crypto::sha256(as_bytes(json::write(json::Value::array()
                                                 .push("hauberk revocation v1")
                                                 .push(name(revocation.thing))
                                                 .push(revocation.value)
                                                 .push(revocation.reason)
                                                 .push(rfc3339(revocation.since)))));
}

void GrantsAudit::begin(const std::string& key, const States& next) {
  auto& thing = things_[key];
  thing.before = thing.now;
  thing.now.insert(next.begin(), next.end());
}

void GrantsAudit::end(const std::string& key, const States& next) {
  auto& thing = things_[key];
  thing.now = next;
  thing.before.clear();
}

void GrantsAudit::fail(const std::string& key) {
  auto& thing = things_[key];
  if (!thing.before.empty()) thing.now = std::exchange(thing.before, {});
}

void GrantsAudit::add(const json::Value& record) {
  const auto kind = record.text_or("kind", ""), outcome = record.text_or("outcome", "");
  const bool intent = kind == "intent";
  const auto change = change_of(intent ? record.text_or("operation", "") : kind, record);
  if (!change) return;
  const auto& thing = things_[change->key];
  const auto& from = thing.before.empty() ? thing.now : thing.before;
  // `init` does not say what it granted; the intent before it did.
  if (kind == "init" && !thing.before.empty()) {
    auto made = thing.now;
    made.erase(std::string(absent));
    return end(change->key, made);
  }
  if (intent && outcome == "begun") return begin(change->key, after(*change, thing.now));
  if (intent && outcome != "ok") return fail(change->key);
  if (outcome == "ok") end(change->key, after(*change, from));
}

std::vector<std::string> GrantsAudit::differences(const Found& catalogue) const {
  std::map<std::string, std::string> there;
  for (const auto& token : catalogue.tokens)
    there["token " + token.id] = digest_of(token).text() + std::string(token.revoked ? revoked_mark : "");
  for (const auto& role : catalogue.roles) there["role " + role.name] = digest_of(role).text();
  for (const auto& binding : catalogue.bindings)
    there[fmt::format("binding {} {}", binding.subject, binding.text())] = "bound";
  for (const auto& one : catalogue.revocations) {
    const auto key = fmt::format("revocation {} ", one.value);
    const auto exact = key + digest_of(one).text();
    there[things_.contains(exact)                        ? exact
          : things_.contains(key + std::string(unknown)) ? key + std::string(unknown)
                                                         : exact] = "listed";
  }

  std::vector<std::string> said;
  const auto fits = [](const States& states, const std::string& state) {
    const bool is_revoked = state.ends_with(revoked_mark);
    return states.contains(state) ||
           (!state.empty() && states.contains(std::string(unknown) + std::string(is_revoked ? revoked_mark : "")));
  };
  for (const auto& [key, state] : there) {
    const auto known = things_.find(key);
    if (known == things_.end())
      said.push_back(key + ": is in the catalogue, but the ledger knows nothing of it");
    else if (!fits(known->second.now, state))
      said.push_back(key + (known->second.now.contains(std::string(absent))
                                ? ": is in the catalogue, but the ledger says that it is gone"
                            : state.ends_with(revoked_mark)
                                ? ": is revoked in the catalogue, but not in the ledger, or is another one"
                                : ": is not what the ledger says was granted, or is revoked there"));
  }
  for (const auto& [key, thing] : things_)
    if (!there.contains(key) && !thing.now.contains(std::string(absent)))
      said.push_back(key + ": is missing in the catalogue");
  std::ranges::sort(said);
  return said;
}

}  // namespace hauberk::registry
