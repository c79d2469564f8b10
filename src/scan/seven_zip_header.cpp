#include <algorithm>
#include <limits>

#include "scan/seven_zip.h"

namespace hauberk::scan {
namespace {

// The properties that headers consist of.
enum SevenZipId : std::uint64_t {
  seven_end = 0x00,
  seven_header = 0x01,
  seven_archive_properties = 0x02,
  seven_additional_streams = 0x03,
  seven_main_streams = 0x04,
  seven_files = 0x05,
  seven_packed = 0x06,
  seven_folders = 0x07,
  seven_parts = 0x08,
  seven_size = 0x09,
  seven_crc = 0x0a,
  seven_folder = 0x0b,
  seven_unpacked_size = 0x0c,
  seven_parts_of_folder = 0x0d,
  seven_empty_stream = 0x0e,
  seven_empty_file = 0x0f,
  seven_anti = 0x10,
  seven_names = 0x11,
  seven_attributes = 0x15,
  seven_packed_header = 0x17
};

constexpr std::uint64_t coders_in_folder = 32, streams_in_folder = 32;  // as 7-Zip has it
constexpr std::uint64_t largest_size = std::numeric_limits<std::int64_t>::max();

std::string utf8_of(ByteView utf16) {
  std::string out;
  for (std::size_t i = 0; i + 1 < utf16.size(); i += 2) {
    std::uint32_t letter = load_le<std::uint16_t>(utf16.data() + i);
    if (letter >= 0xd800 && letter < 0xdc00 && i + 3 < utf16.size()) {
      const auto low = load_le<std::uint16_t>(utf16.data() + i + 2);
      if (low >= 0xdc00 && low < 0xe000) letter = 0x10000 + ((letter - 0xd800) << 10) + (low - 0xdc00u), i += 2;
    }
    if (letter >= 0xd800 && letter < 0xe000) letter = '?';
    if (letter < 0x80) {
      out += static_cast<char>(letter);
    } else if (letter < 0x800) {
      out += static_cast<char>(0xc0 | letter >> 6);
      out += static_cast<char>(0x80 | (letter & 63));
    } else if (letter < 0x10000) {
      out += static_cast<char>(0xe0 | letter >> 12);
      out += static_cast<char>(0x80 | (letter >> 6 & 63));
      out += static_cast<char>(0x80 | (letter & 63));
    } else {
      out += static_cast<char>(0xf0 | letter >> 18);
      out += static_cast<char>(0x80 | (letter >> 12 & 63));
      out += static_cast<char>(0x80 | (letter >> 6 & 63));
      out += static_cast<char>(0x80 | (letter & 63));
    }
  }
  return out;
}

// How a folder's coders hang together until their sizes are known.
struct Wiring {
  std::size_t main;               // the coder whose output is the content
  std::vector<std::uint8_t> way;  // from that one to the one that reads packed bytes
};

class SevenZipParser {
 public:
  SevenZipParser(ByteView bytes, Budget& budget) : left_(bytes), budget_(budget) {}

  Result<SevenZipHeader> parse() {
    SevenZipHeader header;
    const auto kind = number();
    if (kind == seven_packed_header) {
      header.packed = true;
      streams(header.streams);
    } else if (kind == seven_header) {
      whole(header);
    } else {
      fail_with(Errc::corrupt, "begins with neither a header nor a packed header");
    }
    if (error_.empty() && !left_.empty()) fail_with(Errc::corrupt, "goes on behind its end");
    if (!error_.empty()) return fail(code_, "the archive's header " + std::string(error_));
    return header;
  }

 private:
  bool good() const { return error_.empty(); }
  void fail_with(Errc code, std::string_view what) {
    if (!good()) return;
    code_ = code;
    error_ = what;
    left_ = {};
  }
  void cut_off() { fail_with(Errc::corrupt, "is cut off"); }

