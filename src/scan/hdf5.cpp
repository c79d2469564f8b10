// What an HDF5 file would make its reader do: Keras's configurations in attributes, data that lies in other files,
// pickles that PyTables unpickles, datasets that claim far more than the file holds.
#include <algorithm>
#include <deque>

#include "scan/config_rules.h"
#include "scan/formats.h"
#include "scan/hdf5_file.h"
#include "scan/json_model.h"
#include "scan/pickle.h"

namespace hauberk::scan {
namespace {

constexpr std::uint64_t shape_floor = 4ull << 30;  // Keras's own limits: above this size …
constexpr std::uint64_t shape_ratio = 1000;        // … a dataset may be this much larger than what is stored

std::uint64_t times(std::uint64_t a, std::uint64_t b) { return b != 0 && a > ~0ull / b ? ~0ull : a * b; }

class Hdf5Inspector {
 public:
  Hdf5Inspector(Reader& data, Inspection& inspection) : data_(data), inspection_(inspection), file_(data, inspection) {}

  void run() {
    if (!file_.open()) return;
    if (file_.split())
      inspection_.find("hdf5.external-data", Severity::medium, 0, "parts of the file are said to lie in other files");
    visit(file_.root(), "/");
    while (!objects_.empty() && !inspection_.out_of_budget()) {
      const auto [address, path] = std::move(objects_.front());
      objects_.pop_front();
      object(address, path);
    }
  }

 private:
  struct Object {
    std::uint64_t declared = 1, element = 1;
    bool has_shape = false, has_layout = false;
  };

  void visit(std::uint64_t address, std::string path) {
    if (seen_.insert(address).second) objects_.emplace_back(address, std::move(path));
  }

  void object(std::uint64_t address, const std::string& path) {
    Object found;
    const auto links = [&](const Hdf5Link& link) { follow(link, path, address); };
    file_.each_message(address, [&](const Hdf5Message& message) {
      if (message.shared && message.type != 0x0c) return;
      Hdf5Fields at(message.data);
      switch (message.type) {
        case 0x01:
          found.has_shape = true;
          found.declared = elements(message.data).value_or(0);
          break;
        case 0x02: {
          at.skip(1);
          if ((at.take(1) & 1) != 0) at.skip(8);
          const auto heap = at.take(file_.offset_width()), index = at.take(file_.offset_width());
          if (at.ok() && file_.defined(heap)) file_.dense_links(heap, index, links);
          break;
        }
        case 0x03:
          at.skip(4);
          found.element = at.take(4);
          break;
        case 0x06:
          file_.link(message.data, message.offset, links);
          break;
        case 0x07:
          external_storage(message, path);
          break;
        case 0x08:
          found.has_layout = true;
          layout(message, path);
          break;
        case 0x0c:
          if (message.shared)
            inspection_.inconclusive("scan.unsupported", "the file shares attributes between objects");
          else
            attribute(message.data, message.offset, path);
          break;
        case 0x11: {
          const auto tree = at.take(file_.offset_width()), heap = at.take(file_.offset_width());
          if (at.ok()) file_.each_symbol(tree, heap, links);
          break;
        }
        case 0x15: {
          at.skip(1);
          if ((at.take(1) & 1) != 0) at.skip(2);
          const auto heap = at.take(file_.offset_width()), index = at.take(file_.offset_width());
          if (at.ok() && file_.defined(heap))
            file_.dense_attributes(heap, index,
                                   [&](ByteView bytes, std::uint64_t offset) { attribute(bytes, offset, path); });
          break;
        }
        default:
          break;
      }
    });
    const auto claimed = times(found.declared, found.element);
    if (found.has_layout && found.has_shape && claimed > shape_floor && claimed / shape_ratio > data_.size())
      inspection_.find("hdf5.shape-bomb", Severity::high, file_.place(address),
                       "a dataset claims " + std::to_string(claimed >> 30) + " GiB in a file of " +
                           std::to_string(data_.size()) + " bytes",
                       {}, printable(path));
  }

  void follow(const Hdf5Link& link, const std::string& group, std::uint64_t address) {
    const std::string path = (group.size() > 1 ? group : "") + "/" + link.name.substr(0, 200);
    if (path.size() > 4096) return inspection_.inconclusive("scan.budget-exhausted", "groups are nested too deeply");
    switch (link.kind) {
      case Hdf5Link::hard:
        visit(link.object, path);
        break;
      case Hdf5Link::soft:
        break;
      case Hdf5Link::external:
        inspection_.find("hdf5.external-link", leads_out(link.target) ? Severity::critical : Severity::medium,
                         file_.place(address), "would open another file: " + printable(link.target), {},
                         printable(path));
        break;
      case Hdf5Link::other:
        inspection_.find("hdf5.external-link", Severity::medium, file_.place(address),
                         "a link of a kind that only a plug-in can follow", {}, printable(path));
        break;
    }
  }

  void external_storage(const Hdf5Message& message, const std::string& path) {
    Hdf5Fields at(message.data);
    at.skip(6);
    const auto used = at.take(2), heap = at.take(file_.offset_width());
    for (std::uint64_t i = 0; i < used && at.ok(); ++i) {
      const auto name = at.take(file_.length_width());
      at.skip(2 * file_.length_width());
      if (!at.ok()) break;
      const std::string target = file_.heap_text(heap, name);
      inspection_.find("hdf5.external-data", leads_out(target) ? Severity::critical : Severity::high, message.offset,
                       "would read the file " + printable(target) + " as weights (CVE-2026-1669)", {}, printable(path));
    }
    if (!at.ok()) inspection_.malformed("hdf5.malformed", message.offset, "a list of external files is cut off");
  }

