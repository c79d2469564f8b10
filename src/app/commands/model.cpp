#include <fmt/format.h>

#include <memory>

#include "app/command.h"
#include "app/isolate.h"
#include "app/output.h"
#include "app/wiring.h"
#include "app/workspace.h"
#include "registry/attest.h"
#include "registry/gate.h"
#include "registry/importer.h"
#include "registry/loading.h"
#include "registry/promotion.h"
#include "registry/rollback.h"
#include "registry/source.h"
#include "scan/report.h"
#include "scan/scanner.h"

namespace hauberk::app {
namespace {

constexpr int fine = 0, denied = 1, could_not_check = 3;

json::Value version_json(const Version& version) {
  json::Value files = json::Value::array();
  for (const auto& file : version.manifest.files)
    files.push(json::Value().set("path", file.path).set("size", file.size).set("digest", file.digest.text()));
  return json::Value()
      .set("name", version.name)
      .set("version", version.number)
      .set("kind", name(version.manifest.kind))
      .set("state", name(version.state))
      .set("digest", version.manifest.digest().text())
      .set("size", version.manifest.total_size())
      .set("imported_by", version.imported_by)
      .set("imported", rfc3339(version.imported))
      .set("origin", version.origin)
      .set("files", std::move(files));
}

json::Value decision_json(const Decision& decision) {
  json::Value reasons = json::Value::array(), missing = json::Value::array();
  for (const auto& reason : decision.reasons) reasons.push(reason);
  for (const auto& one : decision.missing) missing.push(one);
  return json::Value()
      .set("allow", decision.allow)
      .set("reasons", std::move(reasons))
      .set("missing", std::move(missing));
}

void print_decision(Context& context, const registry::StepResult& step) {
  auto& out = context.out;
  for (const auto& refused : step.refused_evidence) out.warn(fmt::format("evidence not counted: {}", refused));
  if (!step.decision.allow)
    for (const auto& reason : step.decision.reasons) out.line(fmt::format("  {}", reason));
  for (const auto& missing : step.decision.missing) out.line(fmt::format("  missing: {}", missing));
}

Event event_of(std::string kind, const Version& version, std::string outcome, std::string reason = {}) {
  Event event;
  event.kind = std::move(kind);
  event.target = version.ref();
  event.artifact = version.manifest.digest().text();
  event.outcome = std::move(outcome);
  event.reason = std::move(reason);
  return event;
}

// The predicate of scan evidence: one verdict for the whole version, and each file's report.
json::Value scan_predicate(std::span<const scan::Report> reports) {
  json::Value files = json::Value::array();
  for (const auto& report : reports) files.push(scan::to_json(report));
  std::string verdict(scan::name(scan::overall(reports)));
  for (auto& c : verdict) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return json::Value()
      .set("verdict", verdict)
      .set("rules_version", reports.empty() ? std::string() : reports.front().rules_version)
      .set("files", std::move(files));
}

// Scans the stored bytes of every file in a confined child, records the report as evidence and applies dev's policy.
struct ScanOutcome {
  registry::StepResult step;
  std::vector<scan::Report> reports;
};
Result<ScanOutcome> scan_version(Context& context, Workspace& workspace, const Version& version,
                                 const Principal& principal) {
  const auto ports = workspace.ports();
  IsolatedScanner scanner(isolation_options(workspace.settings()));
  std::vector<scan::Report> reports;
  auto progress = context.out.progress("scanning", version.manifest.total_size());
  for (const auto& file : version.manifest.files) {
    auto reader = TRY(registry::open_for_scan(ports, file));
    reports.push_back(TRY(scanner.scan_reader(file.path, reader->size(), [&](std::uint64_t offset, MutableBytes out) {
      return reader->read_at(offset, out);
    })));
    progress.add(file.size);
  }
  progress.finish();
  const VersionRef ref{version.name, version.number};
  auto step = TRY(registry::record_scan(ports, workspace.policies(), ref, scan_predicate(reports), principal));
  const std::string verdict(scan::name(scan::overall(reports)));
  CHECK(workspace.record(Environment::dev,
                         event_of("scan", step.version, step.decision.allow ? "ok" : "denied", verdict), principal));
  return ScanOutcome{std::move(step), std::move(reports)};
}

int import_exit_code(const ScanOutcome& outcome) {
  if (outcome.step.decision.allow) return fine;
  switch (scan::overall(outcome.reports)) {
    case scan::ScanVerdict::malformed:
    case scan::ScanVerdict::inconclusive:
      return could_not_check;
    default:
      return denied;
  }
}

void print_scan(Context& context, const ScanOutcome& outcome) {
  context.out.reports(outcome.reports);
  if (outcome.step.decision.allow)
    context.out.good(fmt::format("{} is {}", outcome.step.version.ref(), name(outcome.step.version.state)));
  else
    context.out.bad(fmt::format("{} stays {}", outcome.step.version.ref(), name(outcome.step.version.state)));
  print_decision(context, outcome.step);
}

json::Value scan_json(const ScanOutcome& outcome) {
  return version_json(outcome.step.version)
      .set("decision", decision_json(outcome.step.decision))
      .set("scan", scan_predicate(outcome.reports));
}

struct ImportArguments {
  std::string path;
  std::string name;
  std::string kind = "model";
};

Result<int> run_import(const ImportArguments& arguments, Context& context) {
  const auto keys_stay = TRY(Workspace::lock_keys(context, LockMode::shared));
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(Environment::dev));
  auto source = TRY(registry::open_source(arguments.path));
  CHECK(workspace->require_recorder(Environment::dev));
  std::uint64_t total = 0;
  for (const auto& item : source->items()) total += item.size;
  auto progress = context.out.progress("importing", total);
  registry::ImportRequest request{.name = arguments.name, .kind = TRY(parse_artifact_kind(arguments.kind))};
  request.progress = [&](std::uint64_t done, std::uint64_t) { progress.set(done); };
  const auto imported = TRY(registry::import_artifact(workspace->ports(), *source, request, principal));
  progress.finish();
  CHECK(workspace->record(Environment::dev, event_of("import", imported.version, "ok"), principal));
  if (!context.json)
    context.out.good(fmt::format("imported {} as {}: {}, sha256:{}…, encrypted", imported.version.origin,
                                 imported.version.ref(), format_bytes(imported.version.manifest.total_size()),
                                 imported.version.manifest.digest().brief()));
  const auto outcome = TRY(scan_version(context, *workspace, imported.version, principal));
  if (context.json)
    context.out.json(scan_json(outcome));
  else {
    print_scan(context, outcome);
    if (outcome.step.decision.allow)
      context.out.hint(
          fmt::format("next: somebody else approves it: hauberk model approve {}", outcome.step.version.ref()));
  }
  return import_exit_code(outcome);
}

struct RescanArguments {
  std::vector<std::string> refs;
  bool stale = false;
};

// Every version that is not revoked and whose newest scan was made with other rules.
Result<std::vector<Version>> stale_versions(Workspace& workspace, const Principal& principal) {
  std::vector<Version> stale;
  for (auto& version : TRY(workspace.catalog().versions(""))) {
    if (!principal.allowed("import", version.name, version.manifest.kind)) continue;
    if (version.state == VersionState::revoked) continue;
    const auto examined = TRY(registry::examine(workspace.ports(), {version.name, version.number}));
    if (registry::is_stale(examined, scan::rules_version)) stale.push_back(std::move(version));
  }
  return stale;
}

Result<int> run_rescan(const RescanArguments& arguments, Context& context) {
  if (arguments.refs.empty() != arguments.stale)
    return fail(Errc::invalid,
                "name the versions to scan again, or --stale for all whose scan is older than the rules");
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(Environment::dev));
  std::vector<Version> versions;
  if (arguments.stale) versions = TRY(stale_versions(*workspace, principal));
  for (const auto& ref : arguments.refs)
    versions.push_back(
        TRY(registry::require_version(workspace->ports(), TRY(VersionRef::parse(ref)), "import", principal)));
  int code = fine;
  json::Value all = json::Value::array();
  for (const auto& version : versions) {
    const auto outcome = TRY(scan_version(context, *workspace, version, principal));
    code = std::max(code, import_exit_code(outcome));
    if (context.json)
      all.push(scan_json(outcome));
    else
      print_scan(context, outcome);
  }
  // One version that was named answers as it always did.
  if (context.json)
    context.out.json(arguments.refs.size() == 1 ? (*all.as_array())[0] : all);
  else if (versions.empty())
    context.out.good("every scan was made with the present rules");
  return code;
}

