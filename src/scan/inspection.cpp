#include "scan/inspection.h"

#include <algorithm>

#include "scan/identify.h"

namespace hauberk::scan {

ScanVerdict Gathering::verdict() const {
  if (worst == Severity::critical) return ScanVerdict::malicious;
  if (malformed) return ScanVerdict::malformed;
  if (inconclusive || budget.exhausted()) return ScanVerdict::inconclusive;
  return worst == Severity::info ? ScanVerdict::clean : ScanVerdict::review;
}

std::string_view Inspection::name() const {
  const std::string_view path = path_;
  const auto cut = path.find_last_of("/!\\");
  return cut == std::string_view::npos ? path : path.substr(cut + 1);
}

void Inspection::find(std::string_view rule, Severity severity, std::uint64_t offset, std::string message,
                      std::string excerpt, std::string pointer) {
  gathering_.worst = std::max(gathering_.worst, severity);
  if (gathering_.findings.size() >= budget().limits().findings) {
    ++gathering_.dropped;
    return;
  }
  gathering_.findings.push_back({.rule = std::string(rule),
                                 .severity = severity,
                                 .where = {.file = path_, .offset = offset, .pointer = std::move(pointer)},
                                 .message = std::move(message),
                                 .excerpt = std::move(excerpt)});
}

void Inspection::malformed(std::string_view rule, std::uint64_t offset, std::string message, std::string pointer) {
  if (place_ == Place::image && !is_model_name(name())) return pass_over();
  gathering_.malformed = true;
  find(rule, Severity::medium, offset, std::move(message), {}, std::move(pointer));
}

void Inspection::inconclusive(std::string_view rule, std::string message) {
  gathering_.inconclusive = true;
  note(path_ + ": " + message);
  find(rule, Severity::low, 0, std::move(message));
}

void Inspection::note(std::string text) {
  if (gathering_.notes.size() < budget().limits().findings) gathering_.notes.push_back(std::move(text));
}

Inspection::Mark Inspection::mark() const {
  return {gathering_.findings.size(), gathering_.notes.size(), gathering_.dropped,
          gathering_.worst,           gathering_.malformed,    gathering_.inconclusive};
}

bool Inspection::keep_harm_since(const Mark& mark) {
  auto& findings = gathering_.findings;
  gathering_.worst = mark.worst;
  gathering_.malformed = mark.malformed;
  // What was not kept for want of room may have been harm.
  gathering_.inconclusive = mark.inconclusive || gathering_.dropped != mark.dropped;
  if (gathering_.notes.size() > mark.notes) gathering_.notes.resize(mark.notes);
  const auto begin = findings.begin() + static_cast<std::ptrdiff_t>(std::min(mark.findings, findings.size()));
  findings.erase(std::remove_if(begin, findings.end(),
                                [](const Finding& f) {
                                  return f.severity < Severity::medium || f.rule.ends_with(".malformed") ||
                                         f.rule == "scan.name-mismatch";
                                }),
                 findings.end());
  for (auto at = findings.begin() + static_cast<std::ptrdiff_t>(std::min(mark.findings, findings.size()));
       at != findings.end(); ++at)
    gathering_.worst = std::max(gathering_.worst, at->severity);
  return findings.size() > mark.findings;
}

bool Inspection::out_of_budget() {
  if (!budget().exhausted()) return false;
  if (!gathering_.inconclusive || std::none_of(gathering_.findings.begin(), gathering_.findings.end(),
                                               [](const Finding& f) { return f.rule == "scan.budget-exhausted"; }))
    inconclusive("scan.budget-exhausted", "the scan's limit of " + std::string(budget().exhausted_limit()) +
                                              " is used up; the rest was not looked at");
  return true;
}

void Inspection::failed(const Error& error, std::string_view rule, std::uint64_t offset) {
  if (out_of_budget()) return;
  if (error.code == Errc::corrupt || error.code == Errc::invalid) return malformed(rule, offset, error.text());
  if (error.code == Errc::exhausted) return inconclusive("scan.budget-exhausted", error.text());
  inconclusive("scan.not-scanned", error.text());
}

Inspection Inspection::child(std::string_view member, Place place) const {
  return Inspection(gathering_, path_ + "!" + printable(member, 300), depth_ + 1, place);
}

bool leads_out_of_folder(std::string_view path) {
  std::string slashed(path);
  std::replace(slashed.begin(), slashed.end(), '\\', '/');
  return slashed.starts_with('/') || slashed.find('\0') != std::string::npos ||
         (slashed.size() > 1 && slashed[1] == ':') || ("/" + slashed + "/").find("/../") != std::string::npos;
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out(text.substr(0, limit));
  for (auto& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  if (text.size() > limit) out += "...";
  return out;
}

}  // namespace hauberk::scan
