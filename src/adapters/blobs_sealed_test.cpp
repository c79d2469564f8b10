#include "adapters/blobs_sealed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/faulty_files.h"
#include "crypto/floe.h"
#include "crypto/key_provider.h"

namespace hauberk::adapters {
namespace {

namespace fs = std::filesystem;

class BlobsSealed : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "hauberk_blobs_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern + "/blobs";
  }
  void TearDown() override { fs::remove_all(fs::path(folder_).parent_path()); }

  std::unique_ptr<BlobStore> store(Files& files, std::string tenant = "default") {
    return std::move(*open_blobs_sealed(files, random_, folder_, address_key(), std::move(tenant)));
  }
  // The same at each call, unlike that of another seed.
  static Secret address_key(std::uint64_t seed = 77) { return Secret(SeededRandom(seed).bytes(32)); }
  std::string path_of(const BlobStore& blobs, const Digest& digest) const {
    const auto hex = blobs.address_of(digest).hex();
    return fmt::format("{}/tenants/{}/{}/{}.floe", folder_, blobs.tenant(), hex.substr(0, 2), hex);
  }
  Result<StoredBlob> put(BlobStore& store, ByteView content, std::size_t piece = 100'000) {
    auto writer = TRY(store.create(1 << 30));
    while (!content.empty()) {
      const auto part = content.first(std::min(piece, content.size()));
      CHECK(writer->write(part));
      content = content.subspan(part.size());
    }
    return writer->finish();
  }
  // The key wrapped and unwrapped, as the catalogue keeps it: opening takes it away.
  Secret key_of(StoredBlob& blob) {
    const auto wrapped = *keys_->wrap(blob.data_key, blob.digest.bytes);
    return std::move(*keys_->unwrap(*keys_->key_id(crypto::KeyPurpose::wrap), wrapped, blob.digest.bytes));
  }
  std::vector<fs::path> files_below() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder_))
      if (entry.is_regular_file() && entry.path().filename() != "address-key") all.push_back(entry.path());
    return all;
  }

  SystemFiles files_;
  SystemRandom random_;
  std::unique_ptr<crypto::KeyProvider> keys_ = crypto::make_memory_keys(random_);
  std::string folder_;
};

TEST_F(BlobsSealed, keeps_content_of_every_size_around_its_boundaries) {
  auto blobs = store(files_);
  SeededRandom random(1);
  const std::size_t segment = 65'536, batch = 16 * segment;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, segment - 1, segment, segment + 1, batch - 1, batch,
                                 batch + 1, 2 * batch, 2 * batch + 7, 5 * batch, 5 * batch + 9}) {
    const auto content = random.bytes(size);
    auto blob = put(*blobs, content);
    ASSERT_TRUE(blob) << size << blob.error().text();
    EXPECT_EQ(blob->digest, crypto::sha256(content));
    EXPECT_EQ(blob->size, size);
    auto reader = blobs->open(blob->digest, key_of(*blob));
    ASSERT_TRUE(reader) << size << reader.error().text();
    EXPECT_EQ(*read_verified(**reader, blob->digest, 1 << 30), content) << size;
  }
}

