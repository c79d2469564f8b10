#include "adapters/ledger_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "adapters/ledger_file_chain.h"
#include "base/faulty_files.h"

namespace hauberk::adapters {
namespace {

namespace fs = std::filesystem;

// Real files of which writing can be made to fail from another thread, as on a disk that fills up and is cleared again.
class SwitchedFiles final : public Files {
 public:
  std::atomic<bool> full = false;
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    return std::make_unique<SwitchedFile>(TRY(real_.open(path, mode)), full);
  }
  Result<std::unique_ptr<File>> open_unnamed(const std::string& directory, OpenMode mode) override {
    return std::make_unique<SwitchedFile>(TRY(real_.open_unnamed(directory, mode)), full);
  }
  Status rename(const std::string& from, const std::string& to) override { return real_.rename(from, to); }
  Status remove(const std::string& path) override { return real_.remove(path); }
  Status make_directories(const std::string& path) override { return real_.make_directories(path); }
  Result<FileInfo> info(const std::string& path) override { return real_.info(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return real_.list(directory); }
  Status sync_directory(const std::string& directory) override { return real_.sync_directory(directory); }
  Result<std::uint64_t> free_bytes(const std::string& directory) override { return real_.free_bytes(directory); }

 private:
  struct SwitchedFile final : File {
    SwitchedFile(std::unique_ptr<File> file, std::atomic<bool>& is_full) : real(std::move(file)), full(is_full) {}
    Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) const override {
      return real->read_at(offset, out);
    }
    Status append(ByteView bytes) override {
      if (!full) return real->append(bytes);
      CHECK(real->append(bytes.first(bytes.size() / 2)));  // a full disk takes a part
      return fail(Errc::exhausted, "cannot write the file: No space left on device");
    }
    Status sync() override { return real->sync(); }
    Result<std::uint64_t> size() const override { return real->size(); }
    Status truncate(std::uint64_t size) override { return real->truncate(size); }
    void bypass_cache() override { real->bypass_cache(); }
    Status publish(const std::string& path, IfThere if_there) override { return real->publish(path, if_there); }
    std::unique_ptr<File> real;
    std::atomic<bool>& full;
  };
  SystemFiles real_;
};

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write_text(const fs::path& path, std::string_view content) { std::ofstream(path, std::ios::binary) << content; }

class LedgerFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "hauberk-ledger-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    folder_ = root_ / "chain";
  }
  void TearDown() override { fs::remove_all(root_); }

  LedgerPorts ports(Files& files) { return {files, keys_, clock_}; }
  LedgerOptions options() const {
    return {.directory = folder_.string(), .sync_interval = std::chrono::milliseconds(1)};
  }
  Event event(int number) const {
    return {.time = clock_.now(),
            .kind = "request",
            .id = "id-" + std::to_string(number),
            .principal = "al\"ice",
            .outcome = "ok",
            .status = 200};
  }
  std::unique_ptr<Ledger> open(Files& files, LedgerOptions wanted) {
    auto ledger = open_ledger_file(ports(files), std::move(wanted));
    EXPECT_TRUE(ledger) << ledger.error().text();
    return ledger ? std::move(*ledger) : nullptr;
  }
  // A closed ledger of so many records, each committed and sealed by itself.
  void make(int count) {
    for (int i = 1; i <= count; ++i) ASSERT_TRUE(append_to_ledger(ports(files_), options(), event(i)));
  }
  LedgerState verified() {
    const auto state = verify_ledger(files_, folder_.string(), *keys_);
    EXPECT_TRUE(state) << state.error().text();
    return state ? *state : LedgerState{};
  }
  std::string problem() {
    const auto state = verified();
    return state.problem ? state.problem->message : "";
  }
  fs::path segment(std::uint64_t first = 1) const { return folder_ / segment_name(first); }
  fs::path checkpoints() const { return folder_ / checkpoint_file; }
  fs::path note() const { return folder_ / note_file; }
  std::vector<fs::path> tiles() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / tile_folder))
      if (entry.is_regular_file()) found.push_back(entry.path());
    return found;
  }
  crypto::Checkpoint held() const { return *crypto::parse_checkpoint(crypto::parse_note(read_text(note()))->text); }
  // Closed after so many records, appended at once and sealed every `seal_every`.
  void make_long(int count, std::uint64_t seal_every) {
    auto wanted = options();
    wanted.checkpoint_every = seal_every;
    const auto ledger = open(files_, wanted);
    for (int i = 1; i <= count; ++i) {
      ASSERT_TRUE(ledger->append(event(i)));
      if (i % 97 == 0) ASSERT_TRUE(ledger->flush());
    }
  }
  std::vector<std::string> ids() {
    std::vector<std::string> out;
    LedgerReader reader(files_, folder_.string());
    for (auto record = reader.next(); record && *record; record = reader.next())
      out.emplace_back(json::parse((*record)->line)->text_or("id", ""));
    return out;
  }
  std::vector<std::string> kinds() {
    std::vector<std::string> out;
    LedgerReader reader(files_, folder_.string());
    for (auto record = reader.next(); record && *record; record = reader.next())
      out.emplace_back(json::parse((*record)->line)->text_or("kind", ""));
    return out;
  }

  fs::path root_, folder_;
  SystemFiles files_;
  ManualClock clock_{*parse_rfc3339("2026-11-24T05:00:00Z")};
  SeededRandom random_{7};
  std::shared_ptr<crypto::KeyProvider> keys_ = crypto::make_memory_keys(random_);
};

