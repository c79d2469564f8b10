// 7z archives: members are unpacked folder by folder in one pass, and each is inspected as what it is. What is packed
// together is unpacked together: a member is a range of its folder's content.
#include "scan/seven_zip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "scan/ascii.h"
#include "scan/formats.h"
#include "scan/identify.h"
#include "scan/zip.h"

namespace hauberk::scan {
namespace {

constexpr std::uint64_t start_size = 32;
constexpr std::uint64_t unpacked_header_limit = 32u << 20;
constexpr int headers_within = 4;  // a packed header may unpack to another packed header
constexpr std::uint64_t link_limit = 4096;
constexpr std::uint64_t end_marks = 32;

// The checksums of a folder's parts, summed up as the folder is unpacked: members need not be read for them alone.
class PartSums {
 public:
  PartSums(const SevenZipPart* parts, std::size_t count) : parts_(parts), count_(count), wrong_(count) {}

  // Content that stands at `offset`; what was seen before is not looked at again.
  void see(std::uint64_t offset, ByteView bytes) {
    if (offset > seen_ || bytes.size() <= seen_ - offset) return;
    bytes = bytes.subspan(static_cast<std::size_t>(seen_ - offset));
    while (!bytes.empty() && at_ < count_) {
      const auto size = parts_[at_].size;
      const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(size - in_part_, bytes.size()));
      sum_ = static_cast<std::uint32_t>(::crc32(sum_, bytes.data(), static_cast<uInt>(taken)));
      in_part_ += taken;
      seen_ += taken;
      bytes = bytes.subspan(taken);
      if (in_part_ != size) continue;
      wrong_[at_] = parts_[at_].crc && *parts_[at_].crc != sum_;
      ++at_;
      in_part_ = 0;
      sum_ = 0;
    }
  }
  bool wrong(std::size_t part) const { return wrong_[part]; }

 private:
  const SevenZipPart* parts_;
  std::size_t count_;
  std::vector<bool> wrong_;
  std::size_t at_ = 0;
  std::uint64_t in_part_ = 0;
  std::uint64_t seen_ = 0;
  std::uint32_t sum_ = 0;
};

class SummingDecoder final : public Decoder {
 public:
  SummingDecoder(std::unique_ptr<Decoder> inner, PartSums& sums) : inner_(std::move(inner)), sums_(sums) {}
  Result<std::size_t> decode(MutableBytes out) override {
    const auto got = inner_->decode(out);
    if (got) {
      sums_.see(position_, out.first(*got));
      position_ += *got;
    }
    return got;
  }
  std::uint64_t consumed() const override { return inner_->consumed(); }

 private:
  std::unique_ptr<Decoder> inner_;
  PartSums& sums_;
  std::uint64_t position_ = 0;
};

class SevenZipInspector {
 public:
  SevenZipInspector(Reader& data, Inspection& inspection) : data_(data), inspection_(inspection) {}

  void run() {
    const auto start = read_part(data_, 0, start_size, start_size);
    if (!start) return inspection_.failed(start.error(), "seven-zip.malformed", 0);
    const auto* p = start->data();
    const auto offset = load_le<std::uint64_t>(p + 12), size = load_le<std::uint64_t>(p + 20);
    if (p[6] != 0)
      return inspection_.inconclusive("scan.unsupported",
                                      "version " + std::to_string(p[6]) + " of 7z is not understood");
    if (crc32(ByteView(*start).subspan(12)) != load_le<std::uint32_t>(p + 8))
      inspection_.malformed("seven-zip.malformed", 8, "the first header does not match its checksum");
    const auto behind_start = data_.size() - start_size;
    if (offset > behind_start || size > behind_start - offset)
      return inspection_.malformed("seven-zip.malformed", 12, "the archive is cut off: it ends before its header");
    header_at_ = start_size + offset;
    used_.push_back({0, start_size});
    used_.push_back({header_at_, size});
    if (size != 0 && !read_header(size, load_le<std::uint32_t>(p + 28))) return say_left_out();
    check_unused();
    check_members();
    inspect_folders();
    say_left_out();
  }

 private:
  struct Range {
    std::uint64_t at, size;
  };

  // The header, unpacked as often as it is packed. False if it cannot be read, which is said.
  bool read_header(std::uint64_t size, std::uint32_t crc) {
    auto bytes = read_part(data_, header_at_, size, unpacked_header_limit);
    if (!bytes) return inspection_.failed(bytes.error(), "seven-zip.malformed", header_at_), false;
    if (crc32(*bytes) != crc)
      inspection_.malformed("seven-zip.malformed", header_at_, "the header does not match its checksum");
    for (int i = 0; i < headers_within; ++i) {
      bytes_ = std::move(*bytes);
      auto header = parse_seven_zip(bytes_, inspection_.budget());
      if (!header) return failed(header.error()), false;
      const auto& streams = header->streams;
      const auto room = header_at_ - start_size;
      if (streams.packed_at > room || streams.packed_size() > room - streams.packed_at) {
        inspection_.malformed("seven-zip.malformed", header_at_, "the packed data passes the beginning of the header");
        return false;
      }
      if (!streams.packed.empty()) used_.push_back({start_size + streams.packed_at, streams.packed_size()});
      header_ = std::move(*header);
      if (!header_.packed) return true;
      if (header_.streams.folders.size() != 1 || header_.streams.parts.size() != 1) {
        inspection_.malformed("seven-zip.malformed", header_at_, "the packed header is not one piece");
        return false;
      }
      if (!may_unpack(header_.streams.folders[0], "the archive's header")) return false;
      bytes = unpack_header();
      if (!bytes) return failed(bytes.error()), false;
    }
    inspection_.inconclusive("scan.budget-exhausted", "the header is packed more often than the scan follows");
    return false;
  }

