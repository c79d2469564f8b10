#include "scan/zip.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "scan/ascii.h"

namespace hauberk::scan {
namespace {

constexpr std::uint32_t local_signature = 0x04034b50, central_signature = 0x02014b50, end_signature = 0x06054b50;
constexpr std::uint32_t end64_signature = 0x06064b50, locator64_signature = 0x07064b50,
                        descriptor_signature = 0x08074b50;
constexpr std::uint64_t end64_size = 56, locator64_size = 20;
constexpr std::size_t local_size = 30, central_size = 46, end_size = 22, tail_limit = end_size + 65535;
constexpr std::uint16_t flag_encrypted = 1, flag_descriptor = 8, flag_patched = 1 << 5, flag_strong = 1 << 6,
                        flag_masked = 1 << 13;

struct Directory {
  std::uint64_t end = 0;    // offset of the end record
  std::uint64_t start = 0;  // of the first central header
  std::uint64_t size = 0;   // of all central headers
  std::uint64_t base = 0;   // bytes before the archive
  std::uint64_t count = 0;
  bool trailing = false;  // bytes follow the archive
};

// What an end record says about the directory, and where the directory would have to end.
struct EndRecord {
  std::uint64_t count = 0, size = 0, offset = 0, directory_end = 0;
};

bool has_signature(Reader& data, std::uint64_t at, std::uint32_t signature) {
  const auto found = read_part(data, at, 4, 4);
  return found && load_le<std::uint32_t>(found->data()) == signature;
}

std::optional<EndRecord> end64_record(Reader& data, std::uint64_t at) {
  const auto record = read_part(data, at, end64_size, end64_size);
  if (!record || load_le<std::uint32_t>(record->data()) != end64_signature) return std::nullopt;
  return EndRecord{.count = load_le<std::uint64_t>(record->data() + 32),
                   .size = load_le<std::uint64_t>(record->data() + 40),
                   .offset = load_le<std::uint64_t>(record->data() + 48),
                   .directory_end = at};
}

// Every directory that a reader could take for the archive's, the usual one first. Readers go back from the end record
// by the directory's size, or go to its offset; for the records of ZIP64 they follow the locator, or look before it.
std::vector<Directory> directories_of(Reader& data, const Directory& found, const EndRecord& plain) {
  std::vector<EndRecord> records;
  if (found.end >= locator64_size && has_signature(data, found.end - locator64_size, locator64_signature)) {
    const auto locator = read_part(data, found.end - locator64_size, locator64_size, locator64_size);
    const auto named = locator ? load_le<std::uint64_t>(locator->data() + 8) : 0;
    for (const auto at : {found.end - locator64_size - std::min(found.end - locator64_size, end64_size), named})
      if (const auto record = end64_record(data, at)) records.push_back(*record);
  }
  records.push_back(plain);
  if (records.size() > 1) records.back().directory_end = records.front().directory_end;
  std::vector<Directory> out;
  const auto add = [&](const EndRecord& record, std::uint64_t start, std::uint64_t base) {
    const bool empty = record.count == 0 && record.size == 0;
    if (!empty && !has_signature(data, start, central_signature)) return;
    if (std::any_of(out.begin(), out.end(), [&](const Directory& d) { return d.start == start; })) return;
    if (empty && !out.empty()) return;
    Directory directory = found;
    directory.start = start, directory.base = base, directory.count = record.count, directory.size = record.size;
    out.push_back(directory);
  };
  for (const auto& record : records) {
    if (record.size <= record.directory_end) {
      const auto start = record.directory_end - record.size;
      add(record, start, start >= record.offset ? start - record.offset : 0);
    }
    if (record.offset < data.size()) add(record, record.offset, 0);
  }
  return out;
}

std::vector<Directory> find_directories(Reader& data) {
  const std::uint64_t tail_start = data.size() > tail_limit ? data.size() - tail_limit : 0;
  auto tail = read_part(data, tail_start, data.size() - tail_start, tail_limit);
  if (!tail || tail->size() < end_size) return {};
  for (std::size_t at = tail->size() - end_size + 1; at-- > 0;) {
    const auto* p = tail->data() + at;
    if (load_le<std::uint32_t>(p) != end_signature) continue;
    Directory found{.end = tail_start + at};
    found.trailing = at + end_size + load_le<std::uint16_t>(p + 20) != tail->size();
    const EndRecord plain{.count = load_le<std::uint16_t>(p + 10),
                          .size = load_le<std::uint32_t>(p + 12),
                          .offset = load_le<std::uint32_t>(p + 16),
                          .directory_end = found.end};
    if (auto directories = directories_of(data, found, plain); !directories.empty()) return directories;
  }
  return {};
}

// Calls `visit(id, field)` for each extra field; the last one may be cut short.
template <class Visit>
void each_extra(ByteView extra, Visit visit) {
  while (extra.size() >= 4) {
    const auto id = load_le<std::uint16_t>(extra.data());
    const std::size_t length = std::min<std::size_t>(load_le<std::uint16_t>(extra.data() + 2), extra.size() - 4);
    visit(id, extra.subspan(4, length));
    extra = extra.subspan(4 + length);
  }
}

// The values of the ZIP64 extra field replace those that do not fit.
void apply_zip64(ByteView extra, bool size_open, bool compressed_open, bool header_open, ZipMember& member) {
  each_extra(extra, [&](std::uint16_t id, ByteView field) {
    if (id != 1) return;
    const auto take = [&](bool open, std::uint64_t& value) {
      if (!open || field.size() < 8) return;
      value = load_le<std::uint64_t>(field.data());
      field = field.subspan(8);
    };
    take(size_open, member.size);
    take(compressed_open, member.compressed);
    take(header_open, member.header);
  });
}

class ZipWalk {
 public:
  ZipWalk(Reader& data, Inspection& inspection) : data_(data), inspection_(inspection) {}

