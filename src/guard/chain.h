// Chain: the guards of one deployment, in the listed order. It runs them as far as what is known of the exchange allows
// and goes on from there when more is known, so that the order of the list is the order of the checks. The first
// enforced block or throttle ends it. A guard in shadow mode is recorded and not obeyed. Immutable; any thread.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/fields.h"
#include "guard/guard.h"
#include "guard/limiter.h"

namespace hauberk::guard {

struct ChainContext {
  std::shared_ptr<Limiter> limiter;        // shared by all chains
  std::shared_ptr<const ModelInfo> model;  // null for an upstream
};

class Chain {
 public:
  // Runs what can run now. False: the exchange is blocked; its last verdict says why.
  // `next` is where to go on; start with 0. Verdicts other than pass are recorded in the exchange.
  bool inspect(Exchange& exchange, Needs known, const GuardContext& context, std::size_t& next) const;
  bool has(std::string_view guard) const;

 private:
  struct Link {
    std::unique_ptr<Guard> guard;
    bool enforced = true;
  };
  std::vector<Link> links_;
  friend std::expected<Chain, FieldErrors> build_chain(const json::Value&, const std::string&, const ChainContext&);
};

// From the configuration: [authn, authz, {rate_limit: {per_minute: 60, mode: shadow}}, shape]. `pointer` is where the
// list stands; null means the default order. authn must be the first, unless the list says `public: true` in its place.
std::expected<Chain, FieldErrors> build_chain(const json::Value& list, const std::string& pointer,
                                              const ChainContext& context);

// JSON Schema of the list and its documentation.
json::Value chain_schema();
std::string chain_reference();

}  // namespace hauberk::guard
