#include "crypto/timestamp.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/ts.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <ctime>

#include "crypto/digest.h"
#include "crypto/owned.h"

namespace hauberk::crypto {
namespace {

using TsCertificate = Owned<X509, X509_free>;
using Token = Owned<PKCS7, PKCS7_free>;
using Response = Owned<TS_RESP, TS_RESP_free>;
using Info = Owned<TS_TST_INFO, TS_TST_INFO_free>;
using TsStore = Owned<X509_STORE, X509_STORE_free>;

struct TsStackRelease {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};
using TsStack = std::unique_ptr<STACK_OF(X509), TsStackRelease>;

constexpr std::size_t largest_token = 256 << 10;

TsCertificate parsed(const Certificate& certificate) {
  const auto* begin = certificate.der().data();
  return TsCertificate(d2i_X509(nullptr, &begin, static_cast<long>(certificate.der().size())));
}

Token read_token(ByteView bytes) {
  if (bytes.size() > largest_token) return {};
  const auto size = static_cast<long>(bytes.size());
  const auto* begin = bytes.data();
  if (const Response response{d2i_TS_RESP(nullptr, &begin, size)}; response && begin == bytes.data() + bytes.size()) {
    const auto* status = TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(response.get()));
    const auto granted = ASN1_INTEGER_get(status);
    const auto* token = TS_RESP_get_token(response.get());
    return token != nullptr && (granted == 0 || granted == 1) ? Token(PKCS7_dup(token)) : Token{};
  }
  begin = bytes.data();
  Token token(d2i_PKCS7(nullptr, &begin, size));
  return token && begin == bytes.data() + bytes.size() ? std::move(token) : Token{};
}

bool is_imprint_of(TS_TST_INFO* info, ByteView message) {
  auto* imprint = TS_TST_INFO_get_msg_imprint(info);
  const auto* identifier = TS_MSG_IMPRINT_get_algo(imprint);
  const int hash = OBJ_obj2nid(identifier->algorithm);
  if (hash != NID_sha256 && hash != NID_sha384 && hash != NID_sha512) return false;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(message.data(), message.size(), digest, &size, EVP_get_digestbynid(hash), nullptr) != 1) return false;
  const auto* expected = TS_MSG_IMPRINT_get_msg(imprint);
  return equal_constant_time({digest, size},
                             {ASN1_STRING_get0_data(expected), static_cast<std::size_t>(ASN1_STRING_length(expected))});
}

Result<Instant> time_of(const TS_TST_INFO* info) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &parts) != 1)
    return fail(Errc::corrupt, "the timestamp's time cannot be read");
  return std::chrono::time_point_cast<Duration>(std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts))));
}

// The signer must be the very certificate that the authority is known by, unless it is known by its root alone.
bool made_by(PKCS7* token, const TimestampAuthority& authority, Instant time) {
  if (authority.chain.empty() || time < authority.from || time > authority.to) return false;
  const TsStore store(X509_STORE_new());
  const TsStack helpers(sk_X509_new_null());
  if (!store || !helpers) return false;
  X509_STORE_add_cert(store.get(), parsed(authority.chain.back()).get());
  for (const auto& certificate : authority.chain) sk_X509_push(helpers.get(), parsed(certificate).release());
  auto* parameters = X509_STORE_get0_param(store.get());
  X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(
                                             std::chrono::time_point_cast<std::chrono::system_clock::duration>(time)));
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  X509* signer = nullptr;
  const bool good = TS_RESP_verify_signature(token, helpers.get(), store.get(), &signer) == 1;
  const TsCertificate owner(signer);
  if (!good || signer == nullptr) return false;
  const auto& first = authority.chain.front();
  const bool anyone = authority.chain.size() == 1 && first.self_signed();
  return anyone || X509_cmp(signer, parsed(first).get()) == 0;
}

}  // namespace

Result<Timestamp> verify_timestamp(ByteView bytes, ByteView message, std::span<const TimestampAuthority> authorities) {
  const auto token = read_token(bytes);
  if (!token) return fail(Errc::corrupt, "it is no timestamp (RFC 3161)");
  const Info info(PKCS7_to_TS_TST_INFO(token.get()));
  if (!info || TS_TST_INFO_get_version(info.get()) != 1) return fail(Errc::corrupt, "it is no timestamp (RFC 3161)");
  if (!is_imprint_of(info.get(), message)) return fail(Errc::corrupt, "the timestamp is of something else");
  const auto time = TRY(time_of(info.get()));
  for (const auto& authority : authorities)
    if (made_by(token.get(), authority, time)) return Timestamp{time, authority.chain.front().subject()};
  return fail(Errc::denied,
              fmt::format("no timestamp authority that is trusted here made the timestamp of {}", rfc3339(time)));
}

Bytes timestamp_query(ByteView message, std::uint64_t nonce) {
  const Owned<TS_REQ, TS_REQ_free> request(TS_REQ_new());
  const Owned<TS_MSG_IMPRINT, TS_MSG_IMPRINT_free> imprint(TS_MSG_IMPRINT_new());
  const Owned<X509_ALGOR, X509_ALGOR_free> algorithm(X509_ALGOR_new());
  const Owned<ASN1_INTEGER, ASN1_INTEGER_free> number(ASN1_INTEGER_new());
  auto digest = sha256(message);
  if (!request || !imprint || !algorithm || !number ||
      X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(NID_sha256), V_ASN1_NULL, nullptr) != 1 ||
      TS_MSG_IMPRINT_set_algo(imprint.get(), algorithm.get()) != 1 ||
      TS_MSG_IMPRINT_set_msg(imprint.get(), digest.bytes.data(), static_cast<int>(digest.bytes.size())) != 1 ||
      ASN1_INTEGER_set_uint64(number.get(), nonce) != 1 || TS_REQ_set_version(request.get(), 1) != 1 ||
      TS_REQ_set_msg_imprint(request.get(), imprint.get()) != 1 || TS_REQ_set_nonce(request.get(), number.get()) != 1 ||
      TS_REQ_set_cert_req(request.get(), 1) != 1)
    std::abort();  // out of memory
  unsigned char* der = nullptr;
  const int size = i2d_TS_REQ(request.get(), &der);
  if (size <= 0) std::abort();
  Bytes query(der, der + size);
  OPENSSL_free(der);
  return query;
}

Result<Bytes> timestamp_reply(ByteView reply, ByteView message, std::uint64_t nonce) {
  const auto token = read_token(reply);
  const Info info(token ? PKCS7_to_TS_TST_INFO(token.get()) : nullptr);
  if (!info) return fail(Errc::unavailable, "the authority made no timestamp");
  std::uint64_t answered = 0;
  const auto* number = TS_TST_INFO_get_nonce(info.get());
  if (number == nullptr || ASN1_INTEGER_get_uint64(&answered, number) != 1 || answered != nonce ||
      !is_imprint_of(info.get(), message))
    return fail(Errc::corrupt, "the authority's timestamp is of something else");
  return to_bytes(reply);
}

}  // namespace hauberk::crypto
