#include "scan/zip.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

namespace hauberk::scan {
namespace {

constexpr std::uint32_t local_signature = 0x04034b50, central_signature = 0x02014b50, end_signature = 0x06054b50;
constexpr std::uint32_t end64_signature = 0x06064b50, locator64_signature = 0x07064b50,
                        descriptor_signature = 0x08074b50;
constexpr std::size_t local_size = 30, central_size = 46, end_size = 22, tail_limit = end_size + 65535;
constexpr std::uint16_t flag_encrypted = 1, flag_descriptor = 8, flag_patched = 1 << 5, flag_strong = 1 << 6,
                        flag_masked = 1 << 13;

struct Directory {
  std::uint64_t end = 0;    // offset of the end record
  std::uint64_t start = 0;  // of the first central header
  std::uint64_t base = 0;   // bytes before the archive
  std::uint64_t count = 0;
  bool trailing = false;  // bytes follow the archive
};

std::optional<Directory> find_directory(Reader& data) {
  const std::uint64_t tail_start = data.size() > tail_limit ? data.size() - tail_limit : 0;
  auto tail = read_part(data, tail_start, data.size() - tail_start, tail_limit);
  if (!tail || tail->size() < end_size) return std::nullopt;
  for (std::size_t at = tail->size() - end_size + 1; at-- > 0;) {
    const auto* p = tail->data() + at;
    if (load_le<std::uint32_t>(p) != end_signature) continue;
    Directory found{.end = tail_start + at, .count = load_le<std::uint16_t>(p + 10)};
    std::uint64_t size = load_le<std::uint32_t>(p + 12), offset = load_le<std::uint32_t>(p + 16), records = found.end;
    found.trailing = at + end_size + load_le<std::uint16_t>(p + 20) != tail->size();
    if (const auto locator = found.end >= 20 ? read_part(data, found.end - 20, 20, 20) : fail(Errc::corrupt, "");
        locator && load_le<std::uint32_t>(locator->data()) == locator64_signature) {
      const auto record_at = load_le<std::uint64_t>(locator->data() + 8);
      const auto record = read_part(data, record_at, 56, 56);
      if (record && load_le<std::uint32_t>(record->data()) == end64_signature) {
        found.count = load_le<std::uint64_t>(record->data() + 32);
        size = load_le<std::uint64_t>(record->data() + 40);
        offset = load_le<std::uint64_t>(record->data() + 48);
        records = record_at;
      }
    }
    if (size > records) continue;
    found.start = records - size;
    found.base = found.start >= offset ? found.start - offset : 0;
    if (found.count == 0 && size == 0) return found;
    const auto first = read_part(data, found.start, 4, 4);
    if (first && load_le<std::uint32_t>(first->data()) == central_signature) return found;
    const auto named = read_part(data, offset, 4, 4);
    if (named && load_le<std::uint32_t>(named->data()) == central_signature) {
      found.start = offset;
      found.base = 0;
      return found;
    }
  }
  return std::nullopt;
}

// The values of the ZIP64 extra field replace those that do not fit.
void apply_zip64(ByteView extra, bool size_open, bool compressed_open, bool header_open, ZipMember& member) {
  while (extra.size() >= 4) {
    const auto id = load_le<std::uint16_t>(extra.data());
    const std::size_t length = std::min<std::size_t>(load_le<std::uint16_t>(extra.data() + 2), extra.size() - 4);
    if (id == 1) {
      ByteView field = extra.subspan(4, length);
      const auto take = [&](bool open, std::uint64_t& value) {
        if (!open || field.size() < 8) return;
        value = load_le<std::uint64_t>(field.data());
        field = field.subspan(8);
      };
      take(size_open, member.size);
      take(compressed_open, member.compressed);
      take(header_open, member.header);
    }
    extra = extra.subspan(4 + length);
  }
}

class ZipWalk {
 public:
  ZipWalk(Reader& data, Inspection& inspection) : data_(data), inspection_(inspection) {}

  std::vector<ZipMember> walk() {
    if (const auto directory = find_directory(data_)) {
      directory_ = *directory;
      if (directory_.trailing)
        inspection_.find("zip.trailing-bytes", Severity::low, directory_.end, "bytes follow the end of the archive");
      read_directory();
    } else {
      directory_.start = data_.size();
      inspection_.malformed("zip.malformed", 0, "the archive has no directory: it is cut off or damaged");
    }
    for (auto& member : members_) check_local(member);
    std::sort(members_.begin(), members_.end(),
              [](const ZipMember& a, const ZipMember& b) { return a.header < b.header; });
    find_hidden();
    check_names();
    return std::move(members_);
  }

