#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "adapters/blobs_sealed.h"
#include "app/baseline.h"
#include "app/command.h"
#include "app/isolate.h"
#include "app/junit.h"
#include "app/output.h"
#include "app/scan_cache.h"
#include "app/scan_paths.h"
#include "app/wiring.h"
#include "app/workspace.h"
#include "base/nearest.h"
#include "core/rule_catalog.h"
#include "core/version.h"
#include "registry/loading.h"
#include "scan/scanner.h"

namespace hauberk::app {
namespace {

constexpr std::int64_t most_jobs = 16;

struct ScanArguments {
  std::vector<std::string> paths;
  std::vector<std::string> exclude;
  std::string ignore_file;
  std::string model;
  std::string baseline;
  std::string new_baseline;
  std::string reason;
  std::string expires = "90d";
  std::string cache;
  std::string sarif;
  std::string junit;
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
  return write_file_atomically(context.files, where, as_bytes(json::write_pretty(sarif) + "\n"),
                               OpenMode::create_public);
}

Status write_junit(Context& context, const std::string& where, std::span<const scan::Report> reports, Duration took) {
  const auto xml = to_junit(reports, std::chrono::duration<double>(took).count());
  if (where != "-") return write_file_atomically(context.files, where, as_bytes(xml), OpenMode::create_public);
  context.out.line(xml.substr(0, xml.size() - 1));
  return {};
}

void print_reports(Context& context, std::span<const scan::Report> reports, const IsolationReport& isolation,
                   Duration took) {
  std::vector<scan::Report> shown;
  std::ranges::copy_if(reports, std::back_inserter(shown), [&](const scan::Report& report) {
    return !context.quiet || !scan::passes_gate(report.verdict);
  });
  const auto summary = fmt::format("{}  ({:.2f} s)", summary_of(reports), std::chrono::duration<double>(took).count());
  scan_exit_code(reports) == 0 ? context.out.good(summary) : context.out.bad(summary);
  context.out.reports(shown);
  for (const auto& layer : isolation.layers)
    if (!layer.active) context.out.warn(fmt::format("scanned without {}: {}", layer.name, layer.detail));
}

// Standard input is kept, because the scanner jumps about in what it reads: encrypted, under a key that this process
// alone has, in a file without a name: nothing of it lies readable on a disk, and nothing stays if it is killed.
Result<scan::Report> scan_standard_input(IsolatedScanner& scanner, Context& context) {
  const auto folder = environment_variable("TMPDIR").value_or("/tmp");
  auto scratch = adapters::make_scratch_blob(context.files, context.random, folder);
  if (!scratch)
    return fail(Errc::unavailable,
                fmt::format("standard input cannot be kept: {}; TMPDIR names the folder", scratch.error().message),
                folder);
  Bytes chunk(1u << 20);
  for (;;) {
    const auto count = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(Errc::unavailable, "standard input cannot be read");
    if (count == 0) break;
    CHECK((*scratch)->write(ByteView(chunk).first(static_cast<std::size_t>(count))));
  }
  const auto reader = TRY((*scratch)->finish());
  return scanner.scan_reader("stdin", reader->size(),
                             [&](std::uint64_t offset, MutableBytes out) { return reader->read_at(offset, out); });
}

// A version of the registry, decrypted piece by piece for the child that looks at it; nothing is recorded.
Status scan_model(IsolatedScanner& scanner, const std::string& ref, Context& context,
                  std::vector<scan::Report>& reports) {
  auto workspace = TRY(Workspace::open(context));
  const auto version = TRY(registry::require_version(workspace->ports(), TRY(VersionRef::parse(ref)), "read",
                                                     TRY(workspace->principal(Environment::dev))));
  for (const auto& file : version.manifest.files) {
    auto reader = TRY(registry::open_for_scan(workspace->ports(), file));
    auto report = TRY(scanner.scan_reader(file.path, reader->size(), [&](std::uint64_t offset, MutableBytes out) {
      return reader->read_at(offset, out);
    }));
    reports.push_back(std::move(report));
  }
  return {};
}

// Accepts what a baseline accepts, says what no longer counts, and writes a new baseline.
Status settle(const ScanArguments& arguments, Context& context, const Baseline& baseline,
              std::vector<scan::Report>& reports) {
  const auto use = apply_baseline(baseline, reports, context.clock.now());
  for (const auto& entry : use.expired)
    context.out.warn(
        fmt::format("no longer accepted: {}; look again and renew the entry in {}", entry, arguments.baseline));
  if (arguments.new_baseline.empty()) return {};
  const auto text =
      write_baseline(reports, arguments.reason, context.clock.now() + TRY(parse_duration(arguments.expires)));
  CHECK(write_file_atomically(context.files, arguments.new_baseline, as_bytes(text), OpenMode::create_public));
  context.out.hint(fmt::format("wrote {}: read what it accepts before you use it", arguments.new_baseline));
  return {};
}

Result<int> run_scan(const ScanArguments& arguments, Context& context) {
  if (arguments.paths.empty() && arguments.model.empty())
    return fail(Errc::invalid, "nothing to scan: name files or folders, or - for standard input");
  if (!arguments.new_baseline.empty() && arguments.reason.empty())
    return fail(Errc::invalid, "--write-baseline needs --reason: say why these findings are accepted");
  const auto baseline = arguments.baseline.empty() ? Baseline{} : TRY(read_baseline(context.files, arguments.baseline));
  if (context.json && arguments.junit == "-")
    return fail(Errc::invalid, "--json and --junit - both want stdout: name a file for one of them");
  if (arguments.sarif == "-" && arguments.junit == "-")
    return fail(Errc::invalid, "--sarif - and --junit - both want stdout: name a file for one of them");
  if (context.json && arguments.sarif == "-")
    return fail(Errc::invalid, "--json and --sarif - both want stdout: name a file for one of them");
  if (arguments.jobs < 0 || arguments.jobs > most_jobs)
    return fail(Errc::invalid, fmt::format("--jobs takes a number from 0 to {}", most_jobs));
  auto options = isolation_options(TRY(load_settings(context)).settings);
  options.hash = arguments.hash || baseline.needs_digests() || !arguments.cache.empty();
  options.jobs = static_cast<unsigned>(arguments.jobs > 0 ? arguments.jobs
                                                          : std::clamp(::sysconf(_SC_NPROCESSORS_ONLN), 1L, most_jobs));
  const auto start = context.clock.tick();
  auto paths = arguments.paths;
  const bool from_stdin = std::erase(paths, "-") != 0;
  auto exclude = arguments.exclude;
  if (!arguments.ignore_file.empty())
    for (auto& pattern : TRY(read_ignore_file(context.files, arguments.ignore_file)))
      exclude.push_back(std::move(pattern));
  auto targets = TRY(collect_targets(context.files, paths, exclude));
  std::optional<ScanCache> cache;
  if (!arguments.cache.empty()) cache.emplace(TRY(ScanCache::open(context.files, arguments.cache)));
  std::vector<scan::Report> reports(targets.files.size());
  IsolatedScanner scanner(std::move(options));
  auto progress = context.out.progress("scanning", targets.bytes);
  std::vector<std::string> wanted;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < targets.files.size(); ++i) {
    auto kept = cache ? cache->find(targets.files[i]) : std::nullopt;
    if (kept) {
      progress.add(kept->size);
      reports[i] = std::move(*kept);
    } else {
      wanted.push_back(targets.files[i]);
      places.push_back(i);
    }
  }
  if (!wanted.empty() || targets.files.empty())
    CHECK(scanner.scan_paths(
        wanted,
        [&](std::size_t index, scan::Report report) {
          progress.add(report.size);
          if (cache) cache->keep(report);
          reports[places[index]] = std::move(report);
        },
        targets.image_layers));
  progress.finish();
  if (!arguments.model.empty()) CHECK(scan_model(scanner, arguments.model, context, reports));
  if (from_stdin) reports.push_back(TRY(scan_standard_input(scanner, context)));
  std::ranges::move(targets.unread, std::back_inserter(reports));
  if (targets.excluded != 0)
    context.out.hint(fmt::format("{} files and folders were excluded and not looked at", targets.excluded));
  for (const auto& folder : targets.inner)
    context.out.hint(
        fmt::format("{} is version control's own and was not looked at; name it to have it scanned", folder));
  CHECK(settle(arguments, context, baseline, reports));
  if (!arguments.sarif.empty()) CHECK(write_sarif(context, arguments.sarif, reports));
  const auto took = context.clock.tick() - start;
  if (!arguments.junit.empty()) CHECK(write_junit(context, arguments.junit, reports, took));
  if (context.json)
    context.out.json(summary_json(reports, scanner.layers()));
  else if (arguments.sarif != "-" && arguments.junit != "-")
    print_reports(context, reports, scanner.layers(), took);
  return scan_exit_code(reports);
}

Result<int> run_explain(const std::string& id, Context& context) {
  const auto* rule = find_rule(id);
  if (rule == nullptr) {
    std::vector<std::string_view> ids;
    for (const auto& known : rule_catalog()) ids.push_back(known.id);
    const auto near = nearest(id, ids);
    return fail(Errc::invalid, fmt::format("there is no rule {}{}", id,
                                           near ? fmt::format("; did you mean {}?", *near)
                                                : "; docs/reference/rules.md lists all of them"));
  }
  if (context.json) {
    json::Value value;
    value.set("id", rule->id).set("title", rule->title).set("severity", name(rule->severity)).set("fix", rule->fix);
    value.set("owasp", rule->owasp).set("atlas", rule->atlas).set("cwe", rule->cwe);
    context.out.json(value);
    return 0;
  }
  context.out.title(fmt::format("{}  ({})", rule->id, name(rule->severity)));
  context.out.line(fmt::format("what   {}", rule->title));
  context.out.line(fmt::format("do     {}", rule->fix));
  for (const auto& [label, text] : {std::pair("OWASP", rule->owasp), {"ATLAS", rule->atlas}, {"CWE", rule->cwe}})
    if (!text.empty()) context.out.line(fmt::format("{:6} {}", label, text));
  return 0;
}

}  // namespace

