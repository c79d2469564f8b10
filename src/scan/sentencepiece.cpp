#include "scan/sentencepiece.h"

#include "scan/protobuf.h"

namespace hauberk::scan {
namespace {

constexpr int pieces_probed = 50;
constexpr std::uint32_t piece_extensions = 200;  // from there on fields are for others to define
constexpr std::uint64_t piece_types = 6;

// {1: text, 2: score, 3: type}; whoever writes one writes the first two.
bool is_piece(Cursor& at, std::uint64_t end) {
  WireMessage fields(at, end);
  WireField field;
  bool text = false, score = false;
  while (fields.next(field)) {
    const bool fits = field.number == 1   ? field.kind == WireField::bytes
                      : field.number == 2 ? field.kind == WireField::fixed32
                      : field.number == 3
                          ? field.kind == WireField::varint && field.value >= 1 && field.value <= piece_types
                          : field.number >= piece_extensions;
    if (!fits) return false;
    text = text || field.number == 1;
    score = score || field.number == 2;
  }
  return !fields.broken() && text && score;
}

// pieces, trainer_spec, normalizer_spec, self_test_data, denormalizer_spec: messages all of them.
bool is_model_field(const WireField& field) {
  return (field.number >= 1 && field.number <= 5 && field.kind == WireField::bytes) || field.number >= piece_extensions;
}

}  // namespace

bool is_sentencepiece(Reader& data) {
  Cursor at(data, 0, 4096);
  WireMessage fields(at, data.size());
  WireField field;
  int pieces = 0;
  for (int seen = 0; seen < pieces_probed && fields.next(field); ++seen) {
    if (!is_model_field(field)) return false;
    if (field.number != 1) continue;
    if (!is_piece(at, field.end)) return false;
    ++pieces;
  }
  return pieces > 0 && !fields.broken() && !at.failed();
}

void inspect_sentencepiece(Reader& data, Inspection& inspection) {
  Cursor at(data);
  WireMessage fields(at, data.size());
  WireField field;
  while (fields.next(field)) {
    if (!inspection.budget().spend_entries()) return (void)inspection.out_of_budget();
    if (!is_model_field(field))
      return inspection.malformed("sentencepiece.malformed", at.position(), "a field that the tokenizer does not have");
    if (field.number == 1 && !is_piece(at, field.end))
      return inspection.malformed("sentencepiece.malformed", at.position(), "a piece is damaged");
  }
  if (at.failed()) return inspection.inconclusive("scan.not-scanned", "the data cannot be read");
  if (fields.broken())
    inspection.malformed("sentencepiece.malformed", at.position(), "the tokenizer is damaged, cut off or not alone");
}

}  // namespace hauberk::scan
