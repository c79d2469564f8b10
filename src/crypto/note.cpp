#include "crypto/note.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace hauberk::crypto {
namespace {

constexpr std::string_view dash = "\xe2\x80\x94 ";  // U+2014 and a space
constexpr std::size_t most_signatures = 64, largest_note = 1 << 20;

std::unexpected<Error> not_a_note(std::string_view why) {
  return fail(Errc::corrupt, fmt::format("not a signed note: {}", why));
}

// The next line, without its newline, taken off the front.
std::optional<std::string_view> take_line(std::string_view& text) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const auto line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

Result<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(dash)) return not_a_note("a line after the text is no signature");
  line.remove_prefix(dash.size());
  const auto space = line.find(' ');
  if (space == 0 || space == std::string_view::npos) return not_a_note("a signature lacks a name");
  const auto bytes = from_base64(line.substr(space + 1));
  if (!bytes || bytes->size() < 5) return not_a_note("a signature is not base64");
  NoteSignature signature{.name = std::string(line.substr(0, space)), .signature = {bytes->begin() + 4, bytes->end()}};
  std::copy_n(bytes->begin(), 4, signature.hint.begin());
  return signature;
}

}  // namespace

Result<Note> parse_note(std::string_view text) {
  if (text.size() > largest_note) return not_a_note("it is too long");
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') return not_a_note("it holds control characters");
  const auto gap = text.rfind("\n\n");
  if (gap == std::string_view::npos) return not_a_note("there is no empty line before the signatures");
  Note note{.text = std::string(text.substr(0, gap + 1))};
  auto rest = text.substr(gap + 2);
  while (const auto line = take_line(rest)) {
    if (note.signatures.size() == most_signatures) return not_a_note("it has too many signatures");
    note.signatures.push_back(TRY(parse_signature(*line)));
  }
  if (!rest.empty()) return not_a_note("its last line does not end");
  if (note.signatures.empty()) return not_a_note("nobody signed it");
  return note;
}

std::string write_note(const Note& note) {
  auto text = note.text + "\n";
  for (const auto& one : note.signatures) {
    Bytes bytes(one.hint.begin(), one.hint.end());
    bytes.insert(bytes.end(), one.signature.begin(), one.signature.end());
    text += fmt::format("{}{} {}\n", dash, one.name, base64(bytes));
  }
  return text;
}

namespace {

// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410) before its 32 bytes.
constexpr std::uint8_t ed25519_info[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

std::array<std::uint8_t, 4> hint_of(std::string_view name, NoteKind kind, std::span<const std::uint8_t> key) {
  Bytes bytes = to_bytes(name);
  bytes.push_back('\n');
  bytes.push_back(static_cast<std::uint8_t>(kind));
  bytes.insert(bytes.end(), key.begin(), key.end());
  std::array<std::uint8_t, 4> hint{};
  std::ranges::copy_n(sha256(bytes).bytes.begin(), 4, hint.begin());
  return hint;
}

bool is_note_name(std::string_view name) {
  return !name.empty() && name.find_first_of(" +\n") == std::string_view::npos;
}

}  // namespace

std::string cosigned_text(std::int64_t seconds, std::string_view text) {
  return fmt::format("cosignature/v1\ntime {}\n{}", seconds, text);
}

Result<NoteVerifier> NoteVerifier::parse(std::string_view text) {
  const auto refuse = [] { return fail(Errc::invalid, "expected a verifier key: name+hint+base64, of Ed25519"); };
  const auto first = text.find('+');
  const auto second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return refuse();
  const auto hint = from_hex(text.substr(first + 1, second - first - 1));
  const auto key = from_base64(text.substr(second + 1));
  NoteVerifier verifier{.name = std::string(text.substr(0, first))};
  if (!hint || hint->size() != 4 || !key || key->size() != 33 || !is_note_name(verifier.name)) return refuse();
  if (key->front() != 1 && key->front() != 4) return refuse();
  verifier.kind = static_cast<NoteKind>(key->front());
  std::copy(key->begin() + 1, key->end(), verifier.key.begin());
  verifier.hint = hint_of(verifier.name, verifier.kind, verifier.key);
  return std::ranges::equal(*hint, verifier.hint) ? Result<NoteVerifier>(verifier) : refuse();
}

Result<NoteVerifier> NoteVerifier::of(std::string name, const VerifyingKey& key, NoteKind kind) {
  if (key.algorithm() != SignatureAlgorithm::ed25519)
    return fail(Errc::unsupported, "notes are signed with Ed25519 keys");
  if (!is_note_name(name)) return fail(Errc::invalid, "a signer's name holds no spaces and no '+'", name);
  NoteVerifier verifier{.kind = kind, .name = std::move(name)};
  std::copy(key.der().end() - 32, key.der().end(), verifier.key.begin());
  verifier.hint = hint_of(verifier.name, verifier.kind, verifier.key);
  return verifier;
}

std::string NoteVerifier::text() const {
  Bytes bytes{static_cast<std::uint8_t>(kind)};
  bytes.insert(bytes.end(), key.begin(), key.end());
  return fmt::format("{}+{}+{}", name, hex(hint), base64(bytes));
}

Result<bool> NoteVerifier::signed_note(const Note& note) const {
  Bytes info(std::begin(ed25519_info), std::end(ed25519_info));
  info.insert(info.end(), key.begin(), key.end());
  const auto verifying = TRY(VerifyingKey::from_der(info));
  bool found = false;
  for (const auto& one : note.signatures) {
    if (one.name != name || one.hint != hint) continue;  // somebody else's, or of another kind
    bool fits = false;
    if (kind == NoteKind::note) {
      fits = verifying.verify(as_bytes(note.text), one.signature);
    } else if (one.signature.size() == 72) {
      const auto seconds = static_cast<std::int64_t>(load_be<std::uint64_t>(one.signature.data()));
      fits = verifying.verify(as_bytes(cosigned_text(seconds, note.text)), ByteView(one.signature).subspan(8));
    }
    if (!fits) return fail(Errc::corrupt, fmt::format("the signature of {} does not fit: the note was changed", name));
    found = true;
  }
  return found;
}

std::string write_checkpoint(const Checkpoint& checkpoint) {
  return fmt::format("{}\n{}\n{}\n", checkpoint.origin, checkpoint.size, base64(checkpoint.root.bytes));
}

Result<Checkpoint> parse_checkpoint(std::string_view text) {
  const auto no = [](std::string_view why) { return fail(Errc::corrupt, fmt::format("not a checkpoint: {}", why)); };
  const auto origin = take_line(text), size = take_line(text), root = take_line(text);
  if (!origin || origin->empty()) return no("it names no log");
  Checkpoint checkpoint{.origin = std::string(*origin)};
  const bool digits = size && !size->empty() && (size->front() != '0' || size->size() == 1);
  if (!digits) return no("the number of entries cannot be read");
  const auto* end = size->data() + size->size();
  if (const auto [stop, error] = std::from_chars(size->data(), end, checkpoint.size);
      error != std::errc{} || stop != end)
    return no("the number of entries cannot be read");
  const auto hash = root ? from_base64(*root) : std::nullopt;
  if (!hash || hash->size() != checkpoint.root.bytes.size()) return no("the root hash cannot be read");
  std::ranges::copy(*hash, checkpoint.root.bytes.begin());
  return checkpoint;
}

}  // namespace hauberk::crypto