 private:
  void read_directory() {
    Cursor at(data_, directory_.start);
    for (std::uint64_t i = 0; i < directory_.count; ++i) {
      if (!inspection_.budget().spend_entries()) return (void)inspection_.out_of_budget();
      const std::uint64_t place = at.position();
      if (!at.need(central_size) || load_le<std::uint32_t>(at.data()) != central_signature)
        return inspection_.malformed("zip.malformed", place, "the directory lists fewer members than it announces");
      const auto* p = at.data();
      ZipMember member{.flags = load_le<std::uint16_t>(p + 8),
                       .method = load_le<std::uint16_t>(p + 10),
                       .crc = load_le<std::uint32_t>(p + 16),
                       .compressed = load_le<std::uint32_t>(p + 20),
                       .size = load_le<std::uint32_t>(p + 24),
                       .header = load_le<std::uint32_t>(p + 42)};
      const std::size_t name = load_le<std::uint16_t>(p + 28), extra = load_le<std::uint16_t>(p + 30),
                        comment = load_le<std::uint16_t>(p + 32);
      const std::uint32_t mode = load_le<std::uint32_t>(p + 38) >> 16;
      at.advance(central_size);
      Bytes texts(name + extra);
      const auto got = data_.read_at(at.position(), texts);
      if (!got || *got != texts.size() || !at.skip(name + extra + comment))
        return inspection_.malformed("zip.malformed", place, "the directory is cut off");
      member.name.assign(as_text(ByteView(texts).first(name)));
      apply_zip64(ByteView(texts).subspan(name), member.size == 0xffffffff, member.compressed == 0xffffffff,
                  member.header == 0xffffffff, member);
      member.header += directory_.base;
      member.link = (mode & 0170000) == 0120000;
      members_.push_back(std::move(member));
    }
    if (at.position() < directory_.end && at.need(4) && load_le<std::uint32_t>(at.data()) == central_signature)
      inspection_.find("zip.hidden-entry", Severity::high, at.position(),
                       "the directory lists more members than it announces");
    if (directory_.base != 0)
      inspection_.find(
          "zip.prefix", Severity::medium, 0,
          std::to_string(directory_.base) + " bytes stand before the archive: it may be another file as well");
  }

  void check_local(ZipMember& member) {
    std::array<std::uint8_t, local_size> p{};
    const auto got = data_.read_at(member.header, p);
    if (!got || *got != local_size || load_le<std::uint32_t>(p.data()) != local_signature) {
      member.local = false;
      return inspection_.malformed("zip.malformed", member.header, "the directory points to where no member is",
                                   printable(member.name));
    }
    const auto flags = load_le<std::uint16_t>(p.data() + 6);
    member.local_method = load_le<std::uint16_t>(p.data() + 8);
    const std::size_t name_length = load_le<std::uint16_t>(p.data() + 26),
                      extra = load_le<std::uint16_t>(p.data() + 28);
    member.data = member.header + local_size + name_length + extra;
    Bytes texts(name_length + extra);
    const auto read = data_.read_at(member.header + local_size, texts);
    const std::string name =
        read && *read == texts.size() ? std::string(as_text(ByteView(texts).first(name_length))) : std::string();
    ZipMember own{.compressed = load_le<std::uint32_t>(p.data() + 18), .size = load_le<std::uint32_t>(p.data() + 22)};
    if (read && *read == texts.size())
      apply_zip64(ByteView(texts).subspan(name_length), own.size == 0xffffffff, own.compressed == 0xffffffff, false,
                  own);
    const auto differs = [&](Severity severity, std::string_view what) {
      inspection_.find("zip.header-mismatch", severity, member.header,
                       "the directory and the member's own header differ in " + std::string(what), {},
                       printable(member.name));
    };
    if (name != member.name) differs(Severity::high, "the name");
    if (member.local_method != member.method)
      differs(Severity::high, "the compression method"), member.disagrees = true;
    if (((flags ^ member.flags) & (flag_encrypted | flag_strong | flag_masked)) != 0)
      differs(Severity::high, "the flags");
    if ((flags & flag_descriptor) == 0 && own.compressed != member.compressed)
      differs(Severity::high, "the size"), member.disagrees = true;
    if ((flags & flag_descriptor) == 0 && load_le<std::uint32_t>(p.data() + 14) != member.crc)
      differs(Severity::medium, "the checksum");
    if (((flags | member.flags) & (flag_patched | flag_masked)) != 0)
      inspection_.find("zip.odd-flags", Severity::medium, member.header,
                       "flags that no model needs make tools skip the member", {}, printable(member.name));
    member.flags |= flags;
    if (member.data > data_.size() || member.compressed > data_.size() - member.data) {
      inspection_.malformed("zip.malformed", member.header, "the member passes the end of the file",
                            printable(member.name));
      member.compressed = member.data > data_.size() ? 0 : data_.size() - member.data;
    }
  }

  // What lies between the members: a local header there belongs to a member that the directory hides.
  void find_hidden() {
    std::vector<ZipMember> hidden;
    std::uint64_t covered = 0;
    for (std::size_t i = 0; i <= members_.size(); ++i) {
      const std::uint64_t next = i < members_.size() ? members_[i].header : directory_.start;
      if (next > covered) inspect_gap(covered, next, hidden);
      if (i == members_.size()) break;
      const auto& member = members_[i];
      if (!member.local) continue;
      if (member.header < covered && i != 0 && member.header != members_[i - 1].header)
        inspection_.find("zip.overlap", Severity::high, member.header,
                         "members overlap: one content is read as several", {}, printable(member.name));
      std::uint64_t end = member.data + member.compressed;
      if ((member.flags & flag_descriptor) != 0) end = skip_descriptor(end);
      covered = std::max(covered, end);
    }
    members_.insert(members_.end(), std::make_move_iterator(hidden.begin()), std::make_move_iterator(hidden.end()));
  }

