#include "adapters/keys_pkcs11_uri.h"

#include <gtest/gtest.h>

#include "adapters/keys_pkcs11_module.h"

namespace hauberk::adapters {
namespace {

TEST(Pkcs11Uri, names_token_and_key_percent_encoded_where_they_must_be) {
  const auto uri =
      Pkcs11Uri::parse("token=My%20token;serial=0a1b;object=model%3b1;id=%01%ff?module-path=/usr/lib/m.so");
  ASSERT_TRUE(uri) << uri.error().text();
  EXPECT_EQ(uri->token, "My token");
  EXPECT_EQ(uri->serial, "0a1b");
  EXPECT_EQ(uri->object, "model;1");
  EXPECT_EQ(uri->id, (Bytes{0x01, 0xff}));
  EXPECT_EQ(uri->module_path, "/usr/lib/m.so");
  EXPECT_TRUE(Pkcs11Uri::parse("serial=1;id=%02"));
}

TEST(Pkcs11Uri, refuses_what_it_does_not_know_and_never_repeats_a_pin) {
  for (const std::string_view place : {"",
                                       "token=a",
                                       "object=a",
                                       "token=a;object=",
                                       "token=;object=b",
                                       "token=a;object=b;",
                                       "token=a;object=b?",
                                       "token=a;object=b;object=c",
                                       "token=a;object=b;id=%0",
                                       "token=a;object=b;id=%zz",
                                       "token=a;object=%00",
                                       "token=a;object=b;slot-id=3",
                                       "token=a;object=b;module-path=/m.so",
                                       "token=a;object=b?module-path=m.so",
                                       "token=a;object=b?module-name=m",
                                       "token=a;object",
                                       "token=a;object=b?token=c",
                                       "token=a;object=b?pin-value=1234",
                                       "token=a;object=b?pin-source=file:/pin",
                                       "token=a;pin-value=1234"}) {
    const auto uri = Pkcs11Uri::parse(place);
    ASSERT_FALSE(uri) << place;
    EXPECT_EQ(uri.error().code, Errc::invalid) << place;
    EXPECT_EQ(uri.error().text().find("1234"), std::string::npos) << place;
  }
  EXPECT_FALSE(Pkcs11Uri::parse("token=a;object=" + std::string(3000, 'x')));
}

TEST(Pkcs11Module, writes_signatures_as_der_would_have_them) {
  Bytes raw(64);
  raw[31] = 0x7f;  // r = 127
  raw[63] = 0x80;  // s = 128, which DER would read as negative
  EXPECT_EQ(hex(*der_signature(raw)), "300702017f02020080");
  raw.assign(64, 0xff);
  const auto long_one = *der_signature(raw);
  EXPECT_EQ(long_one.size(), 72u);
  EXPECT_EQ(hex(ByteView(long_one).first(6)), "3046022100ff");
  raw.assign(64, 0);
  EXPECT_EQ(hex(*der_signature(raw)), "3006020100020100");
  EXPECT_FALSE(der_signature(Bytes(63)));
  EXPECT_FALSE(der_signature(Bytes(96)));
}

TEST(Pkcs11Module, reads_points_with_and_without_their_octet_string) {
  using crypto::SignatureAlgorithm;
  for (const auto algorithm : {SignatureAlgorithm::ed25519, SignatureAlgorithm::ecdsa_p256}) {
    const auto key = crypto::SigningKey::generate(algorithm);
    const auto size = algorithm == SignatureAlgorithm::ed25519 ? 32u : 65u;
    const Bytes point(key.verifying().der().end() - size, key.verifying().der().end());
    Bytes wrapped{0x04, static_cast<std::uint8_t>(size)};
    wrapped.insert(wrapped.end(), point.begin(), point.end());
    EXPECT_EQ(key_of_point(algorithm, point)->id(), key.verifying().id());
    EXPECT_EQ(key_of_point(algorithm, wrapped)->id(), key.verifying().id());
    for (std::size_t cut = 0; cut < wrapped.size(); ++cut)
      if (cut != size) EXPECT_FALSE(key_of_point(algorithm, ByteView(wrapped).first(cut))) << cut;
    wrapped.push_back(0);
    EXPECT_FALSE(key_of_point(algorithm, wrapped));
  }
  EXPECT_FALSE(key_of_point(SignatureAlgorithm::ecdsa_p256, Bytes(65, 0x04))) << "not on the curve";
}

}  // namespace
}  // namespace hauberk::adapters
