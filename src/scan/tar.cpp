// Tar archives as Python's tarfile and GNU tar read them, who must not see other members than we do: extended headers
// rename and resize what follows, links have no content whatever their size says, a wrong checksum ends the archive for
// one and not for the other. Source: POSIX.1-2017 pax, GNU tar 1.34, CPython 3.11 Lib/tarfile.py.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "scan/container_image.h"
#include "scan/formats.h"
#include "scan/identify.h"
#include "scan/pickle.h"

namespace hauberk::scan {
namespace {

constexpr std::uint64_t block = 512;
constexpr std::uint64_t extended_limit = 1u << 20;    // one extended header
constexpr std::uint64_t image_file_limit = 4u << 20;  // a manifest of an image
constexpr std::uint64_t remainder_read = 1ull << 30;  // of what follows the end

std::optional<std::uint64_t> octal(ByteView field) {
  if (!field.empty() && (field[0] & 0x80) != 0) {  // base-256, as GNU tar writes large sizes
    std::uint64_t value = field[0] & 0x7f;
    for (const auto b : field.subspan(1)) {
      if (value >> 54 != 0) return std::nullopt;
      value = value << 8 | b;
    }
    return value;
  }
  std::string_view digits = as_text(field);
  digits = digits.substr(0, digits.find('\0'));
  while (digits.starts_with(' ')) digits.remove_prefix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '7' || value >> 60 != 0) return std::nullopt;
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

std::string text_field(ByteView field) {
  const auto text = as_text(field);
  return std::string(text.substr(0, text.find('\0')));
}

// Some writers of old sum signed characters.
bool has_its_checksum(ByteView header) {
  std::int64_t plain = 0, with_sign = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const auto b = i >= 148 && i < 156 ? std::uint8_t{' '} : header[i];
    plain += b;
    with_sign += static_cast<std::int8_t>(b);
  }
  const auto said = octal(header.subspan(148, 8));
  return said && (static_cast<std::int64_t>(*said) == plain || static_cast<std::int64_t>(*said) == with_sign);
}

bool is_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](auto b) { return b == 0; });
}

// What an extended header says about a member: "12 path=a/b\n" and so on.
struct Extended {
  std::optional<std::string> path, link;
  std::optional<std::uint64_t> size;
  bool sparse = false;
  bool good = true;

  void read(std::string_view text) {
    while (!text.empty() && text[0] != '\0') {
      std::size_t length = 0;
      const auto digits = std::from_chars(text.data(), text.data() + text.size(), length);
      const auto used = static_cast<std::size_t>(digits.ptr - text.data());
      if (digits.ec != std::errc{} || length > text.size() || length < used + 4 || text[used] != ' ' ||
          text[length - 1] != '\n') {
        good = false;
        return;
      }
      const auto record = text.substr(used + 1, length - used - 2);
      const auto equals = record.find('=');
      if (equals != std::string_view::npos) set(record.substr(0, equals), record.substr(equals + 1));
      text.remove_prefix(length);
    }
  }

 private:
  void set(std::string_view key, std::string_view value) {
    if (key == "path" || key == "GNU.sparse.name") path = value;
    if (key == "linkpath") link = value;
    if (key.starts_with("GNU.sparse.")) sparse = true;
    if (key != "size") return;
    std::uint64_t number = 0;
    const auto end = std::from_chars(value.data(), value.data() + value.size(), number);
    good = good && end.ec == std::errc{} && end.ptr == value.data() + value.size();
    size = number;
  }
};

struct Member {
  std::string name, link;
  char type = '0';
  std::uint64_t header = 0, data = 0, size = 0;
};

class TarInspector {
 public:
  TarInspector(Reader& data, Inspection& inspection) : data_(data), inspection_(inspection) {}

  std::string run() {
    while (at_ + block <= data_.size() && !ended_) {
      if (!inspection_.budget().spend_entries()) {
        inspection_.out_of_budget();
        break;
      }
      if (!step()) break;
    }
    if (ended_) inspect_remainder();
    inspect_layers();
    if (sys_info_ && pickle_ && storages_) {
      inspection_.find(
          "torch.tar-format", Severity::medium, 0,
          "PyTorch's oldest form, for which the protection of weights_only can be bypassed (CVE-2025-32434)");
      return "torch-tar";
    }
    if (unknown_ != 0 && inspection_.place() == Place::ordinary)
      inspection_.inconclusive("scan.unsupported",
                               std::to_string(unknown_) +
                                   " members of the tar file are of formats that are not understood, first of them " +
                                   printable(first_unknown_));
    return !layers_.empty() ? "container-image" : nemo_config_ ? "nemo" : "tar";
  }