TEST_F(LedgerFile, what_is_appended_is_there_in_order_chained_and_sealed_when_closed) {
  {
    auto ledger = open(files_, options());
    for (int i = 1; i <= 1000; ++i) ASSERT_TRUE(ledger->append(event(i)));
    ASSERT_TRUE(ledger->flush());
    EXPECT_EQ(verified().records, 1000u) << "flushed is on the disk, though the ledger is open";
    EXPECT_TRUE(ledger->healthy());
  }
  const auto state = verified();
  EXPECT_FALSE(state.problem) << state.problem->message;
  EXPECT_EQ(state.records, 1000u);
  EXPECT_EQ(state.unsealed, 0u);
  const auto all = ids();
  ASSERT_EQ(all.size(), 1000u);
  for (int i = 1; i <= 1000; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i - 1)], "id-" + std::to_string(i));
}

TEST_F(LedgerFile, a_missing_folder_is_an_empty_ledger) {
  EXPECT_EQ(verified().records, 0u);
  EXPECT_EQ(problem(), "");
  EXPECT_TRUE(tail_ledger(files_, folder_.string(), 5)->empty());
  LedgerReader reader(files_, folder_.string());
  EXPECT_FALSE(*reader.next());
  {
    auto ledger = open(files_, options());
  }
  EXPECT_EQ(problem(), "") << "opened and closed without an event";
}

TEST_F(LedgerFile, many_threads_append_and_nothing_is_lost) {
  {
    auto ledger = open(files_, options());
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 5000; ++i) EXPECT_TRUE(ledger->append(event(i)));
      });
  }
  EXPECT_EQ(verified().records, 20'000u);
  EXPECT_EQ(problem(), "");
}

TEST_F(LedgerFile, every_changed_byte_is_found) {
  make(3);
  for (const auto& path : {segment(), checkpoints()}) {
    const auto good = read_text(path);
    for (std::size_t i = 0; i < good.size(); ++i) {
      auto bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (i % 2 == 0 ? 0x01 : 0x20));
      write_text(path, bad);
      const auto state = verified();
      EXPECT_TRUE(state.problem) << path.filename() << " byte " << i;
    }
    write_text(path, good);
  }
  EXPECT_EQ(problem(), "");
}

TEST_F(LedgerFile, every_truncation_is_found) {
  make(3);
  const auto good = read_text(segment());
  for (std::size_t length = 0; length < good.size(); ++length) {
    write_text(segment(), std::string_view(good).substr(0, length));
    EXPECT_TRUE(problem().starts_with("truncated")) << length << ": " << problem();
  }
}

