// The contract of KeyProvider, held by every implementation: keys in memory, in files, in files under a passphrase, and
// at keepers. tests/contract/run.py starts the servers and says in the environment where they are; run without it, the
// kinds that need a server are skipped.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <filesystem>
#include <thread>

#include "adapters/keys_aws.h"
#include "adapters/keys_file.h"
#include "adapters/keys_pkcs11.h"
#include "adapters/keys_vault.h"
#include "base/faulty_files.h"
#include "crypto/key_set.h"

namespace hauberk::adapters {
namespace {

namespace fs = std::filesystem;
using crypto::KeyPurpose;
using Wanted = std::map<KeyPurpose, std::string>;

std::string variable(const char* name) { return environment_variable(name).value_or(""); }

// Stands before the real client: answers in its stead while it has something to say.
class FaultyHttp final : public net::HttpClient {
 public:
  using Answer = Result<net::HttpReply>;
  Result<net::HttpReply> call(const net::HttpCall& call) override {
    const std::lock_guard lock(mutex);
    ++calls;
    if (answers.empty()) return real->call(call);
    auto answer = answers.front();
    answers.pop_front();
    return answer;
  }
  void say(std::size_t times, const Answer& answer) {
    answers.clear();
    for (std::size_t i = 0; i < times; ++i) answers.push_back(answer);
  }

  std::mutex mutex;
  std::deque<Answer> answers;
  std::size_t calls = 0;
  std::unique_ptr<net::HttpClient> real = net::make_http_client();
};

// The client owns its HttpClient; the test keeps a hand on it.
class Lent final : public net::HttpClient {
 public:
  explicit Lent(FaultyHttp& http) : http_(http) {}
  Result<net::HttpReply> call(const net::HttpCall& call) override { return http_.call(call); }

 private:
  FaultyHttp& http_;
};

class Place {
 public:
  Place() {
    std::string pattern = ::testing::TempDir() + "hauberk_contract_XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
    const std::string passphrase = path_ + "/passphrase";
    (void)write_file_atomically(files, passphrase, as_bytes("correct horse battery staple"));
    passphrase_ = SecretRef{"file", passphrase};
    keepers["vault"] = make_keys_vault(std::make_shared<net::VaultClient>(
        net::VaultOptions{.url = variable("HAUBERK_TEST_VAULT"), .token = SecretRef{"env", "HAUBERK_TEST_VAULT_TOKEN"}},
        std::make_unique<Lent>(http)));
    keepers["aws-kms"] = make_keys_aws(std::make_shared<net::AwsClient>(
        net::AwsOptions{.service = "kms",
                        .target = "TrentService",
                        .region = "eu-west-1",
                        .endpoint = variable("HAUBERK_TEST_KMS"),
                        .endpoint_variable = "AWS_ENDPOINT_URL_KMS"},
        files, clock, std::make_unique<Lent>(http)));
    keepers["pkcs11"] = make_keys_pkcs11(
        {.module = variable("HAUBERK_TEST_PKCS11"), .pin = SecretRef{"env", "HAUBERK_TEST_PIN"}}, random);
  }
  ~Place() { fs::remove_all(path_); }

  KeyFolder folder(Wanted wanted = {}, Environment environment = Environment::production) {
    return {.files = files,
            .random = random,
            .clock = clock,
            .path = path_ + "/" + std::string(hauberk::name(environment)),
            .environment = environment,
            .wanted = std::move(wanted),
            .keepers = keepers,
            .passphrase = sealed ? std::make_shared<KeyPassphrase>(passphrase_, std::vector<SecretRef>(), 14) : nullptr};
  }

  SystemFiles files;
  SystemRandom random;
  SystemClock clock;
  FaultyHttp http;
  crypto::KeyKeepers keepers;
  bool sealed = false;

