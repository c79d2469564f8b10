#include "registry/maintenance.h"

#include "crypto/key_set.h"
#include "support.h"

namespace hauberk::registry {
namespace {

class MaintenanceTest : public RegistryTest {};

TEST_F(MaintenanceTest, a_check_names_each_blob_that_is_not_what_the_catalogue_promises) {
  const auto one = import("fraud", "weights"), two = import("other", "more weights");
  auto check = check_store(ports_, paula_, {});
  ASSERT_TRUE(check) << check.error().text();
  EXPECT_EQ(check->blobs, 2u);
  EXPECT_EQ(check->bytes, 19u);
  EXPECT_TRUE(check->damaged.empty());
  auto& blob = blobs_.blobs.at(one.manifest.files[0].digest);
  blob.content[0] ^= 1;
  check = check_store(ports_, paula_, {});
  ASSERT_EQ(check->damaged.size(), 1u);
  EXPECT_TRUE(check->damaged[0].starts_with("fraud@1 model.onnx: ")) << check->damaged[0];
  blobs_.blobs.erase(two.manifest.files[0].digest);
  EXPECT_EQ(check_store(ports_, paula_, {})->damaged.size(), 2u);
  EXPECT_EQ(check_store(ports_, person("reader", {"read:*"}), {}).error().code, Errc::no_grant);
}

TEST_F(MaintenanceTest, only_what_belongs_to_nobody_and_is_old_goes) {
  const auto version = import("fraud", "weights");
  const auto orphan = crypto::sha256(as_bytes("orphan")), young = crypto::sha256(as_bytes("young"));
  blobs_.blobs[orphan] = {to_bytes("orphan"), 1, {}};
  blobs_.blobs[young] = {to_bytes("young"), 1, clock_.now()};
  const auto look = collect_garbage(ports_, std::chrono::hours(24), GarbageMode::look, paula_);
  ASSERT_TRUE(look);
  EXPECT_EQ(look->orphans, std::vector{blobs_.address_of(orphan)});
  EXPECT_EQ(look->young, 1u);
  EXPECT_EQ(blobs_.blobs.size(), 3u);
  ASSERT_TRUE(collect_garbage(ports_, std::chrono::hours(24), GarbageMode::remove, paula_));
  EXPECT_FALSE(blobs_.blobs.contains(orphan));
  EXPECT_TRUE(blobs_.blobs.contains(young));
  EXPECT_TRUE(blobs_.blobs.contains(version.manifest.files[0].digest));
  EXPECT_EQ(check_store(ports_, paula_, {})->orphans, 1u);
}

TEST_F(MaintenanceTest, rewrapping_moves_every_data_key_to_todays_key_and_touches_no_blob) {
  const auto version = in_production("fraud", "weights");
  const auto digest = version.manifest.files[0].digest;
  EXPECT_EQ(rewrap_all(ports_, Environment::production, paula_, {})->already, 1u);
  const auto before = *catalog_->wrapped_key(digest, Environment::production);
  const auto stranger = crypto::make_key_provider(crypto::KeySet::generate(random_), random_);
  auto ports = ports_;
  ports.keys.set(Environment::production, *stranger);
  EXPECT_EQ(rewrap_all(ports, Environment::production, paula_, {}).error().code, Errc::denied)
      << "without the old key nothing is lost, and nothing is done";
  EXPECT_EQ(catalog_->wrapped_key(digest, Environment::production).value()->key_id, before->key_id);
}

}  // namespace
}  // namespace hauberk::registry
