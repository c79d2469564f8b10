// The ledger for others: checkpoints to keep, proofs to hand out and to check, witnesses.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "adapters/ledger_file.h"
#include "adapters/ledger_file_tiles.h"
#include "app/output.h"
#include "app/workspace.h"
#include "config/settings.h"
#include "crypto/merkle.h"
#include "crypto/witness.h"
#include "net/http_client.h"
#include "net/small_server.h"

namespace hauberk::app {
namespace {

constexpr std::string_view proof_type = "c2sp.org/tlog-proof@v1";
constexpr std::uint64_t largest_text = 4 << 20;
const std::vector<std::string> proof_environments = {"dev", "staging", "production"};
const std::vector<std::string> proof_chains = {"registry", "gateway"};

struct LogArguments {
  std::string environment = "production";
  std::string chain = "registry";
};

struct OpenLog {
  std::unique_ptr<Workspace> workspace;
  std::string folder;
  crypto::NoteVerifier verifier;
};
Result<OpenLog> open_log(const LogArguments& arguments, Context& context) {
  OpenLog log{.workspace = TRY(Workspace::open(context)), .folder = "", .verifier = {}};
  const auto environment = TRY(parse_environment(arguments.environment));
  CHECK(log.workspace->require_ledger_reader(environment));
  log.folder = log.workspace->ledger_folder(environment, arguments.chain);
  const auto pem = TRY(log.workspace->keys(environment)->public_key_pem(crypto::KeyPurpose::ledger));
  const auto origin = TRY(adapters::ledger_origin(context.files, log.folder));
  log.verifier = TRY(crypto::NoteVerifier::of(origin, TRY(crypto::VerifyingKey::from_pem(pem))));
  return log;
}

void declare_log(Args& args, LogArguments& log) {
  args.choice("-e,--environment", log.environment, proof_environments, "whose ledger");
  args.choice("--chain", log.chain, proof_chains, "what the command line did, or what the gateway did");
}

// To the file, or to stdout.
Status put(Context& context, const std::string& output, std::string_view text) {
  if (!output.empty()) return write_file_atomically(context.files, output, as_bytes(text), OpenMode::create_public);
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size()
             ? Status{}
             : fail(Errc::unavailable, "cannot write to standard output");
}

struct CheckpointArguments : LogArguments {
  std::string output;
};

Result<int> run_checkpoint(const CheckpointArguments& arguments, Context& context) {
  const auto log = TRY(open_log(arguments, context));
  const auto text = TRY(adapters::ledger_note(context.files, log.folder));
  const auto note = TRY(crypto::parse_note(text));
  if (!TRY(log.verifier.signed_note(note)))
    return fail(Errc::corrupt, "the checkpoint is not signed by the ledger's key");
  if (context.json) {
    const auto checkpoint = TRY(crypto::parse_checkpoint(note.text));
    json::Value value;
    value.set("origin", checkpoint.origin).set("size", checkpoint.size).set("root", checkpoint.root.text());
    context.out.json(value.set("key", log.verifier.text()).set("note", text));
    return 0;
  }
  CHECK(put(context, arguments.output, text));
  context.out.hint(fmt::format("keep it where nobody writes who can write here; its key is {}", log.verifier.text()));
  return 0;
}

struct ProveArguments : LogArguments {
  std::string record;
  std::string since;
  std::string output;
};

Result<int> run_prove(const ProveArguments& arguments, Context& context) {
  const auto log = TRY(open_log(arguments, context));
  std::uint64_t record = 0;
  const auto* end = arguments.record.data() + arguments.record.size();
  const bool number = std::from_chars(arguments.record.data(), end, record).ptr == end && record != 0;
  if (number == !arguments.since.empty() || (!number && !arguments.record.empty()))
    return fail(Errc::invalid, "name a record by its number, or an older checkpoint with --since");
  if (!arguments.since.empty()) {
    const auto text = TRY(read_file(context.files, arguments.since, largest_text));
    const auto old = TRY(crypto::parse_checkpoint(TRY(crypto::parse_note(as_text(text))).text));
    if (old.origin != log.verifier.name)
      return fail(Errc::invalid, "the checkpoint is of another ledger", arguments.since);
    const auto note = TRY(adapters::ledger_note(context.files, log.folder));
    const auto proof = TRY(adapters::prove_growth(context.files, log.folder, old.size));
    const auto now = TRY(crypto::parse_checkpoint(TRY(crypto::parse_note(note)).text));
    if (!crypto::verify_consistency(old.size, old.root, now.size, now.root, proof)) {
      context.out.bad(fmt::format("the ledger did not grow out of {}: its history was written anew", arguments.since));
      return 1;
    }
    const auto request = crypto::witness_request(old.size, proof, note);
    if (context.json)
      context.out.json(json::Value().set("old_size", old.size).set("size", now.size).set("proof", request));
    else
      CHECK(put(context, arguments.output, request));
    return 0;
  }
  const auto proof = TRY(adapters::prove_record(context.files, log.folder, record));
  auto text = fmt::format("{}\nindex {}\n", proof_type, proof.index);
  for (const auto& hash : proof.hashes) text += base64(hash.bytes) + "\n";
  text += "\n" + proof.note;
  if (context.json) {
    context.out.json(json::Value().set("record", proof.line).set("proof", text).set("key", log.verifier.text()));
    return 0;
  }
  CHECK(put(context, arguments.output, text));
  return 0;
}

struct ProofFile {
  std::uint64_t index = 0;
  std::vector<Digest> hashes;
  crypto::Note note;
};

Result<ProofFile> parse_proof(std::string_view text) {
  const auto bad = [](std::string_view why) { return fail(Errc::corrupt, fmt::format("not a proof: {}", why)); };
  ProofFile proof;
  const auto gap = text.find("\n\n");
  if (gap == std::string_view::npos || !text.starts_with(proof_type)) return bad("it does not begin as one");
  auto head = text.substr(0, gap + 1);
  proof.note = TRY(crypto::parse_note(text.substr(gap + 2)));
  head.remove_prefix(proof_type.size());
  bool indexed = false;
  for (std::size_t number = 0; !head.empty(); ++number) {
    const auto line = head.substr(0, head.find('\n'));
    head.remove_prefix(line.size() + 1);
    if (number == 0 && line.empty()) continue;  // the rest of the first line
    if (!indexed && line.starts_with("extra ")) continue;
    if (!indexed && line.starts_with("index ")) {
      const auto digits = line.substr(6);
      const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), proof.index);
      if (error != std::errc{} || stop != digits.data() + digits.size()) return bad("its index is no number");
      indexed = true;
      continue;
    }
    const auto hash = from_base64(line);
    if (!indexed || !hash || hash->size() != 32 || proof.hashes.size() == 64) return bad("a line is no hash");
    std::ranges::copy(*hash, proof.hashes.emplace_back().bytes.begin());
  }
  return indexed ? Result<ProofFile>(std::move(proof)) : bad("it has no index");
}

