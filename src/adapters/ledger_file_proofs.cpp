// Notes and proofs out of a ledger's folder. Nothing here is verified: who gets a proof checks it against what he
// trusts.
#include <fmt/format.h>

#include <algorithm>

#include "adapters/ledger_file.h"
#include "adapters/ledger_file_format.h"
#include "adapters/ledger_file_tiles.h"
#include "base/json.h"

namespace hauberk::adapters {
namespace {

constexpr std::uint64_t largest_note = 1 << 20;

Result<crypto::Checkpoint> checkpoint_of(std::string_view note) {
  return crypto::parse_checkpoint(TRY(crypto::parse_note(note)).text);
}

// The tree in the tiles must be that of the note, or a proof out of it proves nothing.
Status check_root(const crypto::Checkpoint& checkpoint, const crypto::NodeSource& node, const std::string& directory) {
  if (TRY(crypto::tree_root(checkpoint.size, node)) == checkpoint.root) return {};
  return fail(Errc::corrupt, "the tiles are not those of the signed checkpoint; verify the ledger", directory);
}

}  // namespace

Result<std::string> ledger_origin(Files& files, const std::string& directory) {
  const auto file = TRY(files.open(join_path(directory, checkpoint_file), OpenMode::read));
  LineReader lines(*file, 0);
  const auto first = TRY(lines.next());
  if (!first) return fail(Errc::not_found, "the ledger has no checkpoint yet", directory);
  return std::string(TRY(json::parse(*first)).text_or("origin", ""));
}

Result<std::string> ledger_note(Files& files, const std::string& directory) {
  const auto text = read_file(files, join_path(directory, note_file), largest_note);
  if (!text && text.error().code == Errc::not_found)
    return fail(Errc::not_found, "the ledger has no records yet", directory);
  if (!text) return std::unexpected(text.error());
  return std::string(as_text(*text));
}

Status check_ledger_note(const crypto::Note& note, crypto::KeyProvider& keys) {
  const auto ids = TRY(ledger_key_ids(keys));
  for (const auto& one : note.signatures)
    for (const auto& id : ids)
      if (keys.verify(crypto::KeyPurpose::ledger, id, as_bytes(note.text), one.signature)) return {};
  return fail(Errc::denied, "it is signed by no key that this ledger has or had: it was changed, or the keys were");
}

Status add_cosignatures(Files& files, const std::string& directory, const crypto::Note& cosigned) {
  const auto alone = TRY(lock_note(directory));
  auto note = TRY(crypto::parse_note(TRY(ledger_note(files, directory))));
  if (note.text != cosigned.text)
    return fail(Errc::precondition, "a newer checkpoint was written meanwhile; ask the witnesses again", directory);
  for (const auto& one : cosigned.signatures) {
    std::erase_if(note.signatures,
                  [&](const crypto::NoteSignature& old) { return old.name == one.name && old.hint == one.hint; });
    note.signatures.push_back(one);
  }
  return write_file_atomically(files, join_path(directory, note_file), as_bytes(crypto::write_note(note)));
}

Result<RecordProof> prove_record(Files& files, const std::string& directory, std::uint64_t sequence) {
  RecordProof proof{.note = TRY(ledger_note(files, directory))};
  const auto checkpoint = TRY(checkpoint_of(proof.note));
  if (sequence == 0 || sequence > checkpoint.size)
    return fail(Errc::precondition,
                fmt::format("the newest checkpoint covers records 1 to {}; the next one comes within a minute",
                            checkpoint.size),
                directory);
  LedgerReader reader(files, directory, sequence);
  auto record = TRY(reader.next());
  if (!record || record->sequence != sequence)
    return fail(Errc::corrupt, "the record is missing; verify the ledger", directory);
  const auto node = tile_source(files, directory, checkpoint.size);
  CHECK(check_root(checkpoint, node, directory));
  proof.index = sequence - 1;
  proof.line = std::move(record->line);
  proof.hashes = TRY(crypto::inclusion_proof(proof.index, checkpoint.size, node));
  if (!crypto::verify_inclusion(crypto::merkle_leaf(as_bytes(entry_of(proof.line))), proof.index, checkpoint.size,
                                proof.hashes, checkpoint.root))
    return fail(Errc::corrupt, "the record is not the one in the tree; verify the ledger", directory);
  return proof;
}

Result<std::vector<Digest>> prove_growth(Files& files, const std::string& directory, std::uint64_t old_size) {
  const auto checkpoint = TRY(checkpoint_of(TRY(ledger_note(files, directory))));
  if (old_size > checkpoint.size)
    return fail(Errc::precondition,
                fmt::format("the ledger has {} records, but a checkpoint speaks of {}: some were removed",
                            checkpoint.size, old_size),
                directory);
  const auto node = tile_source(files, directory, checkpoint.size);
  CHECK(check_root(checkpoint, node, directory));
  return crypto::consistency_proof(old_size, checkpoint.size, node);
}

}  // namespace hauberk::adapters