Result<int> run_list(const std::string& wanted, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(Environment::dev));
  auto versions = TRY(workspace->catalog().versions(wanted));
  std::erase_if(versions, [&](const Version& version) {
    return !principal.allowed("read", version.name, version.manifest.kind);
  });
  std::vector<std::vector<std::string>> rows;
  json::Value list = json::Value::array();
  for (const auto& version : versions) {
    std::string served;
    for (const auto environment : all_environments)
      for (const auto& deployment : TRY(workspace->catalog().deployments(environment)))
        if (const auto* entry = deployment.entry();
            entry != nullptr && entry->spec.model == version.name && entry->spec.version == version.number)
          served += fmt::format("{}{}/{}", served.empty() ? "" : " ", name(environment), deployment.name);
    rows.push_back({version.ref(), std::string(name(version.state)), format_bytes(version.manifest.total_size()),
                    version.manifest.digest().brief(), version.imported_by, rfc3339(version.imported).substr(0, 10),
                    served});
    list.push(version_json(version).set("served", served));
  }
  if (context.json)
    context.out.json(list);
  else if (rows.empty())
    context.out.line("no models yet; import one: hauberk model import FILE --name NAME");
  else
    context.out.table({"VERSION", "STATE", "SIZE", "DIGEST", "IMPORTED BY", "ON", "SERVED"}, rows);
  return fine;
}

