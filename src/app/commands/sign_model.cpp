#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <span>

#include "app/become.h"
#include "app/command.h"
#include "app/output.h"
#include "app/private_copy.h"
#include "app/workspace.h"
#include "crypto/certificate.h"
#include "crypto/signature.h"
#include "crypto/timestamp.h"
#include "net/http_client.h"
#include "registry/ports.h"
#include "registry/revocations.h"
#include "sign/sign.h"
#include "sign/verify.h"

namespace hauberk::app {
namespace {

constexpr std::uint64_t largest_key_file = 64 << 10, largest_certificates = 4 << 20, largest_bundle = 64 << 20;

struct SignModelArguments {
  std::string model;
  std::string key;
  std::string environment;
  std::string passphrase;
  std::string certificate;
  std::vector<std::string> chain;
  std::string output;
  std::vector<std::string> ignore;
  std::string shard_size;
  std::string cache;
  std::string timestamp_url;
  bool allow_symlinks = false;
  bool for_reference = false;
  std::int64_t jobs = 0;
};

struct VerifyModelArguments {
  std::string model;
  std::vector<std::string> signatures;
  std::vector<std::string> keys;
  std::string environment;
  std::int64_t threshold = 0;
  std::vector<std::string> authorities;
  std::string identity;
  std::string issuer;
  std::string trusted_root;
  std::vector<std::string> timestamp_authorities;
  bool require_timestamp = false;
  std::string revocations;
  std::string revocations_key;
  std::int64_t revocations_at_least = 0;
  std::vector<std::string> ignore;
  std::vector<std::string> only;
  bool ignore_unsigned = false;
  bool no_ignored = false;
  bool allow_legacy = false;
  std::string cache;
  std::int64_t jobs = 0;
};

// In the folder it signs, or beside the file.
std::string default_bundle(Context& context, const std::string& model) {
  auto path = model;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const auto info = context.files.info(path + "/.");  // follows a link to a folder
  return info && info->directory ? join_path(path, "model.sig") : path + ".sig";
}

// "1GB", "500MB", "64KiB" or a number of bytes.
Result<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::pair<std::string_view, std::uint64_t> units[] = {{"KiB", 1ull << 10},
                                                                         {"MiB", 1ull << 20},
                                                                         {"GiB", 1ull << 30},
                                                                         {"KB", 1'000},
                                                                         {"MB", 1'000'000},
                                                                         {"GB", 1'000'000'000},
                                                                         {"B", 1},
                                                                         {"", 1}};
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  for (const auto& [unit, factor] : units) {
    if (text.substr(digits) != unit || digits == 0 || digits > 12) continue;
    std::uint64_t number = 0;
    for (const char c : text.substr(0, digits)) number = number * 10 + static_cast<std::uint64_t>(c - '0');
    if (number != 0 && number <= (std::uint64_t{1} << 50) / factor) return number * factor;
  }
  return fail(Errc::invalid, fmt::format("{:.40} is no size: write it as 1GB, 500MB or 64MiB", text));
}

// A path, or a reference as configuration has them. Keys on the disk should be their owner's alone.
Result<Secret> read_secret(Context& context, const std::string& text, std::string_view what) {
  if (text.starts_with("env:") || text.starts_with("file:")) {
    auto secret = resolve(TRY(SecretRef::parse(text)));
    return secret ? std::move(secret) : std::unexpected(std::move(secret).error().in(what));
  }
  const auto info = context.files.info(text);
  if (info && (info->mode & 077) != 0)
    context.out.warn(fmt::format("others may read the key (mode {:04o}); run: chmod 600 {}", info->mode, text));
  return Secret(TRY(read_file(context.files, text, largest_key_file)));
}

Result<crypto::SigningKey> read_signing_key(Context& context, const SignModelArguments& arguments) {
  const auto pem = TRY(read_secret(context, arguments.key, "--key"));
  Secret passphrase;
  if (!arguments.passphrase.empty()) passphrase = TRY(resolve(TRY(SecretRef::parse(arguments.passphrase))));
  auto key = crypto::SigningKey::from_pem(pem, passphrase);
  if (key) return key;
  auto error = std::move(key).error();
  if (error.code == Errc::denied) error.message += ": --passphrase env:NAME or file:PATH";
  return std::unexpected(std::move(error).in(arguments.key));
}

Result<std::vector<crypto::Certificate>> read_certificates(Context& context, const std::vector<std::string>& paths) {
  std::vector<crypto::Certificate> all;
  for (const auto& path : paths) {
    auto some = crypto::Certificate::from_pem(as_text(TRY(read_file(context.files, path, largest_certificates))));
    if (!some) return std::unexpected(std::move(some).error().in(path));
    std::ranges::move(*some, std::back_inserter(all));
  }
  return all;
}

// The signer's certificate first, then those on the way to a root; roots are for the verifier to have.
Result<std::vector<crypto::Certificate>> signing_chain(Context& context, const SignModelArguments& arguments,
                                                       const crypto::VerifyingKey& key) {
  if (arguments.certificate.empty()) {
    if (!arguments.chain.empty()) return fail(Errc::invalid, "--certificate-chain needs --certificate");
    return std::vector<crypto::Certificate>{};
  }
  auto chain = TRY(read_certificates(context, {arguments.certificate}));
  for (auto& one : TRY(read_certificates(context, arguments.chain))) chain.push_back(std::move(one));
  const auto& leaf = chain.front();
  if (const auto its_key = leaf.key(); !its_key || !(*its_key == key))
    return fail(Errc::invalid, "the certificate is not of this key", arguments.certificate);
  CHECK(leaf.may_sign_content());
  const auto now = context.clock.now();
  if (now < leaf.not_before() || now > leaf.not_after())
    return fail(Errc::invalid,
                fmt::format("the certificate is valid from {} to {}, not now", rfc3339(leaf.not_before()),
                            rfc3339(leaf.not_after())),
                arguments.certificate);
  std::vector<crypto::Certificate> sent{chain.front()};
  for (std::size_t i = 1; i < chain.size(); ++i)
    if (!chain[i].self_signed() && chain[i].der() != leaf.der()) sent.push_back(chain[i]);
  return sent;
}

// How to hash, with the progress bar and the cache that go with it.
struct Hashing {
  Progress progress;
  std::optional<sign::DigestCache> cache;
  sign::HashOptions options;
};
Result<std::unique_ptr<Hashing>> hashing(Context& context, std::string label, std::int64_t jobs,
                                         const std::string& cache) {
  auto result = std::make_unique<Hashing>(Hashing{context.out.progress(std::move(label)), std::nullopt, {}});
  auto& options = result->options;
  options.threads = static_cast<unsigned>(std::clamp<std::int64_t>(jobs, 0, 256));
  options.progress = [&bar = result->progress](std::uint64_t done, std::uint64_t total) { bar.set(done, total); };
  options.now = context.clock.now();
  if (!cache.empty()) options.cache = &result->cache.emplace(TRY(sign::DigestCache::load(context.files, cache)));
  return result;
}

// What a timestamp authority says of the signature. Its reply proves itself, so that plain http will do.
Result<Bytes> timestamp(Context& context, const std::string& url, ByteView signature) {
  const auto nonce = context.random.number() >> 1;
  const auto reply = TRY(net::make_http_client()->call({.method = "POST",
                                                        .url = url,
                                                        .headers = {{"Content-Type", "application/timestamp-query"}},
                                                        .body = crypto::timestamp_query(signature, nonce),
                                                        .may_be_plain = true}));
  if (reply.status < 200 || reply.status > 299)
    return fail(Errc::unavailable, fmt::format("the timestamp authority answers with status {}", reply.status), url);
  auto token = crypto::timestamp_reply(reply.body, signature, nonce);
  return token ? std::move(token) : std::unexpected(std::move(token).error().in(url));
}

// "fraud@3", unless there is a file or folder of that name.
bool is_version(Context& context, const std::string& model) {
  return model.contains('@') && !context.files.info(model) && VersionRef::parse(model);
}

// A version of the registry as a signature lists it: its manifest has all the digests already.
sign::ModelSignature list_of(const Version& version) {
  std::vector<sign::Resource> files;
  for (const auto& file : version.manifest.files) files.push_back({file.path, to_bytes(file.digest.bytes)});
  return sign::list_of(version.name, std::move(files));
}

// Whose key signs where no file holds it.
Result<Environment> signing_environment(const SignModelArguments& arguments) {
  return parse_environment(arguments.environment.empty() ? "dev" : arguments.environment);
}

// An environment's key speaks for the environment: it signs only what that serves. Of a version the manifest is signed
// as it is.
Status check_signable(const Version& version, const SignModelArguments& arguments) {
  if (!arguments.shard_size.empty() || !arguments.ignore.empty() || arguments.allow_symlinks)
    return fail(Errc::invalid,
                "a version is signed as its manifest lists it: without shards, links and files left out");
  if (!arguments.key.empty()) return {};
  const auto environment = TRY(signing_environment(arguments));
  if (registry::serves(environment, version.state)) return {};
  return fail(Errc::precondition,
              fmt::format("it is {}: the key of {} signs what {} may serve", name(version.state), name(environment),
                          name(environment)),
              version.ref());
}

// Who signs: a key in a file, or the environment's own key for models, for whoever has the grant.
struct Signing {
  std::optional<crypto::SigningKey> key;
  sign::ModelSigner signer;
  std::optional<crypto::VerifyingKey> verifying;
};
Result<std::unique_ptr<Signing>> open_signing(Context& context, const SignModelArguments& arguments,
                                              Workspace* workspace, const Version* version) {
  auto signing = std::make_unique<Signing>();
  if (!arguments.key.empty()) {
    signing->key.emplace(TRY(read_signing_key(context, arguments)));
    signing->signer = sign::signer_of(*signing->key);
  } else {
    if (workspace == nullptr)
      return fail(Errc::invalid, "say with which key: --key FILE, or --environment for the key of one");
    const auto environment = TRY(signing_environment(arguments));
    const auto principal = TRY(workspace->principal(environment));
    if (version == nullptr) CHECK(registry::require_grant(principal, "sign", "*"));  // of a version that was asked
    const auto keys = workspace->keys(environment);
    signing->signer = {[keys](ByteView message) { return keys->sign(crypto::KeyPurpose::model, message); },
                       TRY(keys->public_key_pem(crypto::KeyPurpose::model))};
  }
  signing->verifying.emplace(TRY(crypto::VerifyingKey::from_pem(signing->signer.public_pem)));
  return signing;
}

Result<sign::ModelSignature> list_to_sign(const SignModelArguments& arguments, Context& context,
                                          const std::string& output) {
  sign::Serialization how{.allow_symlinks = arguments.allow_symlinks, .as_reference = arguments.for_reference};
  if (!arguments.shard_size.empty()) {
    how.method = sign::Serialization::Method::shards;
    how.shard_size = TRY(parse_size(arguments.shard_size));
  }
  const auto how_to = TRY(hashing(context, "hashing", arguments.jobs, arguments.cache));
  auto list = TRY(sign::list_model({arguments.model, {output}, arguments.ignore}, std::move(how), how_to->options));
  how_to->progress.finish();
  if (how_to->cache) CHECK(how_to->cache->save(context.files, arguments.cache));
  return list;
}

Result<int> run_sign_model(const SignModelArguments& arguments, Context& context) {
  const bool of_registry = is_version(context, arguments.model);
  std::unique_ptr<Workspace> workspace;
  if (of_registry || !arguments.environment.empty()) workspace = TRY(Workspace::open(context));
  std::optional<Version> version;
  if (of_registry) {
    const auto named = TRY(VersionRef::parse(arguments.model));
    const auto who = TRY(workspace->principal(TRY(signing_environment(arguments))));
    version = TRY(registry::require_version(workspace->ports(), named, arguments.key.empty() ? "sign" : "read", who));
    CHECK(check_signable(*version, arguments));
  }
  const auto signing = TRY(open_signing(context, arguments, workspace.get(), version ? &*version : nullptr));
  const auto& key = *signing->verifying;
  const auto chain = TRY(signing_chain(context, arguments, key));
  const auto beside =
      version ? fmt::format("{}-{}.sig", version->name, version->number) : default_bundle(context, arguments.model);
  const auto output = arguments.output.empty() ? beside : arguments.output;
  const auto start = context.clock.tick();
  const auto list = version ? list_of(*version) : TRY(list_to_sign(arguments, context, output));
  const bool by_environment = workspace && arguments.key.empty();
  if (by_environment)
    CHECK(workspace->announce(TRY(signing_environment(arguments)), "model.sign", version ? version->ref() : list.name));
  auto bundle = TRY(sign::sign_list(list, signing->signer, chain));
  if (!arguments.timestamp_url.empty())
    bundle.timestamps.push_back(TRY(timestamp(context, arguments.timestamp_url, bundle.signature())));
  const auto text = sign::write_bundle(bundle);
  if (text.size() > largest_bundle)
    return fail(Errc::unsupported, fmt::format("the signature has {} bytes, and {} are all that a verifier reads: too "
                                               "many files or shards; sign parts of the model",
                                               text.size(), largest_bundle));
  CHECK(write_file_atomically(context.files, output, as_bytes(text), OpenMode::create_public));
  if (by_environment) {
    const auto environment = TRY(signing_environment(arguments));
    Event event;
    event.kind = "model.sign";
    event.target = version ? version->ref() : list.name;
    event.artifact = list.root().text();
    event.outcome = "ok";
    CHECK(workspace->record(environment, std::move(event), TRY(workspace->principal(environment))));
  }
  const auto took = std::chrono::duration<double>(context.clock.tick() - start).count();
  const auto unit = list.serialization.method == sign::Serialization::Method::files ? "files" : "shards";
  if (context.json) {
    json::Value value;
    value.set("signature", output).set("model", list.name).set("digest", list.root().text());
    value.set("identity", list.identity().text());
    value.set("key", key.id()).set(unit, list.resources.size());
    if (!chain.empty()) value.set("subject", chain.front().subject());
    context.out.json(value);
    return 0;
  }
  context.out.good(fmt::format("signed {} {} of {}  ({:.2f} s)", list.resources.size(), unit, list.name, took));
  context.out.line(fmt::format("  signature  {}", output));
  context.out.line(fmt::format("  digest     {}", list.root().text()));
  context.out.line(fmt::format("  identity   {}", list.identity().text()));
  context.out.line(fmt::format("  key        {}", key.id()));
  return 0;
}

Result<sign::Trust> read_trust(Context& context, const VerifyModelArguments& arguments) {
  sign::Trust trust;
  for (const auto& path : arguments.keys) {
    auto key = crypto::VerifyingKey::from_pem(as_text(TRY(read_file(context.files, path, largest_key_file))));
    if (!key) return std::unexpected(std::move(key).error().in(path));
    trust.keys.push_back(std::move(*key));
  }
  if (!arguments.environment.empty()) {
    const auto workspace = TRY(Workspace::open(context));
    const auto& keys = workspace->keys(TRY(parse_environment(arguments.environment)));
    // What earlier keys signed is still the environment's word; beside other signers it has one voice, today's.
    std::vector<std::string> pems;
    if (arguments.keys.empty() && arguments.threshold <= 1) pems = keys->earlier_keys_pem(crypto::KeyPurpose::model);
    pems.push_back(TRY(keys->public_key_pem(crypto::KeyPurpose::model)));
    for (const auto& pem : pems) trust.keys.push_back(TRY(crypto::VerifyingKey::from_pem(pem)));
  }
  trust.authorities = TRY(read_certificates(context, arguments.authorities));
  if (arguments.identity.empty() != arguments.issuer.empty())
    return fail(Errc::invalid, "--identity and --issuer belong together: who signed, and who vouched for that");
  if (!arguments.identity.empty()) trust.identity = {arguments.identity, arguments.issuer};
  const int ways = !trust.keys.empty() + !trust.authorities.empty() + trust.identity.has_value();
  if (ways != 1)
    return fail(Errc::invalid,
                "say whom you trust, in one way: --key FILE, --environment ENV for the key of one, "
                "--certificate-authority FILE, or --identity with --issuer and --trusted-root");
  if (!arguments.trusted_root.empty()) {
    auto root = sign::parse_trusted_root(as_text(TRY(read_file(context.files, arguments.trusted_root, 4 << 20))));
    if (!root) return std::unexpected(std::move(root).error().in(arguments.trusted_root));
    trust.root = std::move(*root);
  }
  for (const auto& path : arguments.timestamp_authorities) {
    if (!trust.root) trust.root.emplace();
    trust.root->timestamp_authorities.push_back(
        {TRY(read_certificates(context, {path})), Instant::min(), Instant::max()});
  }
  if (arguments.require_timestamp && !trust.root)
    return fail(Errc::invalid,
                "--require-timestamp needs somebody to believe: --timestamp-authority or --trusted-root");
  return trust;
}

// What no longer counts: what the environment has revoked by now, and what a list says that its owner has signed. A
// version of the registry lies in all environments.
Result<std::optional<RevocationList>> read_revocations(Context& context, const VerifyModelArguments& arguments) {
  if (arguments.revocations.empty() != arguments.revocations_key.empty())
    return fail(Errc::invalid, "--revocations and --revocations-key belong together: the list, and who signs it");
  if (arguments.revocations_at_least != 0 && arguments.revocations.empty())
    return fail(Errc::invalid, "--revocations-at-least belongs to --revocations");
  std::optional<RevocationList> revoked;
  if (!arguments.revocations.empty()) {
    const auto& place = arguments.revocations_key;
    auto key = crypto::VerifyingKey::from_pem(as_text(TRY(read_file(context.files, place, largest_key_file))));
    if (!key) return std::unexpected(std::move(key).error().in(place));
    const auto text = TRY(read_file(context.files, arguments.revocations, largest_bundle));
    auto list = sign::open_revocations(as_text(text), *key, context.clock.now());
    if (!list) return std::unexpected(std::move(list).error().in(arguments.revocations));
    if (list->number < static_cast<std::uint64_t>(arguments.revocations_at_least))
      return fail(Errc::unavailable, fmt::format("an older list, with {} entries: fetch the newest", list->number),
                  arguments.revocations);
    revoked = std::move(*list);
  }
  std::vector<Environment> asked;
  if (!arguments.environment.empty())
    asked = {TRY(parse_environment(arguments.environment))};
  else if (is_version(context, arguments.model))
    asked.assign(std::begin(all_environments), std::end(all_environments));
  if (asked.empty()) return revoked;
  const auto workspace = TRY(Workspace::open(context));
  if (!revoked) revoked.emplace();
  for (const auto environment : asked)
    std::ranges::move(TRY(workspace->catalog().revocations(environment)), std::back_inserter(revoked->entries));
  return revoked;
}

json::Value signer_json(const sign::Signer& signer) {
  json::Value value;
  value.set("method", signer.method).set("name", signer.name);
  if (!signer.issuer.empty()) value.set("issuer", signer.issuer);
  if (signer.time) value.set("time", rfc3339(*signer.time)).set("time_source", signer.time_source);
  return value;
}

void print_signer(Context& context, const sign::Signer& signer) {
  context.out.line(fmt::format("  signer     {} ({})", signer.name, signer.method));
  if (!signer.issuer.empty()) context.out.line(fmt::format("  issuer     {}", signer.issuer));
  if (signer.time) context.out.line(fmt::format("  signed at  {} ({})", rfc3339(*signer.time), signer.time_source));
}

json::Value list_json(const std::vector<std::string>& names) {
  json::Value list = json::Value::array();
  for (const auto& one : names) list.push(one);
  return list;
}

constexpr std::size_t most_shown = 20;

void print_names(Context& context, std::string_view label, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < std::min(names.size(), most_shown); ++i)
    context.out.line(fmt::format("  {:<10} {}", label, cleaned(names[i])));
  if (names.size() > most_shown)
    context.out.line(fmt::format("  {:<10} and {} more; --json lists them all", label, names.size() - most_shown));
}

// Of several keys all must have signed, unless the caller says how many.
std::size_t wanted_signers(const VerifyModelArguments& arguments, const sign::Trust& trust) {
  return arguments.threshold > 0  ? static_cast<std::size_t>(arguments.threshold)
         : arguments.keys.empty() ? std::size_t{1}
                                  : trust.keys.size();
}

// Where there is one signature only.
Status check_one_signer(const VerifyModelArguments& arguments, const sign::Trust& trust, const sign::Signer& signer) {
  if (const auto wanted = wanted_signers(arguments, trust); wanted > 1)
    return fail(Errc::denied, fmt::format("{} signers are wanted, and this is the signature of one; if one of them "
                                          "suffices, say --threshold 1",
                                          wanted));
  return arguments.require_timestamp ? sign::check_has_time(signer) : Status();
}

// A bundle of a signature over one file's bytes, as `cosign sign-blob` makes them.
Result<int> verify_file(const VerifyModelArguments& arguments, Context& context, const sign::Bundle& bundle,
                        const sign::Trust& trust, const std::optional<RevocationList>& revoked) {
  const auto tree = TRY(FileTree::open(arguments.model, {.top_may_be_link = true}));
  if (!tree.is_single_file()) return fail(Errc::invalid, "the signature is of one file, not of a folder");
  const sign::FileRange all{0, 0, tree.files().front().size};
  const auto digests = TRY(sign::hash_ranges(tree, std::span(&all, 1), {}));
  Digest digest;
  std::ranges::copy(digests.front(), digest.bytes.begin());
  const auto signer = TRY(sign::check_file(bundle, trust, digest, context.clock.now()));
  CHECK(check_one_signer(arguments, trust, signer));
  if (revoked) CHECK(sign::check_revoked(*revoked, signer, bundle, {&digest, 1}));
  if (context.json) {
    context.out.json(
        json::Value().set("verified", true).set("digest", digest.text()).set("signer", signer_json(signer)));
    return 0;
  }
  context.out.good(fmt::format("verified {}", cleaned(arguments.model)));
  print_signer(context, signer);
  return 0;
}

Result<int> report_verified(const VerifyModelArguments& arguments, Context& context, const sign::Verified& verified,
                            Duration took) {
  const auto& [signers, not_counted, list, files, comparison] = verified;
  const bool holds = comparison.holds() && (comparison.ignored.empty() || !arguments.no_ignored);
  if (context.json) {
    json::Value who = json::Value::array();
    for (const auto& signer : signers) who.push(signer_json(signer));
    json::Value value;
    value.set("verified", holds).set("model", list.name).set("digest", list.root().text());
    value.set("identity", list.identity().text()).set("signers", std::move(who));
    value.set("not_counted", list_json(not_counted)).set("checked", comparison.checked).set("bytes", comparison.bytes);
    value.set("partial", !arguments.only.empty());
    value.set("changed", list_json(comparison.changed)).set("missing", list_json(comparison.missing));
    value.set("unsigned", list_json(comparison.not_signed)).set("ignored", list_json(comparison.ignored));
    context.out.json(value);
    return holds ? 0 : 1;
  }
  const auto name = cleaned(arguments.model);
  const auto unit = list.serialization.method == sign::Serialization::Method::files ? "files" : "shards";
  if (holds)
    context.out.good(fmt::format(
        "verified {} {} of {}, {}{}  ({:.2f} s)", comparison.checked, unit, name, format_bytes(comparison.bytes),
        arguments.only.empty() ? "" : "; nothing else was looked at", std::chrono::duration<double>(took).count()));
  else
    context.out.bad(fmt::format("{} is not what was signed", name));
  for (const auto& signer : signers) print_signer(context, signer);
  for (const auto& one : not_counted) context.out.warn(fmt::format("not counted: {}", cleaned(one)));
  print_names(context, "changed", comparison.changed);
  print_names(context, "missing", comparison.missing);
  print_names(context, "unsigned", comparison.not_signed);
  print_names(context, "ignored", comparison.ignored);
  if (!holds && comparison.holds())
    context.out.hint("files that the signature leaves out are there, and --no-ignored-present forbids them");
  return holds ? 0 : 1;
}

Result<std::vector<sign::NamedBundle>> read_bundles(const VerifyModelArguments& arguments, Context& context) {
  auto paths = arguments.signatures;
  if (paths.empty() && is_version(context, arguments.model))
    return fail(Errc::invalid, "name the signature of the version with --signature");
  if (paths.empty()) {
    paths.push_back(default_bundle(context, arguments.model));
    if (const auto info = context.files.info(paths.front()); info && info->special)
      return fail(Errc::invalid, "the signature is no regular file", paths.front());
  }
  std::vector<sign::NamedBundle> bundles;
  for (const auto& path : paths) {
    if (const auto info = context.files.info(path); info && info->size > largest_bundle)
      return fail(Errc::unavailable,
                  fmt::format("the signature has {} bytes, and {} are all that is read", info->size, largest_bundle),
                  path);
    auto bundle = sign::parse_bundle(as_text(TRY(read_file(context.files, path, largest_bundle))));
    if (bundle)
      bundles.push_back({path, std::move(*bundle)});
    else if (arguments.threshold > 0 && paths.size() > 1)  // enough others may be good
      bundles.push_back({path, {}, std::move(bundle).error()});
    else
      return std::unexpected(std::move(bundle).error().in(path));
  }
  return bundles;
}

// A version of the registry against its signature: the manifest's digests are those that every load checks.
Result<int> verify_version(const VerifyModelArguments& arguments, Context& context,
                           const std::vector<sign::NamedBundle>& bundles, const sign::Trust& trust,
                           const std::optional<RevocationList>& revoked) {
  if (bundles.size() != 1) return fail(Errc::invalid, "name one signature of the version with --signature");
  const auto workspace = TRY(Workspace::open(context));
  const auto named = TRY(VersionRef::parse(arguments.model));
  const auto environment = TRY(parse_environment(arguments.environment.empty() ? "dev" : arguments.environment));
  const auto version =
      TRY(registry::require_version(workspace->ports(), named, "read", TRY(workspace->principal(environment))));
  const auto& bundle = bundles.front().bundle;
  sign::Verified verified;
  verified.signers.push_back(TRY(sign::check_envelope(bundle, trust, context.clock.now())));
  CHECK(check_one_signer(arguments, trust, verified.signers.front()));
  verified.list = TRY(sign::parse_statement(bundle.envelope->payload));
  if (version.state == VersionState::revoked) return fail(Errc::denied, "it is revoked", version.ref());
  if (revoked) CHECK(sign::check_revoked(*revoked, verified.signers.front(), bundle, verified.list.roots()));
  verified.comparison = sign::compare_lists(list_of(version), verified.list);
  verified.comparison.bytes = version.manifest.total_size();
  return report_verified(arguments, context, verified, Duration{});
}

Status check_threshold(const VerifyModelArguments& arguments, std::size_t bundles) {
  if (arguments.threshold >= 0 &&
      (arguments.threshold <= 1 || bundles >= static_cast<std::size_t>(arguments.threshold)))
    return {};
  return fail(Errc::invalid, "--threshold asks for more signers than there are signatures: name each with --signature");
}

// What the arguments ask for, of the model at that path.
sign::VerifyRequest request_of(const VerifyModelArguments& arguments, const Context& context, std::string model,
                               std::vector<sign::NamedBundle> bundles, sign::Trust trust,
                               std::optional<RevocationList> revoked, const sign::HashOptions& hashing) {
  const auto wanted = wanted_signers(arguments, trust);
  return {.model = std::move(model),
          .bundles = std::move(bundles),
          .trust = std::move(trust),
          .threshold = wanted,
          .revoked = std::move(revoked),
          .require_time = arguments.require_timestamp,
          .ignore_paths = arguments.ignore,
          .compare = {.hashing = hashing, .ignore_unsigned = arguments.ignore_unsigned, .only = arguments.only},
          .legacy = arguments.allow_legacy ? sign::Legacy::read : sign::Legacy::refuse,
          .now = context.clock.now()};
}

Result<int> run_verify_model(const VerifyModelArguments& arguments, Context& context) {
  auto trust = TRY(read_trust(context, arguments));
  auto bundles = TRY(read_bundles(arguments, context));
  auto revoked = TRY(read_revocations(context, arguments));
  CHECK(check_threshold(arguments, bundles.size()));
  const auto start = context.clock.tick();
  if (bundles.size() == 1 && bundles.front().bundle.file)
    return verify_file(arguments, context, bundles.front().bundle, trust, revoked);
  if (is_version(context, arguments.model)) return verify_version(arguments, context, bundles, trust, revoked);
  const auto how_to = TRY(hashing(context, "verifying", arguments.jobs, arguments.cache));
  const auto verified = TRY(sign::verify_model(request_of(arguments, context, arguments.model, std::move(bundles),
                                                          std::move(trust), std::move(revoked), how_to->options)));
  how_to->progress.finish();
  if (how_to->cache) CHECK(how_to->cache->save(context.files, arguments.cache));
  return report_verified(arguments, context, verified, context.clock.tick() - start);
}

// A signature by a hash or a method that is not known here is no wrong use: it could not be checked.
Result<int> unknown_is_unchecked(Result<int> result) {
  if (!result && result.error().code == Errc::unsupported) {
    auto error = std::move(result).error();
    error.code = Errc::unavailable;
    return std::unexpected(std::move(error));
  }
  return result;
}

struct ExecArguments : VerifyModelArguments {
  std::vector<std::string> command;
};

// The variables that hold what Hauberk itself signs in with: a command that is run with a model needs none of it.
Result<std::vector<std::string>> secret_variables(Context& context) {
  std::vector<std::string> names = {"HAUBERK_TOKEN", "VAULT_TOKEN"};
  for (const auto& [pointer, reference] : config::references(TRY(load_settings(context)).settings))
    if (reference.scheme == "env") names.push_back(reference.place);
  return names;
}

// Verifies a copy that nobody can change any more, and runs a command with that: what it loads is what was verified.
Result<int> run_exec(const ExecArguments& arguments, Context& context) {
  if (is_version(context, arguments.model))
    return fail(Errc::invalid, "versions of the registry are verified whenever they are served or exported");
  const auto secrets = TRY(secret_variables(context));
  auto trust = TRY(read_trust(context, arguments));
  auto bundles = TRY(read_bundles(arguments, context));
  auto revoked = TRY(read_revocations(context, arguments));
  CHECK(check_threshold(arguments, bundles.size()));
  auto request =
      request_of(arguments, context, arguments.model, std::move(bundles), std::move(trust), std::move(revoked), {});
  // What nobody trusted signed is not worth the memory of a copy. Links become what they point at, if all signers mean
  // so.
  const auto lists = TRY(sign::signed_lists(request));
  const bool links =
      std::ranges::all_of(lists, [](const sign::ModelSignature& one) { return one.serialization.allow_symlinks; });
  // Namespaces are entered before any thread is there.
  auto copied = PrivateCopy::of(arguments.model,
                                {.links = links ? FileTreeOptions::Links::follow_below : FileTreeOptions::Links::refuse,
                                 .top_may_be_link = true,
                                 .leave_out = [](std::string_view path) { return path == ".git"; }});
  if (!copied && copied.error().code == Errc::invalid) {  // a link, a pipe, a cycle: nobody signed such a thing
    auto error = std::move(copied).error();
    error.code = Errc::denied;
    return std::unexpected(std::move(error).in("it is not as it was signed"));
  }
  auto copy = TRY(std::move(copied));
  // What lies in the folder, however it is spelled, lies in the copy, too.
  const auto in_copy = [&](const std::string& path) {
    const auto found = sign::path_below(arguments.model, path);
    return found ? copy.path() + "/" + *found : path;
  };
  request.model = copy.path();
  for (auto& bundle : request.bundles) bundle.path = in_copy(bundle.path);
  for (auto& path : request.ignore_paths)
    if (path.starts_with('/')) path = in_copy(path);
  const auto how_to = TRY(hashing(context, "verifying", arguments.jobs, ""));
  request.compare.hashing = how_to->options;
  const auto start = context.clock.tick();
  const auto verified = TRY(sign::verify_model(request));
  how_to->progress.finish();
  if (!verified.comparison.holds() || (arguments.no_ignored && !verified.comparison.ignored.empty()))
    return report_verified(arguments, context, verified, context.clock.tick() - start);
  CHECK(copy.keep_only([&](std::string_view path) { return verified.files.contains(path); }));
  CHECK(copy.seal());
  return std::unexpected(become(arguments.command, copy.path(), secrets));
}

void declare_trust(Args& args, VerifyModelArguments& a) {
  args.option("--signature", a.signatures, "FILE", "the signature (default: model.sig in it, or FILE.sig)", Hint::file);
  args.option("--key", a.keys, "FILE", "the signer's public key in PEM; of several all must have signed", Hint::file);
  args.option("-e,--environment", a.environment, "ENV", "trust the key that this environment has for models",
              Hint::environment);
  args.option("--threshold", a.threshold, "N", "so many of them suffice; each --signature counts for one signer");
  args.option("--certificate-authority", a.authorities, "FILE", "certificates in PEM that may vouch for the signer's",
              Hint::file);
  args.option("--identity", a.identity, "NAME", "the signer's e-mail address or URI, as Sigstore knows it");
  args.option("--issuer", a.issuer, "URL", "who vouched for the identity");
  args.option("--trusted-root", a.trusted_root, "FILE",
              "trusted_root.json of the Sigstore services; gives meaning to timestamps, too", Hint::file);
  args.option("--timestamp-authority", a.timestamp_authorities, "FILE",
              "believe the timestamps of this authority: its certificate in PEM and those up to its root, or the "
              "root alone",
              Hint::file);
  args.option("--revocations", a.revocations, "FILE",
              "a signed list of what no longer counts (`revocation issue`), beside what -e ENV has revoked itself",
              Hint::file);
  args.option("--revocations-key", a.revocations_key, "FILE", "public key of who signs that list", Hint::file);
  args.option("--revocations-at-least", a.revocations_at_least, "N",
              "that list must have N entries or more: an older one does not count");
  args.flag("--require-timestamp", a.require_timestamp, "somebody trusted must say when it was signed");
  args.option("--ignore", a.ignore, "PATH", "leave out this file or folder of the model", Hint::file);
}

}  // namespace

std::vector<Command> sign_commands() {
  Command sign{
      .name = "sign",
      .access = Access::either("sign", "read",
                               "the model: sign for an environment's key, read for a key of one's own; files and keys "
                               "of one's own need none"),
      .summary = "sign a model: one file or a folder, as OpenSSF Model Signing (OMS) v1.0 has it",
      .details =
          "Writes the signature as a Sigstore bundle, into the folder (model.sig) or beside the file (FILE.sig).\n"
          "Keys: ECDSA over P-256 (which every tool reads), P-384, P-521 or Ed25519, as PEM. A key of your own:\n"
          "  openssl ecparam -name prime256v1 -genkey -noout -out key.pem && openssl ec -in key.pem -pubout -out "
          "key.pub\n"
          "Example: hauberk sign model/ --key key.pem",
      .declare = [](Args& args) -> Run {
        auto a = std::make_shared<SignModelArguments>();
        args.positional("MODEL", a->model, "the file or folder to sign, or a version of the registry: NAME@NUMBER",
                        Hint::file);
        args.option("--key", a->key, "FILE", "private key in PEM; or env:NAME, file:PATH", Hint::file);
        args.option("-e,--environment", a->environment, "ENV",
                    "sign with the key that this environment has for models (of a version: dev, if nothing is said)",
                    Hint::environment);
        args.option("--passphrase", a->passphrase, "REF", "where its passphrase is: env:NAME or file:PATH");
        args.option("--certificate", a->certificate, "FILE", "the key's certificate in PEM, for the signature to carry",
                    Hint::file);
        args.option("--certificate-chain", a->chain, "FILE", "certificates between that one and a root", Hint::file);
        args.option("-o,--output", a->output, "FILE", "where the signature goes", Hint::file);
        args.option("--ignore", a->ignore, "PATH", "leave out this file or folder of the model; anybody can see it",
                    Hint::file);
        args.option(
            "--shard-size", a->shard_size, "SIZE",
            "hash files in pieces of this size, as in 1GB: faster for few large files, and each verifies alone");
        args.option("--timestamp-url", a->timestamp_url, "URL",
                    "have a timestamp authority (RFC 3161) say when it was signed");
        args.flag("--for-model-signing", a->for_reference,
                  "spell shards and single files as the Python package model-signing wants them");
        args.flag("--allow-symlinks", a->allow_symlinks, "take links below the folder for what they point at");
        args.option("--cache", a->cache, "FILE",
                    "keep digests there, and do not read files again that nobody changed since", Hint::file);
        args.option("-j,--jobs", a->jobs, "N", "hash on this many threads; 0: one for each processor");
        return [a](Context& context) { return run_sign_model(*a, context); };
      }};
  Command verify{
      .name = "verify",
      .access = Access::grant("read", "the model; files and keys of others need none"),
      .summary = "check that a model is what somebody you trust has signed",
      .details =
          "Reads OMS v1.0 signatures by key, certificate or Sigstore identity, and Sigstore bundles over one file;\n"
          "always offline. Every file of the model must be signed, and every signed file must be there.\n"
          "Exit code: 0 it is, 1 it is not, 3 could not be checked.\n"
          "Example: hauberk verify model/ --key key.pub",
      .declare = [](Args& args) -> Run {
        auto a = std::make_shared<VerifyModelArguments>();
        args.positional("MODEL", a->model, "the file or folder to verify, or a version of the registry: NAME@NUMBER",
                        Hint::file);
        declare_trust(args, *a);
        args.option("--only", a->only, "PATH", "verify only these files or folders of the model", Hint::file);
        args.flag("--ignore-unsigned-files", a->ignore_unsigned, "files that the signature does not list are fine");
        args.flag("--no-ignored-present", a->no_ignored,
                  "files that the signature or --ignore leaves out must not be there");
        args.flag("--allow-legacy", a->allow_legacy, "also take signatures of version 0.2.0, which bind less");
        args.option("--cache", a->cache, "FILE",
                    "keep digests there, and do not read files again that nobody changed since", Hint::file);
        args.option("-j,--jobs", a->jobs, "N", "hash on this many threads; 0: one for each processor");
        return [a](Context& context) { return unknown_is_unchecked(run_verify_model(*a, context)); };
      }};
  Command exec{
      .name = "exec",
      .access = Access::grant("read", "the key of an environment; keys of others need none"),
      .summary = "verify a model and run a command with exactly what was verified",
      .details =
          "The model is copied into memory that nobody can change, verified there, and its path put where the command "
          "has {};\nit is in HAUBERK_MODEL, too. Files that are not signed are not in the copy. The exit code is the "
          "command's.\n"
          "Example: hauberk exec model/ --key key.pub -- llama-server -m {}/model.gguf",
      .declare = [](Args& args) -> Run {
        auto a = std::make_shared<ExecArguments>();
        args.positional("MODEL", a->model, "the file or folder to verify", Hint::file);
        args.positional("COMMAND", a->command, "what to run with it, after --");
        declare_trust(args, *a);
        args.flag("--no-ignored-present", a->no_ignored,
                  "files that the signature or --ignore leaves out must not be there");
        args.option("-j,--jobs", a->jobs, "N", "hash on this many threads; 0: one for each processor");
        return [a](Context& context) { return unknown_is_unchecked(run_exec(*a, context)); };
      }};
  return {std::move(sign), std::move(verify), std::move(exec)};
}

}  // namespace hauberk::app