TEST_F(LedgerFile, dropped_duplicated_and_reordered_records_are_named_with_their_place) {
  make(4);
  const auto good = read_text(segment());
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < good.size(); at = good.find('\n', at) + 1)
    lines.push_back(good.substr(at, good.find('\n', at) + 1 - at));
  ASSERT_EQ(lines.size(), 4u);
  const auto put = [&](std::initializer_list<int> order) {
    std::string text;
    for (const int i : order) text += lines[static_cast<std::size_t>(i - 1)];
    write_text(segment(), text);
    return verified().problem.value_or(LedgerProblem{});
  };
  auto p = put({1, 3, 4});
  EXPECT_EQ(p.message, "dropped: record 2 should be here, but 3 is");
  EXPECT_EQ(p.sequence, 2u);
  EXPECT_EQ(p.offset, lines[0].size());
  EXPECT_EQ(p.file, segment().filename());
  EXPECT_EQ(put({1, 2, 2, 3, 4}).message, "reordered or duplicated: record 3 should be here, but 2 is");
  EXPECT_EQ(put({1, 3, 2, 4}).sequence, 2u);
  EXPECT_EQ(put({2, 3, 4}).sequence, 1u);
  EXPECT_EQ(put({1, 2, 3}).message, "truncated: records 4 to 4 are missing, a signed checkpoint speaks of them");
  EXPECT_EQ(put({}).sequence, 1u);
  EXPECT_EQ(put({1, 2, 3, 4}).message, "");
}

TEST_F(LedgerFile, a_history_that_was_written_anew_contradicts_the_checkpoints) {
  make(3);
  const auto signed_points = read_text(checkpoints()), signed_note = read_text(note());
  fs::remove_all(folder_);
  clock_.advance(std::chrono::seconds(1));
  make(3);  // consistent in itself
  write_text(checkpoints(), signed_points);
  EXPECT_NE(problem(), "");
  write_text(note(), signed_note);
  EXPECT_EQ(problem(), "replaced: the record is not the one that the signed checkpoint speaks of");
}

TEST_F(LedgerFile, missing_segments_and_checkpoints_are_found) {
  auto small = options();
  small.segment_bytes = 1000;
  for (int i = 1; i <= 12; ++i) ASSERT_TRUE(append_to_ledger(ports(files_), small, event(i)));
  const auto segments = *list_segments(files_, folder_.string());
  ASSERT_GE(segments.size(), 4u);
  EXPECT_EQ(problem(), "");
  for (const auto& s : segments) {
    fs::rename(folder_ / s.name, root_ / "aside");
    EXPECT_NE(problem(), "") << s.name;
    EXPECT_EQ(verified().problem->sequence, s.first) << "the first record that is missing";
    fs::rename(root_ / "aside", folder_ / s.name);
  }
  fs::rename(checkpoints(), root_ / "aside");
  EXPECT_EQ(problem(), "dropped: there are records, but no signed checkpoint");
  EXPECT_EQ(open_ledger_file(ports(files_), options()).error().code, Errc::corrupt);
}

TEST_F(LedgerFile, its_tiles_are_those_of_its_records_and_no_byte_of_them_may_change) {
  make_long(700, 100);
  EXPECT_EQ(problem(), "");
  EXPECT_TRUE(fs::exists(folder_ / "tile/0/001")) << "a full tile";
  EXPECT_TRUE(fs::exists(folder_ / "tile/0/002.p/188"));
  EXPECT_TRUE(fs::exists(folder_ / "tile/entries/002.p/188"));
  EXPECT_TRUE(fs::exists(folder_ / "tile/1/000.p/2"));
  EXPECT_FALSE(fs::exists(folder_ / "tile/0/000.p/100")) << "the full one is there";
  // Every one of the tiles of the newest checkpoint, and the note, at some of its bytes.
  std::size_t changed = 0;
  for (const auto& path :
       {folder_ / "tile/0/000", folder_ / "tile/0/001", folder_ / "tile/0/002.p/188", folder_ / "tile/1/000.p/2",
        folder_ / "tile/entries/000", folder_ / "tile/entries/002.p/188", note()}) {
    const auto good = read_text(path);
    for (std::size_t i = 0; i < good.size(); i += 1 + good.size() / 40, ++changed) {
      auto bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 1);
      write_text(path, bad);
      EXPECT_NE(problem(), "") << path << " byte " << i;
    }
    write_text(path, good.substr(0, good.size() / 2));
    EXPECT_NE(problem(), "") << path;
    write_text(path, good);
  }
  EXPECT_GT(changed, 200u);
  EXPECT_EQ(problem(), "");
}