Result<int> run_show(const std::string& ref, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto version = TRY(registry::require_version(workspace->ports(), TRY(VersionRef::parse(ref)), "read",
                                                     TRY(workspace->principal(Environment::dev))));
  const auto verified =
      TRY(registry::verified_evidence(workspace->catalog(), version.manifest.digest(), workspace->ports().keys));
  json::Value evidence = json::Value::array();
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < verified.good.size(); ++i) {
    const auto& one = verified.good[i];
    const auto& predicate = one.statement.predicate;
    std::string type = one.statement.predicate_type;
    if (const auto at = type.find("hauberk.dev/"); at != std::string::npos) type = type.substr(at + 12);
    std::string gist(predicate.text_or(
        "verdict", predicate.text_or("to", predicate.text_or("reason", predicate.text_or("comment", "")))));
    if (one.statement.predicate_type == predicate::scan &&
        predicate.text_or("rules_version", "") != scan::rules_version)
      gist += " (stale)";
    rows.push_back({type, std::string(one.statement.issuer()), std::string(predicate.text_or("time", "")),
                    std::string(name(verified.sealed_by[i])), gist, one.id.brief()});
    evidence.push(json::Value()
                      .set("type", one.statement.predicate_type)
                      .set("id", one.id.text())
                      .set("key", one.key_id)
                      .set("sealed_by", name(verified.sealed_by[i]))
                      .set("predicate", predicate));
  }
  if (context.json) {
    json::Value refused = json::Value::array();
    for (const auto& text : verified.refused) refused.push(text);
    context.out.json(
        version_json(version).set("evidence", std::move(evidence)).set("refused_evidence", std::move(refused)));
    return fine;
  }
  auto& out = context.out;
  out.title(version.ref());
  out.line(fmt::format("  state     {}", name(version.state)));
  out.line(fmt::format("  digest    {}", version.manifest.digest().text()));
  out.line(fmt::format("  imported  {} by {} from {}", rfc3339(version.imported), version.imported_by, version.origin));
  std::vector<std::vector<std::string>> files;
  for (const auto& file : version.manifest.files)
    files.push_back({file.path, format_bytes(file.size), file.digest.hex()});
  out.table({"FILE", "SIZE", "SHA-256"}, files);
  out.table({"EVIDENCE", "BY", "TIME", "SEALED IN", "SAYS", "ID"}, rows);
  for (const auto& refused : verified.refused) out.warn(fmt::format("evidence not counted: {}", refused));
  return fine;
}

struct ApproveArguments {
  std::string ref;
  std::string comment;
};

