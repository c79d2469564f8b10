#include "core/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <compare>
#include <set>

namespace hauberk {
namespace {

// The value that a JSON pointer (RFC 6901) leads to; null where there is none.
const json::Value* at_pointer(const json::Value& root, std::string_view pointer) {
  const auto* value = &root;
  while (!pointer.empty()) {
    if (pointer.front() != '/') return nullptr;
    pointer.remove_prefix(1);
    const auto end = std::min(pointer.find('/'), pointer.size());
    std::string token;
    for (std::size_t i = 0; i < end; ++i) {
      const bool escaped = pointer[i] == '~' && i + 1 < end;
      token += !escaped ? pointer[i] : pointer[++i] == '1' ? '/' : '~';
    }
    pointer.remove_prefix(end);
    if (const auto* list = value->as_array()) {
      std::size_t index = 0;
      const auto [stop, error] = std::from_chars(token.data(), token.data() + token.size(), index);
      const bool canonical =
          error == std::errc{} && stop == token.data() + token.size() && (token.size() == 1 || token[0] != '0');
      if (!canonical || index >= list->size()) return nullptr;
      value = &(*list)[index];
    } else {
      value = value->find(token);
    }
    if (value == nullptr) return nullptr;
  }
  return value;
}

// Numbers of different kinds compare by value; long double holds every 64-bit integer and every double exactly.
std::partial_ordering compare_numbers(const json::Value& a, const json::Value& b) {
  const auto exact = [](const json::Value& v) -> long double {
    if (v.as_int() != nullptr) return static_cast<long double>(*v.as_int());
    if (v.as_large() != nullptr) return static_cast<long double>(*v.as_large());
    return static_cast<long double>(v.number());
  };
  if (!a.is_number() || !b.is_number()) return std::partial_ordering::unordered;
  return exact(a) <=> exact(b);
}

bool same(const json::Value& a, const json::Value& b) {
  return a.is_number() && b.is_number() ? compare_numbers(a, b) == std::partial_ordering::equivalent : a == b;
}

bool holds(const Condition& condition, const json::Value& predicate) {
  const auto* actual = at_pointer(predicate, condition.pointer);
  if (actual == nullptr) return false;  // what is not said never satisfies, not even "not_equal"
  const auto order = compare_numbers(*actual, condition.value);
  switch (condition.comparison) {
    case Comparison::equal:
      return same(*actual, condition.value);
    case Comparison::not_equal:
      return !same(*actual, condition.value);
    case Comparison::less:
      return order == std::partial_ordering::less;
    case Comparison::less_equal:
      return order == std::partial_ordering::less || order == std::partial_ordering::equivalent;
    case Comparison::greater:
      return order == std::partial_ordering::greater;
    case Comparison::greater_equal:
      return order == std::partial_ordering::greater || order == std::partial_ordering::equivalent;
    case Comparison::one_of: {
      const auto* choices = condition.value.as_array();
      return choices != nullptr &&
             std::ranges::any_of(*choices, [&](const json::Value& choice) { return same(*actual, choice); });
    }
  }
  return false;
}

std::string_view words(Comparison comparison) {
  switch (comparison) {
    case Comparison::equal:
      return "must be";
    case Comparison::not_equal:
      return "must not be";
    case Comparison::less:
      return "must be less than";
    case Comparison::less_equal:
      return "must be at most";
    case Comparison::greater:
      return "must be greater than";
    case Comparison::greater_equal:
      return "must be at least";
    case Comparison::one_of:
      return "must be one of";
  }
  return "must be";
}

// "scan" for https://hauberk.dev/scan/v1, and the whole type of others.
std::string_view brief_type(std::string_view type) {
  constexpr std::string_view prefix = "https://hauberk.dev/", suffix = "/v1";
  if (!type.starts_with(prefix) || !type.ends_with(suffix) || type.size() <= prefix.size() + suffix.size()) return type;
  return type.substr(prefix.size(), type.size() - prefix.size() - suffix.size());
}

// What a person needs of a value in a sentence: evidence may hold whole reports.
std::string brief_value(const json::Value& value) {
  constexpr std::size_t most = 80;
  auto text = json::write(value);
  if (text.size() <= most) return text;
  auto end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not within a character
  text.replace(end, std::string::npos, "…");
  return text;
}

bool is_at_the_shell(std::string_view subject) { return subject.starts_with("os:"); }

bool made(std::string_view maker, const Party& party) {
  return !is_at_the_shell(maker) &&
         std::ranges::any_of(party.made_by, [&](const auto& one) { return same_subject(one, maker); });
}

bool speaks_about(const Evidence& evidence, const Digest& digest) {
  return std::ranges::any_of(evidence.statement.subjects,
                             [&](const Subject& subject) { return subject.digest == digest; });
}

class Evaluation {
 public:
  Evaluation(const Digest& digest, std::span<const Evidence> evidence, Instant now) : now_(now) {
    for (const auto& piece : evidence)
      if (speaks_about(piece, digest)) about_.push_back(&piece);
  }

  void check_not_revoked() {
    for (const auto* piece : about_)
      if (piece->statement.predicate_type == predicate::revocation)
        deny(fmt::format("the artifact was revoked by {}: {}", piece->statement.issuer(),
                         piece->statement.predicate.text_or("reason", "no reason given")));
  }

