// What encrypted storage costs: a gigabyte through the blob store, each figure in GB/s of plaintext, as the best of
// three rounds. bench/blob.sh prints them beside `openssl speed`. Takes the folder to write to.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>

#include "adapters/blobs_sealed.h"
#include "crypto/floe.h"

namespace hauberk {
namespace {

constexpr std::size_t piece = 1u << 20;
constexpr std::size_t pieces = 1024;

bool report(const char* what, const std::function<bool()>& round) {
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const auto began = std::chrono::steady_clock::now();
    if (!round()) return false;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    best = std::max(best, static_cast<double>(piece * pieces) / took.count() / 1e9);
  }
  fmt::print("{} {:.2f}\n", what, best);
  return true;
}

bool run(const std::string& folder) {
  SystemRandom random;
  SystemFiles files;
  const Bytes plain = random.bytes(piece);
  Bytes out(piece + (64u << 10));

  const crypto::FloeParameters floe{};
  Secret key(random.bytes(32));
  const auto segment = floe.plaintext_segment();
  bool good = report("seal", [&] {
    crypto::FloeSealer sealer(key, as_bytes("bench"), random, floe);
    for (std::size_t done = 0; done < piece * pieces; done += segment)
      sealer.inner(ByteView(plain).first(segment), out.data());
    return true;
  });
  good = good && report("hash", [&] {
           crypto::Sha256 hash;
           for (std::size_t i = 0; i < pieces; ++i) hash.update(plain);
           return hash.finish() != Digest{};
         });

  auto blobs = adapters::open_blobs_sealed(files, random, folder, Secret(random.bytes(32)));
  if (!blobs) return false;
  std::optional<StoredBlob> stored;
  good = good && report("write", [&] {
           if (stored && !(*blobs)->remove((*blobs)->address_of(stored->digest))) return false;
           auto writer = (*blobs)->create(UINT64_MAX);
           if (!writer) return false;
           for (std::size_t i = 0; i < pieces; ++i)
             if (!(*writer)->write(plain)) return false;
           auto blob = (*writer)->finish();
           if (!blob) return false;
           stored = std::move(*blob);
           return true;
         });
  if (!good) return false;
  auto reader = (*blobs)->open(stored->digest, std::move(stored->data_key));
  if (!reader) return false;
  Bytes content(piece * pieces);  // as a model is loaded
  return report("read", [&] {
    const auto n = (*reader)->read_at(0, content);
    return n && *n == content.size();
  });
}

}  // namespace
}  // namespace hauberk

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: blob_bench FOLDER\n", stderr);
    return 2;
  }
  return hauberk::run(argv[1]) ? 0 : 1;
}
