// Loading for serving: nothing that the catalogue says is believed. State, revocation, the signatures of the evidence,
// the policy's conditions (ages apart: they are gates of promotion, and a restart must not fail by the calendar), the
// promotion sealed by the environment's own key, the manifest's digest, and size and SHA-256 of every decrypted file
// are checked again; the bytes that were checked are the bytes returned. Also: reading for the scanner, and export.
// Errors: precondition (state, revoked), denied (policy or evidence), corrupt (bytes). Thread safety: any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "registry/ports.h"

namespace hauberk::registry {

struct LoadedFile {
  std::string path;
  Bytes content;
};
struct LoadedVersion {
  Version version;
  std::vector<LoadedFile> files;  // in the manifest's order
  std::vector<std::string> refused_evidence;
};

// `expected` is the artifact's digest that the deployment entry holds. `limit`: bytes of all files together.
Result<LoadedVersion> load_for_serving(const Ports& ports, const Policies& policies, Environment environment,
                                       const VersionRef& ref, const Digest& expected, std::uint64_t limit);
// The same checks without reading the files.
Status check_for_serving(const Ports& ports, const Policies& policies, Environment environment, const VersionRef& ref,
                         const Digest& expected);

// One file of a version in whatever state, for the scanner: the very bytes that the manifest names. Reads are
// authenticated chunk by chunk. Uses the keys of dev.
Result<std::unique_ptr<BlobReader>> open_for_scan(const Ports& ports, const ManifestFile& file);

struct Exported {
  Version version;
  std::uint64_t bytes = 0;
  std::string evidence_file;  // inside the folder
};
// Writes files/…, manifest.json and the evidence (NAME-N.intoto.jsonl, one envelope a line) into a new folder, verified
// while written; on an error the files written are removed. Quarantined and revoked versions are refused. Grant: read.
Result<Exported> export_version(const Ports& ports, Environment environment, const VersionRef& ref, Files& files,
                                const std::string& folder, const Principal& principal);

}  // namespace hauberk::registry
