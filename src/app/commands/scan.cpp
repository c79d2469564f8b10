#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/command.h"
#include "app/isolate.h"
#include "app/output.h"
#include "app/scan_paths.h"
#include "app/wiring.h"
#include "app/workspace.h"
#include "core/version.h"
#include "scan/scanner.h"

namespace hauberk::app {
namespace {

constexpr std::int64_t most_jobs = 16;

struct ScanArguments {
  std::vector<std::string> paths;
  std::string sarif;
  std::int64_t jobs = 0;
  bool hash = false;
};

json::Value summary_json(std::span<const scan::Report> reports, const IsolationReport& isolation) {
  json::Value files = json::Value::array();
  for (const auto& report : reports) files.push(scan::to_json(report));
  json::Value value;
  value.set("verdict", scan::name(scan::overall(reports))).set("exit_code", scan_exit_code(reports));
  value.set("files", std::move(files)).set("rules_version", scan::rules_version).set("isolation", isolation.to_json());
  return value;
}

// To the file, or to stdout for "-".
Status write_sarif(Context& context, const std::string& where, std::span<const scan::Report> reports) {
  std::vector<Finding> findings;
  for (const auto& report : reports) findings.insert(findings.end(), report.findings.begin(), report.findings.end());
  const auto sarif = to_sarif(findings, program_version);
  if (where == "-") {
    context.out.json(sarif);
    return {};
  }
  return write_file_atomically(context.files, where, as_bytes(json::write_pretty(sarif) + "\n"));
}

void print_reports(Context& context, std::span<const scan::Report> reports, const IsolationReport& isolation,
                   Duration took) {
  std::vector<scan::Report> shown;
  std::ranges::copy_if(reports, std::back_inserter(shown), [&](const scan::Report& report) {
    return !context.quiet || !scan::passes_gate(report.verdict);
  });
  context.out.reports(shown);
  const auto summary = fmt::format("{}  ({:.2f} s)", summary_of(reports), std::chrono::duration<double>(took).count());
  scan_exit_code(reports) == 0 ? context.out.good(summary) : context.out.bad(summary);
  for (const auto& layer : isolation.layers)
    if (!layer.active) context.out.warn(fmt::format("scanned without {}: {}", layer.name, layer.detail));
}

Result<int> run_scan(const ScanArguments& arguments, Context& context) {
  if (context.json && arguments.sarif == "-")
    return fail(Errc::invalid, "--json and --sarif - both want stdout: name a file for one of them");
  if (arguments.jobs < 0 || arguments.jobs > most_jobs)
    return fail(Errc::invalid, fmt::format("--jobs takes a number from 0 to {}", most_jobs));
  auto options = isolation_options(TRY(load_settings(context)).settings);
  options.hash = arguments.hash;
  options.jobs = static_cast<unsigned>(arguments.jobs > 0 ? arguments.jobs
                                                          : std::clamp(::sysconf(_SC_NPROCESSORS_ONLN), 1L, most_jobs));
  const auto start = context.clock.tick();
  auto targets = TRY(collect_targets(context.files, arguments.paths));
  std::vector<scan::Report> reports(targets.files.size());
  IsolatedScanner scanner(std::move(options));
  auto progress = context.out.progress("scanning", targets.bytes);
  CHECK(scanner.scan_paths(targets.files, [&](std::size_t index, scan::Report report) {
    progress.add(report.size);
    reports[index] = std::move(report);
  }));
  progress.finish();
  std::ranges::move(targets.unread, std::back_inserter(reports));
  if (!arguments.sarif.empty()) CHECK(write_sarif(context, arguments.sarif, reports));
  if (context.json)
    context.out.json(summary_json(reports, scanner.layers()));
  else if (arguments.sarif != "-")
    print_reports(context, reports, scanner.layers(), context.clock.tick() - start);
  return scan_exit_code(reports);
}

}  // namespace

Command scan_command() {
  return {.name = "scan",
          .summary = "say what would happen if a model file were loaded, without loading it",
          .details =
              "Folders are scanned whole; links are not followed. Each file is read in a child process without "
              "network, files or exec.\n"
              "Exit code: 0 all clean, 1 something malicious or for a person to review, 3 malformed or not looked at "
              "to the end.\n"
              "Example: hauberk scan model.pt weights/   hauberk scan --sarif scan.sarif .",
          .declare = [](Args& args) -> Run {
            auto arguments = std::make_shared<ScanArguments>();
            args.positional("PATH", arguments->paths, "files and folders", Hint::file);
            args.option("--sarif", arguments->sarif, "FILE",
                        "also write the findings as SARIF 2.1.0; - instead of the table", Hint::file);
            args.flag("--hash", arguments->hash, "also compute the SHA-256 of each file, which reads all of it");
            args.option("-j,--jobs", arguments->jobs, "N", "scan this many files at a time; 0: one for each processor");
            return [arguments](Context& context) { return run_scan(*arguments, context); };
          }};
}

}  // namespace hauberk::app
