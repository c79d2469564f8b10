#include "guard/chain.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <set>

#include "crypto/key_provider.h"
#include "crypto/token.h"

namespace hauberk::guard {
namespace {

using namespace std::chrono_literals;

json::Value parsed(std::string_view text) { return *json::parse(text); }

class ChainTest : public ::testing::Test {
 protected:
  ChainTest() {
    auto token = crypto::make_token("prd", random_);
    text_ = std::string(crypto::presented(token.text));
    TokenRecord record{
        .id = token.id, .environment = Environment::production, .subject = "alice", .scopes = {{"infer", "fraud"}}};
    record.expires = Instant(1000s);
    record.mac = *token_record_mac(*keys_, record, token.text);
    auto revoked = crypto::make_token("prd", random_);
    revoked_text_ = std::string(crypto::presented(revoked.text));
    TokenRecord gone{
        .id = revoked.id, .environment = Environment::production, .subject = "bob", .scopes = {{"admin", "*"}}};
    gone.mac = *token_record_mac(*keys_, gone, revoked.text);
    gone.revoked = Instant(1s);
    tokens_ = std::make_unique<TokenTable>(Environment::production, std::vector{record, gone}, keys_);
  }

  Exchange exchange(std::string_view bearer, std::string deployment = "fraud") const {
    Exchange e;
    e.bearer = bearer;
    e.deployment = std::move(deployment);
    e.operation = Operation::infer;
    e.peer = "127.0.0.1";
    return e;
  }
  GuardContext context(Duration at = 10s) const {
    return {.now = Instant(at), .tick = Tick(at), .tokens = tokens_.get()};
  }
  Chain chain(std::string_view text) const {
    auto built = build_chain(parsed(text), "/guards", {.limiter = limiter_, .model = model_});
    EXPECT_TRUE(built) << (built ? "" : to_error(built.error()).text());
    return std::move(*built);
  }

