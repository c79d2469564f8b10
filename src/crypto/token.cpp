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

// What the HMAC is of; wiped, as the text of the token is in it.
class Message {
 public:
  Message(std::string_view text, const Digest& bound_to) {
    bytes_.reserve(bound_to.bytes.size() + text.size());  // no copy is left behind
    bytes_.insert(bytes_.end(), bound_to.bytes.begin(), bound_to.bytes.end());
    bytes_.insert(bytes_.end(), text.begin(), text.end());
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message() { ::explicit_bzero(bytes_.data(), bytes_.size()); }
  ByteView bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

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

namespace {

// All but the checksum.
std::optional<TokenParts> parse_form(std::string_view text) {
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
  return TokenParts{environment, id};
}

}  // namespace

std::optional<TokenParts> parse_token(std::string_view text) {
  auto parts = parse_form(text);
  if (!parts) return std::nullopt;
  std::uint8_t sum[4];
  store_be<std::uint32_t>(sum, crc32(as_bytes(text.substr(0, token_size - crc_size - 1))));
  if (text.substr(token_size - crc_size) != hex(sum)) return std::nullopt;
  return parts;
}

bool holds_token(std::string_view text) {
  for (auto at = text.find(prefix); at != std::string_view::npos; at = text.find(prefix, at + 1))
    if (parse_form(text.substr(at, token_size))) return true;
  return false;
}

Result<Bytes> token_mac(KeyProvider& keys, const Secret& text, const Digest& bound_to) {
  return token_mac(keys, as_text(KeyMaterial::of(text)), bound_to);
}
Result<Bytes> token_mac(KeyProvider& keys, std::string_view text, const Digest& bound_to) {
  return keys.mac(KeyPurpose::token, Message(text, bound_to).bytes());
}
Result<bool> verify_token_mac(KeyProvider& keys, std::string_view text, const Digest& bound_to, ByteView mac) {
  return keys.verify_mac(KeyPurpose::token, Message(text, bound_to).bytes(), mac);
}
Result<bool> verify_bare_token_mac(KeyProvider& keys, std::string_view text, ByteView mac) {
  return keys.verify_mac(KeyPurpose::token, as_bytes(text), mac);
}
std::string_view presented(const Secret& token) { return as_text(KeyMaterial::of(token)); }

}  // namespace hauberk::crypto
