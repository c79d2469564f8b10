#include "guard/guards.h"

namespace hauberk::guard {
namespace {

constexpr std::string_view authn_name = "authn";

class Authn final : public Guard {
 public:
  std::string_view name() const override { return authn_name; }
  Needs needs() const override { return Needs::head; }

  Answer inspect(const Exchange& exchange, const GuardContext& context) const override {
    if (exchange.principal.credential != CredentialKind::none) return pass(authn_name);
    if (exchange.bearer.empty()) return refuse("no_token", "an API token is needed: Authorization: Bearer hbk_…");
    if (context.tokens == nullptr) return refuse("no_tokens_known", "the token is not valid here");
    auto principal = context.tokens->verify(exchange.bearer, context.now);
    // The same words whatever is wrong with it; the ledger has the request id.
    if (!principal) return refuse("bad_token", "the token is not valid here");
    auto answer = pass(authn_name);
    answer.principal = std::move(*principal);
    return answer;
  }

 private:
  static Answer refuse(std::string_view reason, std::string message) {
    return block(authn_name, Errc::unauthenticated, reason, std::move(message));
  }
};

}  // namespace

std::unique_ptr<Guard> make_authn() { return std::make_unique<Authn>(); }

}  // namespace hauberk::guard
