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
    const auto access = access_of(exchange.operation);
    if (access && access->allows(exchange.principal, exchange.deployment)) return pass(authz_name);
    return block(authz_name, Errc::denied, "no_grant",
                 fmt::format("the token has no grant for {} on '{:.64}'", hauberk::name(exchange.operation),
                             exchange.deployment));
  }
};

}  // namespace

std::unique_ptr<Guard> make_authz() { return std::make_unique<Authz>(); }

}  // namespace hauberk::guard
