#include "core/blob_store.h"

#include <fmt/format.h>

namespace hauberk {

Result<Bytes> read_verified(BlobReader& reader, const Digest& expected, std::uint64_t limit) {
  if (reader.size() > limit)
    return fail(Errc::exhausted,
                fmt::format("the content has {} bytes; at most {} are accepted here", reader.size(), limit));
  Bytes content(reader.size());
  if (TRY(reader.read_at(0, content)) != content.size() || crypto::sha256(content) != expected)
    return fail(Errc::corrupt,
                fmt::format("the stored content is not {}: restore the blob from a backup", expected.text()));
  return content;
}

}  // namespace hauberk
