#include "core/revocations.h"

#include <fmt/format.h>

#include <algorithm>

namespace hauberk {
namespace {

constexpr Revocable all_revocable[] = {Revocable::key, Revocable::model, Revocable::signature};
constexpr std::size_t most_entries = 100'000;
constexpr std::size_t most_reason_bytes = 1024;

bool is_key_id(std::string_view value) {
  const auto colon = value.find(':');
  if (colon == std::string_view::npos || colon == 0 || value.size() - colon != 17) return false;
  return value.find_first_not_of("0123456789abcdef", colon + 1) == std::string_view::npos;
}

json::Value entries_json(const std::vector<Revocation>& entries) {
  auto list = json::Value::array();
  for (const auto& one : entries)
    list.push(json::Value()
                  .set("revokes", name(one.thing))
                  .set("value", one.value)
                  .set("reason", one.reason)
                  .set("since", rfc3339(one.since)));
  return list;
}

std::unexpected<Error> bad(std::string_view why) {
  return fail(Errc::corrupt, fmt::format("this is no list of revocations: {}", why));
}

}  // namespace

std::string_view name(Revocable thing) {
  switch (thing) {
    case Revocable::key:
      return "key";
    case Revocable::model:
      return "model";
    case Revocable::signature:
      return "signature";
  }
  return "key";
}

Result<Revocable> parse_revocable(std::string_view text) {
  for (const auto thing : all_revocable)
    if (name(thing) == text) return thing;
  return fail(Errc::invalid, "expected key, model or signature");
}

Status check_revocation(const Revocation& revocation) {
  if (revocation.thing == Revocable::key ? !is_key_id(revocation.value)
                                         : !revocation.value.starts_with("sha256:") || !Digest::parse(revocation.value))
    return fail(Errc::invalid,
                revocation.thing == Revocable::key ? "expected the id of a key, such as ecdsa-p256:0123456789abcdef"
                                                   : "expected sha256: and 64 hex digits",
                std::string(name(revocation.thing)));
  if (revocation.reason.empty() || revocation.reason.size() > most_reason_bytes)
    return fail(Errc::invalid, "say why, in at most 1024 bytes: the reason is shown wherever it is refused");
  return {};
}

const Revocation* RevocationList::find(Revocable thing, std::string_view value) const {
  const Revocation* found = nullptr;
  for (const auto& one : entries)
    if (one.thing == thing && one.value == value && (found == nullptr || one.since < found->since)) found = &one;
  return found;
}

Statement RevocationList::statement(std::string_view issuer) const {
  auto listed = entries_json(entries);
  const auto digest = crypto::sha256(as_bytes(json::write(listed)));
  json::Value body;
  body.set("issuer", issuer).set("time", rfc3339(issued)).set("environment", hauberk::name(environment));
  body.set("number", number).set("until", rfc3339(until)).set("entries", std::move(listed));
  return {{{fmt::format("revocations of {}", hauberk::name(environment)), digest}},
          std::string(predicate::revocations),
          std::move(body)};
}

Result<RevocationList> RevocationList::of(const Statement& statement) {
  const auto& body = statement.predicate;
  if (statement.predicate_type != predicate::revocations) return bad("it says something else");
  const auto environment = parse_environment(body.text_or("environment", ""));
  const auto issued = statement.time(), until = parse_rfc3339(body.text_or("until", ""));
  const auto number = body.int_or("number", -1);
  const auto* listed = body.find("entries");
  const auto* entries = listed != nullptr ? listed->as_array() : nullptr;
  if (!environment || !issued || !until || number < 0 || entries == nullptr || entries->size() > most_entries)
    return bad("environment, time, until, number or entries are missing or wrong");
  RevocationList list{*environment, static_cast<std::uint64_t>(number), *issued, *until, {}};
  for (const auto& entry : *entries) {
    const auto thing = parse_revocable(entry.text_or("revokes", ""));
    const auto since = parse_rfc3339(entry.text_or("since", ""));
    if (!thing || !since) return bad("an entry is damaged");
    list.entries.push_back({*environment, *thing, std::string(entry.text_or("value", "")),
                            std::string(entry.text_or("reason", "")), *since});
    if (!check_revocation(list.entries.back())) return bad("an entry is damaged");
  }
  if (static_cast<std::size_t>(number) != entries->size() || statement.subjects.size() != 1 ||
      statement.subjects.front().digest != crypto::sha256(as_bytes(json::write(*listed))))
    return bad("it is not about its entries");
  return list;
}

}  // namespace hauberk
