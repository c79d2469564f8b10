#include "crypto/certificate.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ct.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "crypto/digest.h"
#include "crypto/owned.h"

namespace hauberk::crypto {
namespace {

using X509Owned = Owned<X509, X509_free>;
using Bio = Owned<BIO, BIO_free_all>;
using Object = Owned<ASN1_OBJECT, ASN1_OBJECT_free>;
using Names = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;
using Store = Owned<X509_STORE, X509_STORE_free>;
using StoreContext = Owned<X509_STORE_CTX, X509_STORE_CTX_free>;

struct StackRelease {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }  // not what it points at
};
using Stack = std::unique_ptr<STACK_OF(X509), StackRelease>;

constexpr std::size_t largest_certificate = 64 << 10;
constexpr std::size_t most_certificates = 64;

// The bytes that an i2d_ function of the library writes.
template <class Encode>
Bytes encoded(Encode encode) {
  unsigned char* out = nullptr;
  const int size = encode(&out);
  if (size <= 0) return {};
  Bytes bytes(out, out + size);
  OPENSSL_free(out);
  return bytes;
}

Instant instant(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return Instant::min();
  constexpr int last_year = 2250;  // an Instant ends soon after; the year 9999 stands for "no end"
  if (parts.tm_year + 1900 > last_year) return Instant::max();
  return std::chrono::time_point_cast<Duration>(std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts))));
}

std::string_view text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

}  // namespace

struct Certificate::Impl {
  X509Owned x509;
  Bytes der;

  static X509* of(const Certificate& certificate) { return certificate.impl_->x509.get(); }
  static Certificate wrap(X509Owned x509) {
    auto impl = std::make_shared<Impl>();
    impl->der = encoded([&](unsigned char** out) { return i2d_X509(x509.get(), out); });
    (void)X509_check_purpose(x509.get(), -1, 0);  // fills what the library keeps about it, before threads share it
    impl->x509 = std::move(x509);
    return Certificate(std::move(impl));
  }
};

Result<Certificate> Certificate::from_der(ByteView der) {
  const auto* begin = der.data();
  X509Owned x509(der.size() > largest_certificate ? nullptr : d2i_X509(nullptr, &begin, static_cast<long>(der.size())));
  if (!x509 || begin != der.data() + der.size()) return fail(Errc::corrupt, "it is no certificate in DER");
  return Impl::wrap(std::move(x509));
}

Result<std::vector<Certificate>> Certificate::from_pem(std::string_view pem) {
  if (pem.size() > most_certificates * largest_certificate)
    return fail(Errc::invalid, "the file is too long for certificates in PEM");
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<Certificate> list;
  while (X509* x509 = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    list.push_back(Impl::wrap(X509Owned(x509)));
    if (list.size() > most_certificates) return fail(Errc::invalid, "the file holds too many certificates");
  }
  if (list.empty()) return fail(Errc::invalid, "expected certificates in PEM (-----BEGIN CERTIFICATE-----)");
  return list;
}

const Bytes& Certificate::der() const { return impl_->der; }

std::string Certificate::subject() const {
  // Sigstore's certificates name their holder only here.
  if (const auto names = identities(); X509_NAME_entry_count(X509_get_subject_name(impl_->x509.get())) == 0)
    return names.empty() ? "an unnamed holder" : names.front();
  const Bio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(impl_->x509.get()), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Instant Certificate::not_before() const { return instant(X509_get0_notBefore(impl_->x509.get())); }
Instant Certificate::not_after() const { return instant(X509_get0_notAfter(impl_->x509.get())); }

bool Certificate::self_signed() const {
  auto* x509 = impl_->x509.get();
  return X509_check_issued(x509, x509) == X509_V_OK && X509_verify(x509, X509_get0_pubkey(x509)) == 1;
}

Bytes Certificate::public_key_der() const {
  return encoded([&](unsigned char** out) { return i2d_X509_PUBKEY(X509_get_X509_PUBKEY(impl_->x509.get()), out); });
}

Result<VerifyingKey> Certificate::key() const { return VerifyingKey::from_der(public_key_der()); }

std::vector<std::string> Certificate::identities() const {
  std::vector<std::string> list;
  const Names names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(impl_->x509.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_EMAIL || name->type == GEN_URI || name->type == GEN_DNS)
      list.emplace_back(text_of(name->d.ia5));
  }
  return list;
}

std::optional<Bytes> Certificate::extension(std::string_view oid) const {
  const Object object(OBJ_txt2obj(std::string(oid).c_str(), 1));
  const int place = object ? X509_get_ext_by_OBJ(impl_->x509.get(), object.get(), -1) : -1;
  if (place < 0) return std::nullopt;
  return to_bytes(text_of(X509_EXTENSION_get_data(X509_get_ext(impl_->x509.get(), place))));
}

Status Certificate::may_sign_content() const {
  auto* x509 = impl_->x509.get();
  const auto flags = X509_get_extension_flags(x509);
  if ((flags & EXFLAG_INVALID) != 0) return fail(Errc::corrupt, "the signer's certificate has malformed extensions");
  const bool has_usage = (flags & EXFLAG_KUSAGE) != 0, has_extended = (flags & EXFLAG_XKUSAGE) != 0;
  if (has_usage && (X509_get_key_usage(x509) & KU_DIGITAL_SIGNATURE) == 0)
    return fail(Errc::denied, "the signer's certificate is not for digital signatures (keyUsage)");
  if (has_extended && !is_for_code())
    return fail(Errc::denied, "the signer's certificate is not for signing code (extendedKeyUsage)");
  if (!has_usage && !has_extended)
    return fail(Errc::denied,
                "the signer's certificate does not say that it may sign: it has neither keyUsage nor extendedKeyUsage");
  return {};
}

