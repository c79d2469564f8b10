#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <variant>

namespace hauberk::metrics {
namespace {

enum class Kind { counter, gauge, histogram };

struct Series {
  std::string labels;  // rendered: a="b",c="d"
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
};

struct Family {
  Kind kind;
  std::string help;
  std::map<std::string, Series> series;  // by rendered labels
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '"')
      out += "\\\"";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

std::string rendered(Labels labels) {
  std::ranges::sort(labels);
  std::string out;
  for (const auto& [key, value] : labels)
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", key, escaped(value));
  return out;
}

std::string with_braces(std::string_view labels, std::string_view more = {}) {
  if (labels.empty() && more.empty()) return {};
  return fmt::format("{{{}{}{}}}", labels, labels.empty() || more.empty() ? "" : ",", more);
}

}  // namespace

Histogram::Histogram(std::span<const double> upper_bounds)
    : bounds_(upper_bounds.begin(), upper_bounds.end()),
      counts_(new std::atomic<std::uint64_t>[upper_bounds.size() + 1]()) {}

void Histogram::observe(double value) {
  const auto at = static_cast<std::size_t>(std::ranges::lower_bound(bounds_, value) - bounds_.begin());
  counts_[at].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::cumulative() const {
  std::vector<std::uint64_t> out;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= bounds_.size(); ++i) out.push_back(total += counts_[i].load(std::memory_order_relaxed));
  return out;
}

std::span<const double> latency_bounds() {
  static const std::vector<double> bounds = [] {
    std::vector<double> out;
    for (double bound = 0.0005; bound < 41; bound *= 2) out.push_back(bound);
    return out;
  }();
  return bounds;
}

struct Registry::Impl {
  explicit Impl(std::size_t most) : max_series(most) {}
  const std::size_t max_series;
  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;

  Series& series(Kind kind, std::string_view name, std::string_view help, Labels labels) {
    auto family = families.find(name);
    if (family == families.end())
      family = families.emplace(std::string(name), Family{kind, std::string(help), {}}).first;
    auto key = rendered(std::move(labels));
    auto& all = family->second.series;
    if (!all.contains(key) && all.size() >= max_series) key = "overflow=\"true\"";
    auto& one = all[key];
    one.labels = key;
    return one;
  }
};

Registry::Registry(std::size_t max_series) : impl_(std::make_unique<Impl>(max_series)) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(impl_->mutex);
  auto& series = impl_->series(Kind::counter, name, help, std::move(labels));
  if (!series.counter) series.counter = std::make_unique<Counter>();
  return *series.counter;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(impl_->mutex);
  auto& series = impl_->series(Kind::gauge, name, help, std::move(labels));
  if (!series.gauge) series.gauge = std::make_unique<Gauge>();
  return *series.gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                               Labels labels) {
  const std::lock_guard lock(impl_->mutex);
  auto& series = impl_->series(Kind::histogram, name, help, std::move(labels));
  if (!series.histogram) series.histogram = std::make_unique<Histogram>(bounds);
  return *series.histogram;
}

std::string Registry::prometheus_text() const {
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  const auto to = std::back_inserter(out);
  constexpr std::string_view kinds[] = {"counter", "gauge", "histogram"};
  for (const auto& [name, family] : impl_->families) {
    fmt::format_to(to, "# HELP {} {}\n# TYPE {} {}\n", name, escaped(family.help), name,
                   kinds[static_cast<int>(family.kind)]);
    for (const auto& [labels, series] : family.series) {
      if (series.counter) fmt::format_to(to, "{}{} {}\n", name, with_braces(labels), series.counter->value());
      if (series.gauge) fmt::format_to(to, "{}{} {}\n", name, with_braces(labels), series.gauge->value());
      if (!series.histogram) continue;
      const auto counts = series.histogram->cumulative();
      const auto bounds = series.histogram->bounds();
      for (std::size_t i = 0; i < counts.size(); ++i) {
        const std::string bound = i < bounds.size() ? fmt::format("{}", bounds[i]) : "+Inf";
        fmt::format_to(to, "{}_bucket{} {}\n", name, with_braces(labels, fmt::format("le=\"{}\"", bound)), counts[i]);
      }
      fmt::format_to(to, "{}_sum{} {}\n{}_count{} {}\n", name, with_braces(labels), series.histogram->sum(), name,
                     with_braces(labels), counts.back());
    }
  }
  return out;
}

}  // namespace hauberk::metrics