 private:
  // One header and what belongs to it. False where the rest cannot be read.
  bool step() {
    std::array<std::uint8_t, block> header{};
    const auto got = data_.read_at(at_, header);
    if (!got) return inspection_.failed(got.error(), "tar.malformed", at_), false;
    const ByteView h(header);
    if (is_zero(h)) {
      ended_ = true;
      at_ += block;
      return true;
    }
    if (!has_its_checksum(h)) {
      if (!torn_)
        inspection_.malformed("tar.malformed", at_,
                              "a header's checksum is wrong: some readers end here, others look for the next one");
      torn_ = true;
      at_ += block;
      return true;
    }
    Member member{.type = static_cast<char>(h[156]), .header = at_, .data = at_ + block};
    const auto size = octal(h.subspan(124, 12));
    const bool extends = member.type == 'x' || member.type == 'g' || member.type == 'L' || member.type == 'K';
    member.size = extends || !next_.size ? size.value_or(UINT64_MAX) : *next_.size;
    const bool holds_nothing = member.type >= '1' && member.type <= '6';
    if (holds_nothing) {
      if (member.size != 0 && member.type != '5')
        inspection_.find("tar.malformed", Severity::medium, at_,
                         "a link or device with a size: readers differ in where the next member begins");
      member.size = 0;
    }
    if (member.size > data_.size() - member.data)
      return inspection_.malformed("tar.malformed", at_, "a member passes the end of the file"), false;
    at_ = member.data + (member.size + block - 1) / block * block;
    if (extends) return extend(member);
    const std::string prefix = h[257] == 'u' ? text_field(h.subspan(345, 155)) : std::string();
    const std::string own = text_field(h.first(100));
    member.name = next_.path ? *next_.path : global_.path ? *global_.path : prefix.empty() ? own : prefix + "/" + own;
    member.link = next_.link ? *next_.link : global_.link ? *global_.link : text_field(h.subspan(157, 100));
    const bool sparse = next_.sparse || global_.sparse || member.type == 'S';
    next_ = {};
    if (member.name.starts_with("./")) member.name.erase(0, 2);
    if (sparse)
      inspection_.inconclusive("scan.unsupported", "a member with holes is not understood: " + printable(member.name));
    inspect(member);
    return true;
  }

  bool extend(const Member& member) {
    RangeReader content(data_, member.data, member.size);
    const auto text = read_part(content, 0, member.size, extended_limit);
    if (!text) return inspection_.failed(text.error(), "tar.malformed", member.header), false;
    if (member.type == 'L') next_.path = text_field(*text);
    if (member.type == 'K') next_.link = text_field(*text);
    auto& target = member.type == 'g' ? global_ : next_;
    if (member.type == 'x' || member.type == 'g') target.read(as_text(*text));
    if (!target.good)
      return inspection_.malformed("tar.malformed", member.header, "an extended header is damaged"), false;
    return true;
  }

  void inspect(const Member& member) {
    if (leads_out_of_folder(member.name) && inspection_.place() != Place::layer)
      inspection_.find("tar.unsafe-path", Severity::critical, member.header,
                       "the member's name leads out of the folder it is unpacked into", {}, printable(member.name));
    switch (member.type) {
      case '1':
      case '2':
        return inspect_link(member);
      case '5':
        return;
      case '3':
      case '4':
      case '6':
        if (inspection_.place() != Place::layer)
          inspection_.find("tar.link", Severity::medium, member.header, "the archive holds a device or a pipe", {},
                           printable(member.name));
        return;
      default:  // readers take types that they do not know for files
        if (inspection_.place() == Place::ordinary &&
            (may_be_layer(member.name) || member.name == "manifest.json" || member.name == "index.json"))
          kept_.insert_or_assign(member.name, member);
        else
          inspect_file(member, inspection_.place() == Place::layer ? Place::image : inspection_.place());
    }
  }

