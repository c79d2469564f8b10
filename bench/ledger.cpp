// How many events a second the ledger takes in, group commit, chain, Merkle tree and checkpoints included, and how fast
// it is verified. usage: ledger_bench FOLDER [EVENTS [THREADS]]. The folder is made and must not exist.
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "adapters/ledger_file.h"
#include "base/sync.h"

using namespace hauberk;

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: ledger_bench FOLDER [EVENTS [THREADS]]\n");
    return 2;
  }
  const std::string folder = argv[1];
  const int events = argc > 2 ? std::atoi(argv[2]) : 1'000'000;
  const int threads = argc > 3 ? std::atoi(argv[3]) : 1;
  SystemFiles files;
  SystemClock clock;
  SystemRandom random;
  const std::shared_ptr<crypto::KeyProvider> keys = crypto::make_memory_keys(random);
  const adapters::LedgerPorts ports{files, keys, clock};
  std::atomic<int> waited = 0;
  const auto seconds_since = [&](Tick start) { return std::chrono::duration<double>(clock.tick() - start).count(); };
  const auto start = clock.tick();
  {
    auto ledger = adapters::open_ledger_file(ports, {.directory = folder});
    if (!ledger) {
      fmt::print(stderr, "{}\n", ledger.error().text());
      return 3;
    }
    {
      std::vector<Thread> writers;
      for (int t = 0; t < threads; ++t)
        writers.emplace_back([&, t] {
          Event event{.time = clock.now(), .kind = "request", .principal = "somebody", .outcome = "ok", .status = 200};
          event.features = {{"entropy", 4.2}, {"length", 812}};
          for (int i = t; i < events; i += threads) {
            event.id = fmt::format("01M8{:022}", i);
            while (!(*ledger)->append(event)) {  // the queue is full: as a gateway would, later again
              ++waited;
              (void)(*ledger)->flush();
            }
          }
        });
    }
    if (!(*ledger)->flush()) return 3;
    const auto took = seconds_since(start);
    fmt::print(
        "{} events by {} threads: {:.2f} s until all are on the disk, {:.0f} events/s; the queue was full {} times\n",
        events, threads, took, events / took, waited.load());
  }
  const auto closed = clock.tick();
  const auto state = adapters::verify_ledger(files, folder, *keys);
  if (!state || state->problem || state->records != static_cast<std::uint64_t>(events)) {
    fmt::print(stderr, "the ledger does not verify\n");
    return 1;
  }
  const auto took = seconds_since(closed);
  fmt::print("verified records, chain, tree, tiles and checkpoints: {:.2f} s, {:.0f} records/s\n", took, events / took);
  return 0;
}