Result<int> run_approve(const ApproveArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(Environment::dev));
  const auto step = TRY(registry::approve(workspace->ports(), workspace->policies(),
                                          TRY(VersionRef::parse(arguments.ref)), arguments.comment, principal));
  const bool counted = step.evidence.has_value();
  CHECK(workspace->record(Environment::dev, event_of("approve", step.version, counted ? "ok" : "denied"), principal));
  if (context.json) {
    context.out.json(
        version_json(step.version).set("decision", decision_json(step.decision)).set("approved_by", principal.subject));
  } else if (counted) {
    context.out.good(
        fmt::format("{} approved {}; it is {}", principal.subject, step.version.ref(), name(step.version.state)));
    print_decision(context, step);
    if (step.version.state == VersionState::approved)
      context.out.hint(fmt::format("next: hauberk model promote {} --to staging", step.version.ref()));
  } else {
    context.out.bad(fmt::format("{} may not approve {}", principal.subject, step.version.ref()));
    print_decision(context, step);
  }
  return counted ? fine : denied;
}

struct PromoteArguments {
  std::string ref;
  std::string to;
  std::string deployment;
  bool dry_run = false;
};

Result<int> run_promote(const PromoteArguments& arguments, Context& context) {
  const auto keys_stay = TRY(Workspace::lock_keys(context, LockMode::shared));
  auto workspace = TRY(Workspace::open(context));
  const auto target = TRY(parse_environment(arguments.to));
  const auto principal = TRY(workspace->principal(target));
  registry::PromoteRequest request{
      .version = TRY(VersionRef::parse(arguments.ref)), .target = target, .deployment = arguments.deployment};
  if (request.deployment.empty()) request.deployment = request.version.name;
  request.config = deployment_section(workspace->settings(), request.deployment);
  const auto ports = workspace->ports();
  if (target == Environment::dev) {
    const auto version = TRY(registry::require_version(ports, request.version, "promote", principal));
    DeploymentSpec spec{.model = version.name,
                        .version = version.number,
                        .artifact = version.manifest.digest(),
                        .config = request.config};
    const auto entry = TRY(registry::deploy(ports, target, request.deployment, std::move(spec), "promote", principal));
    CHECK(workspace->record(target, event_of("deploy", version, "ok"), principal));
    if (context.json)
      context.out.json(version_json(version).set("deployment", request.deployment).set("entry", entry));
    else
      context.out.good(fmt::format("dev serves {} as {} (entry {})", version.ref(), request.deployment, entry));
    return fine;
  }
  const auto step = TRY(arguments.dry_run ? registry::preview(ports, workspace->policies(), request, principal)
                                          : registry::promote(ports, workspace->policies(), request, principal));
  if (!arguments.dry_run)
    CHECK(workspace->record(
        target, event_of("promote", step.version, step.decision.allow ? "ok" : "denied", std::string(name(target))),
        principal));
  if (context.json) {
    context.out.json(version_json(step.version)
                         .set("decision", decision_json(step.decision))
                         .set("environment", name(target))
                         .set("deployment", request.deployment));
  } else {
    if (!step.decision.allow)
      context.out.bad(fmt::format("{} does not enter {}", step.version.ref(), name(target)));
    else if (arguments.dry_run)
      context.out.good(fmt::format("{} may enter {}", step.version.ref(), name(target)));
    else
      context.out.good(fmt::format("{} is in {}, served as {}", step.version.ref(), name(target), request.deployment));
    print_decision(context, step);
  }
  return step.decision.allow ? fine : denied;
}

struct RollbackArguments {
  std::string deployment;
  std::string environment = "production";
  std::int64_t entry = 0;
  std::string reason;
};