  void check(const Requirement& requirement) {
    const auto type = brief_type(requirement.predicate_type);
    const auto newest = newest_of(requirement.predicate_type);
    if (!newest)
      return deny(fmt::format("a piece of {} evidence has no readable time, so the newest cannot be told", type));
    if (newest->empty()) return lack(fmt::format("{} evidence on this artifact", type));
    for (const auto* piece : *newest)
      check(requirement, *piece);  // more than one only where the times are equal: all must hold
  }

  void check_approvals(const Policy& policy, std::string_view importer) {
    if (policy.approvals == 0) return;
    std::vector<Party> importers = {{std::string(importer), {}}};
    for (const auto* piece : about_)
      if (piece->statement.predicate_type == predicate::import) importers.push_back(party_of(piece->statement));
    std::vector<Party> approvers;  // each of whom none of the others may be
    bool left_out_importer = false;
    for (const auto* piece : about_) {
      if (piece->statement.predicate_type != predicate::approval || piece->statement.issuer().empty()) continue;
      auto approver = party_of(piece->statement);
      const auto is_approver = [&](const Party& one) { return may_be_one(one, approver); };
      if (!policy.self_approval && std::ranges::any_of(importers, is_approver)) {
        left_out_importer = true;
        continue;
      }
      if (std::ranges::none_of(approvers, is_approver)) approvers.push_back(std::move(approver));
    }
    std::set<std::string_view> people;
    for (const auto& approver : approvers) people.insert(approver.subject);
    if (people.size() >= policy.approvals) {
      decision_.reasons.push_back(fmt::format("approved by {}", fmt::join(people, ", ")));
      return;
    }
    const auto still = policy.approvals - people.size();
    lack(fmt::format("{} more approval{} by other people ({} of {} there{})", still, still == 1 ? "" : "s",
                     people.size(), policy.approvals, left_out_importer ? "; the importer's own does not count" : ""));
  }

  Decision finish() && {
    decision_.allow = !denied_ && decision_.missing.empty();
    return std::move(decision_);
  }

 private:
  void deny(std::string reason) {
    denied_ = true;
    decision_.reasons.push_back(std::move(reason));
  }
  void lack(std::string what) { decision_.missing.push_back(std::move(what)); }

  // Those with the latest time; nullopt if the time of any of that type cannot be read: it might be the newest.
  std::optional<std::vector<const Evidence*>> newest_of(std::string_view type) const {
    std::vector<const Evidence*> newest;
    Instant latest = Instant::min();
    for (const auto* piece : about_) {
      if (piece->statement.predicate_type != type) continue;
      const auto time = piece->statement.time();
      if (!time) return std::nullopt;
      if (*time > latest) newest.clear();
      if (*time >= latest) newest.push_back(piece);
      latest = std::max(latest, *time);
    }
    return newest;
  }

  void check(const Requirement& requirement, const Evidence& piece) {
    const auto type = brief_type(requirement.predicate_type);
    const auto& predicate = piece.statement.predicate;
    bool fine = true;
    for (const auto& condition : requirement.conditions) {
      if (holds(condition, predicate)) continue;
      fine = false;
      const auto* actual = at_pointer(predicate, condition.pointer);
      deny(fmt::format("{}: {} is {} but {} {}", type, condition.pointer,
                       actual == nullptr ? "not there" : brief_value(*actual), words(condition.comparison),
                       brief_value(condition.value)));
    }
    const auto age = now_ - piece.statement.time().value_or(Instant::min());
    if (age < -clock_tolerance) {
      fine = false;
      deny(fmt::format("{}: its time {} lies in the future; check the clocks", type, predicate.text_or("time", "")));
    } else if (requirement.max_age && age > *requirement.max_age) {
      fine = false;
      lack(fmt::format("newer {} evidence: the newest is of {}, older than {}", type, predicate.text_or("time", ""),
                       duration_text(*requirement.max_age)));
    }
    if (fine)
      decision_.reasons.push_back(
          fmt::format("{} of {} by {} holds", type, predicate.text_or("time", ""), piece.statement.issuer()));
  }

  Instant now_;
  std::vector<const Evidence*> about_;
  bool denied_ = false;
  Decision decision_;
};

}  // namespace

Party party_of(const Statement& statement) {
  Party party{std::string(statement.issuer()), {}};
  if (const auto* makers = statement.predicate.find("issuer_made_by"); makers != nullptr && makers->is_array())
    for (const auto& maker : *makers->as_array())
      if (const auto* subject = maker.as_string()) party.made_by.push_back(*subject);
  return party;
}

bool may_be_one(const Party& a, const Party& b) {
  return same_subject(a.subject, b.subject) || made(a.subject, b) || made(b.subject, a);
}

Decision evaluate(const Policy& policy, const Digest& digest, std::span<const Evidence> evidence,
                  std::string_view importer, Instant now) {
  Evaluation evaluation(digest, evidence, now);
  evaluation.check_not_revoked();
  for (const auto& requirement : policy.required) evaluation.check(requirement);
  evaluation.check_approvals(policy, importer);
  return std::move(evaluation).finish();
}

}  // namespace hauberk
