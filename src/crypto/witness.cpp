#include "crypto/witness.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/file_lock.h"
#include "base/json.h"

namespace hauberk::crypto {
namespace {

constexpr std::size_t most_proof_lines = 63;
constexpr std::uint64_t largest_state = 1 << 20;  // a checkpoint may have lines of its log's own

struct Question {
  std::uint64_t old_size = 0;
  std::vector<Digest> proof;
  std::string_view checkpoint;
};

Result<Question> parse_question(std::string_view body) {
  const auto refuse = [](std::string_view why) { return fail(Errc::invalid, std::string(why)); };
  Question question;
  if (!body.starts_with("old ")) return refuse("expected: old <size>");
  body.remove_prefix(4);
  const auto end = body.find('\n');
  if (end == std::string_view::npos || end == 0 || (body[0] == '0' && end > 1)) return refuse("expected: old <size>");
  const auto [stop, error] = std::from_chars(body.data(), body.data() + end, question.old_size);
  if (error != std::errc{} || stop != body.data() + end) return refuse("expected: old <size>");
  body.remove_prefix(end + 1);
  for (;;) {
    const auto line_end = body.find('\n');
    if (line_end == std::string_view::npos) return refuse("there is no empty line before the checkpoint");
    const auto line = body.substr(0, line_end);
    body.remove_prefix(line_end + 1);
    if (line.empty()) break;
    const auto hash = from_base64(line);
    if (!hash || hash->size() != 32) return refuse("a line of the proof is no hash");
    if (question.proof.size() == most_proof_lines) return refuse("the proof is too long");
    std::ranges::copy(*hash, question.proof.emplace_back().bytes.begin());
  }
  question.checkpoint = body;
  return question;
}

}  // namespace

std::string witness_request(std::uint64_t old_size, std::span<const Digest> proof, std::string_view checkpoint) {
  auto text = fmt::format("old {}\n", old_size);
  for (const auto& hash : proof) text += base64(hash.bytes) + "\n";
  return text + "\n" + std::string(checkpoint);
}

Result<Witness> Witness::open(Files& files, std::string folder, std::string name, const SigningKey& key,
                              std::vector<NoteVerifier> logs) {
  auto verifier = TRY(NoteVerifier::of(std::move(name), key.verifying(), NoteKind::cosignature));
  CHECK(files.make_directories(folder));
  auto lock = TRY(lock_file(join_path(folder, "lock"), LockMode::exclusive, {},
                            "another witness is at work on this folder; two of them could cosign two histories"));
  return Witness(files, std::move(folder), std::move(lock), std::move(verifier), key, std::move(logs));
}

std::string Witness::place_of(const std::string& origin) const {
  return join_path(folder_, sha256(as_bytes(origin)).hex() + ".note");
}

// Nothing seen yet is the empty tree. A file that cannot be read is an error: forgetting would let a log go back.
Result<Checkpoint> Witness::seen(const std::string& origin) const {
  const auto text = read_file(files_, place_of(origin), largest_state);
  if (!text && text.error().code == Errc::not_found) return seen_by_release_0_1(origin);
  if (!text) return fail(Errc::corrupt, text.error().message, place_of(origin));
  const auto note = parse_note(as_text(*text));
  const auto signed_here = note ? verifier_.signed_note(*note) : Result<bool>(false);
  auto checkpoint = note ? parse_checkpoint(note->text) : std::unexpected(note.error());
  if (!signed_here || !*signed_here || !checkpoint || checkpoint->origin != origin)
    return fail(Errc::corrupt,
                "what the witness has seen is not what it wrote, or under another key: restore it from a backup",
                place_of(origin));
  return checkpoint;
}

// A state without a signature, until the next checkpoint.
Result<Checkpoint> Witness::seen_by_release_0_1(const std::string& origin) const {
  Checkpoint checkpoint{.origin = origin, .size = 0, .root = sha256({})};
  const auto place = join_path(folder_, sha256(as_bytes(origin)).hex() + ".json");
  const auto text = read_file(files_, place, 4096);
  if (!text)
    return text.error().code == Errc::not_found ? Result<Checkpoint>(checkpoint) : std::unexpected(text.error());
  const auto value = json::parse(as_text(*text));
  const auto size = value ? value->int_or("size", -1) : -1;
  const auto root = Digest::parse(value ? value->text_or("root", "") : "");
  if (size < 0 || !root || value->text_or("origin", "") != origin)
    return fail(Errc::corrupt, "what the witness has seen cannot be read: restore it from a backup", place);
  checkpoint.size = static_cast<std::uint64_t>(size);
  checkpoint.root = *root;
  return checkpoint;
}

WitnessAnswer Witness::add_checkpoint(std::string_view body, Instant now) {
  auto result = answer(body, now);
  if (result) return std::move(*result);
  switch (result.error().code) {
    case Errc::invalid:
      return {.status = 400, .body = result.error().message + "\n"};
    case Errc::not_found:
      return {.status = 404, .body = result.error().message + "\n"};
    case Errc::denied:
      return {.status = 403, .body = result.error().message + "\n"};
    case Errc::precondition:
      return {.status = 422, .body = result.error().message + "\n"};
    default:
      return {.status = 500, .body = "the witness cannot keep what it sees\n"};
  }
}

Result<WitnessAnswer> Witness::answer(std::string_view body, Instant now) {
  const auto question = TRY(parse_question(body));
  const auto note = parse_note(question.checkpoint);
  if (!note) return fail(Errc::invalid, note.error().message);
  const auto checkpoint = parse_checkpoint(note->text);
  if (!checkpoint) return fail(Errc::invalid, checkpoint.error().message);
  const auto log = std::ranges::find(logs_, checkpoint->origin, &NoteVerifier::name);
  if (log == logs_.end()) return fail(Errc::not_found, "this log is not known here");
  const auto by_log = log->signed_note(*note);
  if (!by_log || !*by_log) return fail(Errc::denied, "the checkpoint is not signed by the log");
  if (question.old_size > checkpoint->size) return fail(Errc::invalid, "the old size is larger than the new one");
  const auto last = TRY(seen(checkpoint->origin));
  if (question.old_size != last.size)
    return WitnessAnswer{.status = 409, .content_type = "text/x.tlog.size", .body = fmt::format("{}\n", last.size)};
  if (!verify_consistency(last.size, last.root, checkpoint->size, checkpoint->root, question.proof) ||
      (checkpoint->size == 0 && checkpoint->root != sha256({})))
    return fail(Errc::precondition, "the log does not prove that it grew out of what was seen of it");

  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  Note cosigned{.text = note->text, .signatures = {}};
  Bytes signature(8);
  store_be(signature.data(), static_cast<std::uint64_t>(seconds));
  const auto bytes = key_.sign(as_bytes(cosigned_text(seconds, note->text)));
  signature.insert(signature.end(), bytes.begin(), bytes.end());
  cosigned.signatures.push_back({verifier_.name, verifier_.hint, std::move(signature)});
  CHECK(write_file_atomically(files_, place_of(checkpoint->origin), as_bytes(write_note(cosigned))));
  return WitnessAnswer{.body = write_note(cosigned).substr(note->text.size() + 1)};
}

}  // namespace hauberk::crypto