  void inspect_link(const Member& member) {
    if (inspection_.place() == Place::layer) return;
    // A symbolic link starts where it lies, a hard link at the top. Steps upwards count at the beginning only: behind
    // the name of another link they lead anywhere.
    std::string_view target = member.link;
    auto steps = member.type == '2' ? std::count(member.name.begin(), member.name.end(), '/') : 0;
    for (; steps > 0 && target.starts_with("../"); --steps) target.remove_prefix(3);
    const bool out = leads_out_of_folder(target);
    inspection_.find("tar.link", out ? Severity::critical : Severity::medium, member.header,
                     out ? "a link that leads out of the folder it is unpacked into" : "the archive holds a link", {},
                     printable(member.name));
  }

  void inspect_file(const Member& member, Place place) {
    RangeReader content(data_, member.data, member.size);
    sys_info_ = sys_info_ || member.name == "sys_info";
    pickle_ = pickle_ || member.name == "pickle";
    storages_ = storages_ || member.name == "storages";
    nemo_config_ = nemo_config_ || member.name == "model_config.yaml";
    Inspection inside = inspection_.child(member.name, place);
    const auto format = identify(content, inspection_.budget(), inside.name());
    const bool raw_storage = member.name == "storages" || member.name == "tensors";
    if (format == Format::pickle && raw_storage) {
      inspect_pickle_file(content, inside);
    } else if (format == Format::unknown && place == Place::ordinary) {
      if (unknown_++ == 0) first_unknown_ = member.name;
    } else if (format != Format::empty) {
      inspect_any(content, inside);
    }
  }

  // Members that may be layers wait until the manifests, which may come last, have told what they are.
  void inspect_layers() {
    if (kept_.empty()) return;
    layers_ = image_layers([&](const std::string& path) -> std::optional<std::string> {
      const auto found = kept_.find(path);
      if (found == kept_.end()) return std::nullopt;
      const auto text = read_part(data_, found->second.data, found->second.size, image_file_limit);
      return text ? std::optional(std::string(as_text(*text))) : std::nullopt;
    });
    for (const auto& [name, member] : kept_) {
      if (inspection_.out_of_budget()) return;
      inspect_file(member, layers_.contains(name) ? Place::layer : inspection_.place());
    }
  }

  // Zeros fill the last block up; anything else is a second archive for who asks for one.
  void inspect_remainder() {
    Cursor rest(data_, at_);
    const auto end = std::min(data_.size(), at_ + remainder_read);
    while (rest.position() < end && rest.need(1)) {
      const auto some = rest.loaded(rest.position(), rest.buffered());
      if (!is_zero(some)) {
        if (inspection_.place() == Place::ordinary)
          inspection_.find("tar.trailing-bytes", Severity::low, rest.position(), "bytes follow the end of the archive");
        const auto start = rest.position() +
                           static_cast<std::uint64_t>(
                               std::find_if(some.begin(), some.end(), [](auto b) { return b != 0; }) - some.begin()) /
                               block * block;
        RangeReader behind(data_, start, data_.size() - start);
        Inspection inside = inspection_.child("after@" + std::to_string(start), inspection_.place());
        return inspect_trailing(behind, inside);
      }
      rest.advance(some.size());
    }
  }

  Reader& data_;
  Inspection& inspection_;
  std::uint64_t at_ = 0;
  Extended next_, global_;
  std::map<std::string, Member> kept_;
  std::set<std::string> layers_;
  bool ended_ = false, torn_ = false;
  bool sys_info_ = false, pickle_ = false, storages_ = false, nemo_config_ = false;
  std::uint64_t unknown_ = 0;
  std::string first_unknown_;
};

}  // namespace

bool is_tar(Reader& data) {
  std::array<std::uint8_t, block> header{};
  const auto got = data.read_at(0, header);
  if (!got || *got != block || is_zero(header)) return false;
  return has_its_checksum(header) || as_text(ByteView(header).subspan(257, 5)) == "ustar";
}

std::string inspect_tar(Reader& data, Inspection& inspection) { return TarInspector(data, inspection).run(); }

}  // namespace hauberk::scan