  // A data descriptor has 12 to 24 bytes, with or without a signature.
  std::uint64_t skip_descriptor(std::uint64_t at) {
    std::array<std::uint8_t, 28> p{};
    const auto got = data_.read_at(at, p);
    if (!got || *got < 16) return at;
    for (const std::size_t length : {16u, 24u, 12u, 20u}) {
      if (*got < length + 4) continue;
      const auto next = load_le<std::uint32_t>(p.data() + length);
      const bool known_next = next == local_signature || next == central_signature || next == end64_signature;
      if (known_next && (load_le<std::uint32_t>(p.data()) == descriptor_signature || length == 12 || length == 20))
        return at + length;
    }
    return load_le<std::uint32_t>(p.data()) == descriptor_signature ? at + 16 : at;
  }

  void inspect_gap(std::uint64_t from, std::uint64_t to, std::vector<ZipMember>& hidden) {
    bool reported = false;
    Cursor at(data_, from);
    while (at.position() + local_size <= to && at.need(local_size)) {
      const auto* p = at.data();
      if (load_le<std::uint32_t>(p) != local_signature) {
        const auto* const next = static_cast<const std::uint8_t*>(std::memchr(p + 1, 'P', at.buffered() - 1));
        at.advance(next ? static_cast<std::size_t>(next - p) : at.buffered());
        continue;
      }
      if (!inspection_.budget().spend_entries()) return (void)inspection_.out_of_budget();
      ZipMember member{.flags = load_le<std::uint16_t>(p + 6),
                       .method = load_le<std::uint16_t>(p + 8),
                       .crc = load_le<std::uint32_t>(p + 14),
                       .compressed = load_le<std::uint32_t>(p + 18),
                       .size = load_le<std::uint32_t>(p + 22),
                       .header = at.position(),
                       .listed = false};
      member.local_method = member.method;
      const std::size_t name = load_le<std::uint16_t>(p + 26), extra = load_le<std::uint16_t>(p + 28);
      member.data = member.header + local_size + name + extra;
      Bytes text(name);
      const auto got = data_.read_at(member.header + local_size, text);
      if (!got || *got != name || member.data > to) return;
      member.name.assign(as_text(text));
      if ((member.flags & flag_descriptor) != 0 || member.compressed > to - member.data) {
        member.compressed = to - member.data;
        member.size = member.method == 0 ? member.compressed : ~std::uint64_t{0} >> 1;
      }
      if (directory_.start < data_.size() && !reported) {
        inspection_.find("zip.hidden-entry", Severity::high, member.header, "a member that the directory does not list",
                         {}, printable(member.name));
        reported = true;
      }
      at.skip(member.data - member.header + member.compressed);
      hidden.push_back(std::move(member));
    }
  }

  void check_names() {
    std::unordered_map<std::string, std::size_t> seen;
    for (const auto& member : members_) {
      std::string folded = member.name;
      std::transform(folded.begin(), folded.end(), folded.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      if (++seen[folded] == 2)
        inspection_.find("zip.duplicate-name", Severity::high, member.header,
                         "two members have this name (case aside): loaders differ in which one they take", {},
                         printable(member.name));
      if (leads_out_of_folder(member.name))
        inspection_.find("zip.unsafe-path", Severity::critical, member.header,
                         "the member's name leads out of the folder it is unpacked into", {}, printable(member.name));
      if (!member.link) continue;
      const auto target = read_part(data_, member.data, member.compressed, 4096);
      const bool out = member.method != 0 || !target || leads_out_of_folder(as_text(*target));
      inspection_.find(
          "zip.link", out ? Severity::critical : Severity::medium, member.header,
          out ? "a symbolic link that leads out of the folder it is unpacked into" : "the member is a symbolic link",
          {}, printable(member.name));
    }
  }

  Reader& data_;
  Inspection& inspection_;
  Directory directory_;
  std::vector<ZipMember> members_;
};

}  // namespace

std::vector<ZipMember> read_zip(Reader& data, Inspection& inspection) { return ZipWalk(data, inspection).walk(); }

bool leads_out_of_folder(std::string_view path) {
  std::string slashed(path);
  std::replace(slashed.begin(), slashed.end(), '\\', '/');
  return slashed.starts_with('/') || slashed.find('\0') != std::string::npos ||
         (slashed.size() > 1 && slashed[1] == ':') || ("/" + slashed + "/").find("/../") != std::string::npos;
}

bool ends_as_zip(Reader& data) {
  const auto directory = find_directory(data);
  return directory && directory->count != 0;
}

}  // namespace hauberk::scan