 private:
  std::string path_;
  SecretRef passphrase_;
};

struct Kind {
  std::string name;
  std::string needs;             // the variable that says where its server is
  std::array<Wanted, 2> places;  // two keys for each purpose
  bool sealed = false;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

std::vector<Kind> kinds() {
  const auto at = [](std::string_view start, std::vector<KeyPurpose> purposes) {
    std::array<Wanted, 2> out;
    for (int i = 0; i < 2; ++i)
      for (const auto purpose : purposes)
        out[i][purpose] = std::string(start) + std::string(crypto::name(purpose)) + (i == 0 ? "-a" : "-b");
    return out;
  };
  const auto evidence = KeyPurpose::evidence, ledger = KeyPurpose::ledger, wrap = KeyPurpose::wrap,
             model = KeyPurpose::model;
  return {{.name = "memory"},
          {.name = "file"},
          {.name = "sealed_file", .sealed = true},
          {.name = "vault",
           .needs = "HAUBERK_TEST_VAULT",
           .places = at("vault:transit/", {evidence, ledger, wrap, model})},
          {.name = "pkcs11",
           .needs = "HAUBERK_TEST_PKCS11",
           .places = at("pkcs11:token=hauberk;object=", {evidence, ledger, wrap, model})},
          {.name = "aws_kms", .needs = "HAUBERK_TEST_KMS", .places = at("aws-kms:alias/", {evidence, wrap, model})}};
}

const Secret& data_key() {
  static const Secret key(std::string_view("0123456789abcdef0123456789abcdef"));
  return key;
}

constexpr KeyPurpose signing_purposes[] = {KeyPurpose::evidence, KeyPurpose::ledger, KeyPurpose::model};

class Keys : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (!GetParam().needs.empty() && variable(GetParam().needs.c_str()).empty())
      GTEST_SKIP() << "no server: start this by tests/contract/run.py";
    place_.sealed = GetParam().sealed;
    if (GetParam().name != "memory") {
      const auto made = create_keys_file(place_.folder(GetParam().places[0]));
      ASSERT_TRUE(made) << made.error().text();
    }
    keys_ = open();
  }
  std::unique_ptr<crypto::KeyProvider> open(std::size_t which = 0) {
    if (GetParam().name == "memory") return crypto::make_memory_keys(place_.random);
    auto keys = open_keys_file(place_.folder(GetParam().places[which]));
    EXPECT_TRUE(keys) << keys.error().text();
    return std::move(*keys);
  }

