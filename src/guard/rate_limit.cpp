#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "guard/guards.h"

namespace hauberk::guard {
namespace {

constexpr std::string_view rate_limit_name = "rate_limit";

std::int64_t whole_seconds(Duration d) { return (d.count() + 999'999'999) / 1'000'000'000; }

template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  append_all(out, parts...);
  return out;
}

class RateLimit final : public Guard {
 public:
  RateLimit(const RateLimitConfig& config, std::shared_ptr<Limiter> limiter)
      : config_(config),
        rate_{.interval = Duration(std::chrono::minutes(1)) / config.per_minute, .burst = config.burst},
        policy_(fmt::format("\"default\";q={};w=60", config.per_minute)),
        limit_text_(std::to_string(config.per_minute)),
        limiter_(std::move(limiter)) {}

  std::string_view name() const override { return rate_limit_name; }
  Needs needs() const override { return Needs::deployment; }

  Answer inspect(const Exchange& exchange, const GuardContext& context) const override {
    thread_local std::string key;
    key.assign(exchange.deployment);
    key += '\n';
    key += exchange.principal.token_id.empty() ? exchange.peer : exchange.principal.token_id;
    const auto admission = limiter_->admit(key, rate_, context.tick);
    auto answer = admission.allowed ? pass(rate_limit_name) : throttle(admission);
    answer.headers.reserve(5);
    answer.headers.emplace_back("RateLimit-Policy", policy_);
    answer.headers.emplace_back(
        "RateLimit", text("\"default\";r=", admission.remaining, ";t=", whole_seconds(admission.reset_after)));
    answer.headers.emplace_back("x-ratelimit-limit-requests", limit_text_);
    answer.headers.emplace_back("x-ratelimit-remaining-requests", text(admission.remaining));
    answer.headers.emplace_back("x-ratelimit-reset-requests", text(whole_seconds(admission.reset_after), "s"));
    return answer;
  }

 private:
  Answer throttle(const Admission& admission) const {
    Answer answer = block(rate_limit_name, Errc::exhausted, "rate",
                          fmt::format("too many requests: {} a minute are allowed; try again in {} s",
                                      config_.per_minute, whole_seconds(admission.retry_after)));
    answer.verdict.action = VerdictAction::throttle;
    answer.verdict.retry_after = admission.retry_after;
    return answer;
  }

  const RateLimitConfig config_;
  const Rate rate_;
  const std::string policy_;
  const std::string limit_text_;
  const std::shared_ptr<Limiter> limiter_;
};

}  // namespace

const Fields<RateLimitConfig>& RateLimitConfig::fields() {
  static const Fields<RateLimitConfig> list{
      field("per_minute", &RateLimitConfig::per_minute, range(1, 1'000'000), "requests per token and minute"),
      field("burst", &RateLimitConfig::burst, range(1, 1'000'000), "requests that may come at once"),
  };
  return list;
}

std::unique_ptr<Guard> make_rate_limit(const RateLimitConfig& config, std::shared_ptr<Limiter> limiter) {
  return std::make_unique<RateLimit>(config, std::move(limiter));
}

}  // namespace hauberk::guard
