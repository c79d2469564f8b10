// Digest, MAC, AEAD, signatures, envelopes, tokens, key sets: published vectors where there are some, refusals
// elsewhere.
#include <gtest/gtest.h>

#include "base/json.h"
#include "crypto/aead.h"
#include "crypto/digest.h"
#include "crypto/envelope.h"
#include "crypto/key_material.h"
#include "crypto/key_set.h"
#include "crypto/mac.h"
#include "crypto/signature.h"
#include "crypto/token.h"

namespace hauberk::crypto {
namespace {

Secret from_hex_secret(std::string_view text) { return Secret(*from_hex(text)); }

TEST(Sha256, has_the_published_values_in_one_and_in_many_pieces) {
  EXPECT_EQ(sha256(as_bytes("abc")).hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 hash;
  for (const char c : std::string_view("abc")) hash.update(ByteView(reinterpret_cast<const std::uint8_t*>(&c), 1));
  EXPECT_EQ(hash.finish(), sha256(as_bytes("abc")));
  EXPECT_EQ(hash.finish(), sha256({})) << "finish() starts anew";
}

TEST(Digest, parses_its_own_text_and_nothing_else) {
  const auto digest = sha256(as_bytes("x"));
  EXPECT_EQ(*Digest::parse(digest.text()), digest);
  EXPECT_EQ(*Digest::parse(digest.hex()), digest);
  for (const std::string_view bad : {"", "sha256:", "sha256:abcd", "sha512:00"})
    EXPECT_FALSE(Digest::parse(bad)) << bad;
}

TEST(Hmac, has_the_value_of_rfc_4231_case_2) {
  const Secret key(std::string_view("Jefe"));
  const auto mac = hmac_sha256(key, as_bytes("what do ya want for nothing?"));
  EXPECT_EQ(hex(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_TRUE(verify_hmac_sha256(key, as_bytes("what do ya want for nothing?"), mac));
  EXPECT_FALSE(verify_hmac_sha256(key, as_bytes("what do ya want for nothing!"), mac));
}

TEST(Gcm, has_the_published_value_of_the_256_bit_test_case_16) {
  Gcm gcm(from_hex_secret("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
  const auto nonce = *from_hex("cafebabefacedbaddecaf888");
  const auto associated = *from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const auto plain = *from_hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
      "ba637b39");
  Bytes sealed(plain.size() + gcm_tag_size);
  gcm.seal(nonce, associated, plain, sealed.data());
  EXPECT_EQ(hex(sealed),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393"
            "ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b");
  Bytes opened(plain.size());
  EXPECT_TRUE(gcm.open(nonce, associated, ByteView(sealed).first(plain.size()), ByteView(sealed).last(gcm_tag_size),
                       opened.data()));
  EXPECT_EQ(opened, plain);
  sealed[3] ^= 1;
  EXPECT_FALSE(gcm.open(nonce, associated, ByteView(sealed).first(plain.size()), ByteView(sealed).last(gcm_tag_size),
                        opened.data()));
}

TEST(Ed25519, verifies_what_was_signed_and_only_that) {
  const auto key = SigningKey::generate();
  const auto signature = key.sign(as_bytes("message"));
  EXPECT_TRUE(key.verifying().verify(as_bytes("message"), signature));
  EXPECT_FALSE(key.verifying().verify(as_bytes("massage"), signature));
  EXPECT_FALSE(SigningKey::generate().verifying().verify(as_bytes("message"), signature));
  const auto again = SigningKey::from_pem(key.pem());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->verifying().id(), key.verifying().id());
  EXPECT_TRUE(VerifyingKey::from_pem(key.verifying().pem())->verify(as_bytes("message"), signature));
}

TEST(Ed25519, verifies_the_published_vector_of_rfc_8032) {
  // RFC 8032, section 7.1, test 2, its public key in the DER frame of RFC 8410.
  const auto der =
      *from_hex("302a300506032b65700321003d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const auto key =
      VerifyingKey::from_pem("-----BEGIN PUBLIC KEY-----\n" + base64(der) + "\n-----END PUBLIC KEY-----\n");
  ASSERT_TRUE(key);
  EXPECT_TRUE(key->verify(Bytes{0x72}, *from_hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac"
                                                 "1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")));
}

TEST(Envelope, pre_authentication_encoding_counts_bytes) {
  EXPECT_EQ(as_text(pre_authentication_encoding("http://example.com/HelloWorld", "hello world")),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  EXPECT_EQ(as_text(pre_authentication_encoding("t", "\xC3\xA9")), "DSSEv1 1 t 2 \xC3\xA9");
}

TEST(Envelope, round_trips_and_refuses_what_is_ambiguous) {
  const auto text = write_envelope({.payload = "{}", .signatures = {{"k", Bytes{1, 2, 3}}}});
  const auto parsed = parse_envelope(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->payload, "{}");
  const std::string_view bad[] = {
      "",
      "[]",
      R"({"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[]})",
      R"({"payload":"e30","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"k","sig":"AQID"}]})",
      R"({"payload":"e30=","payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"k","sig":"AQID"}]})",
      R"({"payload":"e30=","payloadType":"text/plain","signatures":[{"keyid":"k","sig":"AQID"}]})"};
  for (const auto one : bad) EXPECT_FALSE(parse_envelope(one)) << one;
}

