#include "core/version_state.h"

#include <fmt/format.h>

#include <string>

namespace hauberk {
namespace {

using enum VersionState;

constexpr Transition table[] = {
    {quarantined, scanned, "import", "a scan that the policy of dev accepts"},
    {scanned, approved, "approve", "as many approvals by people other than the importer as the policy of dev asks for"},
    {approved, staging, "promote", "the evidence that the policy of staging requires"},
    {staging, production, "promote", "the evidence that the policy of production requires"},
    {production, retired, "promote", "no deployment that still serves it"},
    {quarantined, revoked, "revoke", "a reason"},
    {scanned, revoked, "revoke", "a reason"},
    {approved, revoked, "revoke", "a reason"},
    {staging, revoked, "revoke", "a reason"},
    {production, revoked, "revoke", "a reason"},
    {retired, revoked, "revoke", "a reason"},
};

// "approved or revoked": where one may go from `from`; empty at the end of the line.
std::string steps_from(VersionState from) {
  std::string text;
  for (const auto& step : table)
    if (step.from == from) text += (text.empty() ? "" : " or ") + std::string(name(step.to));
  return text;
}

}  // namespace

std::string_view name(VersionState state) {
  switch (state) {
    case quarantined:
      return "quarantined";
    case scanned:
      return "scanned";
    case approved:
      return "approved";
    case staging:
      return "staging";
    case production:
      return "production";
    case retired:
      return "retired";
    case revoked:
      return "revoked";
  }
  return "revoked";
}

std::optional<VersionState> parse_version_state(std::string_view text) {
  for (const auto state : {quarantined, scanned, approved, staging, production, retired, revoked})
    if (name(state) == text) return state;
  return std::nullopt;
}

std::span<const Transition> transitions() { return table; }

Result<Transition> find_transition(VersionState from, VersionState to) {
  const Transition* leads_there = nullptr;
  for (const auto& step : table) {
    if (step.to != to) continue;
    if (step.from == from) return step;
    if (leads_there == nullptr) leads_there = &step;
  }
  const auto onward = steps_from(from);
  auto message = fmt::format("a version that is {} cannot become {}", name(from), name(to));
  if (to != revoked && leads_there != nullptr) message += fmt::format("; it must be {} first", name(leads_there->from));
  message +=
      onward.empty() ? "; nothing leads out of this state" : fmt::format("; the next step from here is {}", onward);
  return fail(Errc::precondition, std::move(message));
}

}  // namespace hauberk
