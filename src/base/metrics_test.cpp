#include "base/metrics.h"

#include <gtest/gtest.h>

namespace hauberk::metrics {
namespace {

TEST(Metrics, text_is_what_prometheus_reads) {
  Registry registry;
  registry.counter("hauberk_requests_total", "Requests.", {{"code", "2xx"}, {"b", "a\"\\\n"}}).add(3);
  registry.gauge("hauberk_inflight", "In flight.").set(-2);
  const double bounds[] = {0.5, 1};
  auto& histogram = registry.histogram("hauberk_seconds", "Time.", bounds);
  histogram.observe(0.5);
  histogram.observe(0.75);
  histogram.observe(7);
  EXPECT_EQ(registry.prometheus_text(),
            "# HELP hauberk_inflight In flight.\n# TYPE hauberk_inflight gauge\nhauberk_inflight -2\n"
            "# HELP hauberk_requests_total Requests.\n# TYPE hauberk_requests_total counter\n"
            "hauberk_requests_total{b=\"a\\\"\\\\\\n\",code=\"2xx\"} 3\n"
            "# HELP hauberk_seconds Time.\n# TYPE hauberk_seconds histogram\n"
            "hauberk_seconds_bucket{le=\"0.5\"} 1\nhauberk_seconds_bucket{le=\"1\"} "
            "2\nhauberk_seconds_bucket{le=\"+Inf\"} 3\n"
            "hauberk_seconds_sum 8.25\nhauberk_seconds_count 3\n");
}

TEST(Metrics, the_same_name_and_labels_are_one_series) {
  Registry registry;
  registry.counter("c", "", {{"a", "1"}, {"b", "2"}}).add();
  EXPECT_EQ(registry.counter("c", "", {{"b", "2"}, {"a", "1"}}).value(), 1u);
}

TEST(Metrics, labels_from_outside_cannot_fill_the_memory) {
  Registry registry(4);
  for (int i = 0; i < 1000; ++i) registry.counter("c", "", {{"name", std::to_string(i)}}).add();
  const auto text = registry.prometheus_text();
  EXPECT_NE(text.find("c{overflow=\"true\"} 996"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2 + 4 + 1);
}

}  // namespace
}  // namespace hauberk::metrics
