// A witness of transparency logs (C2SP tlog-witness, tlog-cosignature): it remembers the newest checkpoint that it has
// seen of each log that it knows, and cosigns a newer one only if the log proves that it grew out of that. A log that
// shows different people different histories cannot get both cosigned. What it has seen is on the disk, under its own
// cosignature, before anybody gets that; a state that it has not signed is an error. One process to a folder (locked),
// one thread at a time.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/file.h"
#include "base/time.h"
#include "crypto/merkle.h"
#include "crypto/note.h"

namespace hauberk::crypto {

struct WitnessAnswer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;  // of 200: lines of signatures; of 409: the size it has seen
};

class Witness {
 public:
  // `folder` is made. The key is of Ed25519; errc::unsupported otherwise. unavailable: another witness has the folder.
  static Result<Witness> open(Files& files, std::string folder, std::string name, const SigningKey& key,
                              std::vector<NoteVerifier> logs);
  // The body of POST add-checkpoint: "old <size>", lines of a consistency proof, an empty line, the checkpoint.
  WitnessAnswer add_checkpoint(std::string_view body, Instant now);
  const NoteVerifier& verifier() const { return verifier_; }

 private:
  Witness(Files& files, std::string folder, Descriptor lock, NoteVerifier verifier, const SigningKey& key,
          std::vector<NoteVerifier> logs)
      : files_(files),
        folder_(std::move(folder)),
        lock_(std::move(lock)),
        verifier_(std::move(verifier)),
        key_(key),
        logs_(std::move(logs)) {}
  Result<WitnessAnswer> answer(std::string_view body, Instant now);
  std::string place_of(const std::string& origin) const;
  Result<Checkpoint> seen(const std::string& origin) const;
  Result<Checkpoint> seen_by_release_0_1(const std::string& origin) const;

  Files& files_;
  std::string folder_;
  Descriptor lock_;
  NoteVerifier verifier_;
  const SigningKey& key_;
  std::vector<NoteVerifier> logs_;
};

// What a log asks a witness: the body of POST add-checkpoint.
std::string witness_request(std::uint64_t old_size, std::span<const Digest> proof, std::string_view checkpoint);

}  // namespace hauberk::crypto
