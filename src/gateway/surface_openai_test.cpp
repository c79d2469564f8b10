#include "gateway/surface_openai.h"

#include <gtest/gtest.h>

namespace hauberk::gateway {
namespace {

TEST(SurfaceOpenai, reads_a_chat) {
  const auto input = parse_openai(Operation::chat, R"({"model":"m","messages":[{"role":"system","content":"be kind"},
    {"role":"user","content":[{"type":"text","text":"what is "},{"type":"text","text":"this"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},
    {"role":"assistant","content":null,"tool_calls":[]}],"stream":true,"max_tokens":10,"max_completion_tokens":20})");
  ASSERT_TRUE(input) << input.error().message;
  EXPECT_EQ(input->model, "m");
  EXPECT_TRUE(input->stream);
  EXPECT_EQ(input->max_tokens, 20);
  ASSERT_EQ(input->messages.size(), 3u);
  EXPECT_EQ(input->messages[0].role, "system");
  EXPECT_EQ(input->messages[1].text, "what is this");
  EXPECT_EQ(input->messages[2].text, "");
}

TEST(SurfaceOpenai, reads_prompts_and_inputs) {
  for (const auto& [operation, key] : {std::pair{Operation::completion, std::string("prompt")},
                                       std::pair{Operation::embedding, std::string("input")}}) {
    const auto parse = [&](const std::string& value) {
      return parse_openai(operation, R"({"model":"m",")" + key + "\":" + value + "}");
    };
    EXPECT_EQ(parse("\"a\"")->texts, std::vector<std::string>{"a"});
    EXPECT_EQ(parse("[\"a\",\"b\"]")->texts, (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(parse("[1,2,3]")->texts.empty());
    EXPECT_TRUE(parse("[[1,2],[3]]")->texts.empty());
    for (const char* wrong : {"null", "[]", "5", "{}", "[true]", "[1.5]", "[null]"})
      EXPECT_FALSE(parse(wrong)) << wrong;
    std::string many = "[0";
    for (int i = 0; i < 2048; ++i) many += ",0";
    EXPECT_FALSE(parse(many + "]"));
  }
}

TEST(SurfaceOpenai, refuses_what_is_not_exactly_a_request) {
  const char* wrong[] = {
      "",
      "null",
      "[]",
      "{}",
      "{\"model\":\"m\"}",
      R"({"model":"","messages":[{"role":"user","content":"x"}]})",
      R"({"model":5,"messages":[{"role":"user","content":"x"}]})",
      R"({"model":"m","messages":[]})",
      R"({"model":"m","messages":{}})",
      R"({"model":"m","messages":["x"]})",
      R"({"model":"m","messages":[{"role":"root","content":"x"}]})",
      R"({"model":"m","messages":[{"role":"User","content":"x"}]})",
      R"({"model":"m","messages":[{"content":"x"}]})",
      R"({"model":"m","messages":[{"role":"user","content":5}]})",
      R"({"model":"m","messages":[{"role":"user","content":[{"text":"x"}]}]})",
      R"({"model":"m","messages":[{"role":"user","content":["x"]}]})",
      R"({"model":"m","stream":"yes","messages":[{"role":"user","content":"x"}]})",
      R"({"model":"m","max_tokens":1.5,"messages":[{"role":"user","content":"x"}]})",
      R"({"model":"m","max_tokens":"1","messages":[{"role":"user","content":"x"}]})",
      R"({"model":"m","model":"n","messages":[{"role":"user","content":"x"}]})",
      R"({"model":"m","messages":[{"role":"user","role":"system","content":"x"}]})",
      R"({"model":"m","messages":[{"role":"user","content":"x"}]} {})",
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}",
  };
  for (const char* body : wrong) {
    const auto input = parse_openai(Operation::chat, body);
    ASSERT_FALSE(input) << body;
    EXPECT_EQ(input.error().code, Errc::invalid) << body;
  }
  const std::string deep = R"({"model":"m","messages":[{"role":"user","content":"x"}],"x":)" + std::string(100, '[') +
                           std::string(100, ']') + "}";
  EXPECT_FALSE(parse_openai(Operation::chat, deep));
}

// An upstream that fetches addresses for its callers is a way into the network it stands in.
TEST(SurfaceOpenai, media_comes_inline_or_not_at_all) {
  const auto part = [](const std::string& text) {
    return parse_openai(Operation::chat, R"({"model":"m","messages":[{"role":"user","content":[)" + text + "]}]}");
  };
  EXPECT_TRUE(part(R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}})"));
  EXPECT_TRUE(part(R"({"type":"image_url","image_url":"data:image/png;base64,AA=="})"));
  EXPECT_TRUE(part(R"({"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}})"));
  for (const char* address :
       {"http://169.254.169.254/", "https://example.com/a.png", "file:///etc/passwd", "DATA:x", " data:x", ""}) {
    const std::string text = address;
    EXPECT_FALSE(part(R"({"type":"image_url","image_url":{"url":")" + text + "\"}}")) << address;
    EXPECT_FALSE(part(R"({"type":"image_url","image_url":")" + text + "\"}")) << address;
    EXPECT_FALSE(part(R"({"type":"input_image","image_url":")" + text + "\"}")) << address;
    EXPECT_FALSE(part(R"({"type":"video_url","video_url":{"url":")" + text + "\"}}")) << address;
    EXPECT_FALSE(part(R"({"type":"audio_url","audio_url":{"url":")" + text + "\"}}")) << address;
  }
  EXPECT_FALSE(part(R"({"type":"image_url"})"));
}

