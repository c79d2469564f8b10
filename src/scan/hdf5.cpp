// What an HDF5 file would make its reader do: Keras's configurations in attributes, data that lies in other files,
// pickles that PyTables unpickles, datasets that claim far more than the file holds.
#include <algorithm>
#include <deque>
#include <vector>

#include "scan/config_rules.h"
#include "scan/formats.h"
#include "scan/hdf5_file.h"
#include "scan/json_model.h"
#include "scan/pickle.h"

namespace hauberk::scan {
namespace {

constexpr std::uint64_t shape_floor = 4ull << 30;  // Keras's own limits: above this size …
constexpr std::uint64_t shape_ratio = 1000;        // … a dataset may be this much larger than what is stored
constexpr std::size_t names_kept = 16u << 20;      // bytes of names of objects, for messages

std::uint64_t times(std::uint64_t a, std::uint64_t b) { return b != 0 && a > ~0ull / b ? ~0ull : a * b; }

class Hdf5Inspector {
 public:
  Hdf5Inspector(Reader& data, Inspection& inspection) : data_(data), inspection_(inspection), file_(data, inspection) {}

  void run() {
    if (!file_.open()) return;
    if (file_.split())
      inspection_.find("hdf5.external-data", Severity::medium, 0, "parts of the file are said to lie in other files");
    nodes_.push_back({});
    visit(file_.root(), 0);
    while (!objects_.empty() && !inspection_.out_of_budget()) {
      const auto [address, node] = objects_.front();
      objects_.pop_front();
      object(address, node);
    }
  }

 private:
  struct Object {
    std::uint64_t declared = 1, element = 1;
    bool has_shape = false, has_layout = false;
  };

  // Where an object was found. Whole paths of many objects in deep groups would be far larger than the file.
  struct Node {
    std::uint32_t parent = 0;  // the root is its own
    std::string name;
  };

  void visit(std::uint64_t address, std::uint32_t node) {
    if (seen_.insert(address).second) objects_.emplace_back(address, node);
  }

  // Of a long path the end.
  std::string path_of(std::uint32_t node) const {
    if (node == 0) return "/";
    std::string path;
    for (; node != 0; node = nodes_[node].parent) {
      if (path.size() > 300) return "..." + path;
      path.insert(0, "/" + nodes_[node].name);
    }
    return path;
  }

