#include "adapters/blobs_sealed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

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

  std::unique_ptr<BlobStore> store(Files& files) { return std::move(*open_blobs_sealed(files, random_, folder_)); }
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
      if (entry.is_regular_file()) all.push_back(entry.path());
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
  const std::size_t segment = 65'536, batch = 32 * segment;
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
  const auto path_of = [&](const Digest& digest) {
    return fs::path(folder_) / digest.hex().substr(0, 2) / (digest.hex() + ".floe");
  };
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
  auto earlier_store = std::move(*open_blobs_sealed(files_, random_, folder_ + "/../earlier"));
  auto earlier = put(*earlier_store, content);
  const auto path_in = [](const std::string& folder, const Digest& digest) {
    return folder + "/" + digest.hex().substr(0, 2) + "/" + digest.hex() + ".floe";
  };
  const auto path = path_in(folder_, blob->digest);
  const auto original = *read_file(files_, path, 1 << 30);
  const auto foreign = *read_file(files_, path_in(folder_, other->digest), 1 << 30);
  const auto replayed = *read_file(files_, path_in(folder_ + "/../earlier", earlier->digest), 1 << 30);
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
    ASSERT_TRUE(blobs->remove(again->digest));
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
  auto blobs = store(files_);
  EXPECT_TRUE(files_below().empty());
  auto writer = std::move(*blobs->create(100));
  auto second = store(files_);
  EXPECT_EQ(files_below().size(), 1u) << "those of the living stay";
}

}  // namespace
}  // namespace hauberk::adapters
