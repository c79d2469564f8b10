#include "net/aws_signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "crypto/digest.h"
#include "crypto/mac.h"

namespace hauberk::net {

// What may look at an AWS secret key here: the derivation of the signing key, and the header of the session.
struct AwsKey {
  static Secret first(const Secret& key) { return Secret(fmt::format("AWS4{}", key.reveal_text(SecretAccess()))); }
  static std::string_view session(const Secret& token) { return token.reveal_text(SecretAccess()); }
};

namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.~").contains(c);
}

std::string percent_encoded(std::string_view text, std::string_view kept = "") {
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c) || kept.contains(c))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size())
      if (const auto byte = from_hex(text.substr(i + 1, 2))) {
        out += static_cast<char>((*byte)[0]);
        i += 2;
        continue;
      }
    out += text[i];
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// RFC 3986 section 5.2.4, and no empty segments.
std::string normalised(std::string_view path) {
  std::vector<std::string_view> kept;
  const auto parts = split(path, '/');
  for (const auto part : parts) {
    if (part.empty() || part == ".") continue;
    if (part != "..")
      kept.push_back(part);
    else if (!kept.empty())
      kept.pop_back();
  }
  std::string out;
  for (const auto part : kept) out += fmt::format("/{}", part);
  const bool folder = parts.back().empty() || parts.back() == "." || parts.back() == "..";
  return out.empty() || folder ? out + "/" : out;
}

std::string canonical_query(std::string_view query) {
  if (query.empty()) return "";
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto part : split(query, '&')) {
    const auto equals = part.find('=');
    const auto value = equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    pairs.emplace_back(percent_encoded(percent_decoded(part.substr(0, equals))),
                       percent_encoded(percent_decoded(value)));
  }
  std::ranges::sort(pairs);
  std::string out;
  for (const auto& [name, value] : pairs) out += fmt::format("{}{}={}", out.empty() ? "" : "&", name, value);
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string single_spaced(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!space)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string compact_time(Instant now) {
  std::string out;
  for (const char c : rfc3339(now).substr(0, 19))
    if (c != '-' && c != ':') out += c;
  return out + "Z";
}

Secret derived(const Secret& key, std::string_view with) { return Secret(crypto::hmac_sha256(key, as_bytes(with))); }

}  // namespace

AwsSignature sign_aws(const AwsRequest& request, const AwsCredentials& credentials, const AwsScope& scope,
                      Instant now) {
  AwsSignature out{.canonical_request = {}, .string_to_sign = {}, .date = compact_time(now), .authorization = {}};
  std::map<std::string, std::string> headers;
  const auto add = [&](std::string_view name, std::string_view value) {
    auto [entry, made] = headers.try_emplace(lower_case(name), single_spaced(value));
    if (!made) entry->second += "," + single_spaced(value);
  };
  for (const auto& [name, value] : request.headers) add(name, value);
  add("x-amz-date", out.date);
  if (!credentials.session_token.empty() && scope.session_token == AwsSessionToken::is_signed)
    add("x-amz-security-token", AwsKey::session(credentials.session_token));

  std::string lines, names;
  for (const auto& [name, value] : headers) {
    lines += fmt::format("{}:{}\n", name, value);
    names += (names.empty() ? "" : ";") + name;
  }
  const auto path = scope.path == AwsPath::normalised ? normalised(request.path) : request.path;
  out.canonical_request = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, percent_encoded(path, "/"),
                                      canonical_query(request.query), lines, names, crypto::sha256(request.body).hex());
  const auto day = out.date.substr(0, 8);
  const auto where = fmt::format("{}/{}/{}/aws4_request", day, scope.region, scope.service);
  out.string_to_sign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", out.date, where,
                                   crypto::sha256(as_bytes(out.canonical_request)).hex());
  auto key = AwsKey::first(credentials.secret_key);
  for (const auto& part : {std::string_view(day), std::string_view(scope.region), std::string_view(scope.service),
                           std::string_view("aws4_request")})
    key = derived(key, part);
  out.authorization =
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}", credentials.access_key, where,
                  names, hex(crypto::hmac_sha256(key, as_bytes(out.string_to_sign))));
  return out;
}

}  // namespace hauberk::net
