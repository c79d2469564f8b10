#include "crypto/note.h"

#include <fmt/format.h>

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