std::vector<Command> scan_commands() {
  Command explain{.name = "scan explain",
                  .access = Access::anybody("it prints what the program knows"),
                  .summary = "say what a rule means and what to do about it",
                  .details = "Example: hauberk scan explain pickle.dangerous-call",
                  .declare = [](Args& args) -> Run {
                    auto id = std::make_shared<std::string>();
                    args.positional("RULE", *id, "the rule's name, as in a finding");
                    return [id](Context& context) { return run_explain(*id, context); };
                  }};
  Command scan{
      .name = "scan",
      .access = Access::grant("read", "the model, with --model; files need none"),
      .summary = "say what would happen if a model file were loaded, without loading it",
      .details =
          "Folders are scanned whole; links to other folders are not followed. Each file is read in a child process "
          "without "
          "network, files or exec.\n"
          "Exit code: 0 all clean, 1 something malicious or for a person to review, 3 malformed or not looked at "
          "to the end.\n"
          "Example: hauberk scan model.pt weights/   hauberk scan --sarif scan.sarif .",
      .declare = [](Args& args) -> Run {
        auto arguments = std::make_shared<ScanArguments>();
        args.optional_positional("PATH", arguments->paths, "files, folders, patterns; - for standard input",
                                 Hint::file);
        args.option("--model", arguments->model, "VERSION", "scan a version of the registry: NAME or NAME@NUMBER",
                    Hint::model);
        args.option("-x,--exclude", arguments->exclude, "PATTERN", "leave out what matches, as in 'tests/**'");
        args.option("--ignore-file", arguments->ignore_file, "FILE", "leave out what one of its patterns matches",
                    Hint::file);
        args.option("--baseline", arguments->baseline, "FILE", "accept the findings that it lists", Hint::file);
        args.option("--write-baseline", arguments->new_baseline, "FILE", "write a baseline that accepts all findings",
                    Hint::file);
        args.option("--reason", arguments->reason, "TEXT", "for --write-baseline: why they are accepted");
        args.option("--expires", arguments->expires, "DURATION", "for --write-baseline: how long (default: 90d)");
        args.option("--cache", arguments->cache, "FOLDER",
                    "keep reports there and use them again for files that did not change", Hint::directory);
        args.option("--sarif", arguments->sarif, "FILE",
                    "also write the findings as SARIF 2.1.0; - instead of the table", Hint::file);
        args.option("--junit", arguments->junit, "FILE",
                    "also write a test case for each file as JUnit's XML; - instead of the table", Hint::file);
        args.flag("--hash", arguments->hash, "also compute the SHA-256 of each file, which reads all of it");
        args.option("-j,--jobs", arguments->jobs, "N", "scan this many files at a time; 0: one for each processor");
        return [arguments](Context& context) { return run_scan(*arguments, context); };
      }};
  return {std::move(scan), std::move(explain)};
}

}  // namespace hauberk::app