  void layout(const Hdf5Message& message, const std::string& path) {
    Hdf5Fields at(message.data);
    const auto version = at.take(1);
    if (version < 4 || at.take(1) != 3) return;
    const auto heap = at.take(file_.offset_width());
    const auto index = static_cast<std::uint32_t>(at.take(4));
    std::string target = "other files";
    bool out = false;
    if (const auto piece = at.ok() ? file_.global(heap, index) : std::nullopt) {
      const auto bytes = read_part(data_, piece->offset, std::min<std::uint64_t>(piece->size, 4096), 4096);
      if (bytes) {
        Hdf5Fields entry(*bytes);
        const auto kind = entry.take(1);
        entry.skip(file_.length_width());
        if (kind == 1) entry.skip(1);
        const std::string name = entry.text();
        if (!name.empty()) target = name, out = leads_out(name);
      }
    }
    inspection_.find("hdf5.virtual-dataset", out ? Severity::critical : Severity::medium, message.offset,
                     "a virtual dataset would read " + printable(target), {}, printable(path));
  }

  // The number of elements, of a dataspace.
  std::optional<std::uint64_t> elements(ByteView space) const {
    Hdf5Fields at(space);
    const auto version = at.take(1), rank = at.take(1);
    at.skip(1);
    const auto kind = at.take(1);  // reserved in version 1
    if (version == 1) at.skip(4);
    if (version != 1 && version != 2) return std::nullopt;
    if (version == 2 && kind == 2) return 0;
    std::uint64_t count = 1;
    for (std::uint64_t i = 0; i < rank; ++i) count = times(count, at.take(file_.length_width()));
    if (!at.ok()) return std::nullopt;
    return count;
  }

  void attribute(ByteView message, std::uint64_t offset, const std::string& path) {
    Hdf5Fields at(message);
    const auto version = at.take(1), flags = at.take(1);
    const auto name_size = at.take(2), type_size = at.take(2), space_size = at.take(2);
    if (version == 3) at.skip(1);
    const auto padded = [&](std::uint64_t size) { return version == 1 ? (size + 7) / 8 * 8 : size; };
    const auto name_bytes = at.view(padded(name_size));
    auto type = at.view(padded(type_size));
    const auto space = at.view(padded(space_size));
    if (version < 1 || version > 3 || !at.ok())
      return inspection_.malformed("hdf5.malformed", offset, "an attribute is damaged", printable(path));
    const std::string name(as_text(name_bytes).substr(0, as_text(name_bytes).find('\0')));
    std::optional<Bytes> elsewhere;
    if (version != 1 && (flags & 1) != 0) {
      elsewhere = file_.resolve(type, 0x03);
      if (!elsewhere) return;
      type = *elsewhere;
    }
    if (version != 1 && (flags & 2) != 0) return;  // a shared space is one of an array, not of a text
    const auto count = elements(space);
    if (!count)
      return inspection_.malformed("hdf5.malformed", offset, "an attribute's shape is damaged", printable(path));
    Hdf5Fields kind(type);
    const auto type_class = kind.take(1) & 15;
    kind.skip(3);
    const auto element = kind.take(4);
    const std::string where = path == "/" ? name : path.substr(1) + "/@" + name;
    if (type_class == 3 || type_class == 5) {
      for (std::uint64_t i = 0; i < *count && element != 0 && at.remaining() >= element; ++i) {
        if (!inspection_.budget().spend_entries()) return;
        auto text = at.view(element);
        while (!text.empty() && (text.back() == 0 || text.back() == ' ')) text = text.first(text.size() - 1);
        MemoryReader content(text);
        value(name, where, content);
      }
    } else if (type_class == 9) {
      for (std::uint64_t i = 0; i < *count && at.remaining() >= 8 + file_.offset_width(); ++i) {
        if (!inspection_.budget().spend_entries()) return;
        const auto length = at.take(4), heap = at.take(file_.offset_width());
        const auto index = static_cast<std::uint32_t>(at.take(4));
        if (length == 0 || !file_.defined(heap) || heap == 0) continue;
        if (const auto piece = file_.global(heap, index)) {
          RangeReader content(data_, piece->offset, piece->size);
          value(name, where, content);
        }
      }
    }
  }

  void value(const std::string& name, const std::string& where, Reader& content) {
    std::uint8_t head[64] = {};
    const auto got = content.read_at(0, head);
    if (!got || *got < 2) return;
    const auto text = as_text(ByteView(head).first(*got));
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return;
    Inspection inside = inspection_.child(where);
    if (text[first] == '{' || text[first] == '[') {
      const auto found = inspect_json_model(content, inside);
      if (found == "text" && (name == "model_config" || name == "training_config"))
        inside.malformed("json.malformed", 0, "the configuration is not valid JSON");
    } else if (name == "model_config") {
      inside.malformed("json.malformed", 0, "the configuration is not JSON");
    } else if (name == "PSEUDOATOM" && text.starts_with("object")) {
      inspection_.find("hdf5.pickled-rows", Severity::medium, 0,
                       "PyTables would unpickle the rows of this dataset, which are not part of this scan", {},
                       printable(where));
    } else if (text[0] == '\x80' || ((text[0] == '(' || text[0] == 'c') && is_pickle(content, inspection_.budget()))) {
      inspect_pickle_file(content, inside);
    }
  }

  Reader& data_;
  Inspection& inspection_;
  Hdf5File file_;
  std::set<std::uint64_t> seen_;
  std::deque<std::pair<std::uint64_t, std::string>> objects_;
};

}  // namespace

void inspect_hdf5(Reader& data, Inspection& inspection) { Hdf5Inspector(data, inspection).run(); }

}  // namespace hauberk::scan
