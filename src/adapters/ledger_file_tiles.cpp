#include "adapters/ledger_file_tiles.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

namespace hauberk::adapters {
namespace {

using crypto::tile_width;

constexpr std::size_t longest_entry = 65'535;
constexpr std::uint64_t largest_tile = tile_width * (longest_entry + 2);

Result<std::vector<Digest>> read_hashes(Files& files, const std::string& path, std::size_t width) {
  const auto bytes = TRY(read_file(files, path, tile_width * 32));
  if (bytes.size() != width * 32) return fail(Errc::corrupt, "the tile has not the length of its hashes", path);
  std::vector<Digest> hashes(width);
  for (std::size_t i = 0; i < width; ++i)
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(32 * i), 32, hashes[i].bytes.begin());
  return hashes;
}

// A partial tile may be gone once the full one is there.
Result<std::vector<Digest>> first_hashes(Files& files, const std::string& directory, unsigned level, std::uint64_t tile,
                                         std::size_t width) {
  auto found = read_hashes(files, join_path(directory, tile_name(level, tile, width)), width);
  if (!found && width != tile_width) {
    found = read_hashes(files, join_path(directory, tile_name(level, tile, tile_width)), tile_width);
    if (found) found->resize(width);
  }
  if (!found && found.error().code == Errc::not_found)
    return fail(Errc::corrupt, "the tile is missing; remove the folder \"tile\", the next writer makes it anew",
                join_path(directory, tile_name(level, tile, width)));
  return found;
}

Bytes bytes_of(std::span<const Digest> hashes) {
  Bytes bytes;
  bytes.reserve(hashes.size() * 32);
  for (const auto& one : hashes) bytes.insert(bytes.end(), one.bytes.begin(), one.bytes.end());
  return bytes;
}

// How many hashes the last tile of the level has that is not full.
std::size_t partial_width(std::uint64_t size, unsigned level) {
  for (; level != 0; --level) size /= tile_width;
  return static_cast<std::size_t>(size % tile_width);
}
std::uint64_t full_tiles(std::uint64_t size, unsigned level) {
  for (; level != 0; --level) size /= tile_width;
  return size / tile_width;
}

}  // namespace

std::string tile_name(std::optional<unsigned> level, std::uint64_t number, std::size_t width) {
  auto digits = fmt::format("{:03}", number % 1000);
  while (number >= 1000) {
    number /= 1000;
    digits = fmt::format("x{:03}/", number % 1000) + digits;
  }
  auto name = fmt::format("{}/{}/{}", tile_folder, level ? fmt::format("{}", *level) : "entries", digits);
  if (width != tile_width) name += fmt::format(".p/{}", width);
  return name;
}

std::string full_name(std::string_view partial) { return std::string(partial.substr(0, partial.find(".p/"))); }

std::string entry_of(std::string_view line) {
  return line.size() <= longest_entry ? std::string(line) : crypto::sha256(as_bytes(line)).text();
}

Result<TileBuilder> TileBuilder::open(Files& files, const std::string& directory, std::uint64_t size,
                                      const Digest& root) {
  TileBuilder builder;
  std::vector<std::vector<Digest>> levels;
  for (unsigned level = 0; level == 0 || full_tiles(size, level - 1) != 0; ++level) {
    levels.emplace_back();
    const auto width = partial_width(size, level);
    if (width != 0) levels.back() = TRY(first_hashes(files, directory, level, full_tiles(size, level), width));
  }
  builder.edge_ = crypto::MerkleEdge::restored(size, std::move(levels));
  if (builder.edge_.root() != root) return fail(Errc::corrupt, "the tiles are those of another tree", directory);
  if (const auto width = partial_width(size, 0); width != 0) {
    const auto name = tile_name(std::nullopt, full_tiles(size, 0), width);
    auto entries = read_file(files, join_path(directory, name), largest_tile);
    const bool of_full = !entries && entries.error().code == Errc::not_found;
    if (of_full) entries = read_file(files, join_path(directory, full_name(name)), largest_tile);
    builder.entries_ = TRY(std::move(entries));
    // The bundle must be that of the tile's hashes.
    auto rest = ByteView(builder.entries_);
    for (const auto& leaf : builder.edge_.partial_tiles()[0]) {
      const auto length = rest.size() < 2 ? std::size_t{0} : load_be<std::uint16_t>(rest.data());
      if (rest.size() < 2 + length || crypto::merkle_leaf(rest.subspan(2, length)) != leaf)
        return fail(Errc::corrupt, "the entries are those of another tree", directory);
      rest = rest.subspan(2 + length);
    }
    if (of_full) builder.entries_.resize(builder.entries_.size() - rest.size());
    if (!of_full && !rest.empty()) return fail(Errc::corrupt, "there are more entries than hashes", directory);
  }
  return builder;
}

void TileBuilder::append(std::string_view line, const std::function<void(Part)>& full) {
  const auto entry = entry_of(line);
  std::uint8_t length[2];
  store_be(length, static_cast<std::uint16_t>(entry.size()));
  entries_.insert(entries_.end(), length, length + 2);
  entries_.insert(entries_.end(), entry.begin(), entry.end());
  edge_.append(crypto::merkle_leaf(as_bytes(entry)),
               [&](unsigned level, std::uint64_t tile, std::span<const Digest> hashes) {
                 if (level == 0) {
                   if (full) full({tile_name(std::nullopt, tile, tile_width), std::move(entries_)});
                   entries_.clear();
                 }
                 if (full) full({tile_name(level, tile, tile_width), bytes_of(hashes)});
               });
}

std::vector<TileBuilder::Part> TileBuilder::partial() const {
  std::vector<Part> parts;
  const auto& levels = edge_.partial_tiles();
  for (unsigned level = 0; level < levels.size(); ++level)
    if (const auto width = levels[level].size(); width != 0)
      parts.push_back({tile_name(level, full_tiles(edge_.size(), level), width), bytes_of(levels[level])});
  if (!entries_.empty())
    parts.push_back({tile_name(std::nullopt, full_tiles(edge_.size(), 0), partial_width(edge_.size(), 0)), entries_});
  return parts;
}

crypto::NodeSource tile_source(Files& files, std::string directory, std::uint64_t size) {
  using Tiles = std::map<std::pair<unsigned, std::uint64_t>, std::vector<Digest>>;
  return [&files, directory = std::move(directory), size, tiles = std::make_shared<Tiles>()](
             unsigned height, std::uint64_t index) -> Result<Digest> {
    const unsigned level = height / 8;
    const std::uint64_t count = std::uint64_t{1} << (height % 8), first = index * count;
    const auto tile = first / tile_width;
    auto& hashes = (*tiles)[{level, tile}];
    if (hashes.empty()) {
      const bool full = tile < full_tiles(size, level);
      const auto width = full ? tile_width : partial_width(size, level);
      hashes = TRY(first_hashes(files, directory, level, tile, width));
    }
    const auto begin = static_cast<std::size_t>(first % tile_width);
    if (begin + count > hashes.size()) return fail(Errc::corrupt, "the tile ends too early", directory);
    return crypto::complete_root({hashes.begin() + static_cast<std::ptrdiff_t>(begin),
                                  hashes.begin() + static_cast<std::ptrdiff_t>(begin + count)});
  };
}

}  // namespace hauberk::adapters