  SeededRandom random_{3};
  std::shared_ptr<crypto::KeyProvider> keys_ = crypto::make_memory_keys(random_);
  std::shared_ptr<Limiter> limiter_ = std::make_shared<Limiter>();
  std::shared_ptr<const ModelInfo> model_ = std::make_shared<ModelInfo>(ModelInfo{
      .platform = "test", .inputs = {{"x", DataType::fp32, {-1, 2}}}, .outputs = {{"y", DataType::fp32, {-1}}}});
  std::string text_, revoked_text_;
  std::unique_ptr<TokenTable> tokens_;
};

TEST_F(ChainTest, a_good_token_with_a_grant_passes_and_becomes_the_principal) {
  auto e = exchange(text_);
  std::size_t next = 0;
  EXPECT_TRUE(chain("[\"authn\",\"authz\"]").inspect(e, Needs::input, context(), next));
  EXPECT_EQ(e.principal.subject, "alice");
  EXPECT_TRUE(e.verdicts.empty());
}

TEST_F(ChainTest, strangers_get_one_answer_whatever_is_wrong) {
  const auto c = chain("[\"authn\",\"authz\"]");
  std::string forged = text_;
  forged[30] = forged[30] == 'A' ? 'B' : 'A';
  std::set<std::string> messages;
  for (const auto& bearer : {forged, revoked_text_, std::string("hbk_prd_nonsense")}) {
    auto e = exchange(bearer);
    std::size_t next = 0;
    EXPECT_FALSE(c.inspect(e, Needs::input, context(), next));
    ASSERT_EQ(e.verdicts.size(), 1u);
    EXPECT_EQ(e.verdicts[0].code, Errc::unauthenticated);
    messages.insert(e.verdicts[0].message);
  }
  EXPECT_EQ(messages.size(), 1u);
  auto expired = exchange(text_);
  std::size_t next = 0;
  EXPECT_FALSE(c.inspect(expired, Needs::input, context(1000s), next)) << "the moment of expiry is too late";
}

TEST_F(ChainTest, a_token_without_a_grant_is_denied) {
  auto e = exchange(text_, "other");
  std::size_t next = 0;
  EXPECT_FALSE(chain("[\"authn\",\"authz\"]").inspect(e, Needs::input, context(), next));
  EXPECT_EQ(e.verdicts.back().code, Errc::denied);
}

TEST_F(ChainTest, stops_at_what_is_not_known_yet_and_goes_on_later) {
  const auto c = chain(R"(["authn","authz",{"rate_limit":{"burst":1}},"shape"])");
  auto e = exchange(text_);
  std::size_t next = 0;
  EXPECT_TRUE(c.inspect(e, Needs::head, context(), next));
  EXPECT_EQ(next, 1u);
  EXPECT_TRUE(c.inspect(e, Needs::deployment, context(), next));
  EXPECT_EQ(next, 3u);
  e.input = TensorInput{.tensors = {{.name = "x", .type = DataType::fp32, .shape = {1, 3}}}};
  EXPECT_FALSE(c.inspect(e, Needs::input, context(), next));
  EXPECT_EQ(e.verdicts.back().reason, "dimensions");
}

TEST_F(ChainTest, rate_limit_throttles_with_the_time_to_wait) {
  const auto c = chain(R"(["authn","authz",{"rate_limit":{"per_minute":60,"burst":2}}])");
  for (int i = 0; i < 3; ++i) {
    auto e = exchange(text_);
    std::size_t next = 0;
    EXPECT_EQ(c.inspect(e, Needs::input, context(), next), i < 2);
    EXPECT_EQ(e.limit_headers.size(), 5u);
    if (i < 2) continue;
    EXPECT_EQ(e.verdicts.back().action, VerdictAction::throttle);
    EXPECT_EQ(e.verdicts.back().retry_after, Duration(1s));
  }
}

TEST_F(ChainTest, a_guard_in_shadow_is_recorded_and_not_obeyed) {
  const auto c = chain(R"(["authn","authz",{"rate_limit":{"burst":1,"mode":"shadow"}}])");
  for (int i = 0; i < 3; ++i) {
    auto e = exchange(text_);
    std::size_t next = 0;
    EXPECT_TRUE(c.inspect(e, Needs::input, context(), next));
    ASSERT_EQ(e.verdicts.size(), i == 0 ? 0u : 1u);
    if (i == 0) continue;
    EXPECT_FALSE(e.verdicts[0].enforced);
    EXPECT_EQ(e.verdicts[0].action, VerdictAction::throttle);
    EXPECT_TRUE(e.limit_headers.empty()) << "a shadow does not show";
  }
}

TEST_F(ChainTest, wrong_lists_are_refused_with_place_and_nearest_name) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"(["authn","authz",{"rate_limit":{"per_minutes":60}}])", "/guards/2/rate_limit/per_minutes"},
      {R"(["authn","authz",{"rate_limits":{}}])", "/guards/2/rate_limits"},
      {R"(["authz"])", "/guards"},
      {R"([{"authn":{"mode":"shadow"}},"authz"])", "/guards"},
      {R"(["authn","shape"])", "/guards"},
      {R"(["public","authz"])", "/guards"},
      {R"(["authn","authz","authz"])", "/guards/2"},
      {R"(["authn","authz",{"shape":{"mode":"dream"}}])", "/guards/2/shape/mode"},
      {R"({"authn":1})", "/guards"}};
  for (const auto& [text, pointer] : cases) {
    const auto built = build_chain(parsed(text), "/guards", {.limiter = limiter_});
    ASSERT_FALSE(built) << text;
    EXPECT_EQ(built.error().front().pointer, pointer) << text;
  }
  const auto typo = build_chain(parsed(R"(["authn","auhtz"])"), "", {.limiter = limiter_});
  EXPECT_NE(typo.error().front().message.find("'authz'"), std::string::npos);
}

