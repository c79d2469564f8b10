// Artifact: immutable content, named by the digest of its manifest. The manifest lists files by path, size and SHA-256
// and has one canonical JSON spelling, so that the same files have the same digest everywhere.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "core/artifact_kind.h"
#include "crypto/digest.h"

namespace hauberk {

struct ManifestFile {
  std::string path;  // relative, '/'-separated, no "." or ".." parts, UTF-8
  std::uint64_t size = 0;
  Digest digest;
  bool operator==(const ManifestFile&) const = default;
};

struct Manifest {
  ArtifactKind kind = ArtifactKind::model;
  std::vector<ManifestFile> files;  // sorted by path, unique

  std::string canonical() const;  // the bytes whose SHA-256 is the artifact's digest
  Digest digest() const;
  std::uint64_t total_size() const;
  static Result<Manifest> parse(std::string_view text);  // refuses anything but the canonical spelling
  bool operator==(const Manifest&) const = default;
};

// Refuses absolute paths, "..", empty parts, backslashes, NUL and control characters.
Status check_relative_path(std::string_view path);

// "name" or "name@3": names are lower-case letters, digits, '-', '_' and '.', at most 64, starting with a letter or
// digit.
struct VersionRef {
  std::string name;
  std::uint32_t number = 0;  // 0 = the newest
  static Result<VersionRef> parse(std::string_view text);
  std::string text() const;
  bool operator==(const VersionRef&) const = default;
};
Status check_name(std::string_view name);

}  // namespace hauberk
