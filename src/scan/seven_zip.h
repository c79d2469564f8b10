// The headers of 7z archives: which packed streams there are, which folders of coders unpack them, and which members
// lie in what comes out. Every count is compared with the bytes that are left to back it before anything is reserved.
// Source: 7-Zip's 7zFormat.txt. Coders with several inputs (BCJ2) are told, not followed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scan/budget.h"
#include "scan/coder_chain.h"

namespace hauberk::scan {

// One packed stream, or several that only coders with several inputs join, and what unpacks them.
struct SevenZipFolder {
  std::vector<CoderStep> steps;  // from the packed bytes to the content; in no order where it is no chain
  bool chain = true;
  std::uint64_t packed = 0;  // index of its first packed stream
  std::uint64_t packed_count = 0;
  std::uint64_t size = 0;  // of the content
  std::optional<std::uint32_t> crc;
  std::uint64_t members = 1;  // parts of the content
};

struct SevenZipPart {
  std::uint64_t size = 0;
  std::optional<std::uint32_t> crc;
};

struct SevenZipStreams {
  std::uint64_t packed_at = 0;  // behind the first 32 bytes of the file
  std::vector<std::uint64_t> packed;
  std::vector<SevenZipFolder> folders;
  std::vector<SevenZipPart> parts;  // of all folders, one behind the other

  std::uint64_t packed_size() const;  // of all streams; the parser has seen that it does not overflow
};

struct SevenZipMember {
  std::string name;  // UTF-8; what UTF-16 has no letter for is '?'
  std::uint32_t attributes = 0;
  bool content = true;  // the next part belongs to it
  bool folder = false;
  bool anti = false;  // not a member: unpacking removes what has the name
};

struct SevenZipHeader {
  bool packed = false;  // the header itself is packed: streams describes where, and there are no members yet
  SevenZipStreams streams;
  std::vector<SevenZipMember> members;
};

// The header must outlive the answer. Errc::corrupt says what is wrong; Errc::unsupported, what is rare and not
// followed; Errc::exhausted, that the budget is used up.
Result<SevenZipHeader> parse_seven_zip(ByteView header, Budget& budget);

}  // namespace hauberk::scan
