#include "base/secret_resolver.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

namespace hauberk {
namespace {

class SettableClock final : public Clock {
 public:
  Instant now() const override { return time; }
  Tick tick() const override { return {}; }
  Instant time{std::chrono::hours(1'000'000)};
};

struct Service {
  std::string value = "first";
  Errc failure = Errc::internal;
  bool fails = false;
  int asked = 0;
};

class ServiceSource final : public SecretSource {
 public:
  explicit ServiceSource(Service& service) : service_(service) {}
  Result<Secret> fetch(std::string_view place) override {
    EXPECT_EQ(place, "a/b#c");
    ++service_.asked;
    if (service_.fails) return fail(service_.failure, "no");
    return Secret(std::string_view(service_.value));
  }

 private:
  Service& service_;
};

class Resolver : public ::testing::Test {
 protected:
  void SetUp() override { resolver_.add("vault", std::make_unique<ServiceSource>(service_)); }
  bool holds(std::string_view text) {
    const auto secret = resolver_.resolve(reference_);
    return secret && (*secret)->same_as(Secret(text));
  }

  SettableClock clock_;
  Service service_;
  SecretResolver resolver_{clock_};
  const SecretRef reference_ = *SecretRef::parse("vault:a/b#c");
};

TEST_F(Resolver, tells_of_each_reading_and_of_no_value) {
  std::vector<std::string> told;
  resolver_.observe([&](const SecretRef& reference, const Status& read) {
    told.push_back(reference.text() + (read ? " ok" : " " + std::string(name(read.error().code))));
  });
  EXPECT_TRUE(holds("first"));
  EXPECT_TRUE(holds("first"));
  service_.fails = true;
  service_.failure = Errc::unavailable;
  clock_.time += std::chrono::minutes(6);
  EXPECT_FALSE(resolver_.refresh());
  EXPECT_EQ(told, (std::vector<std::string>{"vault:a/b#c ok", "vault:a/b#c unavailable"}));
}

TEST_F(Resolver, asks_a_service_first_when_a_secret_is_wanted_and_then_not_for_a_while) {
  EXPECT_EQ(service_.asked, 0);
  EXPECT_TRUE(holds("first"));
  EXPECT_TRUE(holds("first"));
  EXPECT_EQ(service_.asked, 1);
  service_.value = "second";
  EXPECT_FALSE(resolver_.refresh());
  clock_.time += std::chrono::minutes(6);
  EXPECT_TRUE(resolver_.refresh());
  EXPECT_TRUE(holds("second"));
  EXPECT_EQ(service_.asked, 2);
  clock_.time += std::chrono::minutes(6);
  EXPECT_FALSE(resolver_.refresh()) << "the same value again is no change";
}

TEST_F(Resolver, asks_anew_at_once_where_somebody_wants_that) {
  EXPECT_TRUE(holds("first"));
  service_.value = "second";
  EXPECT_TRUE(resolver_.refresh(SecretResolver::Which::all));
  EXPECT_TRUE(holds("second"));
}

TEST_F(Resolver, lives_with_a_service_that_is_down_but_not_for_ever) {
  EXPECT_TRUE(holds("first"));
  service_.fails = true;
  service_.failure = Errc::unavailable;
  clock_.time += std::chrono::minutes(30);
  EXPECT_FALSE(resolver_.refresh());
  EXPECT_TRUE(holds("first"));
  clock_.time += std::chrono::minutes(31);
  EXPECT_EQ(resolver_.resolve(reference_).error().code, Errc::unavailable);
}

TEST_F(Resolver, gives_up_a_secret_that_is_denied_now) {
  EXPECT_TRUE(holds("first"));
  service_.fails = true;
  service_.failure = Errc::denied;
  clock_.time += std::chrono::minutes(6);
  EXPECT_EQ(resolver_.resolve(reference_).error().code, Errc::denied);
}

TEST_F(Resolver, tells_the_reference_and_never_a_value) {
  service_.fails = true;
  service_.failure = Errc::not_found;
  EXPECT_EQ(resolver_.resolve(reference_).error().context, "vault:a/b#c");
  EXPECT_EQ(resolver_.resolve(*SecretRef::parse("aws-sm:x")).error().code, Errc::unsupported);
  service_.fails = false;
  service_.value = "";
  EXPECT_EQ(resolver_.resolve(reference_).error().code, Errc::invalid);
}

TEST_F(Resolver, sees_that_a_file_was_written_anew) {
  const std::string path = ::testing::TempDir() + "secret_resolver_test";
  std::ofstream(path) << "old";
  ::chmod(path.c_str(), 0600);
  const auto file = *SecretRef::parse("file:" + path);
  ASSERT_TRUE(resolver_.resolve(file));
  std::ofstream(path) << "new";
  clock_.time += std::chrono::minutes(6);
  EXPECT_TRUE(resolver_.refresh());
  EXPECT_TRUE((*resolver_.resolve(file))->same_as(Secret(std::string_view("new"))));
}

}  // namespace
}  // namespace hauberk
