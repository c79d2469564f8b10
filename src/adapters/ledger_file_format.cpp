#include "adapters/ledger_file_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/file_lock.h"
#include "base/json.h"
#include "crypto/note.h"

namespace hauberk::adapters {
namespace {

constexpr std::string_view record_sequence = "{\"seq\":";
constexpr std::string_view record_previous = ",\"prev\":\"";
constexpr std::string_view record_hash = ",\"hash\":\"";
constexpr std::string_view checkpoint_head = "{\"checkpoint\":2,\"seq\":";
constexpr std::string_view signature_key = ",\"signature\":\"";
constexpr std::string_view line_end = "\"}";

bool is_hash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Takes `expected` off the front.
bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

// Takes a decimal number without sign and leading zeros off the front.
bool take(std::string_view& text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || length == 0 || (text[0] == '0' && length > 1)) return false;
  text.remove_prefix(length);
  return true;
}

bool take_hash(std::string_view& text, std::string_view& out) {
  if (text.size() < 64 || !is_hash(text.substr(0, 64))) return false;
  out = text.substr(0, 64);
  text.remove_prefix(64);
  return true;
}

bool is_origin(std::string_view text) {
  return !text.empty() && text.size() <= 200 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-/") == std::string_view::npos;
}

// What a checkpoint signs: everything of its line but the signature.
std::string checkpoint_body(const Checkpoint& checkpoint) {
  const auto& position = checkpoint.position;
  return fmt::format(
      "{}{},\"hash\":\"{}\",\"segment\":{},\"end\":{},\"root\":\"{}\",\"origin\":\"{}\",\"time\":\"{}\",\"key\":\"{}\"",
      checkpoint_head, position.sequence, text(position.head), position.segment, position.offset, checkpoint.root.hex(),
      checkpoint.origin, checkpoint.time, checkpoint.key_id);
}

}  // namespace

HexHash hex_hash(const Digest& digest) {
  constexpr char digits[] = "0123456789abcdef";
  HexHash out;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    out[2 * i] = digits[digest.bytes[i] >> 4];
    out[2 * i + 1] = digits[digest.bytes[i] & 15];
  }
  return out;
}

HexHash append_record(std::string& out, crypto::Sha256& sha256, std::uint64_t sequence, const HexHash& previous,
                      std::string_view event) {
  const std::size_t begin = out.size();
  char number[20];
  const auto number_end = std::to_chars(number, number + sizeof number, sequence).ptr;
  out += record_sequence;
  out.append(number, number_end);
  out += record_previous;
  out += text(previous);
  out += '"';
  if (event.size() > 2) {
    out += ',';
    out += event.substr(1, event.size() - 2);  // its members
  }
  sha256.update(as_bytes(std::string_view(out).substr(begin)));
  const auto hash = hex_hash(sha256.finish());
  out += record_hash;
  out += text(hash);
  out += line_end;
  out += '\n';
  return hash;
}

std::optional<RecordLine> parse_record(std::string_view line) {
  RecordLine out;
  const std::size_t tail = record_hash.size() + 64 + line_end.size();
  if (line.size() < tail) return std::nullopt;
  out.hashed = line.substr(0, line.size() - tail);
  auto rest = line.substr(out.hashed.size());
  if (!take(rest, record_hash) || !take_hash(rest, out.hash) || rest != line_end) return std::nullopt;
  auto head = out.hashed;
  if (!take(head, record_sequence) || !take(head, out.sequence) || !take(head, record_previous) ||
      !take_hash(head, out.previous) || !head.starts_with('"'))
    return std::nullopt;
  return out;
}

Result<Checkpoint> make_checkpoint(const ChainPosition& position, const Digest& root, std::string origin, Instant now,
                                   crypto::KeyProvider& keys) {
  Checkpoint out{position, root, std::move(origin), rfc3339(now), TRY(keys.key_id(crypto::KeyPurpose::ledger)), ""};
  out.line = checkpoint_body(out);
  const auto signature = TRY(keys.sign(crypto::KeyPurpose::ledger, as_bytes(out.line)));
  out.line += fmt::format("{}{}{}", signature_key, base64(signature), line_end);
  return out;
}

Result<std::vector<std::string>> ledger_key_ids(crypto::KeyProvider& keys) {
  std::vector<std::string> ids{TRY(keys.key_id(crypto::KeyPurpose::ledger))};
  for (const auto& pem : keys.earlier_keys_pem(crypto::KeyPurpose::ledger))
    ids.push_back(TRY(crypto::VerifyingKey::from_pem(pem)).id());
  return ids;
}

Result<Descriptor> lock_note(const std::string& directory) {
  return lock_file(join_path(directory, "note.lock"), LockMode::exclusive, std::chrono::seconds(5));
}

