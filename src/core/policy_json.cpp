#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/policy.h"
#include "crypto/signature.h"

namespace hauberk {
namespace {

constexpr std::size_t most_requirements = 64;
constexpr std::int64_t most_approvals = 100;
constexpr std::string_view own_types = "https://hauberk.dev/";

constexpr std::pair<std::string_view, std::string_view> short_types[] = {
    {"scan", predicate::scan},           {"import", predicate::import},     {"approval", predicate::approval},
    {"promotion", predicate::promotion}, {"rollback", predicate::rollback}, {"revocation", predicate::revocation}};

constexpr std::pair<std::string_view, Comparison> comparisons[] = {
    {"equal", Comparison::equal},     {"not_equal", Comparison::not_equal},
    {"less", Comparison::less},       {"less_equal", Comparison::less_equal},
    {"greater", Comparison::greater}, {"greater_equal", Comparison::greater_equal},
    {"one_of", Comparison::one_of}};

std::string_view name(Comparison comparison) {
  return std::ranges::find(comparisons, comparison, [](const auto& entry) { return entry.second; })->first;
}

// One step down a JSON pointer (RFC 6901), for the place in an error.
std::string below(std::string_view pointer, std::string_view key) {
  std::string text(pointer);
  text += '/';
  for (const char c : key) {
    if (c == '~')
      text += "~0";
    else if (c == '/')
      text += "~1";
    else
      text += c;
  }
  return text;
}

Status check_members(const json::Value& value, std::string_view where, std::initializer_list<std::string_view> known) {
  if (!value.is_object()) return fail(Errc::invalid, "expected an object", std::string(where));
  for (const auto& [key, member] : *value.as_object())
    if (std::ranges::find(known, std::string_view(key)) == known.end())
      return fail(Errc::invalid, fmt::format("unknown key; expected {}", fmt::join(known, ", ")), below(where, key));
  return {};
}

Result<std::string> parse_type(const json::Value& value, const std::string& where) {
  const auto* text = value.as_string();
  if (text != nullptr) {
    for (const auto& [brief, full] : short_types)
      if (*text == brief) return std::string(full);
    if (text->starts_with("https://") && text->size() > 8) return *text;
  }
  return fail(
      Errc::invalid,
      "expected scan, import, approval, promotion, rollback, revocation or a predicate type that starts with https://",
      where);
}

Result<Condition> parse_comparison(const std::string& pointer, std::string_view word, const json::Value& value,
                                   const std::string& where) {
  const auto* found = std::ranges::find(comparisons, word, [](const auto& entry) { return entry.first; });
  if (found == std::end(comparisons))
    return fail(Errc::invalid,
                "unknown comparison; expected equal, not_equal, less, less_equal, greater, greater_equal or one_of",
                where);
  const auto comparison = found->second;
  const bool ordered =
      comparison != Comparison::equal && comparison != Comparison::not_equal && comparison != Comparison::one_of;
  if (ordered && !value.is_number()) return fail(Errc::invalid, "expected a number to compare with", where);
  if (comparison == Comparison::one_of && (!value.is_array() || value.as_array()->empty()))
    return fail(Errc::invalid, "expected a list of at least one value", where);
  return Condition{pointer, comparison, value};
}

Result<std::vector<Condition>> parse_conditions(const json::Value& where_clause, const std::string& where) {
  if (!where_clause.is_object())
    return fail(Errc::invalid, "expected an object of JSON pointers and comparisons", where);
  std::vector<Condition> conditions;
  for (const auto& [pointer, value] : *where_clause.as_object()) {
    const auto place = below(where, pointer);
    if (!pointer.starts_with('/'))
      return fail(Errc::invalid, "expected a JSON pointer that starts with '/', such as /verdict", place);
    if (value.is_array())
      return fail(Errc::invalid, "expected a value or a comparison; for a list of choices write {one_of: [...]}",
                  place);
    if (!value.is_object()) {
      conditions.push_back({pointer, Comparison::equal, value});
      continue;
    }
    if (value.as_object()->empty()) return fail(Errc::invalid, "expected at least one comparison", place);
    for (const auto& [word, operand] : *value.as_object())
      conditions.push_back(TRY(parse_comparison(pointer, word, operand, below(place, word))));
  }
  return conditions;
}

Result<Requirement> parse_requirement(const json::Value& value, const std::string& where) {
  CHECK(check_members(value, where, {"evidence", "where", "max_age"}));
  Requirement requirement;
  const auto* type = value.find("evidence");
  if (type == nullptr) return fail(Errc::invalid, "the kind of evidence is missing", below(where, "evidence"));
  requirement.predicate_type = TRY(parse_type(*type, below(where, "evidence")));
  if (const auto* clause = value.find("where"))
    requirement.conditions = TRY(parse_conditions(*clause, below(where, "where")));
  if (const auto* age = value.find("max_age")) {
    const auto duration = age->is_string() ? parse_duration(*age->as_string()) : fail(Errc::invalid, "");
    if (!duration || duration->count() <= 0)
      return fail(Errc::invalid, "expected a duration above zero with its unit, such as 30d or 12h",
                  below(where, "max_age"));
    requirement.max_age = *duration;
  }
  return requirement;
}

Result<Attestor> parse_attestor(const json::Value& value, const std::string& where) {
  CHECK(check_members(value, where, {"key", "may"}));
  Attestor attestor{.public_pem = std::string(value.text_or("key", "")), .may = {}};
  const auto key = crypto::VerifyingKey::from_pem(attestor.public_pem);
  if (!key) return fail(Errc::invalid, key.error().message, below(where, "key"));
  attestor.public_pem = key->pem();
  const auto* may = value.find("may");
  const auto* list = may != nullptr ? may->as_array() : nullptr;
  if (list == nullptr || list->empty() || list->size() > most_requirements)
    return fail(Errc::invalid, "expected a list of 1 to 64 predicate types", below(where, "may"));
  for (const auto& one : *list) {
    const auto* type = one.as_string();
    if (type == nullptr || !type->starts_with("https://"))
      return fail(Errc::invalid, "expected predicate types, which begin with https://", below(where, "may"));
    if (type->starts_with(own_types))
      return fail(Errc::invalid, "nobody else may attest what Hauberk itself attests", below(where, "may"));
    attestor.may.push_back(*type);
  }
  return attestor;
}

}  // namespace

json::Value to_json(const Policy& policy) {
  auto requirements = json::Value::array();
  for (const auto& requirement : policy.required) {
    auto entry = json::Value::object();
    const auto* brief = std::ranges::find(short_types, std::string_view(requirement.predicate_type),
                                          [](const auto& pair) { return pair.second; });
    entry.set("evidence", brief != std::end(short_types) ? brief->first : std::string_view(requirement.predicate_type));
    if (!requirement.conditions.empty()) {
      auto clause = json::Value::object();
      for (const auto& condition : requirement.conditions) {
        if (clause.find(condition.pointer) == nullptr) clause.set(condition.pointer, json::Value::object());
        clause.find(condition.pointer)->set(name(condition.comparison), condition.value);
      }
      entry.set("where", std::move(clause));
    }
    if (requirement.max_age) entry.set("max_age", duration_text(*requirement.max_age));
    requirements.push(std::move(entry));
  }
  auto value = json::Value::object();
  value.set("required", std::move(requirements))
      .set("approvals", policy.approvals)
      .set("self_approval", policy.self_approval);
  if (!policy.attestors.empty()) {
    auto attestors = json::Value::array();
    for (const auto& attestor : policy.attestors) {
      auto may = json::Value::array();
      for (const auto& type : attestor.may) may.push(type);
      attestors.push(json::Value().set("key", attestor.public_pem).set("may", std::move(may)));
    }
    value.set("attestors", std::move(attestors));
  }
  return value;
}

Result<Policy> policy_from_json(const json::Value& value) {
  CHECK(check_members(value, "", {"required", "approvals", "self_approval", "attestors"}));
  Policy policy;
  if (const auto* requirements = value.find("required")) {
    const auto* list = requirements->as_array();
    if (list == nullptr || list->size() > most_requirements)
      return fail(Errc::invalid, "expected a list of at most 64 requirements", "/required");
    for (std::size_t i = 0; i < list->size(); ++i)
      policy.required.push_back(TRY(parse_requirement((*list)[i], fmt::format("/required/{}", i))));
  }
  if (const auto* attestors = value.find("attestors")) {
    const auto* list = attestors->as_array();
    if (list == nullptr || list->size() > most_requirements)
      return fail(Errc::invalid, "expected a list of at most 64 attestors", "/attestors");
    for (std::size_t i = 0; i < list->size(); ++i)
      policy.attestors.push_back(TRY(parse_attestor((*list)[i], fmt::format("/attestors/{}", i))));
  }
  if (const auto* approvals = value.find("approvals")) {
    const auto* count = approvals->as_int();
    if (count == nullptr || *count < 0 || *count > most_approvals)
      return fail(Errc::invalid, "expected a whole number from 0 to 100", "/approvals");
    policy.approvals = static_cast<std::uint32_t>(*count);
  }
  if (const auto* self = value.find("self_approval")) {
    if (!self->is_bool()) return fail(Errc::invalid, "expected true or false", "/self_approval");
    policy.self_approval = *self->as_bool();
  }
  return policy;
}

}  // namespace hauberk
