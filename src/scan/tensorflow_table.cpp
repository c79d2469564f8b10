#include "scan/tensorflow_table.h"

#include <algorithm>
#include <optional>

#include "scan/pickle.h"
#include "scan/protobuf.h"

namespace hauberk::scan {
namespace {

constexpr std::uint64_t table_magic = 0xdb4775248b80fb57;
constexpr std::uint64_t table_footer = 48;
constexpr std::uint64_t table_trailer = 5;  // behind each block: how it is compressed, a checksum
constexpr std::uint64_t table_block_limit = 16u << 20;

// The parts of a block, one after the other; what passes the end reads as zero.
class TableBytes {
 public:
  explicit TableBytes(ByteView bytes) : bytes_(bytes) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) return ok_ = false, 0;
      const auto b = bytes_[at_++];
      value |= std::uint64_t{b & 0x7fu} << shift;
      if ((b & 0x80) == 0) return value;
    }
    return ok_ = false, 0;
  }
  std::uint64_t fixed(std::size_t width) {
    const auto bytes = view(width);
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
    return value;
  }
  ByteView view(std::uint64_t count) {
    if (!ok_ || count > bytes_.size() - at_) return ok_ = false, ByteView{};
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  bool ok() const { return ok_; }
  bool done() const { return at_ == bytes_.size(); }

 private:
  ByteView bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

std::optional<Bytes> snappy_content(ByteView compressed) {
  TableBytes in(compressed);
  const auto size = in.number();
  if (!in.ok() || size > table_block_limit) return std::nullopt;
  Bytes out;
  while (in.ok() && !in.done() && out.size() <= size) {
    const auto tag = in.fixed(1);
    if ((tag & 3) == 0) {
      const auto length = tag >> 2 < 60 ? tag >> 2 : in.fixed(static_cast<std::size_t>(tag >> 2) - 59);
      const auto literal = in.view(length + 1);
      out.insert(out.end(), literal.begin(), literal.end());
      continue;
    }
    const bool near = (tag & 3) == 1;
    const auto length = near ? (tag >> 2 & 7) + 4 : (tag >> 2) + 1;
    const auto back = near ? (tag >> 5) << 8 | in.fixed(1) : in.fixed((tag & 3) == 2 ? 2 : 4);
    if (back == 0 || back > out.size()) return std::nullopt;
    for (std::uint64_t i = 0; i < length; ++i) out.push_back(out[out.size() - back]);
  }
  if (!in.ok() || out.size() != size) return std::nullopt;
  return out;
}

struct TableEntry {
  bool good = false;
  ByteView key, value;
};

// The first entry of a block, whose key is whole.
TableEntry first_entry(ByteView bytes) {
  TableBytes in(bytes);
  const auto shared = in.number(), own = in.number(), length = in.number();
  TableEntry out{.good = false, .key = in.view(own), .value = in.view(length)};
  out.good = in.ok() && shared == 0;
  return out;
}

struct TableBlock {
  Bytes content;
  bool compressed = false;
};

// A block that a handle names, within the part of the file in front of the footer.
std::optional<TableBlock> table_block(Reader& data, std::uint64_t at, std::uint64_t size) {
  const auto end = data.size() - table_footer;
  if (at > end || size > end - at || table_trailer > end - at - size) return std::nullopt;
  auto stored = read_part(data, at, size + 1, table_block_limit);
  if (!stored) return std::nullopt;
  const auto kind = stored->back();
  stored->pop_back();
  if (kind == 0) return TableBlock{std::move(*stored), false};
  if (kind != 1) return std::nullopt;
  auto content = snappy_content(*stored);
  if (!content) return std::nullopt;
  return TableBlock{std::move(*content), true};
}

// BundleHeaderProto, or SavedTensorSlices of the first version.
bool describes_checkpoint(ByteView bytes) {
  MemoryReader value(bytes);
  Cursor at(value, 0, 64);
  WireMessage message(at, value.size());
  WireField field;
  while (message.next(field))
    if (field.number > 3) return false;
  return !message.broken() && !bytes.empty();
}

}  // namespace

// The footer leads to the index of blocks, that to the first block, which stands at the beginning of the file, and its
// first entry has an empty key and describes the checkpoint.
CheckpointTable checkpoint_table(Reader& data) {
  const auto size = data.size();
  if (size < table_footer + 16) return CheckpointTable::none;
  const auto footer = read_part(data, size - table_footer, table_footer, table_footer);
  if (!footer || load_le<std::uint64_t>(footer->data() + 40) != table_magic) return CheckpointTable::none;
  TableBytes handles(ByteView(*footer).first(40));
  const auto meta = handles.number(), meta_size = handles.number();
  const auto index = handles.number(), index_size = handles.number();
  if (!handles.ok() || !table_block(data, meta, meta_size)) return CheckpointTable::none;
  const auto blocks_index = table_block(data, index, index_size);
  if (!blocks_index) return CheckpointTable::none;
  const auto entry = first_entry(blocks_index->content);
  TableBytes handle(entry.value);
  const auto first = handle.number(), first_size = handle.number();
  if (!entry.good || !handle.ok() || first != 0) return CheckpointTable::none;
  const auto beginning = table_block(data, first, first_size);
  if (!beginning) return CheckpointTable::none;
  const auto header = first_entry(beginning->content);
  if (!header.good || !header.key.empty() || !describes_checkpoint(header.value)) return CheckpointTable::none;
  if (!beginning->compressed) return CheckpointTable::plain;
  Budget budget({}, {});
  return is_pickle(data, budget) ? CheckpointTable::none : CheckpointTable::compressed;
}

}  // namespace hauberk::scan