TEST(Token, is_parsed_only_in_its_exact_form) {
  SeededRandom random(5);
  const auto token = make_token("prd", random);
  const std::string text(presented(token.text));
  const auto parts = parse_token(text);
  ASSERT_TRUE(parts) << text;
  EXPECT_EQ(parts->id, token.id);
  EXPECT_EQ(parts->environment, "prd");
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = changed[at] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(parse_token(changed)) << "a typing error at " << at << " is noticed without asking anybody";
  }
  EXPECT_FALSE(parse_token(text.substr(1)));
  EXPECT_FALSE(parse_token(text + "0"));
}

TEST(KeySet, wraps_for_one_binding_and_one_key_only) {
  SeededRandom random(6);
  const auto keys = make_memory_keys(random);
  const auto others = make_memory_keys(random);
  const Secret data_key(std::string_view("0123456789abcdef0123456789abcdef"));
  const auto wrapped = *keys->wrap(data_key, as_bytes("blob a, dev"));
  const auto id = *keys->key_id(KeyPurpose::wrap);
  EXPECT_EQ(as_text(KeyMaterial::of(*keys->unwrap(id, wrapped, as_bytes("blob a, dev")))),
            "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(keys->unwrap(id, wrapped, as_bytes("blob b, dev")).error().code, Errc::corrupt);
  EXPECT_EQ(others->unwrap(id, wrapped, as_bytes("blob a, dev")).error().code, Errc::denied)
      << "names the key that is missing";
}

TEST(KeySet, tells_an_unknown_signer_from_a_changed_text) {
  SeededRandom random(8);
  const auto keys = make_memory_keys(random);
  const auto id = *keys->key_id(KeyPurpose::evidence);
  const auto signature = *keys->sign(KeyPurpose::evidence, as_bytes("text"));
  EXPECT_TRUE(keys->verify(KeyPurpose::evidence, id, as_bytes("text"), signature));
  EXPECT_EQ(keys->verify(KeyPurpose::evidence, id, as_bytes("test"), signature).error().code, Errc::corrupt);
  EXPECT_EQ(keys->verify(KeyPurpose::evidence, "ed25519:0000000000000000", as_bytes("text"), signature).error().code,
            Errc::denied);
  EXPECT_EQ(keys->verify(KeyPurpose::ledger, id, as_bytes("text"), signature).error().code, Errc::denied)
      << "a key has one purpose";
}

}  // namespace
}  // namespace hauberk::crypto