  std::uint8_t byte() {
    if (left_.empty()) return cut_off(), std::uint8_t{0};
    const auto value = left_.front();
    left_ = left_.subspan(1);
    return value;
  }
  ByteView take(std::uint64_t count) {
    if (count > left_.size()) return cut_off(), ByteView();
    const auto out = left_.first(static_cast<std::size_t>(count));
    left_ = left_.subspan(out.size());
    return out;
  }
  // As many leading one bits as bytes follow; the rest of the first byte holds the highest bits.
  std::uint64_t number() {
    const auto first = byte();
    std::uint64_t value = 0;
    std::uint8_t mask = 0x80;
    for (unsigned i = 0; i < 8; ++i, mask >>= 1) {
      if ((first & mask) == 0) return value | (std::uint64_t{first} & (mask - 1u)) << (8 * i);
      value |= std::uint64_t{byte()} << (8 * i);
    }
    return value;
  }
  // A number of things of which each takes a byte at least.
  std::uint64_t count() {
    const auto value = number();
    if (value > left_.size()) return cut_off(), 0;
    charge(value);
    return good() ? value : 0;
  }
  void charge(std::uint64_t entries) {
    if (!budget_.spend_entries(entries)) fail_with(Errc::exhausted, "lists more than the scan follows");
  }
  std::vector<bool> bits(std::uint64_t count) {
    const auto packed = take(count / 8 + (count % 8 != 0 ? 1 : 0));
    if (!good()) return {};
    std::vector<bool> out(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = (packed[i / 8] & 0x80 >> i % 8) != 0;
    return out;
  }
  // For things that are counted already: which of them have a value.
  std::vector<bool> defined(std::uint64_t count) {
    if (byte() == 0) return bits(count);
    return std::vector<bool>(good() ? static_cast<std::size_t>(count) : 0, true);
  }
  // Which of `count` things have a checksum, and which; `set(index, crc)` takes them.
  template <class Set>
  void checksums(std::uint64_t count, Set&& set) {
    const auto which = defined(count);
    for (std::size_t i = 0; i < which.size() && good(); ++i) {
      if (!which[i]) continue;
      const auto crc = take(4);
      if (good()) set(i, load_le<std::uint32_t>(crc.data()));
    }
  }
  void external() {
    if (byte() != 0) fail_with(Errc::unsupported, "lies in parts in other streams");
  }

  void whole(SevenZipHeader& header) {
    auto id = number();
    if (id == seven_archive_properties) {
      while (good() && number() != seven_end) take(number());
      id = number();
    }
    if (id == seven_additional_streams)
      return fail_with(Errc::unsupported, "has additional streams, which are not followed");
    if (id == seven_main_streams) {
      streams(header.streams);
      id = number();
    }
    if (id == seven_files) {
      files(header);
      id = number();
    }
    if (id != seven_end) fail_with(Errc::corrupt, "holds a part that no header has");
    const auto with_content = static_cast<std::uint64_t>(
        std::count_if(header.members.begin(), header.members.end(), [](const auto& m) { return m.content; }));
    if (with_content != header.streams.parts.size())
      fail_with(Errc::corrupt, "has more members than contents, or the other way round");
  }

  void streams(SevenZipStreams& out) {
    auto id = number();
    if (id == seven_packed) {
      packed(out);
      id = number();
    }
    if (id == seven_folders) {
      folders(out);
      id = number();
    }
    std::uint64_t used = 0;
    for (const auto& folder : out.folders) used += folder.packed_count;
    if (used > out.packed.size()) fail_with(Errc::corrupt, "refers to packed streams that are not there");
    if (id == seven_parts) {
      parts(out);
      id = number();
    } else if (good()) {
      charge(out.folders.size());
      for (const auto& folder : out.folders) out.parts.push_back({folder.size, folder.crc});
    }
    if (id != seven_end) fail_with(Errc::corrupt, "holds a part that no streams have");
  }

  void packed(SevenZipStreams& out) {
    out.packed_at = number();
    const auto streams = count();
    auto id = number();
    if (id == seven_size) {
      std::uint64_t sum = 0;
      for (std::uint64_t i = 0; i < streams && good(); ++i) {
        const auto size = number();
        if (size > largest_size || sum > largest_size - size)
          return fail_with(Errc::corrupt, "has sizes that no file has");
        sum += size;
        out.packed.push_back(size);
      }
      id = number();
    } else if (streams != 0) {
      fail_with(Errc::corrupt, "has packed streams without sizes");
    }
    if (id == seven_crc) {
      checksums(streams, [](std::size_t, std::uint32_t) {});
      id = number();
    }
    if (id != seven_end) fail_with(Errc::corrupt, "holds a part that no packed streams have");
  }

  void folders(SevenZipStreams& out) {
    if (number() != seven_folder) fail_with(Errc::corrupt, "lists no folders where they belong");
    const auto folders = count();
    external();
    std::uint64_t first_packed = 0;
    for (std::uint64_t i = 0; i < folders && good(); ++i) {
      auto& next = out.folders.emplace_back();
      next.packed = first_packed;
      folder(next);
      first_packed += next.packed_count;
    }
    if (number() != seven_unpacked_size) fail_with(Errc::corrupt, "has folders without sizes");
    for (std::size_t i = 0; i < out.folders.size() && good(); ++i) sizes(out.folders[i], wirings_[i]);
    auto id = number();
    if (id == seven_crc) {
      checksums(out.folders.size(), [&](std::size_t i, std::uint32_t crc) { out.folders[i].crc = crc; });
      id = number();
    }
    if (id != seven_end) fail_with(Errc::corrupt, "holds a part that no folders have");
  }

  // Coders, the pairs of their ends that are joined, and which ends are packed streams.
  void folder(SevenZipFolder& out) {
    const auto coders = number();
    if (coders == 0 || coders > coders_in_folder) return fail_with(Errc::corrupt, "has a folder of no or many coders");
    charge(coders);
    std::uint64_t in_streams = 0, out_streams = 0;
    for (std::uint64_t i = 0; i < coders && good(); ++i) {
      const auto flags = byte();
      // 0x40 and 0x80 are reserved; no method has more than eight bytes.
      if ((flags & 0xc0) != 0 || (flags & 15) > 8) return fail_with(Errc::corrupt, "has a coder of no known form");
      auto& step = out.steps.emplace_back();
      for (const auto b : take(flags & 15)) step.method = step.method << 8 | b;
      const bool complex = (flags & 0x10) != 0;
      const auto ins = complex ? number() : 1, outs = complex ? number() : 1;
      if (ins > streams_in_folder || outs != 1) return fail_with(Errc::corrupt, "has a coder of many ends");
      out.chain = out.chain && ins == 1;
      in_streams += ins;
      out_streams += outs;
      if ((flags & 0x20) != 0) step.properties = take(number());
    }
    if (in_streams > streams_in_folder || in_streams < out_streams)
      return fail_with(Errc::corrupt, "has a folder of too many or too few ends");
    std::vector<std::uint64_t> source(in_streams, out_streams);  // the coder that an end is joined to; none so far
    std::vector<bool> taken(out_streams);
    for (std::uint64_t i = 0; i + 1 < out_streams && good(); ++i) {
      const auto in = number(), from = number();
      if (in >= in_streams || from >= out_streams || source[in] != out_streams || taken[from])
        return fail_with(Errc::corrupt, "joins coders that cannot be joined");
      source[in] = from;
      taken[from] = true;
    }
    out.packed_count = in_streams - (out_streams - 1);
    if (out.packed_count > 1)
      for (std::uint64_t i = 0; i < out.packed_count; ++i)
        if (number() >= in_streams) return fail_with(Errc::corrupt, "joins coders that cannot be joined");
    const auto main = static_cast<std::size_t>(std::find(taken.begin(), taken.end(), false) - taken.begin());
    if (good()) wire(out, main, source);
  }

  // The way from the content back to the packed bytes, for a folder that is a chain.
  void wire(SevenZipFolder& folder, std::size_t main, const std::vector<std::uint64_t>& source) {
    auto& wiring = wirings_.emplace_back(Wiring{.main = main, .way = {}});
    if (!folder.chain) return;
    for (std::size_t at = main; at < folder.steps.size() && wiring.way.size() <= folder.steps.size(); at = source[at])
      wiring.way.push_back(static_cast<std::uint8_t>(at));
    if (wiring.way.size() != folder.steps.size()) fail_with(Errc::corrupt, "joins coders in a circle");
  }

  // The sizes stand in the order of the coders. From then on, a chain's steps stand in the order in which they work.
  void sizes(SevenZipFolder& folder, const Wiring& wiring) {
    for (auto& step : folder.steps) step.size = number();
    folder.size = folder.steps[wiring.main].size;
    if (folder.size > largest_size) fail_with(Errc::corrupt, "has sizes that no file has");
    if (!folder.chain) return;
    std::vector<CoderStep> steps;
    for (auto at = wiring.way.rbegin(); at != wiring.way.rend(); ++at) steps.push_back(folder.steps[*at]);
    folder.steps = std::move(steps);
  }

  void parts(SevenZipStreams& out) {
    auto id = number();
    if (id == seven_parts_of_folder) {
      for (auto& folder : out.folders) {
        folder.members = number();
        // All but the last have a size, which takes a byte.
        if (folder.members > left_.size() + 1) cut_off();
        charge(folder.members);
        if (!good()) return;
      }
      id = number();
    }
    const bool sizes = id == seven_size;
    for (auto& folder : out.folders) {
      std::uint64_t rest = folder.size;
      for (std::uint64_t i = 0; i < folder.members && good(); ++i) {
        SevenZipPart part{.size = rest};
        if (i + 1 < folder.members) part.size = sizes ? number() : rest + 1;
        if (part.size > rest) return fail_with(Errc::corrupt, "has parts that are larger than the whole");
        rest -= part.size;
        if (folder.members == 1) part.crc = folder.crc;
        out.parts.push_back(part);
      }
    }
    if (sizes) id = number();
    if (id == seven_crc) {
      std::vector<std::size_t> open;
      for (std::size_t i = 0; i < out.parts.size(); ++i)
        if (!out.parts[i].crc) open.push_back(i);
      checksums(open.size(), [&](std::size_t i, std::uint32_t crc) { out.parts[open[i]].crc = crc; });
      id = number();
    }
    if (id != seven_end) fail_with(Errc::corrupt, "holds a part that no parts have");
  }

  void files(SevenZipHeader& header) {
    const auto files = count();
    std::vector<bool> empty_stream, empty_file, anti;
    std::uint64_t empty = 0;
    header.members.resize(good() ? static_cast<std::size_t>(files) : 0);
    std::uint64_t seen = 0;
    for (auto id = number(); id != seven_end && good(); id = number()) {
      const auto size = number();
      const auto content = take(size);
      // Twice the same, and readers differ in which they believe.
      if (id < 64 && id != 0x19) {
        if ((seen >> id & 1) != 0) return fail_with(Errc::corrupt, "tells the same of its members twice");
        seen |= 1ull << id;
      }
      const auto rest = left_;
      if (!good()) return;
      left_ = content;
      if (id == seven_empty_stream) {
        empty_stream = bits(files);
        empty = static_cast<std::uint64_t>(std::count(empty_stream.begin(), empty_stream.end(), true));
      } else if (id == seven_empty_file) {
        empty_file = bits(empty);
      } else if (id == seven_anti) {
        anti = bits(empty);
      } else if (id == seven_names) {
        names(header);
      } else if (id == seven_attributes) {
        attributes(header);
      } else {
        left_ = {};  // times and what else there may be
      }
      if (good() && !left_.empty()) fail_with(Errc::corrupt, "has a property that is longer than its content");
      if (good()) left_ = rest;
    }
    std::size_t nth_empty = 0;
    for (std::size_t i = 0; i < header.members.size() && i < empty_stream.size(); ++i) {
      if (!empty_stream[i]) continue;
      auto& member = header.members[i];
      member.content = false;
      member.folder = nth_empty >= empty_file.size() || !empty_file[nth_empty];
      member.anti = nth_empty < anti.size() && anti[nth_empty];
      ++nth_empty;
    }
  }

  void names(SevenZipHeader& header) {
    external();
    for (auto& member : header.members) {
      std::size_t end = 0;
      while (end + 1 < left_.size() && (left_[end] != 0 || left_[end + 1] != 0)) end += 2;
      if (end + 1 >= left_.size()) return cut_off();
      member.name = utf8_of(left_.first(end));
      left_ = left_.subspan(end + 2);
    }
  }

  void attributes(SevenZipHeader& header) {
    const auto which = defined(header.members.size());
    external();
    for (std::size_t i = 0; i < which.size() && good(); ++i) {
      if (!which[i]) continue;
      const auto value = take(4);
      if (good()) header.members[i].attributes = load_le<std::uint32_t>(value.data());
    }
  }

  ByteView left_;
  Budget& budget_;
  std::string_view error_;
  Errc code_ = Errc::corrupt;
  std::vector<Wiring> wirings_;  // of all folders
};

}  // namespace

std::uint64_t SevenZipStreams::packed_size() const {
  std::uint64_t sum = 0;
  for (const auto size : packed) sum += size;
  return sum;
}

Result<SevenZipHeader> parse_seven_zip(ByteView header, Budget& budget) {
  return SevenZipParser(header, budget).parse();
}

}  // namespace hauberk::scan
