#include "crypto/mac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstdlib>

#include "crypto/key_material.h"

namespace hauberk::crypto {
namespace {

// A context with its digest chosen, made once a thread: fetching by name costs more than the MAC itself.
EVP_MAC_CTX* hmac_context(const char* digest) {
  struct Owner {
    EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* context = mac != nullptr ? EVP_MAC_CTX_new(mac) : nullptr;
    explicit Owner(const char* name) {
      const OSSL_PARAM parameters[] = {
          OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(name), 0),
          OSSL_PARAM_construct_end()};
      if (context == nullptr || EVP_MAC_CTX_set_params(context, parameters) != 1) std::abort();
    }
    ~Owner() {
      EVP_MAC_CTX_free(context);
      EVP_MAC_free(mac);
    }
  };
  thread_local Owner sha256("SHA256"), sha384("SHA384");
  return std::string_view(digest) == "SHA256" ? sha256.context : sha384.context;
}

// Tokens are checked with one key, request after request: what OpenSSL derived from a thread's last key is used again.
bool same_as_last(ByteView key) {
  thread_local Secret last;
  const auto known = KeyMaterial::of(last);
  if (!known.empty() && equal_constant_time(known, key)) return true;
  last = Secret(to_bytes(key));
  return false;
}

// Without a key: with the one of the thread's last call for this digest.
Bytes hmac(const char* digest, ByteView key, std::initializer_list<ByteView> parts, std::size_t length) {
  auto* context = hmac_context(digest);
  Bytes out(length);
  std::size_t written = 0;
  bool good = EVP_MAC_init(context, key.data(), key.size(), nullptr) == 1;
  for (const auto& part : parts) good = good && EVP_MAC_update(context, part.data(), part.size()) == 1;
  if (!good || EVP_MAC_final(context, out.data(), &written, out.size()) != 1 || written != length) std::abort();
  return out;
}

}  // namespace

Bytes hmac_sha256(const Secret& key, ByteView message) {
  const auto material = KeyMaterial::of(key);
  return hmac("SHA256", same_as_last(material) ? ByteView() : material, {message}, 32);
}

bool verify_hmac_sha256(const Secret& key, ByteView message, ByteView mac) {
  return equal_constant_time(hmac_sha256(key, message), mac);
}

Secret hkdf_expand_sha384(const Secret& key, ByteView info, std::size_t length) {
  constexpr std::size_t block = 48;
  if (length > 255 * block) std::abort();
  Bytes out, last;
  out.reserve(length + block);
  for (std::uint8_t counter = 1; out.size() < length; ++counter) {
    last = hmac("SHA384", KeyMaterial::of(key), {last, info, ByteView(&counter, 1)}, block);
    out.insert(out.end(), last.begin(), last.end());
  }
  out.resize(length);
  return Secret(std::move(out));
}

}  // namespace hauberk::crypto
