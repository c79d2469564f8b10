#include "crypto/token.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>

#include "crypto/key_material.h"

namespace hauberk::crypto {
namespace {

constexpr std::string_view prefix = "hbk_";
constexpr std::size_t environment_size = 3, id_size = 12, secret_size = 43, crc_size = 8;
constexpr std::size_t token_size = prefix.size() + environment_size + 1 + id_size + 1 + secret_size + 1 + crc_size;
constexpr std::string_view id_alphabet =
    "0123456789abcdefghjkmnpqrstvwxyz";  // 32 of them, none that looks like another

// Wiped as a secret is: the text of the token is in it.
Secret joined(std::string_view bound_to, std::string_view text) {
  std::string all;
  all.reserve(bound_to.size() + text.size());  // no copy is left behind
  all.append(bound_to).append(text);
  Secret secret{std::string_view(all)};
  ::explicit_bzero(all.data(), all.size());
  return secret;
}

bool is_base64url(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

NewToken make_token(std::string_view environment, Random& random) {
  NewToken token;
  for (const auto byte : random.bytes(id_size)) token.id += id_alphabet[byte & 31];
  const Secret secret(random.bytes(32));
  std::string text = fmt::format("{}{}_{}_{}", prefix, environment, token.id, base64url(KeyMaterial::of(secret)));
  text += fmt::format("_{:08x}", crc32(as_bytes(text)));
  token.text = Secret(std::string_view(text));
  ::explicit_bzero(text.data(), text.size());
  return token;
}

std::optional<TokenParts> parse_token(std::string_view text) {
  if (text.size() != token_size || !text.starts_with(prefix)) return std::nullopt;
  const auto environment = text.substr(prefix.size(), environment_size);
  const auto id = text.substr(prefix.size() + environment_size + 1, id_size);
  const auto secret = text.substr(prefix.size() + environment_size + 1 + id_size + 1, secret_size);
  const auto body = text.substr(0, token_size - crc_size - 1);
  if (text[prefix.size() + environment_size] != '_' || text[prefix.size() + environment_size + 1 + id_size] != '_' ||
      text[body.size()] != '_')
    return std::nullopt;
  if (environment != "dev" && environment != "stg" && environment != "prd") return std::nullopt;
  if (!std::ranges::all_of(id, [](char c) { return id_alphabet.find(c) != std::string_view::npos; }))
    return std::nullopt;
  if (!std::ranges::all_of(secret, is_base64url)) return std::nullopt;
  std::uint8_t sum[4];
  store_be<std::uint32_t>(sum, crc32(as_bytes(body)));
  if (text.substr(token_size - crc_size) != hex(sum)) return std::nullopt;
  return TokenParts{environment, id};
}

Result<Bytes> token_mac(KeyProvider& keys, const Secret& text, std::string_view bound_to) {
  const auto all = joined(bound_to, as_text(KeyMaterial::of(text)));
  return keys.mac(KeyPurpose::token, KeyMaterial::of(all));
}
Result<bool> verify_token_mac(KeyProvider& keys, std::string_view text, std::string_view bound_to, ByteView mac) {
  if (bound_to.empty()) return keys.verify_mac(KeyPurpose::token, as_bytes(text), mac);
  const auto all = joined(bound_to, text);
  return keys.verify_mac(KeyPurpose::token, KeyMaterial::of(all), mac);
}
std::string_view presented(const Secret& token) { return as_text(KeyMaterial::of(token)); }

}  // namespace hauberk::crypto