Result<int> run_rollback(const RollbackArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto environment = TRY(parse_environment(arguments.environment));
  const auto principal = TRY(workspace->principal(environment));
  registry::RollbackRequest request{
      .environment = environment, .deployment = arguments.deployment, .reason = arguments.reason};
  if (arguments.entry > 0) request.entry = static_cast<std::uint64_t>(arguments.entry);
  const auto back = TRY(registry::rollback(workspace->ports(), request, principal));
  Event event;
  event.kind = "rollback";
  event.target = arguments.deployment;
  event.artifact = back.to.spec.artifact.text();
  event.outcome = "ok";
  CHECK(workspace->record(environment, std::move(event), principal));
  const auto described = [](const DeploymentEntry& entry) {
    return fmt::format("entry {} ({}@{})", entry.id, entry.spec.model, entry.spec.version);
  };
  if (context.json)
    context.out.json(json::Value()
                         .set("deployment", arguments.deployment)
                         .set("environment", name(environment))
                         .set("from", back.from.id)
                         .set("to", back.to.id)
                         .set("evidence", back.evidence.id.text()));
  else
    context.out.good(fmt::format("{} in {} went back from {} to {}", arguments.deployment, name(environment),
                                 described(back.from), described(back.to)));
  return fine;
}

struct RevokeArguments {
  std::string ref;
  std::string reason;
};

Result<int> run_revoke(const RevokeArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(Environment::dev));
  const auto ref = TRY(VersionRef::parse(arguments.ref));
  const auto revoked = TRY(registry::revoke(workspace->ports(), ref, arguments.reason, principal));
  for (const auto& version : revoked.versions)
    CHECK(workspace->record(Environment::dev, event_of("revoke", version, "ok"), principal));
  json::Value versions = json::Value::array(), deployments = json::Value::array();
  for (const auto& version : revoked.versions) versions.push(version.ref());
  for (const auto& one : revoked.deployments)
    deployments.push(json::Value().set("environment", name(one.environment)).set("name", one.name));
  if (context.json) {
    context.out.json(json::Value().set("revoked", std::move(versions)).set("deployments", std::move(deployments)));
    return fine;
  }
  for (const auto& version : revoked.versions) context.out.good(fmt::format("{} is revoked", version.ref()));
  for (const auto& one : revoked.deployments) {
    context.out.warn(
        fmt::format("{} in {} served it: a running gateway drops it now", one.name, name(one.environment)));
    context.out.hint(fmt::format("next: hauberk model rollback {} --environment {}", one.name, name(one.environment)));
  }
  return fine;
}

struct ExportArguments {
  std::string ref;
  std::string folder;
  std::string environment = "dev";
};

Result<int> run_export(const ExportArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto environment = TRY(parse_environment(arguments.environment));
  const auto principal = TRY(workspace->principal(environment));
  const auto ref = TRY(VersionRef::parse(arguments.ref));
  CHECK(registry::require_version(workspace->ports(), ref, "read", principal));
  CHECK(workspace->announce(environment, "export", ref.text()));
  const auto exported =
      TRY(registry::export_version(workspace->ports(), environment, ref, context.files, arguments.folder, principal));
  CHECK(workspace->record(environment, event_of("export", exported.version, "ok"), principal));
  if (context.json)
    context.out.json(
        version_json(exported.version).set("bytes", exported.bytes).set("evidence_file", exported.evidence_file));
  else
    context.out.good(fmt::format("wrote {} ({}) and {} to {}", exported.version.ref(), format_bytes(exported.bytes),
                                 exported.evidence_file, arguments.folder));
  return fine;
}

struct AttestArguments {
  std::string ref;
  std::string kind = "vsa";
  std::string environment = "production";
  std::string output;
};

Result<int> run_attest(const AttestArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto ref = TRY(VersionRef::parse(arguments.ref));
  const bool summary = arguments.kind == "vsa";
  const auto environment = summary ? TRY(parse_environment(arguments.environment)) : Environment::dev;
  const auto principal = TRY(workspace->principal(environment));
  CHECK(workspace->announce(environment, "model.attest", ref.text(), arguments.kind));
  const auto evidence = summary
                            ? TRY(registry::summarize_verification(workspace->ports(), workspace->policies(),
                                                                   {.version = ref, .target = environment}, principal))
                            : TRY(registry::state_provenance(workspace->ports(), ref, principal));
  const auto result = evidence.statement.predicate.text_or("verificationResult", "");
  Event event;
  event.kind = "model.attest";
  event.target = evidence.statement.subjects.back().name;
  event.artifact = evidence.statement.subjects.back().digest.text();
  event.outcome = result == "FAILED" ? "denied" : "ok";
  event.reason = arguments.kind;
  if (!arguments.output.empty())
    CHECK(write_file_atomically(context.files, arguments.output, as_bytes(evidence.envelope + "\n"),
                                OpenMode::create_public));
  CHECK(workspace->record(environment, std::move(event), principal));
  if (context.json)
    context.out.json(json::Value()
                         .set("statement", evidence.statement.to_json())
                         .set("envelope", evidence.envelope)
                         .set("key", evidence.key_id));
  else if (arguments.output.empty())
    context.out.line(evidence.envelope);
  else
    context.out.good(fmt::format("wrote {}{}", arguments.output, result.empty() ? "" : fmt::format(": {}", result)));
  return result == "FAILED" ? denied : fine;
}

