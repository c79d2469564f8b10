#include "crypto/floe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "crypto/aead.h"
#include "crypto/key_material.h"
#include "crypto/mac.h"

namespace hauberk::crypto {
namespace {

constexpr std::size_t parameters_size = 10, iv_size = 32, header_tag_size = 32, message_key_size = 48;
constexpr std::uint32_t inner_mark = 0xFFFFFFFF;

Bytes encoded_parameters(const FloeParameters& parameters) {
  Bytes out(parameters_size);  // AES-256-GCM and HKDF-SHA-384 are both number 0
  store_be(out.data() + 2, parameters.encrypted_segment);
  store_be(out.data() + 6, static_cast<std::uint32_t>(iv_size));
  return out;
}

// FLOE's key derivation: HKDF-Expand over parameters, IV, purpose and associated data.
Secret derive(const Secret& key, ByteView parameters, ByteView iv, std::string_view purpose, ByteView extra,
              ByteView associated, std::size_t length) {
  Bytes info(parameters.begin(), parameters.end());
  info.insert(info.end(), iv.begin(), iv.end());
  for (const char c : purpose) info.push_back(static_cast<std::uint8_t>(c));
  info.insert(info.end(), extra.begin(), extra.end());
  info.insert(info.end(), associated.begin(), associated.end());
  return hkdf_expand_sha384(key, info, length);
}

// What sealing and opening share: the message key and the AES key of the present run of segments.
struct SegmentKeys {
  FloeParameters parameters;
  Bytes header_parameters;
  Bytes iv;
  Bytes associated;
  Secret message_key;
  std::optional<Gcm> gcm;
  std::uint64_t gcm_from = 0;

  Gcm& of(std::uint64_t segment) {
    const std::uint64_t from = segment >> parameters.segments_per_key_log2 << parameters.segments_per_key_log2;
    if (!gcm || from != gcm_from) {
      std::uint8_t number[8];
      store_be(number, from);
      gcm.emplace(derive(message_key, header_parameters, iv, "DEK:", number, associated, gcm_key_size));
      gcm_from = from;
    }
    return *gcm;
  }

  static std::array<std::uint8_t, 9> segment_associated(std::uint64_t segment, bool last) {
    std::array<std::uint8_t, 9> out;
    store_be(out.data(), segment);
    out[8] = last ? 1 : 0;
    return out;
  }
};

}  // namespace

struct FloeSealer::Impl {
  SegmentKeys keys;
  Random& random;
  Bytes header;
  std::uint64_t next = 0;
  // Nonces are random, drawn for many segments at once: a system call a segment would cost as much as the cipher.
  Bytes nonces;
  std::size_t nonce_at = 0;

