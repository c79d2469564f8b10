#include "gateway/router.h"

#include <gtest/gtest.h>

#include <string>

namespace hauberk::gateway {
namespace {

TEST(Router, knows_every_route_with_its_names) {
  struct Known {
    std::string_view method, target;
    Surface surface;
    Operation operation;
    std::string_view model = "", version = "";
  };
  const Known known[] = {
      {"POST", "/v1/chat/completions", Surface::openai, Operation::chat},
      {"POST", "/v1/completions", Surface::openai, Operation::completion},
      {"POST", "/v1/embeddings", Surface::openai, Operation::embedding},
      {"GET", "/v1/models", Surface::openai, Operation::list_models},
      {"GET", "/v1/models/gpt-4.1", Surface::openai, Operation::model_metadata, "gpt-4.1"},
      {"POST", "/v2/models/fraud/infer", Surface::v2, Operation::infer, "fraud"},
      {"POST", "/v2/models/fraud/versions/12/infer", Surface::v2, Operation::infer, "fraud", "12"},
      {"GET", "/v2", Surface::v2, Operation::server_metadata},
      {"GET", "/v2/health/live", Surface::v2, Operation::server_live},
      {"GET", "/v2/health/ready", Surface::v2, Operation::server_ready},
      {"GET", "/v2/models/fraud", Surface::v2, Operation::model_metadata, "fraud"},
      {"GET", "/v2/models/fraud/versions/1", Surface::v2, Operation::model_metadata, "fraud", "1"},
      {"GET", "/v2/models/fraud/ready", Surface::v2, Operation::model_ready, "fraud"},
      {"GET", "/v2/models/fraud/versions/1/ready", Surface::v2, Operation::model_ready, "fraud", "1"},
      {"GET", "/v1/models?limit=9", Surface::openai, Operation::list_models},
  };
  for (const auto& one : known) {
    SCOPED_TRACE(one.target);
    const auto route = find_route(one.method, one.target);
    EXPECT_EQ(route.surface, one.surface);
    EXPECT_EQ(route.operation, one.operation);
    EXPECT_EQ(route.model, one.model);
    EXPECT_EQ(route.version, one.version);
    EXPECT_EQ(route.allow, "");
  }
}

TEST(Router, every_route_says_what_it_asks_of_the_caller_and_none_is_for_anybody) {
  ASSERT_FALSE(routes().empty());
  for (const auto& row : routes()) {
    SCOPED_TRACE(row.path);
    const auto access = access_of(row.operation);
    ASSERT_TRUE(access.has_value());
    EXPECT_FALSE(access->for_anybody());
    EXPECT_FALSE(access->allows({}, "fraud"));
    EXPECT_FALSE(access->about().empty());
  }
}

TEST(Router, what_is_not_in_the_table_does_not_exist) {
  const std::string long_name(65, 'a');
  for (const std::string& target : {std::string("/"),
                                    std::string("/v1"),
                                    std::string("/v1/"),
                                    std::string("/v1/models/"),
                                    std::string("//v1/models"),
                                    std::string("/v1//models"),
                                    std::string("/v1/models/a/b"),
                                    std::string("/v1/MODELS"),
                                    std::string("/v1/chat"),
                                    std::string("/v1/files"),
                                    std::string("/v1/chat/completions/"),
                                    std::string("/v2/"),
                                    std::string("/v2/models"),
                                    std::string("/v2/models/../infer"),
                                    std::string("/v2/models/./infer"),
                                    std::string("/v2/models/a%2fb/infer"),
                                    std::string("/v2/models/a;b/infer"),
                                    std::string("/v2/models/a/versions/x/infer"),
                                    std::string("/v2/models/a/versions//infer"),
                                    std::string("/v2/models/a/versions/-1/infer"),
                                    std::string("/v2/models/a/versions/12345678901/infer"),
                                    std::string("/v2/repository/index"),
                                    std::string("/v2/systemsharedmemory/region/x/register"),
                                    std::string("/metrics"),
                                    "/v2/models/" + long_name,
                                    std::string("/v2/models/a/infer/../../b")}) {
    SCOPED_TRACE(target);
    for (const std::string_view method : {"GET", "POST", "DELETE"}) {
      const auto route = find_route(method, target);
      EXPECT_EQ(route.operation, Operation::none);
      EXPECT_EQ(route.allow, "");
    }
  }
}

TEST(Router, tells_which_method_a_path_takes) {
  EXPECT_EQ(find_route("GET", "/v1/chat/completions").allow, "POST");
  EXPECT_EQ(find_route("DELETE", "/v1/models/a").allow, "GET");
  EXPECT_EQ(find_route("HEAD", "/v2/models/a").allow, "GET");
  EXPECT_EQ(find_route("get", "/v1/models").allow, "GET");
  EXPECT_EQ(find_route("PUT", "/v2/models/a/infer").allow, "POST");
  EXPECT_EQ(find_route("PUT", "/v2/models/a/infer").operation, Operation::none);
}

TEST(Router, an_unknown_path_is_answered_in_the_style_of_its_surface) {
  EXPECT_EQ(find_route("GET", "/v1/files").surface, Surface::openai);
  EXPECT_EQ(find_route("GET", "/elsewhere").surface, Surface::v2);
}

}  // namespace
}  // namespace hauberk::gateway