struct CheckArguments {
  std::string proof;
  std::string record;
  std::string key;
  std::vector<std::string> witnesses;
  std::int64_t quorum = 0;
};

Result<int> run_check(const CheckArguments& arguments, Context& context) {
  const auto proof = TRY(parse_proof(as_text(TRY(read_file(context.files, arguments.proof, largest_text)))));
  auto record = std::string(as_text(TRY(read_file(context.files, arguments.record, largest_text))));
  if (record.ends_with('\n')) record.pop_back();
  const auto log = TRY(crypto::NoteVerifier::parse(arguments.key));
  const auto no = [&](std::string_view why) {
    context.out.bad(fmt::format("not proven: {}", why));
    return 1;
  };
  const auto by_log = log.signed_note(proof.note);
  if (!by_log || !*by_log) return no("the checkpoint is not signed with that key");
  std::int64_t cosigned = 0;
  for (const auto& text : arguments.witnesses) {
    const auto witness = TRY(crypto::NoteVerifier::parse(text));
    const auto by_witness = witness.signed_note(proof.note);
    if (by_witness && *by_witness) ++cosigned;
  }
  const auto wanted = arguments.quorum > 0 ? arguments.quorum : static_cast<std::int64_t>(arguments.witnesses.size());
  if (cosigned < wanted) return no(fmt::format("{} of {} witnesses that are needed have cosigned", cosigned, wanted));
  const auto checkpoint = TRY(crypto::parse_checkpoint(proof.note.text));
  if (checkpoint.origin != log.name) return no("the checkpoint is of another log");
  const auto leaf = crypto::merkle_leaf(as_bytes(adapters::entry_of(record)));
  if (!crypto::verify_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root))
    return no("the record is not in the log");
  if (context.json)
    context.out.json(json::Value()
                         .set("proven", true)
                         .set("origin", checkpoint.origin)
                         .set("record", proof.index + 1)
                         .set("size", checkpoint.size)
                         .set("witnesses", cosigned));
  else
    context.out.good(fmt::format("record {} of {} in {}{}", proof.index + 1, checkpoint.size, checkpoint.origin,
                                 cosigned == 0 ? "" : fmt::format(", cosigned by {}", cosigned)));
  return 0;
}