TEST_F(LedgerFile, a_partial_tile_may_be_the_beginning_of_the_full_one) {
  make_long(250, 250);
  const auto later = root_ / "later";
  fs::copy(folder_, later, fs::copy_options::recursive);
  auto wanted = options();
  wanted.directory = later.string();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append_to_ledger(ports(files_), wanted, event(i)));
  // As after a kill between the full tile and the next checkpoint.
  for (const std::string tile : {"tile/0/000", "tile/entries/000"}) {
    fs::remove_all(folder_ / (tile + ".p"));
    EXPECT_TRUE(problem().starts_with("dropped")) << tile;
    fs::copy(later / tile, folder_ / tile);
  }
  EXPECT_EQ(problem(), "");
  auto content = read_text(folder_ / "tile/0/000");
  content[5] ^= 1;
  write_text(folder_ / "tile/0/000", content);
  EXPECT_TRUE(problem().starts_with("changed"));
  fs::copy(later / "tile/0/000", folder_ / "tile/0/000", fs::copy_options::overwrite_existing);
  ASSERT_TRUE(append_to_ledger(ports(files_), options(), event(1)));
  EXPECT_EQ(problem(), "");
}

// A writer that ends at any of its changes leaves a log that verifies as it lies there, before any other writer comes.
TEST_F(LedgerFile, a_log_whose_writer_was_killed_verifies) {
  for (const int count : {250, 255, 257, 511}) {
    fs::remove_all(folder_);
    make_long(count, static_cast<std::uint64_t>(count));
    const auto copy = root_ / "copy";
    for (std::uint64_t n = 1;; ++n) {
      fs::remove_all(copy);
      fs::copy(folder_, copy, fs::copy_options::recursive);
      FaultyFiles faulty(files_);
      faulty.fail_change(n);
      auto wanted = options();
      wanted.directory = copy.string();
      (void)append_to_ledger(ports(faulty), wanted, event(1));
      const auto state = verify_ledger(files_, copy.string(), *keys_);
      ASSERT_TRUE(state) << state.error().text();
      EXPECT_FALSE(state->problem) << count << " records, change " << n << ": " << state->problem->message;
      if (faulty.changes() < n) break;
    }
  }
}

TEST_F(LedgerFile, tiles_follow_from_the_records_and_are_made_anew) {
  make_long(600, 250);
  const auto root = verified().root;
  for (const auto* what : {"tile", "tile/0/002.p", "tile/entries/002.p"}) {
    fs::remove_all(folder_ / what);
    EXPECT_TRUE(problem().starts_with("dropped")) << what;
    ASSERT_TRUE(append_to_ledger(ports(files_), options(), event(1)));
    EXPECT_EQ(problem(), "") << what;
  }
  // A tile that a loss of power left half written.
  const auto partial = folder_ / tile_name(0, 2, verified().records % 256);
  write_text(partial, "torn");
  ASSERT_TRUE(append_to_ledger(ports(files_), options(), event(2)));
  EXPECT_EQ(problem(), "");
  EXPECT_NE(verified().root, root);
}

TEST_F(LedgerFile, whoever_holds_an_older_checkpoint_finds_a_history_that_was_written_anew) {
  make(3);
  const auto old = held();
  EXPECT_EQ(old.size, 3u);
  make(2);
  const auto check = [&](const crypto::Checkpoint& one) {
    const auto state = verify_ledger(files_, folder_.string(), *keys_, std::span(&one, 1));
    return state && state->problem ? state->problem->message : "";
  };
  EXPECT_EQ(check(old), "");
  EXPECT_EQ(check(held()), "");
  // Somebody with the key and the disk writes another history: consistent in itself, but not with what I hold.
  fs::remove_all(folder_);
  clock_.advance(std::chrono::seconds(1));
  make(5);
  EXPECT_EQ(problem(), "");
  EXPECT_TRUE(check(old).starts_with("replaced")) << check(old);
  fs::remove_all(folder_);
  make(2);
  EXPECT_TRUE(check(old).starts_with("truncated")) << check(old);
}

TEST_F(LedgerFile, its_checkpoint_is_a_note_that_others_can_verify) {
  make(5);
  const auto parsed = *crypto::parse_note(read_text(note()));
  const auto key = *crypto::VerifyingKey::from_pem(*keys_->public_key_pem(crypto::KeyPurpose::ledger));
  EXPECT_TRUE(*crypto::NoteVerifier::of(held().origin, key)->signed_note(parsed));
  EXPECT_EQ(held().origin, verified().origin);
  EXPECT_EQ(held().root.text(), verified().root);
  const auto origin = held().origin;
  make(1);
  EXPECT_EQ(held().origin, origin);
  fs::remove(note());  // a writer that was killed before it
  EXPECT_EQ(problem(), "");
  (void)open(files_, options());
  EXPECT_EQ(held().size, 6u);
}

