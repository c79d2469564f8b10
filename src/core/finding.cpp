#include "core/finding.h"

#include <array>
#include <map>

#include "core/rule_catalog.h"
#include "crypto/digest.h"

namespace hauberk {
namespace {

constexpr std::array<std::string_view, 5> severity_names = {"info", "low", "medium", "high", "critical"};

std::string_view sarif_level(Severity severity) {
  switch (severity) {
    case Severity::critical:
    case Severity::high:
      return "error";
    case Severity::medium:
      return "warning";
    case Severity::low:
    case Severity::info:
      return "note";
  }
  return "error";
}

// Code scanning sorts by this number, which it reads as a CVSS score.
std::string_view security_severity(Severity severity) {
  constexpr std::array<std::string_view, 5> scores = {"0.0", "3.0", "5.5", "8.0", "9.5"};
  return scores[static_cast<std::size_t>(severity)];
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~' || c == '/';
}

// RFC 3986. A path is bytes, not text, so what is not plain ASCII is escaped byte by byte.
std::string uri_of(std::string_view path) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string uri = path.starts_with('/') ? "file://" : "";
  while (path.starts_with("./")) path.remove_prefix(2);
  for (const char c : path) {
    if (is_unreserved(c)) {
      uri += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    uri += '%';
    uri += digits[byte >> 4];
    uri += digits[byte & 15];
  }
  return uri;
}

json::Value sarif_rule(std::string_view id, const Rule* rule) {
  json::Value out;
  out.set("id", id);
  if (rule == nullptr) return out;
  json::Value tags = json::Value::array();
  tags.push("security");
  if (rule->cwe.starts_with("CWE-")) tags.push("external/cwe/cwe-" + std::string(rule->cwe.substr(4)));
  out.set("shortDescription", json::Value().set("text", rule->title));
  out.set("fullDescription", json::Value().set("text", rule->title));
  out.set("help", json::Value().set("text", rule->fix).set("markdown", rule->fix));
  out.set("defaultConfiguration", json::Value().set("level", sarif_level(rule->severity)));
  json::Value properties;
  properties.set("tags", std::move(tags)).set("security-severity", security_severity(rule->severity));
  if (!rule->owasp.empty()) properties.set("owasp", rule->owasp);
  if (!rule->atlas.empty()) properties.set("atlas", rule->atlas);
  out.set("properties", std::move(properties));
  return out;
}

json::Value sarif_location(const Where& where) {
  const auto bang = where.file.find('!');
  const bool member = bang != std::string::npos;
  json::Value region;
  region.set("startLine", where.line.value_or(1));  // demanded by code scanning, for binary files too
  if (where.offset && !member) region.set("byteOffset", *where.offset).set("byteLength", 1);
  json::Value physical;
  physical.set("artifactLocation", json::Value().set("uri", uri_of(std::string_view(where.file).substr(0, bang))));
  physical.set("region", std::move(region));
  json::Value location;
  location.set("physicalLocation", std::move(physical));
  json::Value logical = json::Value::array();
  // An offset in a member means nothing in the file around it: it stands with the member's name.
  if (member)
    logical.push(json::Value().set("fullyQualifiedName", where.text()).set("kind", "resource"));
  else if (!where.pointer.empty())
    logical.push(json::Value().set("fullyQualifiedName", where.pointer).set("kind", "object"));
  if (!logical.as_array()->empty()) location.set("logicalLocations", std::move(logical));
  return location;
}

}  // namespace

std::string_view name(Severity severity) { return severity_names[static_cast<std::size_t>(severity)]; }

std::optional<Severity> parse_severity(std::string_view text) {
  for (std::size_t i = 0; i < severity_names.size(); ++i)
    if (severity_names[i] == text) return static_cast<Severity>(i);
  return std::nullopt;
}

std::string Where::text() const {
  std::string out = file;
  if (line) out += (out.empty() ? "line " : ":") + std::to_string(*line);
  if (offset) out += (out.empty() ? "offset " : "@") + std::to_string(*offset);
  if (!pointer.empty()) out += (out.empty() ? "" : " ") + pointer;
  return out;
}

json::Value to_json(const Finding& finding) {
  json::Value where = json::Value::object();
  if (!finding.where.file.empty()) where.set("file", finding.where.file);
  if (finding.where.offset) where.set("offset", *finding.where.offset);
  if (finding.where.line) where.set("line", *finding.where.line);
  if (!finding.where.pointer.empty()) where.set("pointer", finding.where.pointer);
  json::Value out;
  out.set("rule", finding.rule)
      .set("severity", name(finding.severity))
      .set("where", std::move(where))
      .set("message", finding.message);
  if (!finding.excerpt.empty()) out.set("excerpt", finding.excerpt);
  return out;
}

Result<Finding> finding_from_json(const json::Value& value) {
  const auto severity = parse_severity(value.text_or("severity", ""));
  const auto* where = value.find("where");
  Finding finding{.rule = std::string(value.text_or("rule", "")), .message = std::string(value.text_or("message", ""))};
  if (finding.rule.empty() || !severity || where == nullptr || !where->is_object())
    return fail(Errc::invalid, "not a finding: rule, severity and where are needed");
  finding.severity = *severity;
  finding.where.file = where->text_or("file", "");
  finding.where.pointer = where->text_or("pointer", "");
  if (const auto* offset = where->find("offset")) {
    if (const auto* large = offset->as_large())
      finding.where.offset = *large;
    else if (const auto* small = offset->as_int(); small != nullptr && *small >= 0)
      finding.where.offset = static_cast<std::uint64_t>(*small);
    else
      return fail(Errc::invalid, "not a finding: the offset is no count of bytes");
  }
  if (const auto* line = where->find("line")) {
    const auto* number = line->as_int();
    if (number == nullptr || *number < 1 || *number > UINT32_MAX)
      return fail(Errc::invalid, "not a finding: lines count from 1");
    finding.where.line = static_cast<std::uint32_t>(*number);
  }
  finding.excerpt = value.text_or("excerpt", "");
  return finding;
}

json::Value to_sarif(std::span<const Finding> findings, std::string_view tool_version) {
  json::Value rules = json::Value::array();
  json::Value results = json::Value::array();
  std::map<std::string, std::size_t, std::less<>> indexes;
  std::map<std::string, int> seen;
  for (const auto& finding : findings) {
    const auto [index, is_new] = indexes.emplace(finding.rule, indexes.size());
    if (is_new) rules.push(sarif_rule(finding.rule, find_rule(finding.rule)));
    // Stable over runs and unique within one: the n-th of the same kind in the same place keeps its name.
    const std::string same =
        finding.rule + '\n' + finding.where.file + '\n' + finding.where.pointer + '\n' + finding.message;
    const std::string fingerprint =
        crypto::sha256(as_bytes(same)).hex().substr(0, 32) + ":" + std::to_string(++seen[same]);
    json::Value result;
    result.set("ruleId", finding.rule).set("ruleIndex", index->second).set("level", sarif_level(finding.severity));
    const std::string text =
        finding.message.contains(finding.excerpt) ? finding.message : finding.message + ": " + finding.excerpt;
    result.set("message", json::Value().set("text", text.empty() ? finding.rule : text));
    result.set("locations", json::Value::array().push(sarif_location(finding.where)));
    result.set("partialFingerprints",
               json::Value().set("primaryLocationLineHash", fingerprint).set("hauberk/v1", fingerprint));
    result.set("properties", json::Value()
                                 .set("severity", name(finding.severity))
                                 .set("security-severity", security_severity(finding.severity)));
    results.push(std::move(result));
  }
  json::Value driver;
  driver.set("name", "Hauberk").set("semanticVersion", tool_version).set("rules", std::move(rules));
  json::Value run;
  run.set("tool", json::Value().set("driver", std::move(driver)));
  run.set("automationDetails", json::Value().set("id", "hauberk/scan/"));
  run.set("columnKind", "unicodeCodePoints");
  run.set("results", std::move(results));
  json::Value sarif;
  sarif.set("$schema", "https://json.schemastore.org/sarif-2.1.0.json").set("version", "2.1.0");
  sarif.set("runs", json::Value::array().push(std::move(run)));
  return sarif;
}

}  // namespace hauberk
