#include "app/junit.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/output.h"

namespace hauberk::app {
namespace {

std::string xml_text(std::string_view text) {
  std::string out;
  for (const char c : cleaned(text)) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}

bool is_error(scan::ScanVerdict verdict) {
  return verdict == scan::ScanVerdict::malformed || verdict == scan::ScanVerdict::inconclusive;
}

}  // namespace

std::string to_junit(std::span<const scan::Report> reports, double seconds) {
  const auto errors =
      std::ranges::count_if(reports, [](const scan::Report& report) { return is_error(report.verdict); });
  const auto passed =
      std::ranges::count_if(reports, [](const scan::Report& report) { return scan::passes_gate(report.verdict); });
  const auto counts = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\"", reports.size(),
                                  static_cast<std::ptrdiff_t>(reports.size()) - passed - errors, errors);
  std::string out = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {0} time=\"{1:.3f}\">\n"
      "  <testsuite name=\"hauberk scan\" {0} time=\"{1:.3f}\">\n",
      counts, seconds);
  for (const auto& report : reports) {
    out += fmt::format("    <testcase classname=\"{}\" name=\"{}\"", xml_text(report.format), xml_text(report.path));
    if (scan::passes_gate(report.verdict)) {
      out += "/>\n";
      continue;
    }
    const std::string_view element = is_error(report.verdict) ? "error" : "failure";
    out += fmt::format(">\n      <{} type=\"{}\" message=\"{}\">", element, scan::name(report.verdict),
                       xml_text(report.findings.empty() ? std::string_view() : report.findings.front().message));
    for (const auto& finding : report.findings)
      out += fmt::format("\n{} {} {}: {}", name(finding.severity), finding.rule, xml_text(finding.where.text()),
                         xml_text(finding.message));
    out += fmt::format("\n      </{}>\n    </testcase>\n", element);
  }
  return out + "  </testsuite>\n</testsuites>\n";
}

}  // namespace hauberk::app