  void seal(ByteView plaintext, bool last, std::uint8_t* out, Sha256Lane* hash = nullptr) {
    if (nonce_at == nonces.size()) {
      nonces.resize(64 * gcm_nonce_size);
      random.fill(nonces);
      nonce_at = 0;
    }
    const ByteView nonce(nonces.data() + nonce_at, gcm_nonce_size);
    nonce_at += gcm_nonce_size;
    store_be(out, last ? static_cast<std::uint32_t>(plaintext.size() + floe_segment_overhead) : inner_mark);
    std::copy(nonce.begin(), nonce.end(), out + 4);
    auto* const sealed = out + 4 + gcm_nonce_size;
    const auto about = SegmentKeys::segment_associated(next, last);
    hash == nullptr ? keys.of(next).seal(nonce, about, plaintext, sealed)
                    : keys.of(next).seal_and_hash(nonce, about, plaintext, sealed, *hash);
    ++next;
  }
};

FloeSealer::FloeSealer(const Secret& key, ByteView associated, Random& random, FloeParameters parameters)
    : impl_(new Impl{.keys = {.parameters = parameters}, .random = random}) {
  auto& keys = impl_->keys;
  keys.header_parameters = encoded_parameters(parameters);
  keys.iv = random.bytes(iv_size);
  keys.associated = to_bytes(associated);
  keys.message_key = derive(key, keys.header_parameters, keys.iv, "MESSAGE_KEY:", {}, associated, message_key_size);
  const Secret tag = derive(key, keys.header_parameters, keys.iv, "HEADER_TAG:", {}, associated, header_tag_size);
  auto& header = impl_->header;
  header = keys.header_parameters;
  header.insert(header.end(), keys.iv.begin(), keys.iv.end());
  const auto tag_bytes = KeyMaterial::of(tag);
  header.insert(header.end(), tag_bytes.begin(), tag_bytes.end());
}
FloeSealer::~FloeSealer() = default;
FloeSealer::FloeSealer(FloeSealer&&) noexcept = default;

ByteView FloeSealer::header() const { return impl_->header; }

void FloeSealer::inner(ByteView plaintext, std::uint8_t* out) {
  if (plaintext.size() != impl_->keys.parameters.plaintext_segment()) std::abort();
  impl_->seal(plaintext, false, out);
}

void FloeSealer::inner_and_hash(ByteView plaintext, std::uint8_t* out, Sha256Lane& hash) {
  if (plaintext.size() != impl_->keys.parameters.plaintext_segment()) std::abort();
  impl_->seal(plaintext, false, out, &hash);
}

std::size_t FloeSealer::last(ByteView plaintext, std::uint8_t* out) {
  if (plaintext.size() > impl_->keys.parameters.plaintext_segment()) std::abort();
  impl_->seal(plaintext, true, out);
  return plaintext.size() + floe_segment_overhead;
}

struct FloeOpener::Impl {
  SegmentKeys keys;
  std::uint64_t segments = 0;
  std::size_t last_size = 0;
};

FloeOpener::FloeOpener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FloeOpener::~FloeOpener() = default;
FloeOpener::FloeOpener(FloeOpener&&) noexcept = default;
FloeOpener& FloeOpener::operator=(FloeOpener&&) noexcept = default;

Result<FloeOpener> FloeOpener::open(const Secret& key, ByteView associated, ByteView header, std::uint64_t file_size,
                                    FloeParameters parameters) {
  if (header.size() != floe_header_size) return fail(Errc::corrupt, "the encrypted file is cut off within its header");
  auto impl = std::make_unique<Impl>();
  auto& keys = impl->keys;
  keys.parameters = parameters;
  keys.header_parameters = encoded_parameters(parameters);
  // Compared as a whole: no size is taken from the file, so none can be a bomb.
  if (!std::ranges::equal(header.first(parameters_size), keys.header_parameters))
    return fail(Errc::corrupt, "the file is not encrypted in the expected format, or its header is damaged");
  keys.iv = to_bytes(header.subspan(parameters_size, iv_size));
  keys.associated = to_bytes(associated);
  const Secret tag = derive(key, keys.header_parameters, keys.iv, "HEADER_TAG:", {}, associated, header_tag_size);
  if (!equal_constant_time(KeyMaterial::of(tag), header.last(header_tag_size)))
    return fail(Errc::corrupt, "the encrypted file does not belong to this key, or its header is damaged");
  keys.message_key = derive(key, keys.header_parameters, keys.iv, "MESSAGE_KEY:", {}, associated, message_key_size);

  const std::uint64_t body = file_size < floe_header_size ? 0 : file_size - floe_header_size;
  const std::uint64_t segment = parameters.encrypted_segment;
  impl->segments = (body + segment - 1) / segment;
  impl->last_size = static_cast<std::size_t>(body == 0 ? 0 : body - (impl->segments - 1) * segment);
  if (impl->last_size < floe_segment_overhead) return fail(Errc::corrupt, "the encrypted file is cut off");
  return FloeOpener(std::move(impl));
}

std::uint64_t FloeOpener::plaintext_size() const {
  return (impl_->segments - 1) * impl_->keys.parameters.plaintext_segment() + impl_->last_size - floe_segment_overhead;
}
std::uint64_t FloeOpener::segments() const { return impl_->segments; }
std::uint64_t FloeOpener::offset_of(std::uint64_t segment) const {
  return floe_header_size + segment * impl_->keys.parameters.encrypted_segment;
}
std::size_t FloeOpener::size_of(std::uint64_t segment) const {
  return segment + 1 == impl_->segments ? impl_->last_size : impl_->keys.parameters.encrypted_segment;
}

Status FloeOpener::segment(std::uint64_t segment, ByteView encrypted, std::uint8_t* out) {
  const bool last = segment + 1 == impl_->segments;
  if (segment >= impl_->segments || encrypted.size() != size_of(segment))
    return fail(Errc::corrupt, "the encrypted file is cut off");
  const std::uint32_t expected = last ? static_cast<std::uint32_t>(encrypted.size()) : inner_mark;
  const auto tag = encrypted.last(gcm_tag_size);
  const auto body = encrypted.subspan(4 + gcm_nonce_size, encrypted.size() - floe_segment_overhead);
  const bool good = load_be<std::uint32_t>(encrypted.data()) == expected &&
                    impl_->keys.of(segment).open(encrypted.subspan(4, gcm_nonce_size),
                                                 SegmentKeys::segment_associated(segment, last), body, tag, out);
  if (!good)
    return fail(Errc::corrupt,
                fmt::format("segment {} of {} of the encrypted file was changed", segment + 1, impl_->segments));
  return {};
}

}  // namespace hauberk::crypto