struct WitnessArguments : LogArguments {
  std::vector<std::string> urls;
  std::vector<std::string> keys;
};

// Shows one witness the newest checkpoint; it says what it has seen last, and gets the proof from there.
Result<crypto::Note> ask_witness(Context& context, const OpenLog& log, const std::string& url, const std::string& note,
                                 const std::vector<std::string>& keys) {
  const auto parsed = TRY(crypto::parse_note(note));
  const auto client = net::make_http_client();
  std::uint64_t old_size = 0;
  for (int attempt = 0;; ++attempt) {
    const auto proof = TRY(adapters::prove_growth(context.files, log.folder, old_size));
    const auto reply = TRY(client->call({.method = "POST",
                                         .url = url + (url.ends_with('/') ? "" : "/") + "add-checkpoint",
                                         .headers = {{"Content-Type", "text/plain"}},
                                         .body = to_bytes(crypto::witness_request(old_size, proof, note)),
                                         .may_be_plain = true}));
    const auto answer = as_text(reply.body);
    if (reply.status == 409 && attempt == 0) {
      const auto [stop, error] = std::from_chars(answer.data(), answer.data() + answer.size(), old_size);
      if (error != std::errc{}) return fail(Errc::unavailable, "the witness does not say what it has seen", url);
      continue;
    }
    if (reply.status == 422)
      return fail(Errc::denied, "the witness has seen another history of this ledger: it was written anew", url);
    if (reply.status != 200)
      return fail(Errc::unavailable,
                  fmt::format("the witness answers with status {}: {:.100}", reply.status, cleaned(answer)), url);
    auto cosigned = TRY(crypto::parse_note(parsed.text + "\n" + std::string(answer)));
    for (const auto& text : keys)
      if (const auto by = TRY(crypto::NoteVerifier::parse(text)).signed_note(cosigned); by && *by) return cosigned;
    if (keys.empty()) return cosigned;
    return fail(Errc::denied, "the answer is not signed by any of the witnesses named with --key", url);
  }
}

Result<int> run_witness(const WitnessArguments& arguments, Context& context) {
  const auto log = TRY(open_log(arguments, context));
  const auto note = TRY(adapters::ledger_note(context.files, log.folder));
  json::Value list = json::Value::array();
  for (const auto& url : arguments.urls) {
    const auto cosigned = TRY(ask_witness(context, log, url, note, arguments.keys));
    CHECK(adapters::add_cosignatures(context.files, log.folder, cosigned));
    const auto& name = cosigned.signatures.front().name;
    list.push(json::Value().set("witness", name).set("url", url));
    if (!context.json) context.out.good(fmt::format("cosigned by {} ({})", cleaned(name), url));
  }
  if (context.json) context.out.json(list);
  return 0;
}

struct ServeWitnessArguments {
  std::string listen = "127.0.0.1:8470";
  std::string folder;
  std::string key;
  std::string name = "witness";
  std::vector<std::string> logs;
};

Result<int> run_serve_witness(const ServeWitnessArguments& arguments, Context& context) {
  const auto place = TRY(config::parse_host_port(arguments.listen));
  std::vector<crypto::NoteVerifier> logs;
  for (const auto& text : arguments.logs) logs.push_back(TRY(crypto::NoteVerifier::parse(text)));
  if (logs.empty()) return fail(Errc::invalid, "name the logs to witness by their verifier keys: --log KEY");
  const auto pem = TRY(resolve(TRY(SecretRef::parse("file:" + arguments.key))));
  const auto key = TRY(crypto::SigningKey::from_pem(pem));
  auto witness = TRY(crypto::Witness::open(context.files, arguments.folder, arguments.name, key, std::move(logs)));

  // Before any thread starts: all of them leave these signals to this one.
  sigset_t ending;
  ::sigemptyset(&ending);
  ::sigaddset(&ending, SIGINT);
  ::sigaddset(&ending, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  const auto handle = [&](const net::SmallRequest& request) -> net::SmallReply {
    if (request.path != "/add-checkpoint") return {.status = 404, .body = "there is no such path\n"};
    if (request.method != "POST") return {.status = 405, .body = "only POST\n"};
    auto answer = witness.add_checkpoint(request.body, context.clock.now());
    return {answer.status, std::move(answer.content_type), std::move(answer.body)};
  };
  const auto server = TRY(net::SmallServer::start(place.host, place.port, context.clock, handle, 1 << 20));
  context.out.good("witness on " + config::HostPort{place.host, server->port()}.text());
  context.out.line(fmt::format("  key  {}", witness.verifier().text()));
  std::fflush(stdout);
  int received = 0;
  ::sigwait(&ending, &received);
  return 0;
}

}  // namespace