TEST_F(LedgerFile, proofs_come_out_of_the_tiles) {
  make_long(700, 300);
  const auto checkpoint = held();
  const auto node = tile_source(files_, folder_.string(), checkpoint.size);
  EXPECT_EQ(*crypto::tree_root(checkpoint.size, node), checkpoint.root);
  LedgerReader reader(files_, folder_.string());
  for (std::uint64_t i = 0; i < checkpoint.size; ++i) {
    const auto record = reader.next();
    ASSERT_TRUE(record && *record);
    if (i % 37 != 0 && i != 699) continue;
    const auto proof = crypto::inclusion_proof(i, checkpoint.size, node);
    ASSERT_TRUE(proof) << proof.error().text();
    const auto leaf = crypto::merkle_leaf(as_bytes(entry_of((*record)->line)));
    EXPECT_TRUE(crypto::verify_inclusion(leaf, i, checkpoint.size, *proof, checkpoint.root)) << i;
  }
}

TEST(LedgerTiles, reads_a_log_that_others_wrote) {
  const auto folder = fs::path(HAUBERK_SOURCE_DIR) / "../shared/data/registry/open/tessera/testdata/log";
  if (!fs::exists(folder)) GTEST_SKIP() << "no " << folder << ": it is part of the shared data";
  SystemFiles files;
  std::vector<crypto::Checkpoint> all;
  for (std::uint64_t size = 0; size <= 15; ++size)
    all.push_back(*crypto::parse_checkpoint(
        crypto::parse_note(read_text(folder / ("checkpoint." + std::to_string(size))))->text));
  for (const auto& now : all) {
    const auto node = tile_source(files, folder.string(), now.size);
    EXPECT_EQ(*crypto::tree_root(now.size, node), now.root) << now.size;
    if (now.size != 0) EXPECT_TRUE(TileBuilder::open(files, folder.string(), now.size, now.root)) << now.size;
    for (const auto& old : all) {
      if (old.size > now.size) continue;
      const auto proof = crypto::consistency_proof(old.size, now.size, node);
      ASSERT_TRUE(proof);
      EXPECT_TRUE(crypto::verify_consistency(old.size, old.root, now.size, now.root, *proof));
    }
  }
}

