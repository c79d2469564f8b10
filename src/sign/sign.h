// Signing a model and verifying it, as OpenSSF Model Signing (OMS) v1.0 has it. What is compared is what was walked and
// read by descriptor; names out of a signature are never opened. Errors: those of base/file_tree and sign/model_hash;
// invalid (an ignore path that is none), precondition (nothing to sign). Threads: see sign/model_hash.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/file_tree.h"
#include "crypto/certificate.h"
#include "crypto/signature.h"
#include "sign/bundle.h"
#include "sign/model_hash.h"
#include "sign/model_signature.h"

namespace hauberk::sign {

// Where a model lies and what of it does not count.
struct ModelPlace {
  std::string path;                       // a file or a folder
  std::vector<std::string> bundles;       // files of signatures; left out where they lie in the model
  std::vector<std::string> ignore_paths;  // below the model, or absolute and below it; exact, with all that is below
};

// The model's files and digests, as its signature will list them. `serialization` says how; its ignore_paths come out
// complete: those of version control, the bundle's and the caller's.
Result<ModelSignature> list_model(const ModelPlace& place, Serialization serialization, const HashOptions& options);

// `path` as seen from the folder, if it lies below it. Links on the way to the folder may be spelled either way.
std::optional<std::string> path_below(const std::string& folder, const std::string& path);

// The list of a model whose files and digests are known already, sorted by path or not.
ModelSignature list_of(std::string name, std::vector<Resource> files);

// A key that signs: at hand, or behind a port.
struct ModelSigner {
  std::function<Result<Bytes>(ByteView message)> sign;
  std::string public_pem;
};
ModelSigner signer_of(const crypto::SigningKey& key);  // must outlive it
// Signs the list. With certificates, the signer's first, the bundle is of the method "certificate", else "key".
Result<Bundle> sign_list(const ModelSignature& list, const ModelSigner& signer,
                         std::span<const crypto::Certificate> certificates = {});

struct CompareOptions {
  HashOptions hashing;
  bool ignore_unsigned = false;   // files that the signature does not list are no difference
  std::vector<std::string> only;  // files or folders to look at, and nothing else; empty: all
};

// How the model on the disk differs from the signed list.
struct Comparison {
  std::vector<std::string> changed, missing, not_signed;  // names, sorted
  std::vector<std::string> ignored;  // there, but left out: by the standard, the signature or the caller
  std::size_t checked = 0;           // files or shards with the right digest
  std::uint64_t bytes = 0;           // of these
  bool holds() const { return changed.empty() && missing.empty() && not_signed.empty(); }
};
// The files that the signature speaks of, whole or in shards.
std::set<std::string, std::less<>> signed_paths(const ModelSignature& list);
// The same of two lists, where no file is at hand: what is there against what was signed.
Comparison compare_lists(const ModelSignature& present, const ModelSignature& signed_list);
// Errors: also denied (a symbolic link that the signature does not allow) and not_found (`only` names what is not
// signed), exhausted (too many shards).
Result<Comparison> compare_model(const ModelPlace& place, const ModelSignature& list, const CompareOptions& options);

}  // namespace hauberk::sign
