// Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint): text, an empty line, lines of signatures
// "— <name> <base64 of 4 bytes of key hint and the signature>". Parsing is strict; who signed is for the caller to
// check against the keys that he knows. Pure; any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/digest.h"
#include "crypto/signature.h"

namespace hauberk::crypto {

struct NoteSignature {
  std::string name;
  std::array<std::uint8_t, 4> hint{};
  Bytes signature;
};
struct Note {
  std::string text;  // what is signed, with its final newline
  std::vector<NoteSignature> signatures;
};
Result<Note> parse_note(std::string_view text);

// Appends the empty line and the lines of signatures.
std::string write_note(const Note& note);

// Ed25519 over the note's text, or, as witnesses do it, over the text with a time before it (C2SP tlog-cosignature).
enum class NoteKind : std::uint8_t { note = 1, cosignature = 4 };
// What a witness signs at that time, in seconds since 1970.
std::string cosigned_text(std::int64_t seconds, std::string_view text);

// A signer of notes by Ed25519 and how it is written: "name+hint+base64" (its verifier key).
struct NoteVerifier {
  NoteKind kind = NoteKind::note;
  std::string name;
  std::array<std::uint8_t, 4> hint{};
  std::array<std::uint8_t, 32> key{};
  static Result<NoteVerifier> parse(std::string_view text);
  // Errc::unsupported: the key is no Ed25519 key. invalid: the name holds spaces or '+'.
  static Result<NoteVerifier> of(std::string name, const VerifyingKey& key, NoteKind kind = NoteKind::note);
  std::string text() const;
  // Is there a signature of this signer? Errc::corrupt: there is one that does not fit.
  Result<bool> signed_note(const Note& note) const;
};

// The text of a log's note: origin, number of entries, root of the tree, more lines.
struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Digest root;
};
Result<Checkpoint> parse_checkpoint(std::string_view text);
std::string write_checkpoint(const Checkpoint& checkpoint);

}  // namespace hauberk::crypto
