#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "app/output.h"
#include "app/workspace.h"
#include "registry/grants_audit.h"
#include "registry/revocations.h"
#include "sign/bundle.h"

namespace hauberk::app {
namespace {

constexpr std::uint64_t largest_revoked_bundle = 64 << 20;

struct RevocationArguments {
  std::string environment;
  std::string key;
  std::string digest;
  std::string signature;
  std::string reason;
  std::string since;
  std::string valid = "7d";
  std::string output;
};

Result<Revocation> revocation_of(const RevocationArguments& arguments, Context& context) {
  Revocation one{.environment = TRY(parse_environment(arguments.environment)), .reason = arguments.reason};
  if (!arguments.key.empty() + !arguments.digest.empty() + !arguments.signature.empty() != 1)
    return fail(Errc::invalid, "say what is revoked: one of --key, --digest and --signature");
  one.since = context.clock.now();
  if (!arguments.since.empty()) one.since = TRY(parse_rfc3339(arguments.since));
  if (!arguments.key.empty()) {
    one.value = arguments.key;
  } else if (!arguments.digest.empty()) {
    one.thing = Revocable::model;
    one.value = arguments.digest;
  } else {
    one.thing = Revocable::signature;
    const auto text = TRY(read_file(context.files, arguments.signature, largest_revoked_bundle));
    const auto bundle = sign::parse_bundle(as_text(text));
    if (!bundle) return std::unexpected(Error(bundle.error()).in(arguments.signature));
    one.value = crypto::sha256(bundle->signature()).text();
  }
  return one;
}

json::Value revocation_json(const Revocation& one) {
  return json::Value()
      .set("revokes", name(one.thing))
      .set("value", one.value)
      .set("reason", one.reason)
      .set("since", rfc3339(one.since));
}

Result<int> run_add(const RevocationArguments& arguments, Context& context) {
  const auto one = TRY(revocation_of(arguments, context));
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(one.environment));
  CHECK(registry::revoke_signature(workspace->ports(), one, principal));
  Event event;
  event.kind = "revocation.add";
  event.operation = name(one.thing);
  event.target = one.value;
  event.artifact = registry::digest_of(one).text();
  event.reason = one.reason;
  event.outcome = "ok";
  CHECK(workspace->record(one.environment, std::move(event), principal));
  if (context.json) {
    context.out.json(revocation_json(one));
    return 0;
  }
  context.out.good(fmt::format("the {} {} is revoked in {}", name(one.thing), one.value, name(one.environment)));
  context.out.hint(
      fmt::format("tell others: hauberk revocation issue -e {} -o revocations.json", name(one.environment)));
  return 0;
}

Result<int> run_revocation_list(const RevocationArguments& arguments, Context& context) {
  const auto environment = TRY(parse_environment(arguments.environment));
  auto workspace = TRY(Workspace::open(context));
  CHECK(workspace->principal(environment));
  json::Value list = json::Value::array();
  std::vector<std::vector<std::string>> rows;
  for (const auto& one : TRY(workspace->catalog().revocations(environment))) {
    list.push(revocation_json(one));
    rows.push_back({std::string(name(one.thing)), one.value, rfc3339(one.since), one.reason});
  }
  if (context.json)
    context.out.json(list);
  else if (rows.empty())
    context.out.line(fmt::format("nothing is revoked in {}", name(environment)));
  else
    context.out.table({"REVOKED", "VALUE", "SINCE", "REASON"}, rows);
  return 0;
}

Result<int> run_issue(const RevocationArguments& arguments, Context& context) {
  const auto environment = TRY(parse_environment(arguments.environment));
  const auto validity = TRY(parse_duration(arguments.valid));
  auto workspace = TRY(Workspace::open(context));
  const auto principal = TRY(workspace->principal(environment));
  const auto list = TRY(registry::revocation_list(workspace->ports(), environment, validity));
  CHECK(registry::require_grant(principal, "revoke", "signatures", no_kind));
  CHECK(workspace->announce(environment, "revocation.issue", fmt::format("{} entries", list.entries.size())));
  const auto evidence = TRY(registry::issue_revocations(workspace->ports(), list, principal));
  Event event;
  event.kind = "revocation.issue";
  event.target = fmt::format("{} entries until {}", list.entries.size(), rfc3339(list.until));
  event.artifact = evidence.id.text();
  event.outcome = "ok";
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
    context.out.good(fmt::format("wrote {}: {} revocations, good until {}", arguments.output, list.entries.size(),
                                 rfc3339(list.until)));
  return 0;
}

const std::vector<std::string> revocation_environments = {"dev", "staging", "production"};

}  // namespace

std::vector<Command> revocation_commands() {
  return {{.name = "revocation add",
           .access = Access::grant("revoke", "signatures"),
           .summary = "end a signing key, a signature or a signed content for good",
           .details =
               "`verify -e` refuses it at once; others need the list that `revocation issue` writes. What a key signed "
               "before still counts\nwhere a trusted timestamp says when. Versions of the registry: `model revoke`.\n"
               "Example: hauberk revocation add -e production --key ecdsa-p256:0123456789abcdef -m 'laptop lost'",
           .declare = [](Args& args) -> Run {
             auto a = std::make_shared<RevocationArguments>();
             args.choice("-e,--environment", a->environment, revocation_environments, "whose word it is").required();
             args.option("--key", a->key, "ID", "a signing key, by the id that `sign` and `verify` show");
             args.option("--digest", a->digest, "DIGEST", "a content: the digest that `sign` and `verify` show");
             args.option("--signature", a->signature, "FILE", "one signature", Hint::file);
             args.option("-m,--reason", a->reason, "TEXT", "why; is shown wherever it is refused").required();
             args.option("--since", a->since, "TIME",
                         "of a key: what it signed earlier counts (RFC 3339; default: now)");
             return [a](Context& context) { return run_add(*a, context); };
           }},
          {.name = "revocation list",
           .access = Access::known("what is revoked is no secret"),
           .summary = "list what is revoked",
           .details = "",
           .declare = [](Args& args) -> Run {
             auto a = std::make_shared<RevocationArguments>();
             args.choice("-e,--environment", a->environment, revocation_environments, "where").required();
             return [a](Context& context) { return run_revocation_list(*a, context); };
           }},
          {.name = "revocation issue",
           .access = Access::grant("revoke", "signatures"),
           .summary = "write the signed list of revocations, for others to verify with",
           .details = "Signed by the environment's key for evidence: hauberk key public -e ENV --purpose evidence\n"
                      "Example: hauberk revocation issue -e production -o revocations.json",
           .declare = [](Args& args) -> Run {
             auto a = std::make_shared<RevocationArguments>();
             args.choice("-e,--environment", a->environment, revocation_environments, "whose").required();
             args.option("--valid", a->valid, "DURATION", "how long nobody needs a newer one (default: 7d)");
             args.option("-o,--output", a->output, "FILE", "where it goes (default: standard output)", Hint::file);
             return [a](Context& context) { return run_issue(*a, context); };
           }}};
}

}  // namespace hauberk::app
