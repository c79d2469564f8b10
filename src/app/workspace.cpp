#include "app/workspace.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <utility>

#include "adapters/blobs_sealed.h"
#include "adapters/ledger_file.h"
#include "app/output.h"
#include "app/wiring.h"
#include "config/yaml.h"
#include "core/token_table.h"
#include "crypto/token.h"
#include "registry/recorded_catalog.h"
#include "registry/tokens.h"
#include "scan/scanner.h"

namespace hauberk::app {
namespace {

// Policies of a new workspace. They are files so that people can read and change them.
constexpr std::string_view dev_policy =
    "# What must lie on a version before it leaves quarantine (scanned), and who must have approved it (approved).\n"
    "required:\n"
    "  - evidence: scan\n"
    "    where: {/verdict: {one_of: [CLEAN]}}\n"
    "approvals: 1            # by distinct people other than the importer\n"
    "self_approval: false\n";
constexpr std::string_view gate_policy =
    "# What must lie on a version before it enters {0}. Evaluated over verified evidence at each promotion.\n"
    "required:\n"
    "  - evidence: scan\n"
    "    where: {{/verdict: {{one_of: [CLEAN]}}}}\n"
    "    max_age: 90d        # scan again before promoting: hauberk model rescan NAME\n"
    "approvals: 1            # by distinct people other than the importer\n"
    "self_approval: false\n";

constexpr std::string_view keys_lock = "keys.lock";  // not among the keys, which may be mounted read-only

Result<Descriptor> lock_keys_of(const std::string& data, LockMode mode) {
  return lock_file(join_path(data, keys_lock), mode, std::chrono::minutes(2));
}

std::string local_user() {
  if (const passwd* entry = ::getpwuid(::geteuid()); entry != nullptr) return fmt::format("os:{}", entry->pw_name);
  return fmt::format("os:{}", ::geteuid());
}

std::unexpected<Error> not_a_token(std::string_view why) {
  return fail(Errc::unauthenticated,
              fmt::format("HAUBERK_TOKEN is no valid token: {}; unset it to act as the local user", why));
}

// Whoever sets the variable means to act by it: an empty one is the token that a script failed to fetch.
Result<std::optional<Secret>> presented_token() {
  if (!environment_has("HAUBERK_TOKEN")) return std::nullopt;
  auto token = resolve(SecretRef{.scheme = "env", .place = "HAUBERK_TOKEN"});
  if (!token) return not_a_token("it is empty");
  return std::move(*token);
}

// What is wrong with the ledger or the keys here is neither wrong use nor a verdict: exit code 3.
Error out_of_reach(Error error) {
  if (exit_code(error.code) != 3) error.code = Errc::unavailable;
  return error;
}

constexpr std::string_view nothing_changed = "it could not be recorded, so nothing was changed";

std::string environment_folder(const std::string& data, std::string_view part, Environment environment) {
  return join_path(join_path(data, part), name(environment));
}

}  // namespace

Result<LoadedSettings> load_settings(Context& context) {
  LoadedSettings loaded;
  loaded.path = context.config;
  if (loaded.path.empty() && context.files.info("hauberk.yaml")) loaded.path = "hauberk.yaml";
  if (!loaded.path.empty()) {
    const auto text = TRY(read_file(context.files, loaded.path, 4 << 20));
    auto settings = config::load_settings(as_text(text), loaded.path, config_hooks());
    if (!settings) return std::unexpected(config::to_error(settings.error()));
    loaded.settings = std::move(*settings);
  }
  // A relative folder lies beside the file that names it, wherever the program is started.
  loaded.data = loaded.settings.data;
  if (!loaded.data.starts_with('/') && !loaded.path.empty())
    loaded.data = join_path(parent_directory(loaded.path), loaded.data);
  if (!context.data.empty()) loaded.data = context.data;
  return loaded;
}

Result<Descriptor> Workspace::lock_keys(Context& context, LockMode mode) {
  const auto data = TRY(load_settings(context)).data;
  if (!context.files.info(join_path(data, "keys"))) return Descriptor();  // what follows says that there is no data
  auto lock = lock_keys_of(data, mode);
  // Where nothing can be written nothing is wrapped; what comes says so in its own words.
  if (!lock && mode == LockMode::shared && ::access(data.c_str(), W_OK) != 0) return Descriptor();
  return lock;
}

Result<std::unique_ptr<Workspace>> Workspace::open(Context& context) {
  return open(context, TRY(load_settings(context)));
}

Result<std::unique_ptr<Workspace>> Workspace::open(Context& context, LoadedSettings loaded) {
  if (const auto there = context.files.info(join_path(loaded.data, "catalog.db")); !there) {
    if (there.error().code != Errc::not_found) return std::unexpected(there.error());
    return fail(Errc::not_found, fmt::format("there is no Hauberk data in {}; make it with: hauberk init --data {}",
                                             loaded.data, loaded.data));
  }
  std::unique_ptr<Workspace> workspace(new Workspace(context, std::move(loaded)));
  CHECK(workspace->open_parts());
  CHECK(workspace->open_catalog(adapters::CatalogMode::open));
  CHECK(workspace->admit());
  return workspace;
}

Result<std::unique_ptr<Workspace>> Workspace::create(Context& context, LoadedSettings loaded) {
  const std::string data = loaded.data;
  CHECK(context.files.make_directories(data));
  auto alone = TRY(lock_keys_of(data, LockMode::exclusive));
  std::unique_ptr<Workspace> workspace(new Workspace(context, std::move(loaded)));
  workspace->alone_ = std::move(alone);  // until its administrators are made, too
  for (const auto environment : all_environments) {
    // A run that was killed may have left keys behind: nothing is sealed with them yet, but they are never overwritten.
    if (auto made = adapters::create_keys_file(workspace->key_folder(environment));
        !made && made.error().code != Errc::exists)
      return std::unexpected(std::move(made).error());
    const auto policy = join_path(join_path(data, "policy"), fmt::format("{}.yaml", name(environment)));
    CHECK(context.files.make_directories(join_path(data, "policy")));
    const std::string text =
        environment == Environment::dev ? std::string(dev_policy) : fmt::format(gate_policy, name(environment));
    if (!context.files.info(policy)) CHECK(write_file_atomically(context.files, policy, as_bytes(text)));
  }
  CHECK(workspace->open_parts());
  // Last: a folder with a catalogue is a whole workspace.
  if (auto made = workspace->open_catalog(adapters::CatalogMode::create); !made) {
    if (made.error().code != Errc::exists) return std::unexpected(std::move(made).error());
    CHECK(workspace->open_catalog(adapters::CatalogMode::open));
    if (!TRY(workspace->is_unfinished()))
      return fail(Errc::exists, fmt::format("{} holds Hauberk data already; nothing was changed", data));
  }
  return workspace;
}

// Killed before every environment had its administrator: nobody has done anything with it yet.
Result<bool> Workspace::is_unfinished() {
  if (!TRY(catalog_->versions("")).empty()) return false;
  for (const auto environment : all_environments)
    if (TRY(catalog_->tokens(environment)).empty()) return true;
  return false;
}

Status Workspace::open_catalog(adapters::CatalogMode mode) {
  auto catalog = TRY(adapters::open_catalog_sqlite(join_path(loaded_.data, "catalog.db"), mode));
  catalog_ = registry::record_before_change(
      std::move(catalog),
      {.announce = [this](Environment environment, Event event) { return announce(environment, std::move(event)); },
       .done =
           [this] {
             if (!context_.announced.empty()) context_.announced.back().done = true;
           }});
  return {};
}

Workspace::Workspace(Context& context, LoadedSettings loaded)
    : context_(context),
      loaded_(std::move(loaded)),
      access_(loaded_.settings, context.files, context.clock, context.random, loaded_.passphrases_before) {}

Status Workspace::open_parts() {
  auto& files = context_.files;
  const auto blobs = join_path(loaded_.data, "blobs");
  auto named_by = adapters::open_address_key(address_key(), adapters::has_address_key(files, blobs));
  if (!named_by) return std::unexpected(out_of_reach(std::move(named_by).error()));
  blobs_ = TRY(adapters::open_blobs_sealed(files, context_.random, blobs, std::move(*named_by)));
  for (const auto environment : all_environments) {
    auto keys = adapters::open_keys_file(key_folder(environment));
    if (!keys) return std::unexpected(out_of_reach(std::move(keys).error()));
    keys_[static_cast<std::size_t>(environment)] = std::move(*keys);
  }
  return load_policies();
}

Status Workspace::load_policies() {
  policies_.scan_rules = scan::rules_version;
  for (const auto environment : all_environments) {
    const auto path = join_path(join_path(loaded_.data, "policy"), fmt::format("{}.yaml", name(environment)));
    const auto text = TRY(read_file(context_.files, path, 1 << 20));
    auto policy = read_policy(as_text(text), path);
    if (!policy) return std::unexpected(std::move(policy).error());
    switch (environment) {
      case Environment::dev:
        policies_.dev = std::move(*policy);
        break;
      case Environment::staging:
        policies_.staging = std::move(*policy);
        break;
      case Environment::production:
        policies_.production = std::move(*policy);
        break;
    }
  }
  return {};
}

registry::Ports Workspace::ports() {
  registry::EvidenceKeys keys;
  for (const auto environment : all_environments) keys.set(environment, *this->keys(environment));
  return {*blobs_, *catalog_, keys, context_.clock};
}

Result<Principal> Workspace::principal(Environment environment) {
  context_.acting = Acting{.environment = environment, .principal = {}};
  auto principal = authenticate(environment);
  if (principal) context_.acting->principal = *principal;
  return principal;
}

// Before anything is looked up: a token without any grant that the verb asks for learns nothing, not even which names
// exist. Which environment the verb will act in is not known yet, so the token's own is asked.
Status Workspace::admit() {
  if (context_.access.for_anybody()) return {};
  context_.acting = Acting{.environment = Environment::dev, .principal = {}};  // where a token names none
  const auto token = TRY(presented_token());
  if (!token) return {};
  const auto parts = crypto::parse_token(crypto::presented(*token));
  for (const auto one : all_environments)
    if (parts && short_name(one) == parts->environment) {
      const auto who = TRY(principal(one));
      if (context_.access.thinkable(who)) return {};
      return fail(Errc::no_grant, fmt::format("{} may not do this; it needs a grant for {} ({})", who.subject,
                                              context_.access.text(), context_.access.about()));
    }
  return not_a_token("it does not have the form of one");
}

Result<Principal> Workspace::authenticate(Environment environment) {
  const auto token = TRY(presented_token());
  if (!token)
    return Principal{
        .subject = local_user(), .credential = CredentialKind::local_user, .scopes = {TRY(Scope::parse("admin:*"))}};
  const TokenTable table(environment, TRY(registry::effective_tokens(*catalog_, environment, *keys(environment))),
                         keys(environment));
  auto principal = table.verify(crypto::presented(*token), context_.clock.now());
  if (!principal) return not_a_token(fmt::format("not of {}: {}", name(environment), principal.error().message));
  return principal;
}

Status Workspace::require_ledger_reader(Environment environment) {
  const auto reader = TRY(principal(environment));
  if (reader.allowed("ledger", name(environment), no_kind)) return {};
  return fail(Errc::no_grant, fmt::format("{} has no grant for the ledger of {}", reader.subject, name(environment)));
}

std::string Workspace::ledger_folder(Environment environment, std::string_view chain) const {
  return join_path(environment_folder(loaded_.data, "ledger", environment), chain);
}

Status Workspace::announce(Environment environment, Event event) {
  event.kind = "intent";
  event.outcome = "begun";
  const auto who = context_.acting ? context_.acting->principal : Principal();
  if (auto written = append(environment, event, who, adapters::Seal::required); !written)
    return std::unexpected(std::move(written).error().in(nothing_changed));
  context_.announced.push_back({environment, std::move(event)});
  return {};
}

Status Workspace::announce(Environment environment, std::string operation, std::string target, std::string reason) {
  Event event;
  event.operation = std::move(operation);
  event.target = std::move(target);
  event.reason = std::move(reason);
  return announce(environment, std::move(event));
}

Status Workspace::require_recorder(Environment environment) {
  auto tried = adapters::try_ledger({context_.files, keys(environment), context_.clock},
                                    {.directory = ledger_folder(environment, "registry")});
  if (!tried) return std::unexpected(out_of_reach(std::move(tried).error()).in(nothing_changed));
  return tried;
}

Status Workspace::record(Environment environment, Event event, const Principal& principal) {
  auto written = append(environment, std::move(event), principal, adapters::Seal::wanted);
  const bool begun =
      std::erase_if(context_.announced, [&](const Announced& one) { return one.environment == environment; }) != 0;
  if (!written && begun)
    return std::unexpected(
        std::move(written).error().in("it was done, but the ledger has only that it was begun; repair the ledger"));
  return written;
}

Status Workspace::append(Environment environment, Event event, const Principal& principal, adapters::Seal seal) {
  event.time = context_.clock.now();
  event.id = make_id(std::chrono::duration_cast<std::chrono::milliseconds>(event.time.time_since_epoch()).count(),
                     context_.random);
  // Which end belongs to which intent.
  if (context_.trace.empty()) context_.trace = hex(context_.random.bytes(16));
  event.trace = context_.trace;
  event.principal = principal.subject;
  event.token_id = principal.token_id;
  auto written = adapters::append_to_ledger({context_.files, keys(environment), context_.clock},
                                            {.directory = ledger_folder(environment, "registry")}, event, seal);
  if (!written) return std::unexpected(out_of_reach(std::move(written).error()));
  return written;
}

}  // namespace hauberk::app
