// A Sigstore bundle (sigstore protobuf-specs, JSON of versions 0.1 to 0.3): a signature with all that is needed to
// check it offline. Its content is either a DSSE envelope around a statement or a signature of a file's bytes. Parsing
// is strict: unknown members of the outermost object and of the envelope, two kinds of material, more than one
// signature and a second spelling of anything are refused. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/digest.h"
#include "crypto/envelope.h"

namespace hauberk::sign {

struct InclusionProof {
  std::uint64_t index = 0, size = 0;  // in the tree
  Digest root;
  std::vector<Digest> hashes;
  std::string checkpoint;  // a signed note
};

// An entry of a transparency log (Rekor) that tells of the signature.
struct LogEntry {
  std::uint64_t index = 0;  // in all of the log's shards
  Bytes log_id;
  std::string kind, version;
  std::int64_t integrated_time = 0;  // seconds since 1970; 0: the log does not tell
  Bytes promise;                     // signed entry timestamp; may be empty
  std::optional<InclusionProof> proof;
  std::string body;  // what was logged, as JSON
};

struct FileSignature {
  std::optional<Digest> digest;  // of the file; a hint
  Bytes signature;
};

struct Bundle {
  int version = 3;  // of the format: 0.1, 0.2, 0.3
  enum class Material { key, chain, certificate };
  Material material = Material::key;
  std::string key_hint;             // key: which one; trusted for nothing
  std::vector<Bytes> certificates;  // chain: leaf first; certificate: the leaf alone. DER
  std::vector<LogEntry> entries;
  std::vector<Bytes> timestamps;             // RFC 3161, of the signature's bytes
  std::optional<crypto::Envelope> envelope;  // exactly one of these two
  std::optional<FileSignature> file;

  const Bytes& signature() const { return envelope ? envelope->signatures.front().signature : file->signature; }
};

// Errc::corrupt with the reason.
Result<Bundle> parse_bundle(std::string_view text);
// Version 0.3, pretty-printed, with a final newline.
std::string write_bundle(const Bundle& bundle);

}  // namespace hauberk::sign
