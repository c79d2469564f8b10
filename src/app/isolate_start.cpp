#include "app/isolate_start.h"

#include <algorithm>

#include "scan/scanner.h"

namespace hauberk::app {
namespace {

constexpr Duration start_limit = std::chrono::seconds(20);

std::string list_of(std::span<const Layer> layers) {
  std::string text;
  for (const auto layer : layers) text += (text.empty() ? "" : ", ") + std::string(name(layer));
  return "[" + text + "]";
}

LayerState namespace_state(NamespaceSet set, const std::string& refusal) {
  LayerState state{std::string(name(Layer::namespaces)), set != NamespaceSet::none, ""};
  if (set == NamespaceSet::with_user) state.detail = "user, network, pid, ipc";
  if (set == NamespaceSet::without_user) state.detail = "network, pid, ipc; no user namespace: " + refusal;
  if (set == NamespaceSet::none)
    state.detail = "the kernel gives none: " + refusal +
                   " (see user_namespaces(7); on Ubuntu kernel.apparmor_restrict_unprivileged_userns)";
  return state;
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerStarter::try_start(NamespaceSet namespaces) {
  auto worker = TRY(WorkerProcess::start(options_.worker, namespaces));
  const WorkerSettings settings{
      .memory = options_.memory, .time_limit = options_.time_limit, .hash = options_.hash, .limits = options_.limits};
  worker->send(FrameType::hello, as_bytes(settings.encode()));
  const auto answer = worker->exchange(clock_, clock_.tick() + start_limit);
  if (!answer) {
    const auto end = worker->end();
    if (answer.error().code == Errc::deadline) return std::unexpected(answer.error());
    return fail(Errc::unavailable, "the isolated scanner " + end.text + " before it was ready");
  }
  if (answer->type != FrameType::ready)
    return fail(Errc::unavailable, "the isolated scanner did not say that it is ready");
  report_.layers = TRY(parse_layers(as_text(answer->payload)));
  report_.layers.insert(report_.layers.begin(), namespace_state(namespaces, refusal_));
  return worker;
}

Result<std::unique_ptr<WorkerProcess>> WorkerStarter::start_any() {
  for (;;) {
    auto worker = try_start(namespaces_);
    if (worker || namespaces_ == NamespaceSet::none) return worker;
    // Also where the child cannot read its own libraries as the user that a user namespace makes of root.
    if (namespaces_ == NamespaceSet::with_user) refusal_ = worker.error().message;
    namespaces_ = namespaces_ == NamespaceSet::with_user ? NamespaceSet::without_user : NamespaceSet::none;
  }
}

Result<std::unique_ptr<WorkerProcess>> WorkerStarter::start() {
  auto worker = TRY(start_any());
  std::vector<Layer> remaining;
  std::string lacking;
  for (const auto layer : options_.require) {
    if (report_.has(layer)) {
      remaining.push_back(layer);
      continue;
    }
    const auto state = std::ranges::find(report_.layers, name(layer), &LayerState::name);
    lacking += (lacking.empty() ? "" : "; ") + std::string(name(layer)) +
               (state != report_.layers.end() ? " (" + state->detail + ")" : "");
  }
  if (!lacking.empty())
    return fail(Errc::unavailable,
                "the scanner cannot be isolated as required, so nothing is scanned. Missing: " + lacking +
                    ". To scan without it, write into the configuration: isolation: {require: " + list_of(remaining) +
                    "}");
  return worker;
}

scan::Report unanswered(std::string path, std::uint64_t size, const WorkerEnd& end) {
  scan::Report report{
      .path = path, .format = "unknown", .size = size, .verdict = scan::ScanVerdict::inconclusive, .unfinished = true};
  const Severity severity = end.rule == "isolate.forbidden" || end.rule == "isolate.bad-answer" ? Severity::critical
                            : end.rule == "isolate.crashed"                                     ? Severity::high
                                                                                                : Severity::medium;
  report.findings.push_back({.rule = end.rule,
                             .severity = severity,
                             .where = {.file = std::move(path)},
                             .message = "the isolated scanner " + end.text});
  report.notes.push_back("the file was not looked at to the end: the isolated scanner " + end.text);
  report.rules_version = scan::rules_version;
  return report;
}

Result<scan::Report> read_report(ByteView payload, std::string path, std::uint64_t size, bool hash) {
  auto report = scan::report_from_json(TRY(json::parse(as_text(payload), {.bytes = max_frame, .depth = 8})));
  if (!report || report->rules_version != scan::rules_version || (report->sha256.has_value() && !hash))
    return fail(Errc::corrupt, "the isolated scanner answered no report");
  report->path = std::move(path);
  report->size = size;
  return report;
}

}  // namespace hauberk::app
