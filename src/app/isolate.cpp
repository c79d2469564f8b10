#include "app/isolate.h"

#include <algorithm>

#include "app/isolate_paths.h"

namespace hauberk::app {

std::string_view name(Layer layer) {
  switch (layer) {
    case Layer::namespaces:
      return "namespaces";
    case Layer::landlock:
      return "landlock";
    case Layer::seccomp:
      return "seccomp";
  }
  return "";
}

std::optional<Layer> parse_layer(std::string_view text) {
  const auto found = std::ranges::find(all_layers, text, [](Layer layer) { return name(layer); });
  return found == std::end(all_layers) ? std::nullopt : std::optional(*found);
}

bool IsolationReport::has(Layer layer) const {
  return std::ranges::any_of(layers,
                             [&](const LayerState& state) { return state.name == name(layer) && state.active; });
}

json::Value IsolationReport::to_json() const {
  json::Value out = json::Value::object();
  for (const auto& layer : layers)
    out.set(layer.name, json::Value().set("active", layer.active).set("detail", layer.detail));
  return out;
}

struct IsolatedScanner::Impl {
  explicit Impl(IsolationOptions given) : options(std::move(given)), starter(options) {}
  IsolationOptions options;
  WorkerStarter starter;
};

IsolatedScanner::IsolatedScanner(IsolationOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
IsolatedScanner::~IsolatedScanner() = default;

const IsolationReport& IsolatedScanner::layers() const { return impl_->starter.report(); }

Status IsolatedScanner::scan_paths(std::span<const std::string> paths, const OnReport& on_report,
                                   const std::set<std::string>& image_layers) {
  return PathScan(impl_->options, impl_->starter, paths, on_report, image_layers).run();
}

Result<scan::Report> IsolatedScanner::scan_reader(std::string_view file, std::uint64_t size, const ReadAt& read_at) {
  const auto& clock = impl_->starter.clock();
  auto worker = TRY(impl_->starter.start());
  worker->send(FrameType::scan_remote, ScanRequest{size, std::string(file), false}.encode());
  const Tick limit = clock.tick() + impl_->options.time_limit + std::chrono::seconds(2);
  const auto nonsense = [&](const Error& error) {
    return unanswered(std::string(file), size, {"isolate.bad-answer", "answered nonsense: " + error.message});
  };
  Bytes data;
  for (;;) {
    const auto frame = worker->exchange(clock, limit);
    if (!frame) {
      if (frame.error().code == Errc::corrupt) return nonsense(frame.error());
      if (frame.error().code == Errc::deadline)
        return unanswered(std::string(file), size,
                          {"isolate.timeout", "took longer than " + duration_text(impl_->options.time_limit)});
      return unanswered(std::string(file), size, worker->end());
    }
    if (frame->type == FrameType::report) {
      auto report = read_report(frame->payload, std::string(file), size, impl_->options.hash);
      return report ? *std::move(report) : nonsense(report.error());
    }
    if (frame->type != FrameType::read) return nonsense({.message = "an answer that nobody asked for"});
    const auto request = ReadRequest::parse(frame->payload, size);
    if (!request) return nonsense(request.error());
    data.resize(request->length);
    const std::size_t count = TRY(read_at(request->offset, data));
    worker->send(FrameType::data, ByteView(data).first(std::min<std::size_t>(count, data.size())));
  }
}

Result<IsolationReport> isolation_report(const IsolationOptions& options) {
  WorkerStarter starter(options);
  TRY(starter.start_any());
  return starter.report();
}

}  // namespace hauberk::app