TEST(LedgerTiles, are_named_as_the_specification_has_it) {
  EXPECT_EQ(tile_name(0, 273, 112), "tile/0/273.p/112");
  EXPECT_EQ(tile_name(2, 1234067, 256), "tile/2/x001/x234/067");
  EXPECT_EQ(tile_name(std::nullopt, 0, 256), "tile/entries/000");
  EXPECT_EQ(entry_of(std::string(65'535, 'x')).size(), 65'535u);
  EXPECT_TRUE(entry_of(std::string(65'536, 'x')).starts_with("sha256:"));
}

TEST_F(LedgerFile, checkpoints_of_another_key_prove_nothing) {
  make(2);
  SeededRandom other(8);
  keys_ = crypto::make_memory_keys(other);
  EXPECT_TRUE(problem().starts_with("changed: ")) << problem();
  EXPECT_FALSE(open_ledger_file(ports(files_), options())) << "nor is the chain continued";
}

TEST_F(LedgerFile, a_damaged_ledger_is_not_continued) {
  make(3);
  auto text = read_text(segment());
  write_text(segment(), std::string_view(text).substr(0, text.size() / 2));
  const auto ledger = open_ledger_file(ports(files_), options());
  ASSERT_FALSE(ledger);
  EXPECT_EQ(ledger.error().code, Errc::corrupt);
}

TEST_F(LedgerFile, there_is_one_writer_at_a_time) {
  auto first = open(files_, options());
  const auto second = open_ledger_file(ports(files_), options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
  std::jthread closer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    first.reset();
  });
  EXPECT_TRUE(append_to_ledger(ports(files_), options(), event(1))) << "a command waits for its turn";
  EXPECT_EQ(verified().records, 1u);
}

// Cosignatures are added to the note of a moment ago: a newer one stays.
TEST_F(LedgerFile, cosignatures_never_put_an_older_note_back) {
  make(1);
  std::atomic<bool> stop = false;
  std::atomic<int> added = 0;
  std::jthread witness([&] {
    while (!stop) {
      auto note = crypto::parse_note(read_text(this->note()));
      if (!note) continue;
      note->signatures = {{"witness.example", {1, 2, 3, 4}, Bytes(72, 5)}};
      if (add_cosignatures(files_, folder_.string(), *note)) ++added;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  for (int i = 2; i <= 40; ++i) {
    ASSERT_TRUE(append_to_ledger(ports(files_), options(), event(i)));
    EXPECT_EQ(held().size, static_cast<std::uint64_t>(i));
  }
  stop = true;
  witness.join();
  EXPECT_GT(added, 0);
  EXPECT_EQ(problem(), "");
}

TEST_F(LedgerFile, segments_follow_each_other_and_the_reader_follows_the_writer) {
  auto small = options();
  small.segment_bytes = 2000;
  auto ledger = open(files_, small);
  LedgerReader reader(files_, folder_.string(), 3);
  std::uint64_t next = 3;
  for (int i = 1; i <= 60; ++i) {
    ASSERT_TRUE(ledger->append(event(i)));
    ASSERT_TRUE(ledger->flush());
    for (auto record = reader.next(); record && *record; record = reader.next()) EXPECT_EQ((*record)->sequence, next++);
  }
  EXPECT_EQ(next, 61u);
  EXPECT_GT(list_segments(files_, folder_.string())->size(), 5u);
  for (const std::size_t count : {0u, 1u, 7u, 59u, 60u, 100u}) {
    const auto tail = *tail_ledger(files_, folder_.string(), count);
    ASSERT_EQ(tail.size(), std::min<std::size_t>(count, 60)) << count;
    for (std::size_t i = 0; i < tail.size(); ++i) EXPECT_EQ(tail[i].sequence, 60 - tail.size() + i + 1);
  }
}

TEST_F(LedgerFile, a_half_written_last_line_is_cut_off_and_recorded) {
  make(2);
  const auto sealed_text = read_text(segment());
  {
    const auto chain = *LedgerChain::open(ports(files_), options());
    chain->add(event(3));
    ASSERT_TRUE(chain->commit());
  }  // not sealed, as after a kill
  const auto whole = read_text(segment());
  const auto points = read_text(checkpoints()), newest = read_text(note());
  for (std::size_t length = sealed_text.size(); length < whole.size(); length += 7) {
    write_text(segment(), std::string_view(whole).substr(0, length));
    write_text(checkpoints(), points);
    write_text(note(), newest);
    EXPECT_EQ(verified().records, 2u);
    EXPECT_EQ(problem(), "") << "an unfinished line may be one that is being written";
    ASSERT_TRUE(append_to_ledger(ports(files_), options(), event(4)));
    const auto expected = length == sealed_text.size()
                              ? std::vector<std::string>{"request", "request", "request"}
                              : std::vector<std::string>{"request", "request", "recovered", "request"};
    EXPECT_EQ(kinds(), expected);
    EXPECT_EQ(problem(), "");
  }
}

TEST_F(LedgerFile, a_damaged_unsealed_end_is_kept_beside_and_recorded) {
  make(2);
  {
    const auto chain = *LedgerChain::open(ports(files_), options());
    for (int i = 3; i <= 5; ++i) chain->add(event(i));
    ASSERT_TRUE(chain->commit());
  }
  auto text = read_text(segment());
  text[text.size() - 400] = '\0';  // in the fourth record; blocks that never reached the disk
  write_text(segment(), text);
  ASSERT_NE(problem(), "");
  ASSERT_TRUE(append_to_ledger(ports(files_), options(), event(6)));
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(kinds().back(), "request");
  EXPECT_EQ(kinds()[kinds().size() - 2], "recovered");
  std::size_t kept = 0;
  for (const auto& entry : fs::directory_iterator(folder_))
    kept += entry.path().filename().string().starts_with("cut-") ? 1 : 0;
  EXPECT_EQ(kept, 1u);
}

TEST_F(LedgerFile, a_killed_writer_loses_nothing_that_was_flushed) {
  for (int round = 0; round < 5; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const auto before = ids().size();
    const pid_t child = ::fork();
    if (child == 0) {
      auto ledger = open_ledger_file(ports(files_), options());
      std::uint64_t flushed = 0;
      for (int i = 0;; ++i) {
        if (!ledger || !(*ledger)->append(event(i))) ::_exit(1);
        if (i % 50 == 49) {
          if (!(*ledger)->flush()) ::_exit(1);
          flushed = static_cast<std::uint64_t>(i) + 1;
          if (::write(pipe_ends[1], &flushed, sizeof flushed) != sizeof flushed) ::_exit(1);
        }
      }
    }
    ::close(pipe_ends[1]);
    std::uint64_t promised = 0;
    for (int i = 0; i < 10 + round; ++i)
      ASSERT_EQ(::read(pipe_ends[0], &promised, sizeof promised), static_cast<ssize_t>(sizeof promised));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    while (::read(pipe_ends[0], &promised, sizeof promised) > 0) {
    }
    ::close(pipe_ends[0]);
    EXPECT_EQ(problem(), "");
    EXPECT_GE(ids().size(), before + promised);
  }
  ASSERT_TRUE(append_to_ledger(ports(files_), options(), event(1)));
  EXPECT_EQ(verified().unsealed, 0u);
  EXPECT_EQ(problem(), "");
}

// Opens, commits three batches and seals; answers how many batches were committed.
int commit_three(const LedgerPorts& ports, const LedgerOptions& options, const std::function<Event(int)>& event) {
  const auto chain = LedgerChain::open(ports, options);
  if (!chain) return 0;
  int committed = 0;
  for (int i = 1; i <= 3; ++i) {
    (*chain)->add(event(i));
    if (!(*chain)->commit())
      (*chain)->discard();
    else
      ++committed;
    (void)(*chain)->seal();
  }
  return committed;
}

TEST_F(LedgerFile, whichever_change_of_the_disk_fails_the_chain_holds) {
  for (std::uint64_t n = 1;; ++n) {
    fs::remove_all(folder_);
    FaultyFiles faulty(files_);
    faulty.fail_change(n);
    auto small = options();
    small.segment_bytes = 300;
    const int committed = commit_three(ports(faulty), small, [&](int i) { return event(i); });
    EXPECT_EQ(problem(), "") << "change " << n;
    EXPECT_GE(verified().records, static_cast<std::uint64_t>(committed));
    ASSERT_TRUE(append_to_ledger(ports(files_), small, event(9))) << "change " << n;
    EXPECT_EQ(problem(), "") << "change " << n;
    EXPECT_EQ(verified().unsealed, 0u);
    if (faulty.changes() < n) break;  // there was no such change any more
    ASSERT_LT(n, 200u);
  }
}

TEST_F(LedgerFile, whenever_the_power_fails_what_was_committed_is_there) {
  for (std::uint64_t n = 1;; ++n) {
    fs::remove_all(folder_);
    FaultyFiles faulty(files_);
    faulty.fail_change(n);
    const int committed = commit_three(ports(faulty), options(), [&](int i) { return event(i); });
    faulty.fail_change(0);
    faulty.lose_power();
    EXPECT_EQ(problem(), "") << "change " << n;
    EXPECT_GE(verified().records, static_cast<std::uint64_t>(committed)) << "change " << n;
    ASSERT_TRUE(append_to_ledger(ports(files_), options(), event(9))) << "change " << n;
    EXPECT_EQ(problem(), "") << "change " << n;
    if (faulty.changes() < n) break;
    ASSERT_LT(n, 200u);
  }
}

TEST_F(LedgerFile, a_full_disk_refuses_and_recovers_by_itself_without_loss) {
  SwitchedFiles files;
  int accepted = 0;
  {
    auto ledger = open(files, options());
    for (int i = 0; i < 10; ++i) accepted += ledger->append(event(i)) ? 1 : 0;
    ASSERT_TRUE(ledger->flush());
    files.full = true;
    accepted += ledger->append(event(10)) ? 1 : 0;
    const auto flushed = ledger->flush();
    ASSERT_FALSE(flushed);
    EXPECT_EQ(flushed.error().code, Errc::exhausted);
    EXPECT_FALSE(ledger->healthy());
    EXPECT_EQ(ledger->append(event(11)).error().code, Errc::exhausted);
    files.full = false;
    for (int i = 0; i < 200 && !ledger->healthy(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_TRUE(ledger->healthy());
    accepted += ledger->append(event(12)) ? 1 : 0;
    EXPECT_TRUE(ledger->flush());
  }
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(verified().records, static_cast<std::uint64_t>(accepted));
  EXPECT_EQ(accepted, 12);
}

TEST_F(LedgerFile, with_the_policy_drop_the_missing_events_are_counted_in_the_chain) {
  SwitchedFiles files;
  auto dropping = options();
  dropping.when_full = WhenFull::drop;
  {
    auto ledger = open(files, dropping);
    ASSERT_TRUE(ledger->append(event(0)));
    ASSERT_TRUE(ledger->flush());
    files.full = true;
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(ledger->append(event(i)));
      if (i % 40 == 0) (void)ledger->flush();
    }
    EXPECT_TRUE(ledger->healthy());
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    files.full = false;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    EXPECT_TRUE(ledger->append(event(200)));
    EXPECT_TRUE(ledger->flush());
  }
  EXPECT_EQ(problem(), "");
  double missing = 0, requests = 0;
  for (const auto& record : *tail_ledger(files_, folder_.string(), 1000)) {
    const auto value = *json::parse(record.line);
    if (value.text_or("kind", "") == "gap")
      missing += value.find("features")->find("dropped")->number();
    else
      requests += 1;
  }
  EXPECT_GT(missing, 0);
  EXPECT_EQ(missing + requests, 102);
}

TEST_F(LedgerFile, a_full_queue_is_told_not_waited_for) {
  SwitchedFiles files;
  auto tiny = options();
  tiny.queue_bytes = 2000;
  tiny.sync_interval = std::chrono::milliseconds(300);
  auto ledger = open(files, tiny);
  Errc code{};
  int accepted = 0;
  for (int i = 0; i < 100; ++i) {
    if (const auto appended = ledger->append(event(i)))
      ++accepted;
    else
      code = appended.error().code;
  }
  EXPECT_EQ(code, Errc::exhausted);
  EXPECT_LT(accepted, 100);
  EXPECT_TRUE(ledger->flush());
  ledger.reset();
  EXPECT_EQ(verified().records, static_cast<std::uint64_t>(accepted));
}

TEST_F(LedgerFile, a_place_where_nothing_can_be_written_is_named) {
  auto nowhere = options();
  nowhere.directory = "/proc/hauberk-ledger";
  const auto ledger = open_ledger_file(ports(files_), nowhere);
  ASSERT_FALSE(ledger);
  EXPECT_NE(ledger.error().text().find("/proc/hauberk-ledger"), std::string::npos) << ledger.error().text();
}

// The recipe of docs/formats/ledger.md, word by word.
TEST_F(LedgerFile, a_person_can_verify_it_with_common_tools) {
  make(3);
  const auto run = [&](const std::string& script) {
    FILE* pipe = ::popen(("cd '" + folder_.string() + "' && " + script).c_str(), "r");
    std::string out;
    char block[4096];
    while (const auto n = std::fread(block, 1, sizeof block, pipe)) out.append(block, n);
    ::pclose(pipe);
    return out;
  };
  const std::string hashes =
      R"sh(cat ledger-*.jsonl | while IFS= read -r line; do printf %s "${line%,\"hash\":*}" | sha256sum | cut -d' ' -f1; done)sh";
  const std::string said = R"sh(cat ledger-*.jsonl | sed 's/.*"hash":"\([0-9a-f]*\)"}$/\1/')sh";
  const std::string previous =
      R"sh(cat ledger-*.jsonl | sed 's/^{"seq":[0-9]*,"prev":"\([0-9a-f]*\)".*/\1/' | tail -n +2)sh";
  EXPECT_EQ(run(hashes).size(), 3u * 65);
  EXPECT_EQ(run(hashes), run(said));
  EXPECT_EQ(run(previous), run(said + " | head -n -1"));
}

TEST(LedgerFormat, parses_what_it_writes_and_nothing_else) {
  crypto::Sha256 sha256;
  std::string line;
  append_record(line, sha256, 18, no_hash, R"({"kind":"x"})");
  line.pop_back();
  ASSERT_TRUE(parse_record(line));
  EXPECT_EQ(parse_record(line)->sequence, 18u);
  EXPECT_FALSE(parse_record(""));
  EXPECT_FALSE(parse_record(line + " "));
  EXPECT_FALSE(parse_record("{\"seq\":018" + line.substr(9)));
  EXPECT_FALSE(parse_record("{\"seq\":-18" + line.substr(9)));
  EXPECT_FALSE(parse_record("{\"seq\":99999999999999999999" + line.substr(9)));
  std::string empty;
  append_record(empty, sha256, 1, no_hash, "{}");
  empty.pop_back();
  EXPECT_TRUE(parse_record(empty) && json::parse(empty));
}

}  // namespace
}  // namespace hauberk::adapters