  void object(std::uint64_t address, std::uint32_t path) {
    Object found;
    const auto links = [&](const Hdf5Link& link) { follow(link, path, address); };
    file_.each_message(address, [&](const Hdf5Message& message) {
      std::optional<Bytes> elsewhere;
      if (message.shared && (message.type == 0x01 || message.type == 0x03))
        if (!(elsewhere = file_.resolve(message.data, message.type))) return;
      const ByteView content = elsewhere ? ByteView(*elsewhere) : message.data;
      Hdf5Fields at(content);
      switch (message.type) {
        case 0x01:
          found.has_shape = true;
          found.declared = elements(content).value_or(0);
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
                       {}, printable(path_of(path)));
  }

  void follow(const Hdf5Link& link, std::uint32_t group, std::uint64_t address) {
    const auto path = [&] { return printable(group == 0 ? "/" + link.name : path_of(group) + "/" + link.name); };
    switch (link.kind) {
      case Hdf5Link::hard: {
        if (seen_.contains(link.object)) break;
        Node node{.parent = group};
        if (names_ < names_kept) node.name = link.name.substr(0, 200);
        names_ += node.name.size();
        nodes_.push_back(std::move(node));
        visit(link.object, static_cast<std::uint32_t>(nodes_.size() - 1));
        break;
      }
      case Hdf5Link::soft:
        break;
      case Hdf5Link::external:
        inspection_.find("hdf5.external-link", leads_out(link.target) ? Severity::critical : Severity::medium,
                         file_.place(address), "would open another file: " + printable(link.target), {}, path());
        break;
      case Hdf5Link::other:
        inspection_.find("hdf5.external-link", Severity::medium, file_.place(address),
                         "a link of a kind that only a plug-in can follow", {}, path());
        break;
    }
  }

  void external_storage(const Hdf5Message& message, std::uint32_t path) {
    Hdf5Fields at(message.data);
    at.skip(6);
    const auto used = at.take(2), heap = at.take(file_.offset_width());
    for (std::uint64_t i = 0; i < used && at.ok(); ++i) {
      const auto name = at.take(file_.length_width());
      at.skip(2 * file_.length_width());
      if (!at.ok()) break;
      const std::string target = file_.heap_text(heap, name);
      inspection_.find("hdf5.external-data", leads_out(target) ? Severity::critical : Severity::high, message.offset,
                       "would read the file " + printable(target) + " as weights (CVE-2026-1669)", {},
                       printable(path_of(path)));
    }
    if (!at.ok()) inspection_.malformed("hdf5.malformed", message.offset, "a list of external files is cut off");
  }

  void layout(const Hdf5Message& message, std::uint32_t path) {
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
                     "a virtual dataset would read " + printable(target), {}, printable(path_of(path)));
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

  // A text that Keras makes a model of must not go unread.
  static bool is_configuration(std::string_view name) { return name == "model_config" || name == "training_config"; }

  struct Attribute {
    std::string name;
    std::uint32_t object = 0;
    std::uint64_t offset = 0;
  };

  void attribute(ByteView message, std::uint64_t offset, std::uint32_t path) {
    Hdf5Fields at(message);
    const auto version = at.take(1), flags = at.take(1);
    const auto name_size = at.take(2), type_size = at.take(2), space_size = at.take(2);
    if (version == 3) at.skip(1);
    const auto padded = [&](std::uint64_t size) { return version == 1 ? (size + 7) / 8 * 8 : size; };
    const auto name_bytes = at.view(padded(name_size));
    auto type = at.view(padded(type_size));
    const auto space = at.view(padded(space_size));
    if (version < 1 || version > 3 || !at.ok())
      return inspection_.malformed("hdf5.malformed", offset, "an attribute is damaged", printable(path_of(path)));
    const Attribute found{std::string(as_text(name_bytes).substr(0, as_text(name_bytes).find('\0'))), path, offset};
    std::optional<Bytes> elsewhere;
    if (version != 1 && (flags & 1) != 0) {
      elsewhere = file_.resolve(type, 0x03);
      if (!elsewhere) return;
      type = *elsewhere;
    }
    // Where the shape is kept elsewhere, all that is here is read.
    const bool shape_elsewhere = version != 1 && (flags & 2) != 0;
    const auto count = shape_elsewhere ? ~0ull : elements(space);
    if (!count)
      return inspection_.malformed("hdf5.malformed", offset, "an attribute's shape is damaged",
                                   printable(path_of(path)));
    values(found, type, at, *count);
  }

  void values(const Attribute& attribute, ByteView type, Hdf5Fields& at, std::uint64_t count) {
    Hdf5Fields kind(type);
    const auto type_class = kind.take(1) & 15;
    kind.skip(3);
    const auto element = kind.take(4);
    std::uint64_t read = 0;
    if (type_class == 3 || type_class == 5) {
      for (; read < count && element != 0 && at.remaining() >= element; ++read) {
        if (!inspection_.budget().spend_entries()) return;
        auto text = at.view(element);
        while (!text.empty() && (text.back() == 0 || text.back() == ' ')) text = text.first(text.size() - 1);
        MemoryReader content(text);
        value(attribute, content);
      }
    } else if (type_class == 9) {
      for (; read < count && at.remaining() >= 8 + file_.offset_width(); ++read) {
        if (!inspection_.budget().spend_entries()) return;
        const auto length = at.take(4), heap = at.take(file_.offset_width());
        const auto index = static_cast<std::uint32_t>(at.take(4));
        if (length == 0 || !file_.defined(heap) || heap == 0) continue;
        const auto piece = file_.global(heap, index);
        // Many elements may name one piece; what it is depends on the piece and the attribute only.
        if (!piece || !judged_.emplace(piece->offset, is_configuration(attribute.name)).second) continue;
        RangeReader content(data_, piece->offset, piece->size);
        value(attribute, content);
      }
    }
    if (read == 0 && is_configuration(attribute.name))
      inspection_.malformed("hdf5.malformed", attribute.offset, "the configuration of a model is no text",
                            printable(attribute.name));
  }

  void value(const Attribute& attribute, Reader& content) {
    // JSON may begin with any number of blanks; PyTables unpickles what ends as pickles do, whatever it begins with.
    Cursor at(content, 0, 4096);
    while (at.need(1) && (*at.data() == ' ' || *at.data() == '\t' || *at.data() == '\r' || *at.data() == '\n'))
      at.advance(1);
    const bool any = at.need(1);
    const auto first = any ? *at.data() : std::uint8_t{0};
    std::uint8_t head[6] = {};
    const auto got = content.read_at(0, head);
    const auto opening = got ? as_text(ByteView(head).first(*got)) : std::string_view{};
    const bool configuration = is_configuration(attribute.name);
    if (at.failed() || !got) return inspection_.inconclusive("scan.not-scanned", "the data cannot be read");
    if (!any && !configuration) return;
    const auto place = path_of(attribute.object);
    const auto where =
        attribute.object == 0 ? attribute.name : place.substr(place.starts_with('/') ? 1 : 0) + "/@" + attribute.name;
    Inspection inside = inspection_.child(where);
    if (first == '{' || first == '[') {
      const auto found = inspect_json_model(content, inside);
      if (found == "text" && configuration)
        inside.malformed("json.malformed", 0, "the configuration is not valid JSON");
    } else if (configuration) {
      inside.malformed("json.malformed", 0, "the configuration is not JSON");
    } else if (attribute.name == "PSEUDOATOM" && opening.starts_with("object")) {
      inspection_.find("hdf5.pickled-rows", Severity::medium, 0,
                       "PyTables would unpickle the rows of this dataset, which are not part of this scan", {},
                       printable(where));
    } else if (opening.starts_with('\x80') || is_pickle(content, inspection_.budget())) {
      inspect_pickle_file(content, inside);
    }
  }

  Reader& data_;
  Inspection& inspection_;
  Hdf5File file_;
  std::set<std::uint64_t> seen_;
  std::set<std::pair<std::uint64_t, bool>> judged_;  // pieces of the global heap
  std::vector<Node> nodes_;
  std::size_t names_ = 0;
  std::deque<std::pair<std::uint64_t, std::uint32_t>> objects_;
};

}  // namespace

void inspect_hdf5(Reader& data, Inspection& inspection) { Hdf5Inspector(data, inspection).run(); }

}  // namespace hauberk::scan
