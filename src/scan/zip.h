// ZIP archives, read twice: by the central directory, as most tools do, and by the local headers, as some loaders do.
// Where the two tell different stories, or a name occurs twice, each reading is inspected: PyTorch loads the first of
// two members of one name, Python's zipfile the last. Source: PKWARE APPNOTE 6.3.10; stored and deflated members.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scan/inspection.h"

namespace hauberk::scan {

struct ZipMember {
  std::string name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint32_t crc = 0;
  std::uint64_t compressed = 0;
  std::uint64_t size = 0;
  std::uint64_t header = 0;  // offset of the local header
  std::uint64_t data = 0;    // offset of the content
  bool listed = true;        // in the central directory
  bool local = true;         // has a local header where the directory says
  bool disagrees = false;    // the local header says something else about the content
  bool link = false;         // a symbolic link, as the directory says
  std::uint16_t local_method = 0;
};

// The members of both readings, in the order of their place. Structural findings go to the inspection.
std::vector<ZipMember> read_zip(Reader& data, Inspection& inspection);
// Whether the data ends with a directory of an archive: where another format is expected, two loaders see two files.
bool ends_as_zip(Reader& data);

// Whether unpacking a member of this name, or following a link to it, may end outside of the folder it is unpacked
// into.
bool leads_out_of_folder(std::string_view path);

// Inspects all members; the answer is the kind of the archive: "torch-zip", "torchscript", "npz", "keras", "zip", …
std::string inspect_zip(Reader& data, Inspection& inspection);

}  // namespace hauberk::scan