TEST_F(BlobsSealed, reads_any_range) {
  auto blobs = store(files_);
  SeededRandom random(2);
  const auto content = random.bytes(5 * 65'536 + 123);
  auto blob = put(*blobs, content, 777);
  auto reader = std::move(*blobs->open(blob->digest, key_of(*blob)));
  for (int i = 0; i < 300; ++i) {
    const auto offset = random.number() % (content.size() + 10);
    Bytes out(random.number() % 200'000);
    const auto count = reader->read_at(offset, out);
    ASSERT_TRUE(count) << count.error().text();
    const auto expected = offset >= content.size() ? 0 : std::min(out.size(), content.size() - offset);
    ASSERT_EQ(*count, expected);
    EXPECT_TRUE(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(expected),
                           content.begin() + static_cast<std::ptrdiff_t>(std::min(offset, content.size()))));
  }
}

TEST_F(BlobsSealed, a_large_read_that_fails_leaves_the_reader_good) {
  auto blobs = store(files_);
  SeededRandom random(3);
  const auto content = random.bytes(12 << 20);
  auto blob = put(*blobs, content);
  auto reader = std::move(*blobs->open(blob->digest, key_of(*blob)));
  const auto change = [&, path = files_below().front()](std::uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  };
  Bytes out(content.size());
  for (const std::uint64_t at : {100u, 3u << 20, 11u << 20}) {
    change(at);
    EXPECT_EQ(reader->read_at(0, out).error().code, Errc::corrupt) << at;
    change(at);
    ASSERT_TRUE(reader->read_at(0, out)) << at;
    EXPECT_EQ(out, content);
    Bytes part(5 << 20);
    ASSERT_TRUE(reader->read_at(6 << 20, part));
    EXPECT_TRUE(std::equal(part.begin(), part.end(), content.begin() + (6 << 20)));
  }
}

TEST_F(BlobsSealed, no_plaintext_reaches_the_disk) {
  auto blobs = store(files_);
  const std::string canary = "this canary must not be found in any file below the folder";
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += canary;
  auto writer = std::move(*blobs->create(1 << 30));
  ASSERT_TRUE(writer->write(as_bytes(content)));
  const auto nowhere = [&] {
    for (const auto& path : files_below()) {
      std::ifstream file(path, std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      EXPECT_EQ(bytes.find("this canary"), std::string::npos) << path;
    }
  };
  nowhere();
  ASSERT_TRUE(writer->finish());
  nowhere();
}

TEST_F(BlobsSealed, the_same_content_is_kept_once) {
  auto blobs = store(files_);
  auto first = put(*blobs, as_bytes("content"));
  const auto second = put(*blobs, as_bytes("content"));
  EXPECT_FALSE(first->existed);
  EXPECT_TRUE(second->existed);
  EXPECT_TRUE(second->data_key.empty());
  EXPECT_EQ(files_below().size(), 1u);
  EXPECT_EQ(blobs->list()->size(), 1u);
  EXPECT_TRUE(blobs->open(first->digest, key_of(*first)));
}

TEST_F(BlobsSealed, content_over_the_cap_is_refused_and_leaves_nothing) {
  auto blobs = store(files_);
  {
    auto writer = std::move(*blobs->create(10));
    EXPECT_TRUE(writer->write(as_bytes("0123456789")));
    EXPECT_EQ(writer->write(as_bytes("x")).error().code, Errc::exhausted);
  }
  EXPECT_TRUE(files_below().empty());
}

TEST_F(BlobsSealed, changed_swapped_and_cut_files_are_noticed) {
  auto blobs = store(files_);
  SeededRandom random(3);
  auto a = put(*blobs, random.bytes(200'000));
  auto b = put(*blobs, random.bytes(200'000));
  const auto path_of = [&](const Digest& digest) { return this->path_of(*blobs, digest); };
  const auto read = [&](StoredBlob& blob) -> Status {
    auto reader = TRY(blobs->open(blob.digest, key_of(blob)));
    (void)TRY(read_verified(*reader, blob.digest, 1 << 30));
    return {};
  };
  ASSERT_TRUE(read(*a));
  const auto original = std::move(*read_file(files_, path_of(a->digest), 1 << 30));
  const auto write = [&](const Digest& digest, ByteView content) {
    ASSERT_TRUE(write_file_atomically(files_, path_of(digest), content));
  };
  for (int i = 0; i < 200; ++i) {
    auto changed = original;
    changed[random.number() % changed.size()] ^= static_cast<std::uint8_t>(1u << (random.number() % 8));
    write(a->digest, changed);
    const auto result = read(*a);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::corrupt);
    EXPECT_NE(result.error().text().find("backup"), std::string::npos) << result.error().text();
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{50}, std::size_t{74}, std::size_t{90}, original.size() - 1,
                                 original.size() - 65'568}) {
    write(a->digest, ByteView(original).first(size));
    EXPECT_EQ(read(*a).error().code, Errc::corrupt) << size;
  }
  write(a->digest, *read_file(files_, path_of(b->digest), 1 << 30));
  EXPECT_EQ(read(*a).error().code, Errc::corrupt) << "another blob in its place";
  fs::remove(path_of(a->digest));
  EXPECT_EQ(read(*a).error().code, Errc::corrupt) << "missing";
  EXPECT_TRUE(read(*b));
}

TEST_F(BlobsSealed, segments_that_were_swapped_repeated_replayed_cut_or_added_are_noticed) {
  auto blobs = store(files_);
  SeededRandom random(5);
  constexpr std::size_t header = crypto::floe_header_size;
  constexpr std::size_t segment = crypto::FloeParameters{}.plaintext_segment() + crypto::floe_segment_overhead;
  const auto content = random.bytes(4 * crypto::FloeParameters{}.plaintext_segment() + 1234);
  auto blob = put(*blobs, content);
  auto other = put(*blobs, random.bytes(content.size()));
  // The same content as it was written before: the same name and another data key.
  auto earlier_store = std::move(*open_blobs_sealed(files_, random_, folder_ + "/../earlier", address_key()));
  auto earlier = put(*earlier_store, content);
  const auto path = path_of(*blobs, blob->digest);
  const auto original = *read_file(files_, path, 1 << 30);
  const auto foreign = *read_file(files_, path_of(*blobs, other->digest), 1 << 30);
  const auto replayed = *read_file(files_, folder_ + "/../earlier" + path.substr(folder_.size()), 1 << 30);
  ASSERT_EQ(original.size(), header + 4 * segment + 1234 + crypto::floe_segment_overhead);
  ASSERT_EQ(original.size(), replayed.size());

  const auto is_noticed = [&](ByteView changed, const std::string& what) {
    ASSERT_TRUE(write_file_atomically(files_, path, changed));
    const auto result = [&]() -> Result<Bytes> {
      auto reader = TRY(blobs->open(blob->digest, key_of(*blob)));
      return read_verified(*reader, blob->digest, 1 << 30);
    }();
    ASSERT_FALSE(result) << what;
    EXPECT_EQ(result.error().code, Errc::corrupt) << what;
  };
  const auto with = [&](std::size_t to, ByteView from, std::size_t at, std::size_t size) {
    auto changed = original;
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(at), size,
                changed.begin() + static_cast<std::ptrdiff_t>(to));
    return changed;
  };
  for (std::size_t i = 0; i < 4; ++i) {
    const auto place = header + i * segment;
    for (std::size_t j = 0; j < 4; ++j) {
      if (i == j) continue;
      const auto there = header + j * segment;
      auto swapped = with(place, original, there, segment);
      is_noticed(swapped, fmt::format("segment {} in the place of {}", j, i));
      std::copy_n(original.begin() + static_cast<std::ptrdiff_t>(place), segment,
                  swapped.begin() + static_cast<std::ptrdiff_t>(there));
      is_noticed(swapped, fmt::format("segments {} and {} swapped", i, j));
    }
    is_noticed(with(place, foreign, place, segment), fmt::format("segment {} of another blob", i));
    is_noticed(with(place, replayed, place, segment), fmt::format("segment {} of an earlier writing", i));
    is_noticed(ByteView(original).first(place), fmt::format("cut before segment {}", i));
    is_noticed(ByteView(original).first(place + segment / 2), fmt::format("torn within segment {}", i));
  }
  is_noticed(ByteView(original).first(header + 4 * segment), "cut before the last segment");
  is_noticed(ByteView(original).first(header - 1), "cut within the header");
  is_noticed(with(0, replayed, 0, header), "the header of an earlier writing");
  is_noticed(replayed, "the whole file of an earlier writing");
  auto longer = original;
  longer.push_back(0);
  is_noticed(longer, "a byte added");
  longer.pop_back();
  longer.insert(longer.end(), original.begin() + header, original.begin() + header + segment);
  is_noticed(longer, "a segment added");
  for (std::size_t at = 0; at < original.size(); at += at < header ? 1 : 1009) {
    auto changed = original;
    changed[at] ^= 0x80;
    is_noticed(changed, fmt::format("a bit at {}", at));
  }
  ASSERT_TRUE(write_file_atomically(files_, path, original));
  EXPECT_TRUE(read_verified(**blobs->open(blob->digest, key_of(*blob)), blob->digest, 1 << 30));
}

TEST_F(BlobsSealed, power_lost_at_any_step_leaves_the_whole_blob_or_none) {
  SeededRandom random(6);
  const auto content = random.bytes(5 << 20);
  bool finished = false;
  for (std::uint64_t step = 1; !finished; ++step) {
    FaultyFiles faulty(files_);
    {
      auto blobs = store(faulty);
      faulty.fail_change(step);
      finished = put(*blobs, content).has_value();
      faulty.fail_change(0);
    }
    faulty.lose_power();
    fs::remove_all(folder_ + "/tmp");  // of a process that is gone
    auto blobs = store(files_);
    const auto names = *blobs->list();
    ASSERT_EQ(names.size(), finished ? 1u : 0u) << "step " << step;
    auto again = put(*blobs, content);
    ASSERT_TRUE(again) << "step " << step << ": " << again.error().text();
    ASSERT_EQ(again->existed, finished);
    if (!again->existed) {
      auto reader = blobs->open(again->digest, key_of(*again));
      ASSERT_TRUE(reader);
      EXPECT_EQ(*read_verified(**reader, again->digest, 1 << 30), content);
    }
    ASSERT_TRUE(blobs->remove(blobs->address_of(again->digest)));
  }
}

TEST_F(BlobsSealed, a_fault_at_any_step_loses_nothing_and_leaves_nothing_half_done) {
  SeededRandom random(4);
  const auto content = random.bytes(5 << 20);
  bool finished = false;
  for (std::uint64_t step = 1; !finished; ++step) {
    FaultyFiles faulty(files_);
    auto blobs = store(faulty);
    faulty.fail_change(step);
    auto blob = put(*blobs, content);
    faulty.fail_change(0);
    finished = blob.has_value();
    if (!finished) {
      EXPECT_TRUE(blobs->list()->empty()) << "step " << step;
      for (const auto& path : files_below()) EXPECT_NE(path.extension(), ".part") << "step " << step;
      continue;
    }
    faulty.lose_power();
    auto reader = blobs->open(blob->digest, key_of(*blob));
    ASSERT_TRUE(reader);
    EXPECT_EQ(*read_verified(**reader, blob->digest, 1 << 30), content) << "what was answered is on the disk";
  }
}

TEST_F(BlobsSealed, a_full_disk_is_told_and_leaves_nothing) {
  FaultyFiles faulty(files_);
  auto blobs = store(faulty);
  faulty.set_room(3 << 20);
  const auto blob = put(*blobs, Bytes(5 << 20, 7));
  ASSERT_FALSE(blob);
  EXPECT_EQ(blob.error().code, Errc::exhausted);
  EXPECT_TRUE(files_below().empty());
  faulty.set_room(std::nullopt);
  EXPECT_TRUE(put(*blobs, Bytes(5 << 20, 7)));
}

TEST_F(BlobsSealed, temporaries_of_dead_processes_are_swept) {
  fs::create_directories(folder_ + "/tmp");
  std::ofstream(folder_ + "/tmp/999999999-0123456789abcdef.part") << "left behind";
  SystemFiles named(SystemFiles::Unnamed::never);
  auto blobs = store(named);
  EXPECT_TRUE(files_below().empty());
  auto writer = std::move(*blobs->create(100));
  auto second = store(named);
  EXPECT_EQ(files_below().size(), 1u) << "those of the living stay";
}

TEST_F(BlobsSealed, what_is_being_written_has_no_name) {
  auto blobs = store(files_);
  auto writer = std::move(*blobs->create(1 << 30));
  ASSERT_TRUE(writer->write(Bytes(5 << 20, 7)));
  EXPECT_TRUE(files_below().empty()) << "nothing that a killed process could leave";
  ASSERT_TRUE(writer->finish());
  EXPECT_EQ(files_below().size(), 1u);
}

TEST_F(BlobsSealed, a_file_system_without_nameless_files_does_as_well) {
  SystemFiles named(SystemFiles::Unnamed::never);
  auto blobs = store(named);
  const Bytes content(5 << 20, 7);
  auto blob = put(*blobs, content);
  ASSERT_TRUE(blob);
  EXPECT_EQ(files_below(), std::vector<fs::path>{path_of(*blobs, blob->digest)});
  EXPECT_TRUE(put(*blobs, content)->existed);
  EXPECT_EQ(files_below().size(), 1u);
  EXPECT_EQ(*read_verified(**blobs->open(blob->digest, key_of(*blob)), blob->digest, 1 << 30), content);
}

// Alone, a blob is hashed where it is sealed; with others, by the caller: neither may overtake the other.
TEST_F(BlobsSealed, what_is_written_alone_and_together_by_turns_is_hashed_in_order) {
  auto blobs = store(files_);
  SeededRandom random(9);
  const auto one = random.bytes(40 << 20), other = random.bytes(40 << 20);
  auto first = *blobs->create(1 << 30), second = *blobs->create(1 << 30);
  std::size_t first_at = 0, second_at = 0;
  const auto next = [&](const Bytes& content, std::size_t& at) {
    const auto piece =
        ByteView(content).subspan(at).first(std::min<std::size_t>(random.number() % (4 << 20), content.size() - at));
    at += piece.size();
    return piece;
  };
  while (first_at < one.size() || second_at < other.size()) {
    ASSERT_TRUE(first->write(next(one, first_at)));
    BlobWriter* const both[] = {first.get(), second.get()};
    const ByteView pieces[] = {next(one, first_at), next(other, second_at)};
    ASSERT_TRUE(blobs->write_together(both, pieces));
  }
  const std::pair<BlobWriter*, const Bytes*> all[] = {{first.get(), &one}, {second.get(), &other}};
  for (const auto& [writer, content] : all) {
    auto blob = writer->finish();
    ASSERT_TRUE(blob) << blob.error().text();
    EXPECT_EQ(blob->digest, crypto::sha256(*content));
    Bytes read(content->size());
    ASSERT_EQ(*(*blobs->open(blob->digest, std::move(blob->data_key)))->read_at(0, read), read.size());
    EXPECT_TRUE(read == *content);
  }
}

TEST_F(BlobsSealed, several_that_are_written_together_are_those_that_were_written_alone) {
  auto blobs = store(files_);
  SeededRandom random(8);
  const std::size_t sizes[] = {3 << 20, 0, 1 << 20, (1 << 20) + 1, 1'000'000, 5 << 20, 17};
  std::vector<Bytes> contents;
  std::vector<std::unique_ptr<BlobWriter>> writers;
  for (int round = 0; round < 3; ++round)  // more than there are lanes
    for (const auto size : sizes) {
      contents.push_back(random.bytes(size));
      writers.push_back(std::move(*blobs->create(1 << 30)));
    }
  std::vector<std::size_t> at(contents.size());
  for (bool more = true; more;) {
    more = false;
    std::vector<BlobWriter*> some;
    std::vector<ByteView> pieces;
    const auto most = random.number() % 400'000;
    for (std::size_t i = 0; i < contents.size(); ++i) {
      const auto piece = ByteView(contents[i]).subspan(at[i]).first(std::min(most, contents[i].size() - at[i]));
      at[i] += piece.size();
      more = more || at[i] < contents[i].size();
      some.push_back(writers[i].get());
      pieces.push_back(piece);
    }
    ASSERT_TRUE(blobs->write_together(some, pieces));
  }
  for (std::size_t i = 0; i < contents.size(); ++i) {
    auto blob = writers[i]->finish();
    ASSERT_TRUE(blob) << blob.error().text();
    EXPECT_EQ(blob->digest, crypto::sha256(contents[i])) << i;
    if (blob->existed) continue;  // the empty ones
    EXPECT_EQ(*read_verified(**blobs->open(blob->digest, key_of(*blob)), blob->digest, 1 << 30), contents[i]) << i;
  }
  auto capped = std::move(*blobs->create(5));
  BlobWriter* const one = capped.get();
  const ByteView six = as_bytes("123456");
  EXPECT_EQ(blobs->write_together({&one, 1}, {&six, 1}).error().code, Errc::exhausted);
}

// --- addresses

TEST_F(BlobsSealed, names_on_the_disk_tell_nothing_of_the_content) {
  const auto content = as_bytes("a model that everybody knows");
  const auto digest = crypto::sha256(content);
  auto ours = store(files_);
  auto theirs = store(files_, "theirs");
  auto elsewhere = std::move(*open_blobs_sealed(files_, random_, folder_ + "/../elsewhere", address_key(78)));
  ASSERT_TRUE(put(*ours, content));
  const auto second = put(*theirs, content);
  EXPECT_FALSE(second->existed) << "what another tenant has is not said";
  ASSERT_TRUE(put(*elsewhere, content));
  EXPECT_NE(ours->address_of(digest), theirs->address_of(digest));
  EXPECT_NE(ours->address_of(digest), elsewhere->address_of(digest)) << "another key";
  for (const auto& entry : fs::recursive_directory_iterator(folder_ + "/..")) {
    EXPECT_EQ(entry.path().string().find(digest.hex().substr(0, 16)), std::string::npos) << entry.path();
    if (!entry.is_regular_file()) continue;
    const auto bytes = *read_file(files_, entry.path(), 1 << 20);
    EXPECT_EQ(std::ranges::search(bytes, digest.bytes).size(), 0u) << entry.path();
    EXPECT_EQ(as_text(bytes).find(digest.hex()), std::string::npos) << entry.path();
  }
  EXPECT_EQ(ours->list()->size(), 1u) << "each sees its own: garbage of one is not garbage of the other";
  EXPECT_EQ(*ours->list(), std::vector{ours->address_of(digest)});
  EXPECT_EQ(*theirs->list(), std::vector{theirs->address_of(digest)});
}

TEST_F(BlobsSealed, a_tenant_is_a_plain_name) {
  for (const auto* tenant : {"", "..", "a/b", "Großes", "tenants\n"})
    EXPECT_FALSE(open_blobs_sealed(files_, random_, folder_, address_key(), tenant)) << tenant;
}

TEST_F(BlobsSealed, another_address_key_is_refused_instead_of_finding_nothing) {
  ASSERT_TRUE(put(*store(files_), as_bytes("content")));
  const auto other = open_blobs_sealed(files_, random_, folder_, address_key(78));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::corrupt);
  EXPECT_NE(other.error().text().find("backup"), std::string::npos);
  EXPECT_EQ(store(files_)->list()->size(), 1u);
}

TEST_F(BlobsSealed, a_store_says_whether_it_was_opened_with_a_key) {
  const auto folder = folder_ + "/../new-one";
  EXPECT_FALSE(has_address_key(files_, folder));
  ASSERT_TRUE(open_blobs_sealed(files_, random_, folder, address_key()));
  EXPECT_TRUE(has_address_key(files_, folder));
}

// A store as release 0.1 made it: names are digests.
class OldStore : public BlobsSealed {
 protected:
  void make(const std::vector<std::string>& contents) {
    auto blobs = store(files_);
    for (const auto& content : contents) {
      auto blob = put(*blobs, as_bytes(content));
      wrapped_.emplace_back(blob->digest, *keys_->wrap(blob->data_key, blob->digest.bytes));
      const auto hex = blob->digest.hex();
      fs::create_directories(folder_ + "/" + hex.substr(0, 2));
      fs::rename(path_of(*blobs, blob->digest), folder_ + "/" + hex.substr(0, 2) + "/" + hex + ".floe");
    }
    fs::remove_all(folder_ + "/tenants");
    fs::remove(folder_ + "/address-key");
  }
  // What every moment of a renaming must leave: each content under the old name or the new one, never lost.
  void all_are_there(BlobStore& blobs) {
    EXPECT_EQ(blobs.list()->size(), wrapped_.size());
    for (const auto& [digest, wrapped] : wrapped_) {
      auto reader = blobs.open(digest, *keys_->unwrap(*keys_->key_id(crypto::KeyPurpose::wrap), wrapped, digest.bytes));
      ASSERT_TRUE(reader) << reader.error().text();
      EXPECT_TRUE(read_verified(**reader, digest, 1 << 20));
      for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
        EXPECT_EQ(entry.path().string().find(digest.hex()), std::string::npos);
        EXPECT_FALSE(entry.path().parent_path() == folder_ && entry.path().filename().string().size() == 2)
            << "two digits of a digest";
      }
    }
  }
  std::vector<std::pair<Digest, Bytes>> wrapped_;
};

TEST_F(OldStore, gets_the_new_names_when_it_is_opened) {
  make({"one", "two", "three", ""});
  EXPECT_EQ(store(files_)->list()->size(), 4u);
  all_are_there(*store(files_));
}

TEST_F(OldStore, an_older_program_that_wrote_later_is_right) {
  make({"one"});
  const auto old_path = files_below().front();
  const auto content = *read_file(files_, old_path, 1 << 20);
  auto blobs = store(files_);
  ASSERT_TRUE(blobs->remove(blobs->address_of(wrapped_[0].first)));
  ASSERT_TRUE(put(*blobs, as_bytes("one"))) << "under another data key";
  fs::create_directories(old_path.parent_path());
  ASSERT_TRUE(write_file_atomically(files_, old_path, content));
  all_are_there(*store(files_));
}

TEST_F(OldStore, a_fault_or_a_power_cut_at_any_step_of_the_renaming_loses_nothing) {
  make({"one", "two", "three", "four"});
  const auto kept = fs::path(folder_).parent_path() / "kept";
  fs::copy(folder_, kept, fs::copy_options::recursive);
  bool finished = false;
  std::uint64_t steps = 0;
  for (std::uint64_t step = 1; !finished; ++step, ++steps) {
    fs::remove_all(folder_);
    fs::copy(kept, folder_, fs::copy_options::recursive);
    FaultyFiles faulty(files_);
    faulty.fail_change(step);
    finished = open_blobs_sealed(faulty, random_, folder_, address_key()).has_value() && faulty.changes() < step;
    faulty.fail_change(0);
    faulty.lose_power();
    all_are_there(*store(files_));
  }
  EXPECT_GT(steps, 10u);
}

TEST_F(OldStore, a_foreign_file_stays_where_it_is) {
  make({"one"});
  fs::create_directories(folder_ + "/ab");
  std::ofstream(folder_ + "/ab/notes.txt") << "somebody's";
  EXPECT_EQ(store(files_)->list()->size(), 1u);
  EXPECT_TRUE(fs::exists(folder_ + "/ab/notes.txt"));
}

// --- scratch

TEST_F(BlobsSealed, scratch_content_has_no_name_and_is_read_like_a_blob) {
  SeededRandom random(9);
  fs::create_directories(folder_);
  for (const std::size_t size : {0, 1, 65'536, 1'048'576, 1'048'577, 3'000'001}) {
    const auto content = random.bytes(size);
    auto scratch = std::move(*make_scratch_blob(files_, random_, folder_));
    for (std::size_t at = 0; at < size; at += 100'000)
      ASSERT_TRUE(scratch->write(ByteView(content).subspan(at, std::min<std::size_t>(100'000, size - at))));
    auto reader = scratch->finish();
    ASSERT_TRUE(reader) << reader.error().text();
    EXPECT_EQ(*read_verified(**reader, crypto::sha256(content), 1 << 30), content) << size;
    EXPECT_TRUE(files_below().empty());
  }
  EXPECT_FALSE(make_scratch_blob(files_, random_, folder_ + "/missing"));
}

}  // namespace
}  // namespace hauberk::adapters