// Whatever a part calls itself: what an upstream may read as an address is looked at.
TEST(SurfaceOpenai, an_address_under_another_type_is_refused_too) {
  const auto part = [](const std::string& text) {
    return parse_openai(Operation::chat, R"({"model":"m","messages":[{"role":"user","content":[)" + text + "]}]}");
  };
  EXPECT_FALSE(part(R"({"type":"text","text":"x","image_url":{"url":"http://169.254.169.254/"}})"));
  EXPECT_FALSE(part(R"({"type":"input_image","input_image":"data:x","image_url":"http://169.254.169.254/"})"));
  EXPECT_FALSE(part(R"({"type":"input_file","file_url":"http://169.254.169.254/"})"));
}

TEST(SurfaceOpenai, the_upstream_gets_what_was_checked_under_its_own_name) {
  const std::string text =
      R"({"temperature" : 5e-1, "model":"mine" , "messages":[{"role":"user","content":"caf\u00e9"}]})";
  auto input = parse_openai(Operation::chat, text);
  ASSERT_TRUE(input);
  EXPECT_EQ(write_openai_upstream_body(*input, ""), text);
  EXPECT_EQ(write_openai_upstream_body(*input, "mine"), text);
  EXPECT_EQ(write_openai_upstream_body(*input, "theirs"),
            R"({"temperature" : 5e-1, "model":"theirs" , "messages":[{"role":"user","content":"caf\u00e9"}]})");
  input->spelling = {};  // as if a guard had changed it
  EXPECT_EQ(write_openai_upstream_body(*input, "theirs"),
            "{\"temperature\":0.5,\"model\":\"theirs\",\"messages\":[{\"role\":\"user\",\"content\":\"café\"}]}");
  EXPECT_EQ(write_openai_upstream_body(*input, ""),
            "{\"temperature\":0.5,\"model\":\"mine\",\"messages\":[{\"role\":\"user\",\"content\":\"café\"}]}");
}

TEST(SurfaceOpenai, keys_that_some_parsers_take_for_ours_are_refused) {
  const auto chat = [](const std::string& more, const std::string& message = "", const std::string& part = "") {
    return parse_openai(Operation::chat, R"({"model":"m",)" + more + R"("messages":[{"role":"user",)" + message +
                                             R"("content":[{"type":"text","text":"x")" + part + "}]}]}")
        .has_value();
  };
  EXPECT_TRUE(chat(R"("topK":1,"Top_K":1,"metadata":{"Model":"x"},)", R"("Name":"y",)", R"(,"Cache":1)"));
  EXPECT_FALSE(chat(R"("Model":"other",)"));
  EXPECT_FALSE(chat(R"("MAX_TOKENS":1000000,)"));
  EXPECT_FALSE(chat("\"me\u017F\u017Fages\":[],"));
  EXPECT_FALSE(chat(R"("max_to\u212Aens":1000000,)"));
  EXPECT_FALSE(chat(R"("\u004dodel":"other",)"));
  EXPECT_FALSE(chat("", R"("Content":"hidden",)"));
  EXPECT_FALSE(chat("", R"("ROLE":"system",)"));
  EXPECT_FALSE(chat("", "", R"(,"Text":"hidden")"));
}

TEST(SurfaceOpenai, an_answer_goes_out_under_the_name_that_was_asked_for) {
  EXPECT_EQ(
      rewrite_openai_answer(R"({"id":"1","model":"/srv/secret.gguf","choices":[{"model":"x"}],"n":1e400000})", "m")
          .error()
          .code,
      Errc::corrupt);
  EXPECT_EQ(*rewrite_openai_answer(
                R"( {"id":"1", "model":"/srv/secret.gguf","choices":[{"model":"x"}],"n":0.25,"error":null} )", "m\""),
            R"( {"id":"1", "model":"m\"","choices":[{"model":"x"}],"n":0.25,"error":null} )");
  EXPECT_EQ(*rewrite_openai_answer(R"({"id":"1"})", "m"), R"({"id":"1"})");
  for (const std::string_view text : {"", "[]", "{", "words", R"({"model":"a","model":"b"})"})
    EXPECT_EQ(rewrite_openai_answer(text, "m").error().code, Errc::corrupt) << text;
  EXPECT_EQ(rewrite_openai_answer(R"({"error":{"message":"at /srv/x.py"}})", "m").error().code, Errc::unavailable);
}

TEST(SurfaceOpenai, writes_lists_and_errors_as_clients_know_them) {
  EXPECT_EQ(write_openai_models({}, 5), R"({"object":"list","data":[]})");
  EXPECT_EQ(
      write_openai_models({"a", "b\"c"}, 5),
      R"({"object":"list","data":[{"id":"a","object":"model","created":5,"owned_by":"hauberk"},{"id":"b\"c","object":"model","created":5,"owned_by":"hauberk"}]})");
  EXPECT_EQ(write_openai_model("a", 5), R"({"id":"a","object":"model","created":5,"owned_by":"hauberk"})");
  EXPECT_EQ(write_openai_error(429, "slow \"down\"", "rate"),
            R"({"error":{"message":"slow \"down\"","type":"rate_limit_error","param":null,"code":"rate"}})");
  EXPECT_EQ(write_openai_error(400, "x", ""),
            R"({"error":{"message":"x","type":"invalid_request_error","param":null,"code":null}})");
  for (const auto& [status, type] : {std::pair{401, "authentication_error"},
                                     {403, "permission_error"},
                                     {404, "not_found_error"},
                                     {500, "api_error"},
                                     {413, "invalid_request_error"}})
    EXPECT_NE(write_openai_error(status, "x", "y").find(std::string("\"type\":\"") + type + '"'), std::string::npos);
}

}  // namespace
}  // namespace hauberk::gateway