struct EvidenceArguments {
  std::string ref;
  std::string file;
};

Result<int> run_evidence(const EvidenceArguments& arguments, Context& context) {
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(Environment::dev));
  const auto text = TRY(read_file(context.files, arguments.file, 4 << 20));
  auto accepted = registry::accept_attestation(workspace->ports(), workspace->policies(),
                                               TRY(VersionRef::parse(arguments.ref)), as_text(text), principal);
  if (!accepted) return std::unexpected(std::move(accepted).error().in(arguments.file));
  const auto& statement = accepted->statement;
  Event event;
  event.kind = "model.evidence";
  event.target = statement.subjects.front().name;
  event.artifact = statement.subjects.front().digest.text();
  event.outcome = "ok";
  CHECK(workspace->record(Environment::dev, std::move(event), principal));
  if (context.json)
    context.out.json(json::Value()
                         .set("version", statement.subjects.front().name)
                         .set("type", statement.predicate_type)
                         .set("attestor", statement.issuer())
                         .set("evidence", accepted->id.text()));
  else
    context.out.good(fmt::format("{} says {} of {}", statement.issuer(), cleaned(statement.predicate_type),
                                 statement.subjects.front().name));
  return fine;
}

// A verb whose arguments are one struct.
template <class Arguments, class Declare>
Command command(std::string_view name, Access access, std::string_view summary, std::string_view details,
                Declare declare, Result<int> (*run)(const Arguments&, Context&)) {
  return {.name = name, .access = access, .summary = summary, .details = details, .declare = [=](Args& args) -> Run {
            auto arguments = std::make_shared<Arguments>();
            declare(args, *arguments);
            return [=](Context& context) { return run(*arguments, context); };
          }};
}

}  // namespace