  Result<Bytes> unpack_header() {
    const auto& folder = header_.streams.folders[0];
    if (folder.size > unpacked_header_limit) return fail(Errc::exhausted, "the header is too large to be read at once");
    RangeReader packed = packed_of(folder);
    PartSums sums(header_.streams.parts.data(), 1);
    auto unpacked = TRY(open(folder, packed, sums));
    Bytes out;
    while (out.size() < folder.size) {  // grows with what there is, not with what is announced
      const auto before = out.size();
      out.resize(std::min<std::size_t>(before + (256u << 10), static_cast<std::size_t>(folder.size)));
      TRY(unpacked->read_at(before, MutableBytes(out).subspan(before)));
    }
    if (sums.wrong(0))
      inspection_.malformed("seven-zip.malformed", header_at_, "the unpacked header does not match its checksum");
    return out;
  }

  void failed(const Error& error) {
    if (error.code == Errc::unsupported) return inspection_.inconclusive("scan.unsupported", error.text());
    inspection_.failed(error, "seven-zip.malformed", header_at_);
  }

  // Only what can be unpacked is; the rest is said, without a word for each member.
  bool may_unpack(const SevenZipFolder& folder, std::string_view what) {
    const auto encrypted = std::any_of(folder.steps.begin(), folder.steps.end(),
                                       [](const CoderStep& step) { return step.method == coder_aes; });
    if (encrypted) {
      if (encrypted_++ == 0) first_encrypted_ = what;
      return false;
    }
    const auto unknown = std::find_if(folder.steps.begin(), folder.steps.end(),
                                      [](const CoderStep& step) { return !coder_is_known(step.method); });
    if (unknown == folder.steps.end() && folder.chain) return true;
    if (unpackable_++ == 0) {
      first_unpackable_ = what;
      unknown_coder_ = unknown == folder.steps.end() ? "coders with several inputs" : coder_name(unknown->method);
    }
    return false;
  }

  RangeReader packed_of(const SevenZipFolder& folder) {
    const auto& streams = header_.streams;
    auto at = start_size + streams.packed_at;
    for (std::uint64_t i = packed_counted_; i < folder.packed; ++i) packed_before_ += streams.packed[i];
    packed_counted_ = folder.packed;
    at += packed_before_;
    return RangeReader(data_, at, folder.packed_count == 0 ? 0 : streams.packed[folder.packed]);
  }

  Result<std::unique_ptr<DecompressingReader>> open(const SevenZipFolder& folder, Reader& packed, PartSums& sums) {
    return DecompressingReader::open(
        [&folder, &packed, &sums]() -> Result<std::unique_ptr<Decoder>> {
          return std::make_unique<SummingDecoder>(TRY(make_chain(packed, folder.steps)), sums);
        },
        folder.size, inspection_.budget());
  }

  // No reader looks at bytes that no header speaks of, so that they can be anything.
  void check_unused() {
    std::sort(used_.begin(), used_.end(), [](const Range& a, const Range& b) { return a.at < b.at; });
    std::uint64_t covered = 0;
    for (const auto& range : used_) {
      if (range.at > covered)
        inspection_.find("seven-zip.unused-bytes", Severity::low, covered,
                         std::to_string(range.at - covered) + " bytes within the archive belong to nothing");
      covered = std::max(covered, range.at + range.size);
    }
    if (covered < data_.size())
      inspection_.find("seven-zip.trailing-bytes", Severity::low, covered, "bytes follow the end of the archive");
  }

  void check_members() {
    std::unordered_map<std::string, std::size_t> seen;
    for (const auto& member : header_.members) {
      const std::string folded = lower_ascii(member.name);
      if (!folded.empty() && ++seen[folded] == 2)
        inspection_.find("seven-zip.duplicate-name", Severity::high, header_at_,
                         "two members have this name (case aside): loaders differ in which one they take", {},
                         printable(member.name));
      if (leads_out_of_folder(member.name))
        inspection_.find("seven-zip.unsafe-path", Severity::critical, header_at_,
                         "the member's name leads out of the folder it is unpacked into", {}, printable(member.name));
      if (member.anti)
        inspection_.find("seven-zip.anti-item", Severity::high, header_at_,
                         "unpacking the archive removes the file of this name", {}, printable(member.name));
    }
  }

