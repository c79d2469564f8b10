#include "scan/hdf5_file.h"

#include <bit>
#include <cstring>
#include <vector>

namespace hauberk::scan {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t hdf5_block_limit = 16u << 20;
constexpr std::size_t hdf5_blocks_limit = 100'000;  // of one header, one tree
constexpr std::size_t hdf5_pieces_kept = 400'000;   // of collections of the global heap

// The classes of messages that may be kept elsewhere: dataspaces, datatypes, fill values, filters, attributes. In all
// others libhdf5 ignores the flag, and reads what is there.
bool may_be_shared(std::uint16_t type) {
  return type == 0x01 || type == 0x03 || type == 0x04 || type == 0x05 || type == 0x0b || type == 0x0c;
}

// How many bytes hold a number up to the limit, as libhdf5 counts them.
std::size_t width_of(std::uint64_t limit) {
  return limit == 0 ? 1 : static_cast<std::size_t>(std::bit_width(limit) - 1) / 8 + 1;
}

}  // namespace

std::uint64_t Hdf5Fields::take(std::size_t width) {
  const auto bytes = view(width);
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

ByteView Hdf5Fields::view(std::uint64_t count) {
  if (!ok_ || count > remaining()) {
    ok_ = false;
    return {};
  }
  const auto out = bytes_.subspan(at_, count);
  at_ += count;
  return out;
}

std::string Hdf5Fields::text(std::size_t limit) {
  std::string out;
  while (ok_) {
    const auto c = take(1);
    if (!ok_ || c == 0) break;
    if (out.size() < limit) out += static_cast<char>(c);
  }
  return out;
}

struct Hdf5File::FractalHeap {
  std::uint64_t address = 0, root = 0, huge = 0;
  std::uint64_t start = 0, direct_limit = 0;
  std::uint32_t width = 0, rows = 0, offset_bytes = 0, length_bytes = 0;
  std::uint16_t id_size = 0;
  bool filtered = false;

  std::uint64_t row_size(std::uint32_t row) const { return row < 2 ? start : start << (row - 1); }
  std::uint64_t row_offset(std::uint32_t row) const { return row == 0 ? 0 : (width * start) << (row - 1); }
};

void Hdf5File::broken(std::uint64_t address, std::string what) {
  if (broken_.size() < 1000 && broken_.insert(address).second)
    inspection_.malformed("hdf5.malformed", place(address), std::move(what));
}

bool Hdf5File::spend() {
  if (inspection_.budget().spend_entries()) return true;
  inspection_.out_of_budget();
  return false;
}

std::optional<Bytes> Hdf5File::read(std::uint64_t address, std::uint64_t count, std::uint64_t limit) {
  if (!defined(address) || address > data_.size() - base_ || count > data_.size() - base_ - address) {
    broken(address, "it refers to a place past the end of the file");
    return std::nullopt;
  }
  auto bytes = read_part(data_, place(address), count, limit);
  if (bytes) return std::move(*bytes);
  if (count > limit)
    inspection_.inconclusive("scan.budget-exhausted", "the file holds a larger piece of metadata than the scan reads");
  else
    inspection_.failed(bytes.error(), "hdf5.malformed", place(address));
  return std::nullopt;
}

bool Hdf5File::open() {
  for (std::uint64_t at = 0; at < data_.size(); at = at == 0 ? 512 : at * 2) {
    std::uint8_t head[8] = {};
    const auto got = data_.read_at(at, head);
    if (got && *got == 8 && std::memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0) {
      base_ = at;
      return superblock();
    }
    if (at > 1ull << 40) break;
  }
  inspection_.malformed("hdf5.malformed", 0, "there is no superblock");
  return false;
}

bool Hdf5File::superblock() {
  const auto bytes = read(0, std::min<std::uint64_t>(256, data_.size() - base_));
  if (!bytes) return false;
  Hdf5Fields at(*bytes);
  at.skip(8);
  const auto version = at.take(1);
  if (version > 3) return broken(0, "the superblock is of an unknown version"), false;
  if (version < 2) at.skip(4);
  offsets_ = at.take(1);
  lengths_ = at.take(1);
  for (const auto width : {offsets_, lengths_})
    if (width != 2 && width != 4 && width != 8) return broken(0, "the superblock gives impossible widths"), false;
  undefined_ = offsets_ == 8 ? ~0ull : (1ull << (8 * offsets_)) - 1;
  if (version < 2) {
    at.skip(version == 0 ? 9 : 13);
    at.skip(offsets_ * 2);
    end_ = at.take(offsets_);
    split_ = defined(at.take(offsets_));
    at.skip(offsets_);
    root_ = at.take(offsets_);
  } else {
    at.skip(1);
    at.skip(offsets_ * 2);
    end_ = at.take(offsets_);
    root_ = at.take(offsets_);
  }
  if (!at.ok()) return broken(0, "the superblock is cut off"), false;
  // A base that is not where the superblock lies is corrected by libhdf5, and the end with it.
  if (end_ > data_.size()) broken(0, "the file is cut off: it ends before the superblock says");
  return true;
}

void Hdf5File::each_message(std::uint64_t object, const EachMessage& visit) {
  const auto head = read(object, 4);
  if (!head) return;
  const bool good = std::memcmp(head->data(), "OHDR", 4) == 0 ? header_v2(object, visit) : header_v1(object, visit);
  if (!good) broken(object, "an object's header is damaged");
}

bool Hdf5File::header_v1(std::uint64_t object, const EachMessage& visit) {
  const auto head = read(object, 16);
  if (!head) return true;
  Hdf5Fields at(*head);
  if (at.take(1) != 1) return false;
  at.skip(1);
  const auto claimed = at.take(2);
  std::uint64_t counted = 0;
  at.skip(4);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> chunks{{object + 16, at.take(4)}};
  std::set<std::uint64_t> seen;
  for (std::size_t i = 0; i < chunks.size() && i < hdf5_blocks_limit; ++i) {
    if (!seen.insert(chunks[i].first).second || !spend()) return false;
    const auto block = read(chunks[i].first, chunks[i].second);
    if (!block) return true;
    Hdf5Fields in(*block);
    // Each block is read to its end: libhdf5 corrects a count that is too small.
    while (in.remaining() >= 8) {
      ++counted;
      Hdf5Message message{.offset = place(chunks[i].first + in.at())};
      message.type = static_cast<std::uint16_t>(in.take(2));
      const auto size = in.take(2);
      message.shared = (in.take(1) & 2) != 0 && may_be_shared(message.type);
      in.skip(3);
      message.data = in.view(size);
      if (!in.ok()) return false;
      if (message.type != 0x10) {
        if (!spend()) return true;
        visit(message);
        continue;
      }
      Hdf5Fields more(message.data);
      const auto address = more.take(offsets_), length = more.take(lengths_);
      if (!more.ok()) return false;
      chunks.emplace_back(address, length);
    }
  }
  if (counted != claimed) broken(object, "an object's header holds another number of messages than it says");
  return true;
}

bool Hdf5File::header_v2(std::uint64_t object, const EachMessage& visit) {
  const auto head = read(object, std::min<std::uint64_t>(64, data_.size() - base_ - object));
  if (!head) return true;
  Hdf5Fields at(*head);
  at.skip(4);
  if (at.take(1) != 2) return false;
  const auto flags = at.take(1);
  if ((flags & 0x20) != 0) at.skip(16);
  if ((flags & 0x10) != 0) at.skip(4);
  const auto size = at.take(std::size_t{1} << (flags & 3));
  if (!at.ok()) return false;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> chunks{{object + at.at(), size}};
  std::set<std::uint64_t> seen;
  for (std::size_t i = 0; i < chunks.size() && i < hdf5_blocks_limit; ++i) {
    if (!seen.insert(chunks[i].first).second || !spend()) return false;
    const auto block = read(chunks[i].first, chunks[i].second);
    if (!block) return true;
    Hdf5Fields in(*block);
    const std::size_t ahead = (flags & 4) != 0 ? 6 : 4;
    while (in.remaining() >= ahead) {
      Hdf5Message message{.offset = place(chunks[i].first + in.at())};
      message.type = static_cast<std::uint16_t>(in.take(1));
      const auto length = in.take(2);
      message.shared = (in.take(1) & 2) != 0 && may_be_shared(message.type);
      if ((flags & 4) != 0) in.skip(2);
      message.data = in.view(length);
      if (!in.ok()) return false;
      if (message.type != 0x10) {
        if (!spend()) return true;
        visit(message);
        continue;
      }
      Hdf5Fields more(message.data);
      const auto address = more.take(offsets_), whole = more.take(lengths_);
      const auto sign = more.ok() && whole >= 8 ? read(address, 4) : std::nullopt;
      if (!sign || std::memcmp(sign->data(), "OCHK", 4) != 0) return false;
      chunks.emplace_back(address + 4, whole - 8);
    }
  }
  return true;
}

std::string Hdf5File::heap_text(std::uint64_t heap, std::uint64_t offset) {
  const auto head = read(heap, 8 + 2 * lengths_ + offsets_);
  if (!head) return {};
  Hdf5Fields at(*head);
  if (as_text(at.view(4)) != "HEAP") return broken(heap, "a heap of names is damaged"), std::string();
  at.skip(4);
  const auto size = at.take(lengths_);
  at.skip(lengths_);
  const auto segment = at.take(offsets_);
  if (offset >= size || segment > undefined_ - offset) {
    broken(heap, "a name lies outside its heap");
    return {};
  }
  const auto place_left = data_.size() - base_;
  if (segment + offset >= place_left) return broken(heap, "a heap of names passes the end of the file"), std::string();
  const auto bytes =
      read(segment + offset, std::min({size - offset, place_left - segment - offset, std::uint64_t{4096}}));
  return bytes ? Hdf5Fields(*bytes).text() : std::string();
}

void Hdf5File::each_symbol(std::uint64_t tree, std::uint64_t heap, const EachLink& visit) {
  std::vector<std::uint64_t> nodes{tree};
  std::set<std::uint64_t> seen;
  while (!nodes.empty()) {
    const auto address = nodes.back();
    nodes.pop_back();
    if (!seen.insert(address).second || seen.size() > hdf5_blocks_limit)
      return broken(address, "the index of a group runs in circles");
    if (!spend()) return;
    const auto sign = read(address, 8);
    if (!sign) continue;
    Hdf5Fields at(*sign);
    const std::string kind(as_text(at.view(4)));
    if (kind == "TREE") {
      const auto type = at.take(1);
      at.skip(1);
      const auto used = at.take(2);
      if (type != 0) {
        broken(address, "the index of a group is no index of a group");
        continue;
      }
      const auto children = read(address + 8 + 2 * offsets_ + lengths_, used * (offsets_ + lengths_));
      if (!children) continue;
      Hdf5Fields in(*children);
      for (std::uint64_t i = 0; i < used; ++i) {
        nodes.push_back(in.take(offsets_));
        in.skip(lengths_);
      }
    } else if (kind == "SNOD") {
      at.skip(2);
      const auto used = at.take(2);
      const auto width = 2 * offsets_ + 24;
      const auto entries = read(address + 8, used * width);
      if (!entries) continue;
      Hdf5Fields in(*entries);
      for (std::uint64_t i = 0; i < used && spend(); ++i) {
        Hdf5Link found;
        found.name = heap_text(heap, in.take(offsets_));
        found.object = in.take(offsets_);
        const bool soft = in.take(4) == 2;
        in.skip(20);
        // A symbolic link has no object of its own.
        if (soft && !defined(found.object)) found.kind = Hdf5Link::soft;
        visit(found);
      }
    } else {
      broken(address, "the index of a group is damaged");
    }
  }
}

void Hdf5File::link(ByteView message, std::uint64_t offset, const EachLink& visit) {
  Hdf5Fields at(message);
  const auto version = at.take(1), flags = at.take(1);
  const auto type = (flags & 8) != 0 ? at.take(1) : 0;
  if ((flags & 4) != 0) at.skip(8);
  if ((flags & 16) != 0) at.skip(1);
  Hdf5Link found;
  found.name = std::string(as_text(at.view(at.take(std::size_t{1} << (flags & 3)))));
  if (type == 0) {
    found.object = at.take(offsets_);
  } else if (type == 1) {
    found.kind = Hdf5Link::soft;
    at.skip(at.take(2));
  } else if (type == 64) {
    found.kind = Hdf5Link::external;
    Hdf5Fields value(at.view(at.take(2)));
    value.skip(1);
    found.target = value.text();
  } else {
    found.kind = Hdf5Link::other;
  }
  if (version != 1 || !at.ok()) return broken(offset - base_, "a link is damaged");
  visit(found);
}

const Hdf5File::Collection& Hdf5File::collection(std::uint64_t address) {
  if (const auto known = collections_.find(address); known != collections_.end()) return known->second;
  if (collected_ > hdf5_pieces_kept || collections_.size() > hdf5_blocks_limit) collections_.clear(), collected_ = 0;
  Collection& found = collections_[address];
  const auto head = read(address, 8 + lengths_);
  if (!head) return found;
  Hdf5Fields at(*head);
  const bool signed_ = as_text(at.view(4)) == "GCOL";
  at.skip(4);
  const auto size = at.take(lengths_);
  const std::uint64_t ahead = 8 + lengths_;
  if (!signed_ || size > data_.size() - base_ - address) {
    broken(address, "a heap of values is damaged");
    return found;
  }
  Cursor in(data_, place(address) + ahead);
  for (std::uint64_t offset = ahead; size >= ahead && offset <= size - ahead;) {
    if (!spend() || !in.need(ahead)) break;
    Hdf5Fields entry({in.data(), static_cast<std::size_t>(ahead)});
    const auto number = static_cast<std::uint32_t>(entry.take(2));
    entry.skip(6);
    const auto length = entry.take(lengths_);
    if (number == 0) {  // free space, whose length counts its own head; more may follow
      if (length < ahead || length > size - offset || !in.skip(length)) break;
      offset += length;
      continue;
    }
    if (length > size - offset - ahead) break;
    // As libhdf5 does, the last of several with one number is taken.
    if (!found.insert_or_assign(number, Hdf5Piece{place(address + offset + ahead), length}).second)
      broken(address, "a heap of values holds two of one number");
    const auto whole = ahead + (length + 7) / 8 * 8;
    offset += whole;
    if (offset < size && !in.skip(whole)) break;
  }
  collected_ += found.size();
  return found;
}

std::optional<Hdf5Piece> Hdf5File::global(std::uint64_t address, std::uint32_t index) {
  const auto& pieces = collection(address);
  if (const auto found = pieces.find(index); found != pieces.end()) return found->second;
  broken(address, "a value is not in the heap that it is said to be in");
  return std::nullopt;
}

std::optional<Bytes> Hdf5File::resolve(ByteView reference, std::uint16_t type) {
  Hdf5Fields at(reference);
  const auto version = at.take(1), kind = at.take(1);
  if (version == 1) at.skip(6);
  if (version == 3 && kind == 1) {
    inspection_.inconclusive("scan.unsupported", "the file shares messages between objects in a heap");
    return std::nullopt;
  }
  const auto object = at.take(offsets_);
  std::optional<Bytes> found;
  if (at.ok())
    each_message(object, [&](const Hdf5Message& message) {
      if (message.type == type && !message.shared && !found) found = to_bytes(message.data);
    });
  if (!found) broken(object, "a shared message is not where it is said to be");
  return found;
}

// Version 2 B-trees: the records of one kind, in any order.
void Hdf5File::index_records(std::uint64_t address, std::uint8_t kind, const EachPiece& visit) {
  const auto head = read(address, 22 + offsets_ + lengths_);
  if (!head) return;
  Hdf5Fields at(*head);
  const bool signed_ = as_text(at.view(4)) == "BTHD";
  at.skip(1);
  const auto type = at.take(1), node_size = at.take(4), record = at.take(2), depth = at.take(2);
  at.skip(2);
  const auto root = at.take(offsets_), root_records = at.take(2);
  if (!signed_ || type != kind || node_size < 16 || node_size > hdf5_block_limit || record == 0 ||
      record > node_size - 10 || depth > 16)
    return broken(address, "an index is damaged");
  // How many records a node of each level takes decides how wide the counts beside its pointers are.
  std::vector<std::uint64_t> records{(node_size - 10) / record}, all{records[0]};
  std::vector<std::size_t> all_width{0};
  const auto count_width = width_of(records[0]);
  for (std::uint64_t level = 1; level <= depth; ++level) {
    const auto pointer = offsets_ + count_width + all_width.back();
    if (node_size < 10 + pointer) return broken(address, "an index is damaged");
    records.push_back((node_size - 10 - pointer) / (record + pointer));
    if (all.back() > ~0ull / (records.back() + 2)) return broken(address, "an index is damaged");
    all.push_back((records.back() + 1) * all.back() + records.back());
    all_width.push_back(width_of(all.back()));
  }
  struct Node {
    std::uint64_t address, count, level;
  };
  std::vector<Node> nodes;
  if (root_records != 0) nodes.push_back({root, root_records, depth});
  std::set<std::uint64_t> seen;
  while (!nodes.empty()) {
    const auto node = nodes.back();
    nodes.pop_back();
    if (!seen.insert(node.address).second || seen.size() > hdf5_blocks_limit || node.count > records[node.level])
      return broken(node.address, "an index runs in circles or overflows");
    if (!spend()) return;
    const auto bytes = read(node.address, node_size);
    if (!bytes) continue;
    Hdf5Fields in(*bytes);
    if (as_text(in.view(4)) != (node.level == 0 ? "BTLF"sv : "BTIN"sv)) {
      broken(node.address, "a part of an index is damaged");
      continue;
    }
    in.skip(2);
    for (std::uint64_t i = 0; i < node.count; ++i) {
      if (!spend()) return;
      const auto offset = place(node.address + in.at());
      const auto found = in.view(record);
      if (in.ok()) visit(found, offset);
    }
    if (node.level == 0) continue;
    for (std::uint64_t i = 0; i <= node.count; ++i) {
      Node child{};
      child.address = in.take(offsets_);
      child.count = in.take(count_width);
      if (node.level > 1) in.skip(all_width[node.level - 1]);
      child.level = node.level - 1;
      if (in.ok()) nodes.push_back(child);
    }
    if (!in.ok()) broken(node.address, "a part of an index is cut off");
  }
}

std::optional<Hdf5File::FractalHeap> Hdf5File::fractal_heap(std::uint64_t address) {
  const auto head = read(address, 26 + 12 * lengths_ + 3 * offsets_);
  if (!head) return std::nullopt;
  Hdf5Fields at(*head);
  FractalHeap heap{.address = address};
  const bool signed_ = as_text(at.view(4)) == "FRHP" && at.take(1) == 0;
  heap.id_size = static_cast<std::uint16_t>(at.take(2));
  heap.filtered = at.take(2) != 0;
  at.skip(1);
  const auto managed_limit = at.take(4);
  at.skip(lengths_);
  heap.huge = at.take(offsets_);
  at.skip(lengths_ + offsets_ + 8 * lengths_);
  heap.width = static_cast<std::uint32_t>(at.take(2));
  heap.start = at.take(lengths_);
  heap.direct_limit = at.take(lengths_);
  const auto bits = at.take(2);
  at.skip(2);
  heap.root = at.take(offsets_);
  heap.rows = static_cast<std::uint32_t>(at.take(2));
  const bool sane = signed_ && at.ok() && heap.width != 0 && heap.width <= 1024 && std::has_single_bit(heap.width) &&
                    std::has_single_bit(heap.start) && std::has_single_bit(heap.direct_limit) &&
                    heap.start <= heap.direct_limit && heap.direct_limit <= 1ull << 32 && bits <= 64 && bits != 0 &&
                    heap.rows < 64 && heap.id_size >= 1 && heap.id_size <= 4096;
  if (!sane) {
    broken(address, "a heap of links or attributes is damaged");
    return std::nullopt;
  }
  heap.offset_bytes = static_cast<std::uint32_t>((bits + 7) / 8);
  heap.length_bytes = static_cast<std::uint32_t>(std::min(width_of(heap.direct_limit), width_of(managed_limit)));
  if (heap.filtered) {
    inspection_.inconclusive("scan.unsupported", "the file's heap of links or attributes is compressed");
    return std::nullopt;
  }
  return heap;
}

// The direct block that holds an offset of the heap, and where in it.
std::optional<std::uint64_t> Hdf5File::managed_block(const FractalHeap& heap, std::uint64_t offset,
                                                     std::uint64_t& inside) {
  if (heap.rows == 0) {
    inside = offset;
    return heap.root;
  }
  const auto log = [](std::uint64_t value) { return static_cast<std::uint32_t>(std::bit_width(value) - 1); };
  const std::uint32_t direct_rows = log(heap.direct_limit) - log(heap.start) + 2;
  std::uint64_t block = heap.root;
  std::uint32_t rows = heap.rows;
  for (int depth = 0; depth < 64 && spend(); ++depth) {
    std::uint32_t row = 0;
    while (row + 1 < rows && row < 62 && heap.row_offset(row + 1) <= offset) ++row;
    const auto column = (offset - heap.row_offset(row)) / heap.row_size(row);
    if (column >= heap.width) return std::nullopt;
    const auto children = std::uint64_t{row} * heap.width + column;
    const auto entry = read(block + 5 + offsets_ + heap.offset_bytes + children * offsets_, offsets_);
    const auto sign = read(block, 4);
    if (!entry || !sign || as_text(*sign) != "FHIB") return std::nullopt;
    block = Hdf5Fields(*entry).take(offsets_);
    offset -= heap.row_offset(row) + column * heap.row_size(row);
    if (!defined(block)) return std::nullopt;
    if (row < direct_rows) {
      inside = offset;
      return block;
    }
    rows = log(heap.row_size(row)) - log(heap.start * heap.width) + 1;
  }
  return std::nullopt;
}

void Hdf5File::heap_object(const FractalHeap& heap, ByteView id, const EachPiece& visit) {
  Hdf5Fields at(id);
  const auto kind = at.take(1) >> 4 & 3;
  if (kind == 0) {
    const auto offset = at.take(heap.offset_bytes);
    const auto length = at.take(heap.length_bytes);
    std::uint64_t inside = 0;
    const auto block = at.ok() ? managed_block(heap, offset, inside) : std::nullopt;
    if (!block) return broken(heap.address, "a link or an attribute is not where its index says");
    if (const auto bytes = read(*block + inside, length, hdf5_block_limit)) visit(*bytes, place(*block + inside));
  } else if (kind == 1) {
    const auto wanted = at.take(std::min<std::size_t>(8, id.size() - 1));
    bool found = false;
    index_records(heap.huge, 1, [&](ByteView record, std::uint64_t) {
      Hdf5Fields in(record);
      const auto address = in.take(offsets_), length = in.take(lengths_), number = in.take(lengths_);
      if (!in.ok() || number != wanted || found) return;
      found = true;
      if (const auto bytes = read(address, length, hdf5_block_limit)) visit(*bytes, place(address));
    });
    if (!found) broken(heap.address, "a large attribute is not where its index says");
  } else {
    const auto length = id.size() > 18 ? ((id[0] & 15u) << 8 | id[1]) + 1u : (id[0] & 15u) + 1u;
    if (id.size() > 18) at.skip(1);
    const auto bytes = at.view(length);
    if (at.ok()) visit(bytes, place(heap.address));
  }
}

void Hdf5File::dense_links(std::uint64_t heap_address, std::uint64_t index, const EachLink& visit) {
  const auto heap = fractal_heap(heap_address);
  if (!heap) return;
  index_records(index, 5, [&](ByteView record, std::uint64_t) {
    if (record.size() > 4)
      heap_object(*heap, record.subspan(4), [&](ByteView bytes, std::uint64_t offset) { link(bytes, offset, visit); });
  });
}

void Hdf5File::dense_attributes(std::uint64_t heap_address, std::uint64_t index, const EachPiece& visit) {
  const auto heap = fractal_heap(heap_address);
  if (!heap) return;
  index_records(index, 8, [&](ByteView record, std::uint64_t offset) {
    if (record.size() < heap->id_size + 9u) return;
    if ((record[heap->id_size] & 2) != 0)
      return inspection_.inconclusive("scan.unsupported", "the file shares attributes between objects in a heap");
    (void)offset;
    heap_object(*heap, record.first(heap->id_size), visit);
  });
}

}  // namespace hauberk::scan