TEST_F(ChainTest, public_lets_callers_without_a_token_in_and_still_limits_them) {
  const auto c = chain(R"(["public",{"rate_limit":{"burst":1}}])");
  auto first = exchange("");
  std::size_t next = 0;
  EXPECT_TRUE(c.inspect(first, Needs::input, context(), next));
  auto second = exchange("");
  next = 0;
  EXPECT_FALSE(c.inspect(second, Needs::input, context(), next));
}

struct TensorCase {
  std::string_view reason;  // empty: passes
  Tensor tensor;
};

Tensor floats(std::string name, std::vector<std::int64_t> shape, std::vector<float> values) {
  Tensor tensor{.name = std::move(name), .type = DataType::fp32, .shape = std::move(shape)};
  for (const float v : values) {
    tensor.data.resize(tensor.data.size() + 4);
    store_le(tensor.data.data() + tensor.data.size() - 4, std::bit_cast<std::uint32_t>(v));
  }
  return tensor;
}

TEST_F(ChainTest, shape_compares_tensors_with_the_models_description) {
  const auto c = chain(R"(["public",{"shape":{"max_batch":2,"ranges":[{"name":"x","min":0,"max":1}]}}])");
  const TensorCase cases[] = {
      {"", floats("x", {1, 2}, {0, 1})},
      {"missing_tensor", floats("z", {1, 2}, {0, 1})},
      {"dimensions", floats("x", {2}, {0, 1})},
      {"dimensions", floats("x", {1, 3}, {0, 1, 1})},
      {"batch", floats("x", {3, 2}, {0, 0, 0, 0, 0, 0})},
      {"out_of_range", floats("x", {1, 2}, {0, 1.5f})},
      {"not_finite", floats("x", {1, 2}, {0, std::numeric_limits<float>::quiet_NaN()})},
      {"datatype", Tensor{.name = "x", .type = DataType::fp64, .shape = {1, 2}, .data = Bytes(16)}}};
  for (const auto& one : cases) {
    auto e = exchange("");
    e.input = TensorInput{.tensors = {one.tensor}};
    std::size_t next = 0;
    EXPECT_EQ(c.inspect(e, Needs::input, context(), next), one.reason.empty()) << one.reason;
    if (!one.reason.empty()) EXPECT_EQ(e.verdicts.back().reason, one.reason);
  }
}

TEST_F(ChainTest, shape_bounds_what_a_text_request_may_ask_for) {
  const auto c = chain(R"(["public",{"shape":{"max_text_bytes":10,"max_tokens":100}}])");
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"model":"m","n":1,"temperature":0.5,"logprobs":null,"logit_bias":{},"echo":false})", ""},
      {R"({"model":"m","n":2})", "choices"},
      {R"({"model":"m","logprobs":true})", "logprobs"},
      {R"({"model":"m","top_logprobs":5})", "logprobs"},
      {R"({"model":"m","use_beam_search":true})", "unknown_parameter"}};
  for (const auto& [body, reason] : cases) {
    auto e = exchange("");
    e.input = TextInput{.model = "m", .messages = {{"user", "hello"}}, .body = parsed(body)};
    std::size_t next = 0;
    EXPECT_EQ(c.inspect(e, Needs::input, context(), next), reason.empty()) << body;
    if (!reason.empty()) EXPECT_EQ(e.verdicts.back().reason, reason);
  }
  auto e = exchange("");
  e.input = TextInput{.model = "m", .messages = {{"user", "hello"}, {"user", "world!"}}, .body = parsed("{}")};
  std::size_t next = 0;
  EXPECT_FALSE(c.inspect(e, Needs::input, context(), next));
  e.input = TextInput{.model = "m", .max_tokens = 101, .body = parsed("{}")};
  next = 0;
  EXPECT_FALSE(c.inspect(e, Needs::input, context(), next));
}

}  // namespace
}  // namespace hauberk::guard
