// What encrypted storage costs: a gigabyte through the blob store, the best of three rounds, in GB/s of plaintext by
// the clock, by the processor time of all threads ("a core") and by the part of that outside the kernel, and the time
// of random reads of 1 MiB. bench/blob.sh prints them beside `openssl speed`. Takes the folder to write to.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <vector>

#include "adapters/blobs_sealed.h"
#include "crypto/floe.h"
#include "crypto/sha256_lanes.h"

namespace hauberk {
namespace {

constexpr std::size_t piece = 1u << 20;
constexpr std::size_t pieces = 1024;
constexpr std::size_t small_piece = 64u << 10;  // of each lane, which stays in the cache

struct Seconds {
  double user = 0, all = 0;
};
Seconds processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  const auto user = seconds(usage.ru_utime);
  return {user, user + seconds(usage.ru_stime)};
}
double clock_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool report(const char* what, const std::function<bool()>& round, const std::function<bool()>& after = {}) {
  double clock = 1e9;
  Seconds processor{1e9, 1e9};
  for (int i = 0; i < 3; ++i) {
    const auto clock_began = clock_seconds();
    const auto began = processor_seconds();
    if (!round()) return false;
    const auto ended = processor_seconds();
    clock = std::min(clock, clock_seconds() - clock_began);
    processor.all = std::min(processor.all, ended.all - began.all);
    processor.user = std::min(processor.user, ended.user - began.user);
    if (after && !after()) return false;
  }
  const auto gigabytes = static_cast<double>(piece * pieces) / 1e9;
  fmt::print("{} {:.2f} {:.2f} {:.2f}\n", what, gigabytes / clock, gigabytes / processor.all,
             gigabytes / processor.user);
  return true;
}

bool remove_all(BlobStore& blobs) {
  const auto stored = blobs.list();
  if (!stored) return false;
  for (const auto& address : *stored)
    if (!blobs.remove(address)) return false;
  return true;
}

// A gigabyte in `count` blobs.
bool write_blobs(BlobStore& blobs, ByteView plain, std::size_t count) {
  std::vector<std::unique_ptr<BlobWriter>> writers;
  std::vector<BlobWriter*> pointers;
  std::vector<ByteView> views;
  for (std::size_t i = 0; i < count; ++i) {
    auto writer = blobs.create(UINT64_MAX);
    if (!writer) return false;
    pointers.push_back(writer->get());
    writers.push_back(std::move(*writer));
    views.push_back(plain.subspan(i, piece));  // no two have one content
  }
  const auto rounds = piece * pieces / count / views.front().size();
  for (std::size_t round = 0; round < rounds; ++round)
    if (!blobs.write_together(pointers, views)) return false;
  for (auto& writer : writers) {
    const auto blob = writer->finish();
    if (!blob || blob->existed) return false;
  }
  return true;
}

bool random_reads(BlobReader& reader) {
  constexpr int reads = 4000;
  SeededRandom random(1);
  Bytes out(piece);
  std::vector<double> times;
  const auto processor_began = processor_seconds();
  for (int i = 0; i < reads; ++i) {
    const auto offset = random.number() % (reader.size() - piece);
    const auto began = clock_seconds();
    const auto n = reader.read_at(offset, out);
    if (!n || *n != piece) return false;
    times.push_back(clock_seconds() - began);
  }
  const auto processor = (processor_seconds().all - processor_began.all) / reads;
  std::ranges::sort(times);
  const auto at = [&](double part) { return times[static_cast<std::size_t>(part * (reads - 1))] * 1e6; };
  fmt::print("random {:.0f} {:.0f} {:.0f} {:.0f}\n", at(0.5), at(0.99), at(0.999), processor * 1e6);
  return true;
}

bool run(const std::string& folder) {
  SystemRandom random;
  SystemFiles files;
  const Bytes plain = random.bytes(piece + crypto::most_sha256_lanes);
  Bytes out(piece + (64u << 10));
  const auto lanes = crypto::useful_lanes(crypto::best_sha256_kernel());

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
           for (std::size_t i = 0; i < pieces; ++i) hash.update(ByteView(plain).first(piece));
           return hash.finish() != Digest{};
         });
  good = good && report("lanes", [&] {
           std::vector<crypto::Sha256Lane> hashes(lanes);
           std::vector<crypto::Sha256Lane*> pointers;
           for (auto& hash : hashes) pointers.push_back(&hash);
           const std::vector<ByteView> views(lanes, ByteView(plain).first(small_piece));
           for (std::size_t done = 0; done < piece * pieces; done += lanes * small_piece)
             crypto::update_together(pointers, views);
           return hashes.front().finish() != Digest{};
         });

  auto opened = adapters::open_blobs_sealed(files, random, folder, Secret(random.bytes(32)));
  if (!opened) return false;
  auto& blobs = **opened;
  const auto clear = [&] { return remove_all(blobs); };
  good = good &&
         report(
             "write", [&] { return write_blobs(blobs, plain, 1); }, clear) &&
         report("together", [&] { return write_blobs(blobs, plain, lanes); }, clear);
  if (!good) return false;

  auto writer = blobs.create(UINT64_MAX);
  if (!writer) return false;
  for (std::size_t i = 0; i < pieces; ++i)
    if (!(*writer)->write(ByteView(plain).first(piece))) return false;
  auto blob = (*writer)->finish();
  if (!blob) return false;
  auto reader = blobs.open(blob->digest, std::move(blob->data_key));
  if (!reader) return false;
  Bytes content(piece * pieces);  // as a model is loaded
  return report("read",
                [&] {
                  const auto n = (*reader)->read_at(0, content);
                  return n && *n == content.size();
                }) &&
         random_reads(**reader);
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