std::vector<Command> proof_commands() {
  return {
      {.name = "ledger checkpoint",
       .access = Access::grant("ledger", "the environment"),
       .summary = "print the newest signed checkpoint, for you to keep elsewhere",
       .details = "Whoever holds one finds any later change of the records that it covers: hauberk ledger verify "
                  "--checkpoint FILE\nExample: hauberk ledger checkpoint --chain gateway -o monday.checkpoint",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<CheckpointArguments>();
         declare_log(args, *a);
         args.option("-o,--output", a->output, "FILE", "where it goes (default: standard output)", Hint::file);
         return [a](Context& context) { return run_checkpoint(*a, context); };
       }},
      {.name = "ledger prove",
       .access = Access::grant("ledger", "the environment"),
       .summary = "prove that a record is in the ledger, or that the ledger grew out of an older checkpoint",
       .details = "A proof of a record is checked without this machine: hauberk ledger check\n"
                  "Example: hauberk ledger prove 17 -o record-17.tlog-proof   hauberk ledger prove --since "
                  "monday.checkpoint",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<ProveArguments>();
         args.optional_positional("RECORD", a->record, "its number (seq)");
         args.option("--since", a->since, "FILE", "an older checkpoint", Hint::file);
         declare_log(args, *a);
         args.option("-o,--output", a->output, "FILE", "where the proof goes (default: standard output)", Hint::file);
         return [a](Context& context) { return run_prove(*a, context); };
       }},
      {.name = "ledger check",
       .access = Access::anybody("it reads a proof that somebody was given"),
       .summary = "check somebody's proof that a record is in a ledger; needs nothing but the proof and a key",
       .details = "Exit code 1 if it does not prove that.",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<CheckArguments>();
         args.positional("PROOF", a->proof, "the proof (.tlog-proof)", Hint::file);
         args.option("--record", a->record, "FILE", "the record: one line, as `ledger export` prints it", Hint::file);
         args.required();
         args.option("--key", a->key, "KEY", "the ledger's verifier key, as `ledger checkpoint` prints it");
         args.required();
         args.option("--witness", a->witnesses, "KEY", "the verifier key of a witness that must have cosigned");
         args.option("--quorum", a->quorum, "N", "so many of the witnesses suffice");
         return [a](Context& context) { return run_check(*a, context); };
       }},
      {.name = "ledger witness",
       .access = Access::grant("ledger", "the environment"),
       .summary = "have witnesses cosign the newest checkpoint",
       .details = "A witness cosigns only what grew out of what it has seen: exit code 1 if it saw another history.\n"
                  "Example: hauberk ledger witness https://witness.example/ --key witness.example+…",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<WitnessArguments>();
         args.positional("URL", a->urls, "witnesses (C2SP tlog-witness)");
         args.option("--key", a->keys, "KEY", "their verifier keys; without any, whatever they answer is kept");
         declare_log(args, *a);
         return [a](Context& context) { return run_witness(*a, context); };
       }},
      {.name = "witness",
       .access = Access::anybody("it keeps a folder of its own"),
       .summary = "be a witness for ledgers of others (C2SP tlog-witness), until Ctrl-C",
       .details = "Put it where nobody who runs the ledger can write. A key: openssl genpkey -algorithm ed25519 -out "
                  "witness.pem && chmod 600 witness.pem\n"
                  "Example: hauberk witness --key witness.pem --state seen/ --log ledger.hauberk.dev/…+…",
       .declare = [](Args& args) -> Run {
         auto a = std::make_shared<ServeWitnessArguments>();
         args.option("--key", a->key, "FILE", "its private key: Ed25519 in PEM, mode 0600", Hint::file);
         args.required();
         args.option("--state", a->folder, "FOLDER", "where it keeps what it has seen", Hint::directory);
         args.required();
         args.option("--log", a->logs, "KEY", "verifier key of a log to witness, as `ledger checkpoint` prints it");
         args.option("--name", a->name, "NAME", "its name, such as witness.example (default: witness)");
         args.option("--listen", a->listen, "ADDRESS:PORT", "where it listens (default: 127.0.0.1:8470)");
         return [a](Context& context) { return run_serve_witness(*a, context); };
       }},
  };
}

}  // namespace hauberk::app
