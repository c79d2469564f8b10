#include "crypto/passphrase.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <charconv>

#include "crypto/key_material.h"

namespace hauberk::crypto {
namespace {

constexpr std::uint64_t most_scrypt_memory = 640u << 20;  // of N=2^18 with r=8, p=4 and the library's own needs

bool take_number(std::string_view& text, unsigned least, unsigned most, unsigned& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end == text.data() + text.size() || *end != ' ' || out < least || out > most)
    return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

}  // namespace

Result<ScryptParameters> ScryptParameters::parse(std::string_view text) {
  ScryptParameters out;
  constexpr std::string_view start = "scrypt ";
  if (text.starts_with(start)) {
    text.remove_prefix(start.size());
    if (take_number(text, 14, 18, out.log2_n) && take_number(text, 8, 8, out.r) && take_number(text, 1, 4, out.p))
      if (auto salt = from_base64(text); salt && salt->size() == 16) {
        out.salt = std::move(*salt);
        return out;
      }
  }
  return fail(Errc::corrupt, "the parameters of scrypt are damaged or out of bounds");
}

std::string ScryptParameters::text() const { return fmt::format("scrypt {} {} {} {}", log2_n, r, p, base64(salt)); }

Result<Secret> derive_key(const Secret& passphrase, const ScryptParameters& parameters) {
  const auto raw = KeyMaterial::of(passphrase);
  if (raw.empty()) return fail(Errc::invalid, "the passphrase is empty");
  Bytes key(32);
  const int done = EVP_PBE_scrypt(reinterpret_cast<const char*>(raw.data()), raw.size(), parameters.salt.data(),
                                  parameters.salt.size(), std::uint64_t{1} << parameters.log2_n, parameters.r,
                                  parameters.p, most_scrypt_memory, key.data(), key.size());
  Secret out(std::move(key));
  if (done != 1) return fail(Errc::exhausted, "no memory to derive the key from the passphrase");
  return out;
}

}  // namespace hauberk::crypto