  Place place_;
  std::unique_ptr<crypto::KeyProvider> keys_;
};

TEST_P(Keys, name_each_key_by_its_algorithm) {
  EXPECT_TRUE(keys_->key_id(KeyPurpose::model)->starts_with("ecdsa-p256:"));
  EXPECT_TRUE(keys_->key_id(KeyPurpose::ledger)->starts_with("ed25519:"));
  EXPECT_FALSE(keys_->key_id(KeyPurpose::wrap)->empty());
  for (const auto purpose : signing_purposes) {
    const auto key = crypto::VerifyingKey::from_pem(*keys_->public_key_pem(purpose));
    ASSERT_TRUE(key);
    EXPECT_EQ(key->id(), *keys_->key_id(purpose));
  }
}

TEST_P(Keys, sign_what_everybody_can_verify) {
  const std::string long_message(300'000, 'x');
  for (const auto purpose : signing_purposes)
    for (const std::string_view message : {std::string_view("text"), std::string_view(""), std::string_view(long_message)}) {
      const auto signature = keys_->sign(purpose, as_bytes(message));
      ASSERT_TRUE(signature) << signature.error().text();
      const auto key = crypto::VerifyingKey::from_pem(*keys_->public_key_pem(purpose));
      EXPECT_TRUE(key->verify(as_bytes(message), *signature));
      EXPECT_TRUE(keys_->verify(purpose, *keys_->key_id(purpose), as_bytes(message), *signature));
    }
}

TEST_P(Keys, tell_an_unknown_signer_from_a_changed_text) {
  for (const auto purpose : signing_purposes) {
    const auto id = *keys_->key_id(purpose);
    auto signature = *keys_->sign(purpose, as_bytes("text"));
    EXPECT_EQ(keys_->verify(purpose, id, as_bytes("test"), signature).error().code, Errc::corrupt);
    EXPECT_EQ(keys_->verify(purpose, "ed25519:0000000000000000", as_bytes("text"), signature).error().code,
              Errc::denied);
    for (const auto other : signing_purposes)
      if (other != purpose)
        EXPECT_EQ(keys_->verify(other, id, as_bytes("text"), signature).error().code, Errc::denied)
            << "a key has one purpose";
    signature[signature.size() / 2] ^= 1;
    EXPECT_EQ(keys_->verify(purpose, id, as_bytes("text"), signature).error().code, Errc::corrupt);
    EXPECT_EQ(keys_->verify(purpose, id, as_bytes("text"), {}).error().code, Errc::corrupt);
  }
}

TEST_P(Keys, do_what_their_purpose_is_and_nothing_else) {
  for (const auto purpose : {KeyPurpose::wrap, KeyPurpose::token}) {
    EXPECT_EQ(keys_->sign(purpose, as_bytes("text")).error().code, Errc::unsupported);
    EXPECT_EQ(keys_->verify(purpose, *keys_->key_id(purpose), as_bytes("text"), {}).error().code, Errc::unsupported);
    EXPECT_EQ(keys_->public_key_pem(purpose).error().code, Errc::unsupported);
  }
  for (const auto purpose : {KeyPurpose::evidence, KeyPurpose::ledger, KeyPurpose::model, KeyPurpose::wrap})
    EXPECT_EQ(keys_->mac(purpose, as_bytes("text")).error().code, Errc::unsupported);
  EXPECT_EQ(keys_->mac(KeyPurpose::token, as_bytes("text"))->size(), 32u);
  EXPECT_EQ(*keys_->mac(KeyPurpose::token, as_bytes("text")), *keys_->mac(KeyPurpose::token, as_bytes("text")));
  EXPECT_NE(*keys_->mac(KeyPurpose::token, as_bytes("text")), *keys_->mac(KeyPurpose::token, as_bytes("test")));
}

TEST_P(Keys, unwrap_what_they_wrapped_and_only_for_what_it_was_bound_to) {
  const auto id = *keys_->key_id(KeyPurpose::wrap);
  const auto one = keys_->wrap(data_key(), as_bytes("blob a\nproduction"));
  ASSERT_TRUE(one) << one.error().text();
  const auto opened = keys_->unwrap(id, *one, as_bytes("blob a\nproduction"));
  ASSERT_TRUE(opened) << opened.error().text();
  EXPECT_TRUE(opened->same_as(data_key()));
  EXPECT_NE(*keys_->wrap(data_key(), as_bytes("blob a\nproduction")), *one) << "no nonce twice";
  for (const auto other : {"blob b\nproduction", "blob a\nstaging", "", "blob a\nproduction "})
    EXPECT_EQ(keys_->unwrap(id, *one, as_bytes(other)).error().code, Errc::corrupt) << other;
  const Secret second(std::string_view("fedcba9876543210fedcba9876543210"));
  const auto two = *keys_->wrap(second, as_bytes("blob b\nproduction"));
  EXPECT_EQ(keys_->unwrap(id, two, as_bytes("blob a\nproduction")).error().code, Errc::corrupt) << "swapped";
}

TEST_P(Keys, open_no_wrapped_key_that_was_changed) {
  const auto id = *keys_->key_id(KeyPurpose::wrap);
  const auto wrapped = *keys_->wrap(data_key(), as_bytes("blob"));
  for (std::size_t at = 0; at < wrapped.size(); at += 5) {
    auto changed = wrapped;
    changed[at] ^= 0x01;
    const auto opened = keys_->unwrap(id, changed, as_bytes("blob"));
    ASSERT_FALSE(opened) << at;
    // moto, unlike KMS, answers a blob that names no key as a refusal.
    EXPECT_TRUE(opened.error().code == Errc::corrupt ||
                (GetParam().name == "aws_kms" && opened.error().code == Errc::denied))
        << at << ": " << opened.error().text();
  }
  for (const auto& cut : {Bytes(), Bytes(wrapped.begin(), wrapped.begin() + 10), Bytes(100'000, 'A')})
    EXPECT_FALSE(keys_->unwrap(id, cut, as_bytes("blob"))) << cut.size();
  EXPECT_EQ(keys_->unwrap("aes256:0000000000000000", wrapped, as_bytes("blob")).error().code, Errc::denied)
      << "an unknown key";
  EXPECT_EQ(keys_->unwrap("", wrapped, as_bytes("blob")).error().code, Errc::denied);
}

// All but those in memory.
class StoredKeys : public Keys {};

TEST_P(StoredKeys, are_the_same_when_opened_again) {
  const auto again = open();
  for (const auto purpose : signing_purposes) {
    const auto signature = *keys_->sign(purpose, as_bytes("text"));
    EXPECT_TRUE(again->verify(purpose, *keys_->key_id(purpose), as_bytes("text"), signature));
  }
  const auto wrapped = *keys_->wrap(data_key(), as_bytes("blob"));
  EXPECT_TRUE(again->unwrap(*keys_->key_id(KeyPurpose::wrap), wrapped, as_bytes("blob")));
  EXPECT_EQ(*keys_->mac(KeyPurpose::token, as_bytes("t")), *again->mac(KeyPurpose::token, as_bytes("t")));
}

TEST_P(Keys, serve_any_thread) {
  const auto id = *keys_->key_id(KeyPurpose::wrap);
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        const auto text = std::to_string(i);
        const auto signature = keys_->sign(KeyPurpose::model, as_bytes(text));
        const auto wrapped = keys_->wrap(data_key(), as_bytes(text));
        if (signature && wrapped &&
            keys_->verify(KeyPurpose::model, *keys_->key_id(KeyPurpose::model), as_bytes(text), *signature) &&
            keys_->unwrap(id, *wrapped, as_bytes(text)))
          ++good;
      });
  }
  EXPECT_EQ(good, 4);
}

TEST_P(StoredKeys, leave_everything_good_that_was_done_before_a_rotation) {
  const auto& next = GetParam().places[1];
  std::map<KeyPurpose, std::pair<std::string, Bytes>> signatures;
  for (const auto purpose : signing_purposes)
    signatures[purpose] = {*keys_->key_id(purpose), *keys_->sign(purpose, as_bytes("text"))};
  const auto wrap_id = *keys_->key_id(KeyPurpose::wrap);
  const auto wrapped = *keys_->wrap(data_key(), as_bytes("blob"));
  const auto mac = *keys_->mac(KeyPurpose::token, as_bytes("t"));
  for (const auto purpose :
       {KeyPurpose::evidence, KeyPurpose::ledger, KeyPurpose::model, KeyPurpose::wrap, KeyPurpose::token}) {
    const auto done = rotate_key_file(place_.folder(next), purpose);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_NE(done->before, done->now);
  }
  const auto now = open(1);
  EXPECT_NE(*now->mac(KeyPurpose::token, as_bytes("t")), mac);
  EXPECT_TRUE(*now->verify_mac(KeyPurpose::token, as_bytes("t"), mac));
  EXPECT_FALSE(*now->verify_mac(KeyPurpose::token, as_bytes("u"), mac));
  for (const auto& [purpose, was] : signatures) {
    EXPECT_NE(*now->key_id(purpose), was.first);
    EXPECT_TRUE(now->verify(purpose, was.first, as_bytes("text"), was.second));
    const auto signature = now->sign(purpose, as_bytes("text"));
    ASSERT_TRUE(signature) << signature.error().text();
    EXPECT_TRUE(now->verify(purpose, *now->key_id(purpose), as_bytes("text"), *signature));
  }
  EXPECT_NE(*now->key_id(KeyPurpose::wrap), wrap_id);
  EXPECT_TRUE(now->unwrap(wrap_id, wrapped, as_bytes("blob")));
  EXPECT_FALSE(now->unwrap(*now->key_id(KeyPurpose::wrap), wrapped, as_bytes("blob"))) << "dispatched by key id";
}

// Those at keepers.
class KeptKeys : public Keys {};

TEST_P(KeptKeys, move_to_files_and_back_without_loss_and_never_by_themselves) {
  const auto& there = GetParam().places[0];
  const auto id = *keys_->key_id(KeyPurpose::model), wrap_id = *keys_->key_id(KeyPurpose::wrap);
  const auto signature = *keys_->sign(KeyPurpose::model, as_bytes("text"));
  const auto wrapped = *keys_->wrap(data_key(), as_bytes("blob"));

  auto files = std::move(*open_keys_file(place_.folder()));  // the configuration wants files, and nothing was moved yet
  EXPECT_TRUE(files->verify(KeyPurpose::model, id, as_bytes("text"), signature));
  EXPECT_TRUE(files->unwrap(wrap_id, wrapped, as_bytes("blob")));
  for (const auto& error :
       {files->sign(KeyPurpose::model, as_bytes("text")).error(), files->wrap(data_key(), as_bytes("blob")).error()}) {
    EXPECT_EQ(error.code, Errc::precondition);
    EXPECT_NE(error.message.find(" rotate -e production"), std::string::npos) << error.text();
  }
  ASSERT_TRUE(rotate_key_file(place_.folder(), KeyPurpose::model));
  ASSERT_TRUE(rotate_key_file(place_.folder(), KeyPurpose::wrap));
  files = std::move(*open_keys_file(place_.folder()));
  EXPECT_TRUE(files->verify(KeyPurpose::model, id, as_bytes("text"), signature));
  EXPECT_TRUE(files->unwrap(wrap_id, wrapped, as_bytes("blob")));
  const auto file_signature = *files->sign(KeyPurpose::model, as_bytes("text"));
  const auto file_id = *files->key_id(KeyPurpose::model), file_wrap_id = *files->key_id(KeyPurpose::wrap);
  const auto file_wrapped = *files->wrap(data_key(), as_bytes("blob"));
  EXPECT_EQ(open()->sign(KeyPurpose::model, as_bytes("text")).error().code, Errc::precondition)
      << "no fall back to the file";

  ASSERT_TRUE(rotate_key_file(place_.folder(there), KeyPurpose::model));
  ASSERT_TRUE(rotate_key_file(place_.folder(there), KeyPurpose::wrap));
  const auto back = open();
  EXPECT_EQ(*back->key_id(KeyPurpose::model), id);
  EXPECT_TRUE(back->sign(KeyPurpose::model, as_bytes("text")));
  EXPECT_TRUE(back->verify(KeyPurpose::model, file_id, as_bytes("text"), file_signature));
  EXPECT_TRUE(back->unwrap(file_wrap_id, file_wrapped, as_bytes("blob")));
  EXPECT_TRUE(back->unwrap(wrap_id, wrapped, as_bytes("blob")));
  const auto same = rotate_key_file(place_.folder(there), KeyPurpose::model);
  ASSERT_TRUE(same) << same.error().text();
  EXPECT_EQ(same->before, same->now) << "the keeper has no newer one";
}

TEST_P(StoredKeys, lose_nothing_when_a_rotation_is_killed) {
  const auto id = *keys_->key_id(KeyPurpose::model), wrap_id = *keys_->key_id(KeyPurpose::wrap);
  const auto signature = *keys_->sign(KeyPurpose::model, as_bytes("text"));
  const auto wrapped = *keys_->wrap(data_key(), as_bytes("blob"));
  // To the other place, to files and back, and each step of each of them fails once.
  for (const auto& wanted : {GetParam().places[1], Wanted{}, GetParam().places[0]})
    for (const auto purpose : {KeyPurpose::model, KeyPurpose::wrap}) {
      bool finished = false;
      for (std::uint64_t step = 1; !finished && step < 100; ++step) {
        FaultyFiles faulty(place_.files);
        faulty.fail_change(step);
        const auto folder = place_.folder(wanted);
        finished = rotate_key_file({.files = faulty,
                                    .random = folder.random,
                                    .clock = folder.clock,
                                    .path = folder.path,
                                    .environment = folder.environment,
                                    .wanted = folder.wanted,
                                    .keepers = folder.keepers,
                                    .passphrase = folder.passphrase},
                                   purpose)
                       .has_value();
        const auto after = open_keys_file(place_.folder(wanted));
        ASSERT_TRUE(after) << step << ": " << after.error().text();
        EXPECT_TRUE((*after)->verify(KeyPurpose::model, id, as_bytes("text"), signature)) << step;
        EXPECT_TRUE((*after)->unwrap(wrap_id, wrapped, as_bytes("blob"))) << step;
      }
      ASSERT_TRUE(finished);
    }
  const auto back = open();
  EXPECT_TRUE(back->sign(KeyPurpose::model, as_bytes("text")));
  EXPECT_TRUE(back->wrap(data_key(), as_bytes("blob")));
}

TEST_P(StoredKeys, are_listed_with_place_and_state) {
  ASSERT_TRUE(rotate_key_file(place_.folder(GetParam().places[1]), KeyPurpose::model));
  const auto list = *list_keys_file(place_.folder(GetParam().places[1]));
  ASSERT_EQ(list.size(), 6u);
  std::map<KeyState, int> states;
  for (const auto& key : list) {
    ++states[key.state];
    const bool elsewhere = key.state != KeyState::trusted && GetParam().places[0].contains(key.purpose);
    EXPECT_EQ(key.place.contains(':'), elsewhere) << key.place;
    EXPECT_EQ(key.made.empty(), key.state == KeyState::trusted);
    EXPECT_EQ(key.sealed, GetParam().sealed && key.state != KeyState::trusted);
  }
  EXPECT_EQ(states[KeyState::trusted], 1);
  // The other purposes still lie where the configuration wanted them before.
  EXPECT_EQ(states[KeyState::withheld], static_cast<int>(GetParam().places[0].size()) - (GetParam().places[0].empty() ? 0 : 1));
}

// What may go wrong with a keeper that is asked over the network.
class Keepers : public Keys {};

TEST_P(Keepers, are_asked_only_when_their_key_is_wanted) {
  place_.http.calls = 0;
  const auto keys = open();
  for (const auto purpose : signing_purposes) {
    EXPECT_TRUE(keys->key_id(purpose));
    EXPECT_TRUE(keys->public_key_pem(purpose));
    EXPECT_FALSE(keys->verify(purpose, *keys->key_id(purpose), as_bytes("text"), as_bytes("nothing")));
  }
  EXPECT_TRUE(keys->mac(KeyPurpose::token, as_bytes("t")));
  EXPECT_TRUE(list_keys_file(place_.folder(GetParam().places[0])));
  EXPECT_EQ(place_.http.calls, 0u);
}

TEST_P(Keepers, fail_closed_and_name_themselves) {
  struct Case {
    std::string_view what;
    std::size_t times;
    FaultyHttp::Answer answer;
    std::optional<Errc> code;  // none: it goes through
  };
  const auto reply = [](int status, std::string_view body) {
    return FaultyHttp::Answer(net::HttpReply{status, "application/json", to_bytes(body)});
  };
  const std::string large = "{\"data\":{\"signature\":\"vault:v1:" + std::string(400'000, 'A') +
                            "\"},\"Signature\":\"" + std::string(400'000, 'A') + "\"}";
  const bool vault = GetParam().name == "vault";
  const auto busy = vault ? reply(429, "{\"errors\":[]}") : reply(400, "{\"__type\":\"ThrottlingException\"}");
  const auto refused = vault ? reply(403, "{\"errors\":[\"permission denied\"]}")
                             : reply(400, "{\"__type\":\"com.amazonaws#AccessDeniedException\"}");
  const Case cases[] = {
      {"down", 9, fail(Errc::unavailable, "Couldn't connect to server"), Errc::unavailable},
      {"silent", 9, fail(Errc::deadline, "no answer within 10s"), Errc::deadline},
      {"endless", 9, fail(Errc::exhausted, "the answer is longer than 1048576 bytes"), Errc::exhausted},
      {"denied", 9, refused, Errc::denied},
      {"busy for a moment", 2, busy, std::nullopt},
      {"busy", 9, busy, Errc::unavailable},
      {"broken", 9, reply(500, "oops"), Errc::unavailable},
      {"in maintenance", 9, reply(503, "{}"), Errc::unavailable},
      {"no JSON", 9, reply(200, "<html>log in</html>"), Errc::unavailable},
      {"half of it", 9, reply(200, "{\"data\":{\"signature\":\"vault:v1:AAA"), Errc::unavailable},
      {"a large signature", 9, reply(200, large), Errc::corrupt},
      {"another's signature", 9, reply(200, "{\"data\":{\"signature\":\"vault:v1:AAAA\"},\"Signature\":\"AAAA\"}"),
       Errc::corrupt},
      {"another version", 9, reply(200, "{\"data\":{\"signature\":\"vault:v9:AAAA\"},\"Signature\":\"AAAA\"}"),
       Errc::corrupt},
      {"empty", 9, reply(200, "{}"), vault ? Errc::unavailable : Errc::corrupt}};
  const auto reference = GetParam().places[0].at(KeyPurpose::model);
  for (const auto& one : cases) {
    (void)keys_->sign(KeyPurpose::model, as_bytes("signed in"));
    place_.http.say(one.times, one.answer);
    const auto signature = keys_->sign(KeyPurpose::model, as_bytes("text"));
    place_.http.answers.clear();
    if (!one.code) {
      EXPECT_TRUE(signature) << one.what << ": " << signature.error().text();
      continue;
    }
    ASSERT_FALSE(signature) << one.what;
    EXPECT_EQ(signature.error().code, *one.code) << one.what << ": " << signature.error().text();
    EXPECT_NE(signature.error().text().find(reference), std::string::npos) << signature.error().text();
    for (const auto& secret : {variable("HAUBERK_TEST_VAULT_TOKEN"), variable("AWS_SECRET_ACCESS_KEY")})
      EXPECT_EQ(signature.error().text().find(secret), std::string::npos) << one.what;
    place_.http.say(9, one.answer);
    EXPECT_FALSE(keys_->wrap(data_key(), as_bytes("blob"))) << one.what;
    place_.http.answers.clear();
  }
  EXPECT_TRUE(keys_->sign(KeyPurpose::model, as_bytes("text"))) << "it works again by itself";
}

TEST_P(Keepers, of_other_keys_are_not_taken_over) {
  const auto refused = [&](KeyPurpose purpose, const std::string& reference) {
    const auto folder = place_.folder({{purpose, reference}});
    const auto done = rotate_key_file(folder, purpose);
    EXPECT_FALSE(done) << reference;
    return done ? Errc::internal : done.error().code;
  };
  const auto& names = GetParam().places[0];
  const auto missing = names.at(KeyPurpose::model) + "-that-is-not-there";
  EXPECT_EQ(refused(KeyPurpose::model, missing), Errc::not_found);
  EXPECT_EQ(refused(KeyPurpose::model, names.at(KeyPurpose::wrap)), Errc::unsupported);
  EXPECT_EQ(refused(KeyPurpose::wrap, names.at(KeyPurpose::model)), Errc::unsupported);
  EXPECT_EQ(refused(KeyPurpose::ledger, names.at(KeyPurpose::model)), Errc::unsupported) << "no Ed25519";
  EXPECT_EQ(refused(KeyPurpose::model, GetParam().name == "vault" ? "vault:../sys/seal" : "aws-kms:a b"),
            Errc::invalid);
  EXPECT_EQ(refused(KeyPurpose::model, "tpm:key"), Errc::unsupported);
  EXPECT_EQ(*open()->key_id(KeyPurpose::model), *keys_->key_id(KeyPurpose::model)) << "nothing was changed";
}

// What only Vault has: versions of a key.
class Versions : public Keys {};

TEST_P(Versions, are_pinned_until_they_are_taken_over_and_not_mixed_up) {
  const std::string start = "vault:transit/rotated-";
  const Wanted wanted{{KeyPurpose::model, start + "model"},
                      {KeyPurpose::evidence, start + "evidence"},
                      {KeyPurpose::wrap, start + "wrap"}};
  for (const auto& [purpose, reference] : wanted) ASSERT_TRUE(rotate_key_file(place_.folder(wanted), purpose));
  const auto first = std::move(*open_keys_file(place_.folder(wanted)));
  const auto wrapped = *first->wrap(data_key(), as_bytes("blob"));
  net::VaultClient vault({.url = variable("HAUBERK_TEST_VAULT"), .token = SecretRef{"env", "HAUBERK_TEST_VAULT_TOKEN"}},
                         net::make_http_client());
  for (const std::string name : {"model", "evidence", "wrap"})
    ASSERT_EQ(vault.post("transit/keys/rotated-" + name + "/rotate", json::Value::object())->status, 200);
  for (const auto purpose : {KeyPurpose::model, KeyPurpose::evidence})
    EXPECT_TRUE(first->sign(purpose, as_bytes("text"))) << "the version of before still signs";
  EXPECT_TRUE(first->unwrap(*first->key_id(KeyPurpose::wrap), wrapped, as_bytes("blob")));
  EXPECT_TRUE(as_text(*first->wrap(data_key(), as_bytes("blob"))).starts_with("vault:v1:"));

  for (const auto& [purpose, reference] : wanted) {
    const auto done = rotate_key_file(place_.folder(wanted), purpose);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_NE(done->before, done->now);
  }
  const auto second = std::move(*open_keys_file(place_.folder(wanted)));
  EXPECT_TRUE(as_text(*second->wrap(data_key(), as_bytes("blob"))).starts_with("vault:v2:"));
  EXPECT_TRUE(second->unwrap(*first->key_id(KeyPurpose::wrap), wrapped, as_bytes("blob")));
  EXPECT_EQ(second->unwrap(*second->key_id(KeyPurpose::wrap), wrapped, as_bytes("blob")).error().code, Errc::corrupt)
      << "what version 1 wrapped is not of version 2";
  EXPECT_EQ(rotate_key_file(place_.folder({{KeyPurpose::evidence, start + "derived"}}), KeyPurpose::evidence)
                .error()
                .code,
            Errc::unsupported);
  EXPECT_EQ(rotate_key_file(place_.folder({{KeyPurpose::wrap, "vault:transit/unbound"}}), KeyPurpose::wrap)
                .error()
                .code,
            Errc::unsupported)
      << "a server that knows no associated data";
}

// A security module: no network, but sessions, PINs and names that fit more than once.
class Module : public Keys {
 protected:
  Errc refused(KeyPurpose purpose, const std::string& reference, std::shared_ptr<crypto::KeyKeeper> keeper = nullptr) {
    auto folder = place_.folder({{purpose, reference}});
    if (keeper != nullptr) folder.keepers["pkcs11"] = std::move(keeper);
    const auto done = rotate_key_file(folder, purpose);
    EXPECT_FALSE(done) << reference;
    if (!done) said_ = done.error().text();
    EXPECT_EQ(said_.find(variable("HAUBERK_TEST_PIN")), std::string::npos);
    return done ? Errc::internal : done.error().code;
  }
  std::string said_;
};

TEST_P(Module, keys_that_do_not_fit_are_not_taken_over) {
  const std::string token = "pkcs11:token=hauberk;object=";
  EXPECT_EQ(refused(KeyPurpose::model, token + "none"), Errc::not_found);
  EXPECT_EQ(refused(KeyPurpose::model, "pkcs11:token=other;object=model-a"), Errc::not_found);
  EXPECT_EQ(refused(KeyPurpose::model, token + "ledger-a"), Errc::unsupported);
  EXPECT_EQ(refused(KeyPurpose::ledger, token + "model-a"), Errc::unsupported);
  EXPECT_EQ(refused(KeyPurpose::model, token + "p384"), Errc::unsupported);
  EXPECT_EQ(refused(KeyPurpose::model, token + "wrap-a"), Errc::not_found) << "it is no private key";
  EXPECT_EQ(refused(KeyPurpose::wrap, token + "aes128"), Errc::unsupported);
  EXPECT_EQ(refused(KeyPurpose::wrap, token + "twice"), Errc::invalid);
  EXPECT_NE(said_.find("name its id"), std::string::npos) << said_;
  EXPECT_EQ(refused(KeyPurpose::wrap, token + "wrap-b?module-path=/usr/lib/other.so"), Errc::invalid);
  EXPECT_EQ(*open()->key_id(KeyPurpose::wrap), *keys_->key_id(KeyPurpose::wrap)) << "nothing was changed";
}

TEST_P(Module, a_wrong_pin_is_tried_once) {
  const auto reference = GetParam().places[1].at(KeyPurpose::model);
  ::setenv("HAUBERK_TEST_WRONG_PIN", "0000-wrong", 1);
  const auto wrong = make_keys_pkcs11(
      {.module = variable("HAUBERK_TEST_PKCS11"), .pin = SecretRef{"env", "HAUBERK_TEST_WRONG_PIN"}}, place_.random);
  for (auto& [scheme, keeper] : place_.keepers) keeper.reset();  // the login is the process's
  keys_.reset();
  EXPECT_EQ(refused(KeyPurpose::model, reference, wrong), Errc::denied) << said_;
  EXPECT_EQ(said_.find("0000-wrong"), std::string::npos) << said_;
  ::setenv("HAUBERK_TEST_WRONG_PIN", variable("HAUBERK_TEST_PIN").c_str(), 1);
  EXPECT_EQ(refused(KeyPurpose::model, reference, wrong), Errc::denied) << "not even the right one is tried";
  const auto none = make_keys_pkcs11({.module = variable("HAUBERK_TEST_PKCS11"), .pin = {}}, place_.random);
  EXPECT_EQ(refused(KeyPurpose::model, reference, none), Errc::unauthenticated);
  const auto missing =
      make_keys_pkcs11({.module = "/nowhere.so", .pin = SecretRef{"env", "HAUBERK_TEST_PIN"}}, place_.random);
  EXPECT_EQ(refused(KeyPurpose::model, reference, missing), Errc::unavailable);
  const auto right = make_keys_pkcs11(
      {.module = variable("HAUBERK_TEST_PKCS11"), .pin = SecretRef{"env", "HAUBERK_TEST_PIN"}}, place_.random);
  auto folder = place_.folder({{KeyPurpose::model, reference}});
  folder.keepers["pkcs11"] = right;
  EXPECT_TRUE(rotate_key_file(folder, KeyPurpose::model)) << "the token is not locked";
}

TEST_P(Module, a_lost_session_is_opened_again) {
  ASSERT_TRUE(keys_->sign(KeyPurpose::model, as_bytes("text")));
  const auto wrapped = *keys_->wrap(data_key(), as_bytes("blob"));
  void* library = ::dlopen(variable("HAUBERK_TEST_PKCS11").c_str(), RTLD_NOW);
  CK_FUNCTION_LIST* functions = nullptr;
  ASSERT_EQ(reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"))(&functions), CKR_OK);
  CK_SLOT_ID slots[16];
  CK_ULONG count = 16;
  ASSERT_EQ(functions->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
  for (int round = 0; round < 3; ++round) {
    for (CK_ULONG i = 0; i < count; ++i) (void)functions->C_CloseAllSessions(slots[i]);
    EXPECT_TRUE(keys_->sign(KeyPurpose::model, as_bytes("text")));
    for (CK_ULONG i = 0; i < count; ++i) (void)functions->C_CloseAllSessions(slots[i]);
    EXPECT_TRUE(keys_->unwrap(*keys_->key_id(KeyPurpose::wrap), wrapped, as_bytes("blob")));
  }
}

TEST_P(Module, a_child_enters_it_anew_and_leaves_the_parent_alone) {
  ASSERT_TRUE(keys_->sign(KeyPurpose::model, as_bytes("text")));
  const auto child = ::fork();
  if (child == 0) {
    const auto signature = keys_->sign(KeyPurpose::model, as_bytes("text"));
    const bool good = signature && keys_->verify(KeyPurpose::model, *keys_->key_id(KeyPurpose::model), as_bytes("text"),
                                                 *signature);
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(keys_->sign(KeyPurpose::model, as_bytes("text")));
}

std::vector<Kind> those(bool (*fit)(const Kind&)) {
  auto out = kinds();
  std::erase_if(out, [&](const Kind& kind) { return !fit(kind); });
  return out;
}
std::string name_of(const ::testing::TestParamInfo<Kind>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Every, Keys, ::testing::ValuesIn(kinds()), name_of);
INSTANTIATE_TEST_SUITE_P(Every, StoredKeys, ::testing::ValuesIn(those([](const Kind& kind) {
                           return kind.name != "memory";
                         })),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Every, KeptKeys, ::testing::ValuesIn(those([](const Kind& kind) {
                           return !kind.places[0].empty();
                         })),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Every, Keepers, ::testing::ValuesIn(those([](const Kind& kind) {
                           return kind.name == "vault" || kind.name == "aws_kms";
                         })),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Every, Versions, ::testing::ValuesIn(those([](const Kind& kind) {
                           return kind.name == "vault";
                         })),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Every, Module, ::testing::ValuesIn(those([](const Kind& kind) {
                           return kind.name == "pkcs11";
                         })),
                         name_of);

}  // namespace
}  // namespace hauberk::adapters