std::vector<Command> model_commands() {
  return {
      command<ImportArguments>(
          "model import", Access::grant("import", "the model"),
          "import a model, scan it in isolation and record the evidence",
          "Example: hauberk model import model.onnx --name fraud",
          [](Args& args, ImportArguments& a) {
            args.positional("PATH", a.path, "a model file, or a folder of files", Hint::file);
            args.option("-n,--name", a.name, "NAME", "name in the registry").required();
            args.choice("--kind", a.kind,
                        {"model", "dataset", "prompt", "run_log", "policy", "intermediate", "evidence"},
                        "what it is; training logs and intermediate outputs need grants of their own");
          },
          run_import),
      command<RescanArguments>(
          "model rescan", Access::grant("import", "the model"), "scan the stored bytes again and record the evidence",
          "New rules make older scans stale: nothing is promoted on them. Example: hauberk model rescan --stale",
          [](Args& args, RescanArguments& a) {
            args.optional_positional("VERSION", a.refs, "NAME or NAME@NUMBER", Hint::model);
            args.flag("--stale", a.stale, "every version whose newest scan was made with other rules");
          },
          run_rescan),
      command<std::string>(
          "model list", Access::grant("read", "the model; others are not listed"),
          "list versions, their states and where they are served", "",
          [](Args& args, std::string& wanted) {
            args.optional_positional("NAME", wanted, "only this model", Hint::model);
          },
          run_list),
      command<std::string>(
          "model show", Access::grant("read", "the model"), "show a version: files, state, verified evidence", "",
          [](Args& args, std::string& ref) { args.positional("VERSION", ref, "NAME or NAME@NUMBER", Hint::model); },
          run_show),
      command<ApproveArguments>(
          "model approve", Access::grant("approve", "the model"),
          "approve a scanned version; the importer's own approval does not count",
          "Acts as the subject of HAUBERK_TOKEN. Example: HAUBERK_TOKEN=$BOB hauberk model approve fraud@1",
          [](Args& args, ApproveArguments& a) {
            args.positional("VERSION", a.ref, "NAME or NAME@NUMBER", Hint::model);
            args.option("-m,--comment", a.comment, "TEXT", "why; becomes part of the evidence");
          },
          run_approve),
      command<PromoteArguments>(
          "model promote",
          Access::either("promote", "read", "the model and the deployment; read is enough for --dry-run"),
          "let a version into an environment, if its policy holds",
          "Example: hauberk model promote fraud --to production",
          [](Args& args, PromoteArguments& a) {
            args.positional("VERSION", a.ref, "NAME or NAME@NUMBER", Hint::model);
            args.choice("--to", a.to, {"dev", "staging", "production"}, "the environment").required();
            args.option("--as", a.deployment, "NAME", "name of the deployment (default: the model's)");
            args.flag("--dry-run", a.dry_run, "only say what the policy decides");
          },
          run_promote),
      command<RollbackArguments>(
          "model rollback", Access::grant("rollback", "the deployment"),
          "serve the previous state of a deployment again",
          "Example: hauberk model rollback fraud --environment production",
          [](Args& args, RollbackArguments& a) {
            args.positional("DEPLOYMENT", a.deployment, "name of the deployment", Hint::model);
            args.choice("-e,--environment", a.environment, {"dev", "staging", "production"}, "where");
            args.option("--entry", a.entry, "NUMBER", "this history entry instead of the previous one");
            args.option("-m,--reason", a.reason, "TEXT", "why; becomes part of the evidence");
          },
          run_rollback),
      command<RevokeArguments>(
          "model revoke", Access::grant("revoke", "the model"), "end a version for good, in every environment", "",
          [](Args& args, RevokeArguments& a) {
            args.positional("VERSION", a.ref, "NAME or NAME@NUMBER", Hint::model);
            args.option("-m,--reason", a.reason, "TEXT", "why; becomes part of the evidence").required();
          },
          run_revoke),
      command<ExportArguments>(
          "model export", Access::grant("read", "the model"),
          "write a version's files, manifest and evidence to a folder", "",
          [](Args& args, ExportArguments& a) {
            args.positional("VERSION", a.ref, "NAME or NAME@NUMBER", Hint::model);
            args.positional("DIR", a.folder, "a folder that does not exist yet", Hint::directory);
            args.choice("-e,--environment", a.environment, {"dev", "staging", "production"}, "whose keys to use");
          },
          run_export),
      command<AttestArguments>(
          "model attest", Access::grant("read", "the model"),
          "say of a version what others can check: a verification summary, or where it comes from",
          "One in-toto statement in a DSSE envelope, as SLSA defines it. Exit code 1 if the summary says FAILED.\n"
          "Example: hauberk model attest fraud@3 --as vsa -e production -o fraud-3.intoto.jsonl",
          [](Args& args, AttestArguments& a) {
            args.positional("VERSION", a.ref, "NAME or NAME@NUMBER", Hint::model);
            args.choice("--as", a.kind, {"vsa", "provenance"},
                        "vsa: would the gate to the environment let it pass now? provenance: how was it imported?");
            args.choice("-e,--environment", a.environment, {"dev", "staging", "production"}, "of the summary");
            args.option("-o,--output", a.output, "FILE", "where it goes (default: standard output)", Hint::file);
          },
          run_attest),
      command<EvidenceArguments>(
          "model evidence", Access::grant("import", "the model"), "take in what somebody else attests of a version",
          "One in-toto statement in a DSSE envelope or a Sigstore bundle. The policy of dev names who may attest what "
          "(attestors).\nExample: hauberk model evidence fraud@3 provenance.intoto.jsonl",
          [](Args& args, EvidenceArguments& a) {
            args.positional("VERSION", a.ref, "NAME or NAME@NUMBER", Hint::model);
            args.positional("FILE", a.file, "the attestation", Hint::file);
          },
          run_evidence),
  };
}

}  // namespace hauberk::app