  void inspect_folders() {
    std::size_t part = 0, member = 0;
    for (const auto& folder : header_.streams.folders) {
      std::vector<const SevenZipMember*> members;
      for (std::uint64_t i = 0; i < folder.members; ++i) {
        while (!header_.members[member].content) ++member;
        members.push_back(&header_.members[member++]);
      }
      const auto* const parts = header_.streams.parts.data() + part;
      part += members.size();
      if (inspection_.out_of_budget()) return;
      if (!members.empty())
        inspect_folder(folder, members, parts);
      else if (folder.size != 0)
        inspection_.find("seven-zip.unused-bytes", Severity::low, header_at_,
                         "packed data within the archive belongs to no member");
    }
  }

  void inspect_folder(const SevenZipFolder& folder, const std::vector<const SevenZipMember*>& members,
                      const SevenZipPart* parts) {
    if (!may_unpack(folder, members[0]->name)) return;
    RangeReader packed = packed_of(folder);
    PartSums sums(parts, members.size());
    auto unpacked = open(folder, packed, sums);
    if (!unpacked) return inspection_.child(members[0]->name).failed(unpacked.error(), "seven-zip.malformed", 0);
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      RangeReader content(**unpacked, at, parts[i].size);
      at += parts[i].size;
      Inspection inside = inspection_.child(members[i]->name);
      if (!inspect_member(*members[i], content, inside)) return;
      if (sums.wrong(i))
        inside.find("seven-zip.checksum", Severity::medium, 0, "the content does not match its checksum");
      if (inspection_.out_of_budget()) return;
    }
    // Methods differ in how they mark the end, if at all.
    if (at != 0 && (*unpacked)->consumed() + end_marks < packed.size())
      inspection_.find("seven-zip.unused-bytes", Severity::low, 0,
                       std::to_string(packed.size() - (*unpacked)->consumed()) + " bytes follow the packed content", {},
                       printable(members.back()->name));
  }

  // False if the folder's data breaks off, which ends all members behind as well.
  bool inspect_member(const SevenZipMember& member, Reader& content, Inspection& inside) {
    if (content.size() == 0) return true;
    std::uint8_t byte = 0;
    if (const auto got = content.read_at(0, {&byte, 1}); !got)
      return inside.failed(got.error(), "seven-zip.malformed", 0), false;
    auto format = Format::empty;
    if (is_link(member)) {
      inspect_link(member, content);
    } else {
      const auto kind = member.attributes >> 16 & 0170000;
      if ((member.attributes & 0x8000) != 0 && kind != 0 && kind != 0100000 && kind != 0040000)
        inspection_.find("seven-zip.link", Severity::medium, 0, "the archive holds a device or another special file",
                         {}, printable(member.name));
      format = identify(content, inside.budget());
      if (format != Format::unknown) inspect_any(content, inside);
    }
    // To the member's end, for its checksum, and to learn whether it is all there.
    if (const auto got = content.read_at(content.size() - 1, {&byte, 1}); !got)
      return inside.failed(got.error(), "seven-zip.malformed", content.size()), false;
    if (format == Format::unknown && unknown_++ == 0) first_unknown_ = member.name;
    return true;
  }

  // As Unix and as Windows says it.
  static bool is_link(const SevenZipMember& member) {
    return (member.attributes >> 16 & 0170000) == 0120000 || (member.attributes & 0x400) != 0;
  }

  void inspect_link(const SevenZipMember& member, Reader& content) {
    const auto target = read_part(content, 0, content.size(), link_limit);
    const bool out = !target || leads_out_of_folder(as_text(*target));
    inspection_.find(
        "seven-zip.link", out ? Severity::critical : Severity::medium, header_at_,
        out ? "a symbolic link that leads out of the folder it is unpacked into" : "the member is a symbolic link", {},
        printable(member.name));
  }

  void say_left_out() {
    if (encrypted_ != 0)
      inspection_.inconclusive("seven-zip.encrypted", printable(first_encrypted_) +
                                                          (encrypted_ == 1 ? " is" : " and others are") +
                                                          " encrypted: what is in there cannot be seen");
    if (unpackable_ != 0)
      inspection_.inconclusive("scan.unsupported", printable(first_unpackable_) +
                                                       (unpackable_ == 1 ? " is" : " and others are") +
                                                       " packed in a way that is not understood: " + unknown_coder_);
    if (unknown_ != 0)
      inspection_.inconclusive("scan.unsupported",
                               std::to_string(unknown_) +
                                   " members are of formats that are not understood, first of them " +
                                   printable(first_unknown_));
  }

  Reader& data_;
  Inspection& inspection_;
  Bytes bytes_;  // the header's; its parts refer to them
  SevenZipHeader header_;
  std::uint64_t header_at_ = 0;
  std::vector<Range> used_;
  std::uint64_t packed_counted_ = 0, packed_before_ = 0;  // folders come in the order of their packed streams
  std::uint64_t encrypted_ = 0, unpackable_ = 0, unknown_ = 0;
  std::string first_encrypted_, first_unpackable_, unknown_coder_, first_unknown_;
};

}  // namespace

void inspect_seven_zip(Reader& data, Inspection& inspection) { SevenZipInspector(data, inspection).run(); }

}  // namespace hauberk::scan