Result<std::string> make_note(const Checkpoint& checkpoint, crypto::KeyProvider& keys) {
  const auto key = TRY(crypto::VerifyingKey::from_pem(TRY(keys.public_key_pem(crypto::KeyPurpose::ledger))));
  const auto verifier = TRY(crypto::NoteVerifier::of(checkpoint.origin, key));
  crypto::Note note{
      .text = crypto::write_checkpoint({checkpoint.origin, checkpoint.position.sequence, checkpoint.root}),
      .signatures = {}};
  auto signature = TRY(keys.sign(crypto::KeyPurpose::ledger, as_bytes(note.text)));
  note.signatures.push_back({verifier.name, verifier.hint, std::move(signature)});
  return crypto::write_note(note);
}

Result<Checkpoint> open_checkpoint(std::string_view line, crypto::KeyProvider& keys) {
  const auto bad = [](std::string_view why) {
    return fail(Errc::corrupt, fmt::format("this is no checkpoint: {}", why));
  };
  const auto signature_at = line.rfind(signature_key);
  if (signature_at == std::string_view::npos || !line.ends_with(line_end)) return bad("it is not signed");
  const auto body = line.substr(0, signature_at);
  const auto signature_text = line.substr(signature_at + signature_key.size(),
                                          line.size() - signature_at - signature_key.size() - line_end.size());
  const auto signature = from_base64(signature_text);
  if (!signature) return bad("its signature is not base64");
  // Only what was signed is parsed further; the key is named in it.
  const auto key_at = body.rfind(",\"key\":\"");
  if (key_at == std::string_view::npos || !body.ends_with('"') || body.size() < key_at + 9)
    return bad("it names no key");
  Checkpoint out;
  out.line = line;
  out.key_id = body.substr(key_at + 8, body.size() - key_at - 9);
  CHECK(keys.verify(crypto::KeyPurpose::ledger, out.key_id, as_bytes(body), *signature));
  auto rest = body;
  std::string_view hash, root;
  if (!take(rest, checkpoint_head) || !take(rest, out.position.sequence) || !take(rest, ",\"hash\":\"") ||
      !take_hash(rest, hash) || !take(rest, "\",\"segment\":") || !take(rest, out.position.segment) ||
      !take(rest, ",\"end\":") || !take(rest, out.position.offset) || !take(rest, ",\"root\":\"") ||
      !take_hash(rest, root) || !take(rest, "\",\"origin\":\""))
    return bad("its members are not as they should be");
  std::ranges::copy(hash, out.position.head.begin());
  out.root = TRY(Digest::parse(root));
  out.origin = rest.substr(0, rest.find('"'));
  rest.remove_prefix(out.origin.size());
  if (!is_origin(out.origin) || !take(rest, "\",\"time\":\"")) return bad("its members are not as they should be");
  out.time = rest.substr(0, rest.find('"'));
  if (body != checkpoint_body(out)) return bad("its members are not as they should be");
  return out;
}

std::string segment_name(std::uint64_t first) { return fmt::format("ledger-{:020}.jsonl", first); }

Result<std::vector<Segment>> list_segments(Files& files, const std::string& directory) {
  auto names = files.list(directory);
  std::vector<Segment> out;
  if (!names && names.error().code == Errc::not_found) return out;
  if (!names) return std::unexpected(std::move(names).error());
  for (auto& name : *names) {
    std::uint64_t first = 0;
    const std::string_view digits = std::string_view(name).substr(std::min<std::size_t>(name.size(), 7));
    if (!name.starts_with("ledger-")) continue;
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), first);
    if (first != 0 && name == segment_name(first)) out.push_back({first, std::move(name)});
  }
  std::ranges::sort(out, {}, &Segment::first);
  return out;
}

Result<std::optional<std::string_view>> LineReader::next() {
  std::size_t searched = at_;
  for (;;) {
    if (const void* newline =
            filled_ > searched ? std::memchr(buffer_.data() + searched, '\n', filled_ - searched) : nullptr;
        newline != nullptr) {
      const auto length = static_cast<std::size_t>(static_cast<const char*>(newline) - buffer_.data()) - at_;
      if (length > longest_line) break;
      const std::string_view line(buffer_.data() + at_, length);
      at_ += length + 1;
      offset_ += length + 1;
      return line;
    }
    if (filled_ - at_ > longest_line) break;
    // Room for more: what was given out already moves away.
    if (filled_ != at_) std::memmove(buffer_.data(), buffer_.data() + at_, filled_ - at_);
    filled_ -= at_;
    at_ = 0;
    searched = filled_;
    if (buffer_.size() < filled_ + (256u << 10)) buffer_.resize(filled_ + (256u << 10));
    const std::uint64_t from = offset_ + filled_;
    const auto room = std::min<std::uint64_t>(buffer_.size() - filled_, end_ > from ? end_ - from : 0);
    if (room == 0) return std::nullopt;
    const auto n = TRY(file_->read_at(from, {reinterpret_cast<std::uint8_t*>(buffer_.data()) + filled_, room}));
    if (n == 0) return std::nullopt;
    filled_ += n;
  }
  too_long_ = true;
  return std::nullopt;
}

}  // namespace hauberk::adapters
