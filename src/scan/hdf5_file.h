// The metadata of an HDF5 file, walked without libhdf5: object headers, groups, links, attributes, heaps. Nothing is
// followed out of the file and no dataset is read. Offsets are relative to the superblock, wherever the file has it.
// Source: HDF5 File Format Specification 3.0. What breaks the format is told to the inspection once for each place;
// the walk goes on with the rest, as a loader would that asks for one object only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "scan/inspection.h"

namespace hauberk::scan {

// Little-endian fields of a block in memory; after a read past its end everything is zero and ok() is false.
class Hdf5Fields {
 public:
  explicit Hdf5Fields(ByteView bytes) : bytes_(bytes) {}
  std::uint64_t take(std::size_t width);  // at most 8 bytes
  ByteView view(std::uint64_t count);
  std::string text(std::size_t limit = 4096);  // up to its NUL
  void skip(std::uint64_t count) { view(count); }
  std::size_t at() const { return at_; }
  std::size_t remaining() const { return bytes_.size() - at_; }
  bool ok() const { return ok_; }

 private:
  ByteView bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

struct Hdf5Message {
  std::uint16_t type = 0;
  bool shared = false;  // the data is a reference to where the message is; libhdf5 heeds that for some types only
  ByteView data;
  std::uint64_t offset = 0;  // in the file
};

struct Hdf5Link {
  enum Kind : std::uint8_t { hard, soft, external, other };
  Kind kind = hard;
  std::string name;
  std::uint64_t object = 0;  // of a hard link: the address of its object
  std::string target;        // of an external one: the file
};

struct Hdf5Piece {
  std::uint64_t offset = 0;  // in the file
  std::uint64_t size = 0;
};

class Hdf5File {
 public:
  Hdf5File(Reader& data, Inspection& inspection) : data_(data), inspection_(inspection) {}

  // Finds and reads the superblock. False if there is none that can be read; that has been told then.
  bool open();
  std::uint64_t root() const { return root_; }
  std::size_t offset_width() const { return offsets_; }
  std::size_t length_width() const { return lengths_; }
  bool defined(std::uint64_t address) const { return address < undefined_; }
  bool split() const { return split_; }  // its storage is spread over several files

  using EachMessage = std::function<void(const Hdf5Message&)>;
  using EachLink = std::function<void(const Hdf5Link&)>;
  using EachPiece = std::function<void(ByteView, std::uint64_t offset)>;

  void each_message(std::uint64_t object, const EachMessage& visit);
  // Members of a group by its symbol table, by one link message, by the index that link info names.
  void each_symbol(std::uint64_t tree, std::uint64_t heap, const EachLink& visit);
  void link(ByteView message, std::uint64_t offset, const EachLink& visit);
  void dense_links(std::uint64_t heap, std::uint64_t index, const EachLink& visit);
  void dense_attributes(std::uint64_t heap, std::uint64_t index, const EachPiece& visit);
  // A piece of the global heap, where texts of any length lie. A collection is indexed once, however many of its
  // pieces are asked for.
  std::optional<Hdf5Piece> global(std::uint64_t address, std::uint32_t index);
  std::string heap_text(std::uint64_t heap, std::uint64_t offset);  // of a local heap
  std::optional<Bytes> read(std::uint64_t address, std::uint64_t count, std::uint64_t limit = 16u << 20);
  // The message that a shared one stands for, if it is in another object's header.
  std::optional<Bytes> resolve(ByteView reference, std::uint16_t type);
  void broken(std::uint64_t address, std::string what);
  std::uint64_t place(std::uint64_t address) const { return base_ + address; }

 private:
  struct FractalHeap;
  bool superblock();
  bool spend();
  bool header_v1(std::uint64_t object, const EachMessage& visit);
  bool header_v2(std::uint64_t object, const EachMessage& visit);
  void index_records(std::uint64_t address, std::uint8_t kind, const EachPiece& visit);
  std::optional<FractalHeap> fractal_heap(std::uint64_t address);
  void heap_object(const FractalHeap& heap, ByteView id, const EachPiece& visit);
  std::optional<std::uint64_t> managed_block(const FractalHeap& heap, std::uint64_t offset, std::uint64_t& inside);
  using Collection = std::map<std::uint32_t, Hdf5Piece>;
  const Collection& collection(std::uint64_t address);

  Reader& data_;
  Inspection& inspection_;
  std::uint64_t base_ = 0, root_ = 0, end_ = 0, undefined_ = ~0ull;
  std::size_t offsets_ = 8, lengths_ = 8;
  bool split_ = false;
  std::set<std::uint64_t> broken_;
  std::map<std::uint64_t, Collection> collections_;
  std::size_t collected_ = 0;  // pieces in them
};

}  // namespace hauberk::scan
