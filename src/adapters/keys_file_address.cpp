#include "adapters/keys_file_address.h"

#include "adapters/keys_file_format.h"

namespace hauberk::adapters {
namespace {

KeyFilePlace place_of(const AddressKeyFile& file) {
  return {file.files, file.random, file.passphrase.get(), file.path, "address store"};
}

Result<Secret> read_address_key(const AddressKeyFile& file) {
  return symmetric_key(TRY(read_key(place_of(file))).text, file.path);
}

}  // namespace

Result<Secret> open_address_key(const AddressKeyFile& file, bool store_has_one) {
  const auto there = file.files.info(file.path);
  if (there) return read_address_key(file);
  if (there.error().code != Errc::not_found) return std::unexpected(there.error());
  if (store_has_one)
    return fail(Errc::not_found,
                "the key that names the blobs is missing: restore it from your backup; without it no blob is found",
                file.path);
  CHECK(file.files.make_directories(parent_directory(file.path)));
  CHECK(file.files.sync_directory(parent_directory(parent_directory(file.path))));
  const auto made = write_key(place_of(file), fresh_symmetric_key(file.random), sealing_at(place_of(file)),
                              rfc3339(file.clock.now()), IfThere::refuse);
  if (!made && made.error().code != Errc::exists) return std::unexpected(made.error());
  return read_address_key(file);  // ours, or that of another process that was faster
}

Result<AddressKeyListing> list_address_key(const AddressKeyFile& file) {
  const auto content = TRY(read_key(place_of(file)));
  return AddressKeyListing{crypto::key_fingerprint(TRY(symmetric_key(content.text, file.path))), content.made,
                           content.sealed};
}

Status seal_address_key(const AddressKeyFile& file, KeySealing sealing) { return seal_key(place_of(file), sealing); }

}  // namespace hauberk::adapters
