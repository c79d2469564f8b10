// ECDSA and Ed25519: what must not verify, in the manner of Project Wycheproof; keys of all kinds; passphrases.
#include "crypto/signature.h"

#include <gtest/gtest.h>

namespace hauberk::crypto {
namespace {

constexpr SignatureAlgorithm all_algorithms[] = {SignatureAlgorithm::ed25519, SignatureAlgorithm::ecdsa_p256,
                                                 SignatureAlgorithm::ecdsa_p384, SignatureAlgorithm::ecdsa_p521};

// DER INTEGER of a number given as big-endian hex, shortest form.
Bytes integer(std::string_view number) {
  auto bytes = *from_hex(number);
  while (bytes.size() > 1 && bytes[0] == 0 && bytes[1] < 0x80) bytes.erase(bytes.begin());
  if (bytes[0] >= 0x80) bytes.insert(bytes.begin(), 0);
  Bytes der{2, static_cast<std::uint8_t>(bytes.size())};
  der.insert(der.end(), bytes.begin(), bytes.end());
  return der;
}
Bytes sequence(const Bytes& r, const Bytes& s) {
  Bytes der{0x30, static_cast<std::uint8_t>(r.size() + s.size())};
  der.insert(der.end(), r.begin(), r.end());
  der.insert(der.end(), s.begin(), s.end());
  return der;
}

TEST(Signature, every_algorithm_verifies_what_it_signed_and_only_that) {
  for (const auto algorithm : all_algorithms) {
    const auto key = SigningKey::generate(algorithm);
    const auto signature = key.sign(as_bytes("message"));
    EXPECT_EQ(key.verifying().algorithm(), algorithm);
    EXPECT_TRUE(key.verifying().id().starts_with(std::string(name(algorithm)) + ":"));
    EXPECT_TRUE(key.verifying().verify(as_bytes("message"), signature)) << name(algorithm);
    EXPECT_FALSE(key.verifying().verify(as_bytes("massage"), signature)) << name(algorithm);
    EXPECT_FALSE(SigningKey::generate(algorithm).verifying().verify(as_bytes("message"), signature));
    const auto again = SigningKey::from_pem(key.pem());
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->verifying() == key.verifying());
    EXPECT_TRUE(*VerifyingKey::from_pem(key.verifying().pem()) == key.verifying());
    EXPECT_TRUE(*VerifyingKey::from_der(key.verifying().der()) == key.verifying());
    for (const auto other : all_algorithms)
      if (other != algorithm)
        EXPECT_FALSE(SigningKey::generate(other).verifying().verify(as_bytes("message"), signature));
  }
}

TEST(Signature, no_bit_of_it_may_change) {
  for (const auto algorithm : all_algorithms) {
    const auto key = SigningKey::generate(algorithm);
    const auto signature = key.sign(as_bytes("message"));
    // The long curves are slow: every 13th bit of theirs.
    const std::size_t step = signature.size() > 80 ? 13 : 1;
    for (std::size_t bit = 0; bit < signature.size() * 8; bit += step) {
      auto changed = signature;
      changed[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
      EXPECT_FALSE(key.verifying().verify(as_bytes("message"), changed)) << name(algorithm) << ", bit " << bit;
    }
    for (std::size_t size = 0; size < signature.size(); size += step)
      EXPECT_FALSE(key.verifying().verify(as_bytes("message"), ByteView(signature).first(size)));
    auto longer = signature;
    longer.push_back(0);
    EXPECT_FALSE(key.verifying().verify(as_bytes("message"), longer)) << name(algorithm);
  }
}

TEST(Ecdsa, refuses_numbers_out_of_range_and_second_spellings) {
  const auto key = SigningKey::generate(SignatureAlgorithm::ecdsa_p256);
  const std::string order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
  const std::string beyond = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552";
  const std::string largest(64, 'f');
  const std::string numbers[] = {"00", "01", order, beyond, largest};
  for (const auto& r : numbers)
    for (const auto& s : numbers)
      EXPECT_FALSE(key.verifying().verify(as_bytes("message"), sequence(integer(r), integer(s)))) << r << " " << s;

  // The same numbers in other encodings than DER's only one.
  const auto good = key.sign(as_bytes("message"));
  ASSERT_TRUE(key.verifying().verify(as_bytes("message"), good));
  Bytes r(good.begin() + 2, good.begin() + 4 + good[3]), s(good.begin() + 4 + good[3], good.end());
  ASSERT_EQ(sequence(r, s), good);
  const auto padded = [](Bytes number) {
    number.insert(number.begin() + 2, 0);
    ++number[1];
    return number;
  };
  auto long_length = good;
  long_length.insert(long_length.begin() + 1, 0x81);
  auto indefinite = good;
  indefinite[1] = 0x80;
  indefinite.insert(indefinite.end(), {0, 0});
  auto wrong_tag = good;
  wrong_tag[0] = 0x31;
  auto inside = good;
  inside[1] += 2;
  inside.insert(inside.end(), {5, 0});
  for (const auto& bad : {sequence(padded(r), s), sequence(r, padded(s)), long_length, indefinite, wrong_tag, inside,
                          sequence(s, r), Bytes{}, Bytes{0x30, 0}, Bytes{5, 0}})
    EXPECT_FALSE(key.verifying().verify(as_bytes("message"), bad)) << hex(bad);
  // Raw r || s, as PKCS#11 and JOSE write it.
  Bytes raw = r[1] == 33 ? Bytes(r.begin() + 3, r.end()) : Bytes(r.begin() + 2, r.end());
  raw.insert(raw.end(), s.begin() + (s[1] == 33 ? 3 : 2), s.end());
  EXPECT_FALSE(key.verifying().verify(as_bytes("message"), raw));
}

TEST(Ed25519, refuses_a_second_form_of_the_same_signature) {
  const auto key = SigningKey::generate();
  const auto good = key.sign(as_bytes("message"));
  // S + L verifies in careless implementations: L = 2^252 + 27742317777372353535851937790883648493.
  const auto order = *from_hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  auto malleable = good;
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += malleable[32 + i] + order[i];
    malleable[32 + i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  EXPECT_FALSE(key.verifying().verify(as_bytes("message"), malleable));
  EXPECT_FALSE(key.verifying().verify(as_bytes("message"), Bytes(64)));
}

TEST(Ecdsa, may_sign_sha256_whatever_the_curve_where_old_formats_want_it) {
  const auto p256 = SigningKey::generate(SignatureAlgorithm::ecdsa_p256);
  const auto signature = p256.sign(as_bytes("message"));
  EXPECT_TRUE(p256.verifying().verify(as_bytes("message"), signature, SignatureHash::sha256));
  EXPECT_TRUE(p256.verifying().verify_hashed(sha256(as_bytes("message")), signature));
  EXPECT_FALSE(p256.verifying().verify_hashed(sha256(as_bytes("massage")), signature));
  const auto p384 = SigningKey::generate(SignatureAlgorithm::ecdsa_p384);
  EXPECT_FALSE(p384.verifying().verify(as_bytes("message"), p384.sign(as_bytes("message")), SignatureHash::sha256));
  EXPECT_FALSE(SigningKey::generate().verifying().verify_hashed(sha256(as_bytes("message")), Bytes(64)));
}

// openssl ecparam -name prime256v1 -genkey | openssl pkcs8 -topk8 -passout pass:correct -v2 aes-256-cbc
constexpr std::string_view encrypted_key = R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAh444AgEEtc1wICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKJ5bzpMUREfC6jvgt7U8McEgZB7
Z8ifP09ycq2H9U4x/PZnUDm9bH3pwEag/bLZb0iKkffWHcfeC8/mtpdMI36PleiP
nybAzboEuLfu7Pr+3j2OHM/R7IZZLWrx3TkN/hBukMybZXWM8fvJSyuajEVGlGjD
lXGR0SuuDmKWbMmIp/xPoIdBEP+S070iGgbTXzhMCAgj9/hTL4EJRvOVYDI9WjI=
-----END ENCRYPTED PRIVATE KEY-----
)";

TEST(SigningKey, opens_with_its_passphrase_and_no_other) {
  const Secret pem{encrypted_key};
  EXPECT_TRUE(SigningKey::from_pem(pem, Secret(std::string_view("correct"))));
  EXPECT_EQ(SigningKey::from_pem(pem, Secret(std::string_view("wrong"))).error().code, Errc::denied);
  EXPECT_EQ(SigningKey::from_pem(pem).error().code, Errc::denied);
}

// openssl genrsa 2048 | openssl rsa -pubout
constexpr std::string_view rsa_key = R"(-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAn6vXbKDbSpuSlE78uiZh
4hDXZ35Vb48k2bomKYP7rpzwZKcDPdma4Gv+k4lsf2lUtmoq7WdYLvFI4JjFDLns
tITBQqBZR5hc/USGvPkyG36DVsF8kfEXo0d3L416Pl+vttQlNLcXD1FoOz7yNUro
5LUyHj1Ou/1cEJSUZ43hHE1x4fkdmMl9Hfun2zbTH6Xu0XP+rjwS+Fc+/+1iwbwU
A2uIAdjH2UiWPj3nJWkG/6r68jkJuzjnlk+CZebi5MYP1Z4YnbjUPX3k92WYz4J+
qyfIT5dsnJAqGTV12QFp3nUtit88MCJ0beYqX6ti8M2VwzhfaqRXwnmh3WW44FN6
kwIDAQAB
-----END PUBLIC KEY-----
)";

TEST(VerifyingKey, names_what_it_cannot_take) {
  EXPECT_EQ(VerifyingKey::from_pem(rsa_key).error().code, Errc::unsupported);
  EXPECT_EQ(VerifyingKey::from_pem("").error().code, Errc::invalid);
  EXPECT_EQ(VerifyingKey::from_der(Bytes{0x30, 0}).error().code, Errc::invalid);
  auto longer = SigningKey::generate().verifying().der();
  longer.push_back(0);
  EXPECT_EQ(VerifyingKey::from_der(longer).error().code, Errc::invalid);
}

}  // namespace
}  // namespace hauberk::crypto
