#include <algorithm>
#include <cstring>

#include "scan/formats.h"
#include "scan/numpy_dtype.h"
#include "scan/pickle.h"

namespace hauberk::scan {

// \x93NUMPY, version, header length, header, data; several arrays may follow each other in one file.
void inspect_npy(Reader& data, Inspection& inspection) {
  std::uint64_t at = 0;
  while (at < data.size()) {
    if (!inspection.budget().spend_entries()) return (void)inspection.out_of_budget();
    std::uint8_t head[12];
    const auto got = data.read_at(at, head);
    if (!got) return inspection.failed(got.error(), "npy.malformed", at);
    if (*got < 10 || std::memcmp(head, "\x93NUMPY", 6) != 0) {
      if (at == 0) return inspection.malformed("npy.malformed", at, "this is no array of NumPy");
      RangeReader rest(data, at, data.size() - at);
      if (*got == 1 && head[0] == '\n') return;  // old versions of NumPy ended a pickled array with it
      inspection.find("npy.trailing-bytes", Severity::low, at, std::to_string(rest.size()) + " bytes follow the array");
      Inspection behind = inspection.child("after@" + std::to_string(at));
      return inspect_trailing(rest, behind);
    }
    const std::uint8_t major = head[6];
    if (major < 1 || major > 3 || (major > 1 && *got < 12))
      return inspection.malformed("npy.malformed", at + 6, "a version that does not exist");
    const std::uint64_t start = at + (major == 1 ? 10 : 12);
    const std::uint64_t length = major == 1 ? load_le<std::uint16_t>(head + 8) : load_le<std::uint32_t>(head + 8);
    const auto header = read_part(data, start, length, 1u << 20);
    if (!header)
      return inspection.malformed("npy.malformed", start, "the header is cut off or larger than any real one");
    const auto parsed = parse_npy_header(as_text(*header));
    if (!parsed) return inspection.malformed("npy.malformed", start, "the header is not what NumPy writes");
    at = start + length;
    if (parsed->dtype.has_object) {
      inspection.note(inspection.path() + ": an array of Python objects, which NumPy loads with pickle");
      const auto outcome = inspect_pickle(data, inspection, {.start = at, .plain_unpickler = true});
      if (outcome.end != PickleEnd::stopped) return;
      at = outcome.next;
      continue;
    }
    std::uint64_t size = 0;
    if (__builtin_mul_overflow(parsed->count, parsed->dtype.item_size, &size) || size > data.size() - at)
      return inspection.malformed("npy.malformed", at, "the array is larger than the data that is there");
    at += size;
  }
}

}  // namespace hauberk::scan
