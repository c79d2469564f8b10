#include <fmt/format.h>

#include "guard/guards.h"

namespace hauberk::guard {
namespace {

constexpr std::string_view authz_name = "authz";

class Authz final : public Guard {
 public:
  std::string_view name() const override { return authz_name; }
  Needs needs() const override { return Needs::deployment; }

  Answer inspect(const Exchange& exchange, const GuardContext&) const override {
    if (allowed(exchange)) return pass(authz_name);
    return block(authz_name, Errc::denied, "no_grant",
                 fmt::format("the token has no grant for {} on '{:.64}'", hauberk::name(exchange.operation),
                             exchange.deployment));
  }

 private:
  static bool allowed(const Exchange& exchange) {
    const auto& who = exchange.principal;
    switch (exchange.operation) {
      case Operation::infer:
      case Operation::chat:
      case Operation::completion:
      case Operation::embedding:
        return who.allowed("infer", exchange.deployment);
      case Operation::model_metadata:
      case Operation::model_ready:
        return who.allowed("infer", exchange.deployment) || who.allowed("read", exchange.deployment);
      case Operation::list_models:  // lists only what the caller may use
      case Operation::server_metadata:
      case Operation::server_live:
      case Operation::server_ready:
        return true;
      case Operation::none:
        return false;
    }
    return false;
  }
};

}  // namespace

std::unique_ptr<Guard> make_authz() { return std::make_unique<Authz>(); }

}  // namespace hauberk::guard