bool Certificate::is_for_code() const {
  auto* x509 = impl_->x509.get();
  return (X509_get_extension_flags(x509) & EXFLAG_XKUSAGE) != 0 &&
         (X509_get_extended_key_usage(x509) & XKU_CODE_SIGN) != 0;
}

Result<std::vector<Certificate>> verify_chain(const Certificate& leaf, std::span<const Certificate> helpers,
                                              std::span<const Certificate> anchors, Instant at) {
  using Impl = Certificate::Impl;
  const Store store(X509_STORE_new());
  const Stack untrusted(sk_X509_new_null());
  const StoreContext context(X509_STORE_CTX_new());
  if (!store || !untrusted || !context) return fail(Errc::internal, "no memory for a certificate chain");
  for (const auto& anchor : anchors) X509_STORE_add_cert(store.get(), Impl::of(anchor));
  for (const auto& helper : helpers) sk_X509_push(untrusted.get(), Impl::of(helper));
  if (X509_STORE_CTX_init(context.get(), store.get(), Impl::of(leaf), untrusted.get()) != 1)
    return fail(Errc::internal, "no memory for a certificate chain");
  auto* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(
                                             std::chrono::time_point_cast<std::chrono::system_clock::duration>(at)));
  X509_VERIFY_PARAM_set_depth(parameters, 8);
  X509_VERIFY_PARAM_set_auth_level(parameters, 2);  // 112 bits: RSA of 2048 bits and SHA-256 or better
  // What the caller names is trusted as it is, be it a root or not.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  if (X509_verify_cert(context.get()) != 1)
    return fail(Errc::denied, fmt::format("the certificate of {} is not trusted: {}", leaf.subject(),
                                          X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()))));
  std::vector<Certificate> chain;
  const auto* found = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 0; i < sk_X509_num(found); ++i) {
    X509* x509 = sk_X509_value(found, i);
    X509_up_ref(x509);
    chain.push_back(Impl::wrap(X509Owned(x509)));
  }
  return chain;
}

namespace {

// RFC 6962, section 3.2, of a precertificate: what the log signed.
Bytes precertificate_entry(X509* leaf, const Digest& issuer_key, const SCT* sct) {
  const X509Owned bare(X509_dup(leaf));
  const int place = X509_get_ext_by_NID(bare.get(), NID_ct_precert_scts, -1);
  if (place < 0) return {};
  X509_EXTENSION_free(X509_delete_ext(bare.get(), place));
  const auto certificate = encoded([&](unsigned char** out) { return i2d_re_X509_tbs(bare.get(), out); });
  unsigned char* extensions = nullptr;
  const auto extensions_size = SCT_get0_extensions(sct, &extensions);
  Bytes entry(12);
  entry[0] = 0;  // version 1
  entry[1] = 0;  // certificate_timestamp
  store_be(entry.data() + 2, static_cast<std::uint64_t>(SCT_get_timestamp(sct)));
  store_be(entry.data() + 10, std::uint16_t{1});  // precert_entry
  entry.insert(entry.end(), issuer_key.bytes.begin(), issuer_key.bytes.end());
  std::uint8_t size[4];
  store_be(size, static_cast<std::uint32_t>(certificate.size()));
  entry.insert(entry.end(), size + 1, size + 4);
  entry.insert(entry.end(), certificate.begin(), certificate.end());
  store_be(size, static_cast<std::uint32_t>(extensions_size));
  entry.insert(entry.end(), size + 2, size + 4);
  entry.insert(entry.end(), extensions, extensions + extensions_size);
  return entry;
}

struct SctListRelease {
  void operator()(STACK_OF(SCT) * list) const { SCT_LIST_free(list); }
};

}  // namespace

Status verify_logged(const Certificate& leaf, const Certificate& issuer, std::span<const CertificateLog> logs) {
  X509* x509 = Certificate::Impl::of(leaf);
  const std::unique_ptr<STACK_OF(SCT), SctListRelease> list(
      static_cast<STACK_OF(SCT)*>(X509_get_ext_d2i(x509, NID_ct_precert_scts, nullptr, nullptr)));
  if (!list) return fail(Errc::denied, "the certificate carries no timestamp of a certificate log");
  const auto issuer_key = sha256(issuer.public_key_der());
  for (int i = 0; i < sk_SCT_num(list.get()); ++i) {
    const auto* sct = sk_SCT_value(list.get(), i);
    unsigned char *id = nullptr, *signature = nullptr;
    const auto id_size = SCT_get0_log_id(sct, &id);
    const auto signature_size = SCT_get0_signature(sct, &signature);
    const auto time = Instant(std::chrono::milliseconds(SCT_get_timestamp(sct)));
    if (SCT_get_version(sct) != SCT_VERSION_V1) continue;
    for (const auto& log : logs)
      if (std::ranges::equal(log.id, std::span(id, id_size)) && time >= log.from && time <= log.to &&
          log.key.verify(precertificate_entry(x509, issuer_key, sct), {signature, signature_size}))
        return {};
  }
  return fail(Errc::denied, "no certificate log that is trusted here has seen the certificate");
}

}  // namespace hauberk::crypto