  std::vector<ZipMember> walk() {
    const auto directories = find_directories(data_);
    if (directories.empty()) {
      directory_.start = data_.size();
      inspection_.malformed("zip.malformed", 0, "the archive has no directory: it is cut off or damaged");
    }
    if (directories.size() > 1)
      inspection_.find("zip.two-directories", Severity::high, directories[1].start,
                       "the archive has two directories: readers differ in which one they take");
    for (auto directory = directories.rbegin(); directory != directories.rend(); ++directory) {
      directory_ = *directory;
      read_directory();
    }
    if (!directories.empty() && directory_.trailing)
      inspection_.find("zip.trailing-bytes", Severity::low, directory_.end, "bytes follow the end of the archive");
    for (auto& member : members_) check_local(member);
    std::sort(members_.begin(), members_.end(),
              [](const ZipMember& a, const ZipMember& b) { return a.header < b.header; });
    find_hidden();
    check_names();
    return std::move(members_);
  }

 private:
  // By size as Python reads it, and on to what the count announces as others do.
  void read_directory() {
    Cursor at(data_, directory_.start);
    const std::uint64_t stop = directory_.start + directory_.size;
    std::uint64_t read = 0;
    while (at.position() < stop || read < directory_.count) {
      if (!inspection_.budget().spend_entries()) return (void)inspection_.out_of_budget();
      const std::uint64_t place = at.position();
      if (!at.need(central_size) || load_le<std::uint32_t>(at.data()) != central_signature) {
        inspection_.malformed("zip.malformed", place, "the directory lists fewer members than it announces");
        break;
      }
      if (!read_entry(at, place)) return inspection_.malformed("zip.malformed", place, "the directory is cut off");
      ++read;
    }
    // The count of the plain record has 16 bits.
    if (read > directory_.count && (read & 0xffff) != directory_.count)
      inspection_.find("zip.hidden-entry", Severity::high, directory_.start,
                       "the directory lists more members than it announces");
    if (directory_.base != 0)
      inspection_.find(
          "zip.prefix", Severity::medium, 0,
          std::to_string(directory_.base) + " bytes stand before the archive: it may be another file as well");
  }

  bool read_entry(Cursor& at, std::uint64_t place) {
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
    if (!got || *got != texts.size() || !at.skip(name + extra + comment)) return false;
    member.name.assign(as_text(ByteView(texts).first(name)));
    const auto extras = ByteView(texts).subspan(name);
    apply_zip64(extras, member.size == 0xffffffff, member.compressed == 0xffffffff, member.header == 0xffffffff,
                member);
    check_unicode_name(extras, member, place);
    member.header += directory_.base;
    member.link = (mode & 0170000) == 0120000;
    members_.push_back(std::move(member));
    return true;
  }

  // Info-ZIP's field 0x7075: the name in UTF-8, which some readers prefer.
  void check_unicode_name(ByteView extra, const ZipMember& member, std::uint64_t place) {
    each_extra(extra, [&](std::uint16_t id, ByteView field) {
      if (id != 0x7075 || field.size() <= 5) return;
      const std::string name(as_text(field.subspan(5)));
      const bool ascii = std::all_of(member.name.begin(), member.name.end(), [](char c) { return (c & 0x80) == 0; });
      if (leads_out_of_folder(name))
        inspection_.find("zip.unsafe-path", Severity::critical, place,
                         "the member's name leads out of the folder it is unpacked into", {}, printable(name));
      else if (name != member.name && ascii)
        inspection_.find("zip.header-mismatch", Severity::high, place,
                         "the member has a second name, which some readers prefer", {}, printable(name));
    });
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
      const std::string folded = lower_ascii(member.name);
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

bool ends_as_zip(Reader& data) {
  const auto directories = find_directories(data);
  return std::any_of(directories.begin(), directories.end(),
                     [](const Directory& d) { return d.count != 0 || d.size != 0; });
}

}  // namespace hauberk::scan
