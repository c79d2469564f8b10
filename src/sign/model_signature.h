// What an OpenSSF Model Signing (OMS) v1.0 signature says: an in-toto Statement that lists a model's files, or their
// shards, with their digests, and how they were listed. Its one subject is the root digest: SHA-256 of the listed
// digests put one after the other; names are not in it, so that only the whole list identifies a model. Reading is
// strict (unknown members, second spellings and doubled names are refused) but takes the variants that earlier signers
// wrote. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "crypto/digest.h"

namespace hauberk::sign {

inline constexpr std::string_view model_predicate = "https://model_signing/signature/v1.0";

struct Resource {
  std::string name;  // a path, or path:begin:end of a shard
  Bytes digest;
  bool operator==(const Resource&) const = default;
};

struct Serialization {
  enum class Method { files, shards };
  enum class Hash { sha256, blake2b };
  Method method = Method::files;
  Hash hash = Hash::sha256;
  std::uint64_t shard_size = 0;  // bytes; of shards only
  bool allow_symlinks = false;
  std::vector<std::string> ignore_paths;  // left out, with all that is below
  // The reference implementation reads of shards and single files only what is spelled as it does: written, not read.
  bool as_reference = false;
};

struct ModelSignature {
  std::string name;                 // of the model; for people
  std::vector<Resource> resources;  // in listed order
  Serialization serialization;

  Digest root() const;  // of contents and their order, as the standard has it
  // That one, and those that the same contents have where they are sorted: by name, as here and in the standard, and by
  // the parts of the path, as the reference implementation does.
  std::vector<Digest> roots() const;
  Digest identity()
      const;  // of names and contents: SHA-256 of each name and digest, sorted, each with its length before
};

// As the reference implementation sorts: by the parts of the path, then by the first byte of the shard.
void sort_by_parts(std::vector<Resource>& resources, Serialization::Method method);

std::string write_statement(const ModelSignature& signature);
// Errc::corrupt with the reason; the root digest is computed anew and compared. `legacy` also reads the statements of
// version 0.2.0, which list the files as subjects.
enum class Legacy { refuse, read };
Result<ModelSignature> parse_statement(std::string_view payload, Legacy legacy = Legacy::refuse);
// The bytes that version 0.2.0 signed instead of the pre-authentication encoding.
Bytes legacy_encoding(std::string_view type, std::string_view payload);

}  // namespace hauberk::sign
