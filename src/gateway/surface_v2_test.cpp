#include "gateway/surface_v2.h"

#include <gtest/gtest.h>

#include <bit>

#include "base/json.h"

namespace hauberk::gateway {
namespace {

constexpr std::uint64_t most_elements = 1000;

Result<TensorInput> parse_json(std::string_view body) { return parse_v2_infer(body, std::nullopt, most_elements); }

// One input of the type and shape, with the data given.
Result<TensorInput> parse_data(std::string_view type, std::string_view shape, std::string_view data) {
  return parse_json("{\"inputs\":[{\"name\":\"x\",\"datatype\":\"" + std::string(type) +
                    "\",\"shape\":" + std::string(shape) + ",\"data\":" + std::string(data) + "}]}");
}

// One binary input that says it has `size` bytes, before `raw`.
Result<TensorInput> parse_binary(std::string_view type, std::string_view shape, int size, std::string_view raw) {
  const std::string text = "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"" + std::string(type) +
                           "\",\"shape\":" + std::string(shape) +
                           ",\"parameters\":{\"binary_data_size\":" + std::to_string(size) + "}}]}";
  return parse_v2_infer(text + std::string(raw), text.size(), most_elements);
}

TEST(SurfaceV2, reads_numbers_exactly_in_every_type) {
  struct Known {
    std::string_view type, data, bytes;
  };
  for (const auto& [type, data, bytes] :
       {Known{"BOOL", "[true,false]", "0100"}, Known{"BOOL", "[1,0]", "0100"}, Known{"UINT8", "[0,255]", "00ff"},
        Known{"INT8", "[-128,127]", "807f"}, Known{"UINT16", "[1,65535]", "0100ffff"},
        Known{"INT16", "[-1,2]", "ffff0200"}, Known{"UINT32", "[1,4294967295]", "01000000ffffffff"},
        Known{"INT32", "[-2,3]", "feffffff03000000"},
        Known{"UINT64", "[1,18446744073709551615]", "0100000000000000ffffffffffffffff"},
        Known{"INT64", "[-9223372036854775808,1]", "00000000000000800100000000000000"},
        Known{"FP32", "[1,-0.5]", "0000803f000000bf"}, Known{"FP64", "[1,-0.5]", "000000000000f03f000000000000e0bf"}}) {
    const auto input = parse_data(type, "[2]", data);
    ASSERT_TRUE(input) << type << ": " << input.error().message;
    EXPECT_EQ(hex(input->tensors[0].data), bytes) << type;
  }
}

TEST(SurfaceV2, numbers_that_do_not_fit_are_refused_not_rounded) {
  for (const auto& [type, data] : {std::pair{"UINT8", "[256]"},
                                   {"UINT8", "[-1]"},
                                   {"INT8", "[128]"},
                                   {"INT8", "[-129]"},
                                   {"UINT16", "[65536]"},
                                   {"INT16", "[40000]"},
                                   {"UINT32", "[4294967296]"},
                                   {"INT32", "[2147483648]"},
                                   {"UINT64", "[-1]"},
                                   {"INT64", "[9223372036854775808]"},
                                   {"INT64", "[1.0]"},
                                   {"INT32", "[0.5]"},
                                   {"INT32", "[true]"},
                                   {"INT32", "[null]"},
                                   {"INT32", "[\"1\"]"},
                                   {"BOOL", "[2]"},
                                   {"BOOL", "[\"true\"]"},
                                   {"FP32", "[1e39]"},
                                   {"FP32", "[\"1\"]"},
                                   {"FP32", "[null]"},
                                   {"FP64", "[true]"},
                                   {"BYTES", "[1]"},
                                   {"FP16", "[1]"},
                                   {"BF16", "[1]"},
                                   {"FP32", "[NaN]"},
                                   {"FP32", "[{}]"}}) {
    const auto input = parse_data(type, "[1]", data);
    ASSERT_FALSE(input) << type << " " << data;
    EXPECT_EQ(input.error().code, Errc::invalid);
  }
}

TEST(SurfaceV2, data_may_be_nested_or_flat) {
  const auto flat = parse_data("INT32", "[2,2]", "[1,2,3,4]"), nested = parse_data("INT32", "[2,2]", "[[1,2],[3,4]]");
  ASSERT_TRUE(flat && nested);
  EXPECT_EQ(flat->tensors[0].data, nested->tensors[0].data);
  EXPECT_EQ(nested->tensors[0].shape, (std::vector<std::int64_t>{2, 2}));
}

TEST(SurfaceV2, the_count_of_values_is_that_of_the_shape) {
  EXPECT_TRUE(parse_data("FP32", "[0]", "[]"));
  EXPECT_TRUE(parse_data("FP32", "[]", "[1]"));
  for (const auto& [shape, data] : {std::pair{"[3]", "[1,2]"},
                                    {"[2]", "[1,2,3]"},
                                    {"[0]", "[1]"},
                                    {"[-1]", "[1]"},
                                    {"[1.0]", "[1]"},
                                    {"[\"1\"]", "[1]"},
                                    {"1", "[1]"},
                                    {"null", "[1]"},
                                    {"[1001]", "[1]"},
                                    {"[1000000000,1000000000,1000000000]", "[1]"},
                                    {"[9223372036854775807,2]", "[1]"}})
    EXPECT_FALSE(parse_data("FP32", shape, data)) << shape << " " << data;
  std::string many = "[1";
  for (int i = 0; i < 32; ++i) many += ",1";
  EXPECT_FALSE(parse_data("FP32", many + "]", "[1]"));
}

TEST(SurfaceV2, reads_texts) {
  const auto input = parse_data("BYTES", "[2]", "[\"a\",\"caf\\u00e9\"]");
  ASSERT_TRUE(input);
  EXPECT_EQ(input->tensors[0].strings, (std::vector<std::string>{"a", "café"}));
}

TEST(SurfaceV2, refuses_what_is_not_exactly_a_request) {
  for (
      const char* body : {
          "",
          "[]",
          "{}",
          "{\"inputs\":[]}",
          "{\"inputs\":{}}",
          "{\"inputs\":[5]}",
          R"({"inputs":[{"datatype":"FP32","shape":[1],"data":[1]}]})",
          R"({"inputs":[{"name":"x","datatype":"FP128","shape":[1],"data":[1]}]})",
          R"({"inputs":[{"name":"x","datatype":"fp32","shape":[1],"data":[1]}]})",
          R"({"inputs":[{"name":"x","datatype":"FP32","data":[1]}]})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1]}]})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1],"parameters":{"binary_data_size":4}}]})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"shape":[1],"data":[1]}]})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1],"parameters":{"shared_memory_region":"r"}}]})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"outputs":5})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"outputs":[{}]})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"outputs":[{"name":"y","parameters":{"shared_memory_region":"r"}}]})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"outputs":[{"name":"y","parameters":{"classification":3}}]})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"parameters":{"triton_enable_empty_final_response":true}})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"parameters":{"binary_data_output":"yes"}})",
          R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}x)",
      }) {
    const auto input = parse_json(body);
    ASSERT_FALSE(input) << body;
    EXPECT_EQ(input.error().code, Errc::invalid) << body;
  }
}

TEST(SurfaceV2, reads_the_outputs_that_are_wanted) {
  const auto input = parse_json(R"({"id":"7","inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],
    "outputs":[{"name":"y"},{"name":"z","parameters":{"binary_data":false}}],"parameters":{"binary_data_output":true}})");
  ASSERT_TRUE(input);
  EXPECT_EQ(input->id, "7");
  EXPECT_EQ(input->wanted_outputs, (std::vector<std::string>{"y", "z"}));
  EXPECT_EQ(input->wanted_binary, (std::vector<bool>{true, false}));
  EXPECT_TRUE(input->all_binary);
}

TEST(SurfaceV2, reads_binary_tensors_of_exactly_their_size) {
  const auto input = parse_binary("INT16", "[2]", 4, std::string_view("\x01\x00\xff\xff", 4));
  ASSERT_TRUE(input) << input.error().message;
  EXPECT_EQ(hex(input->tensors[0].data), "0100ffff");
  EXPECT_TRUE(parse_binary("FP16", "[1]", 2, "ab"));
  EXPECT_TRUE(parse_binary("BF16", "[1]", 2, "ab"));
  EXPECT_TRUE(parse_binary("FP32", "[0]", 0, ""));
  EXPECT_FALSE(parse_binary("INT16", "[2]", 4, "abc")) << "cut off";
  EXPECT_FALSE(parse_binary("INT16", "[2]", 4, "abcde")) << "bytes behind it";
  EXPECT_FALSE(parse_binary("INT16", "[2]", 2, "ab")) << "too small for its shape";
  EXPECT_FALSE(parse_binary("INT16", "[2]", 6, "abcdef")) << "too large for its shape";
  EXPECT_FALSE(parse_binary("INT16", "[2]", -4, "abcd"));
}

TEST(SurfaceV2, reads_binary_texts_of_exactly_their_count) {
  const std::string raw("\x02\0\0\0ab\x00\0\0\0", 10);
  const auto input = parse_binary("BYTES", "[2]", 10, raw);
  ASSERT_TRUE(input) << input.error().message;
  EXPECT_EQ(input->tensors[0].strings, (std::vector<std::string>{"ab", ""}));
  EXPECT_FALSE(parse_binary("BYTES", "[1]", 10, raw));
  EXPECT_FALSE(parse_binary("BYTES", "[3]", 10, raw));
  EXPECT_FALSE(parse_binary("BYTES", "[1]", 3, "\x01\x01\x01"));
  EXPECT_FALSE(parse_binary("BYTES", "[1]", 6,
                            std::string("\xff\xff\xff\xff"
                                        "ab",
                                        6)));
}

TEST(SurfaceV2, the_json_may_not_be_longer_than_the_body) { EXPECT_FALSE(parse_v2_infer("{}", 3, most_elements)); }

Tensor numbers(std::string name, DataType type, std::vector<std::int64_t> shape, std::string_view data) {
  return {.name = std::move(name), .type = type, .shape = std::move(shape), .data = *from_hex(data), .strings = {}};
}

TEST(SurfaceV2, writes_answers_as_json) {
  const std::vector<Tensor> outputs = {
      numbers("y", DataType::fp32, {3}, "0000803f0000c07f000000bf"),
      numbers("n", DataType::int8, {2}, "80ff"),
      numbers("b", DataType::boolean, {2}, "0100"),
      {.name = "t\"", .type = DataType::bytes, .shape = {1}, .data = {}, .strings = {"a\n"}}};
  const auto response = write_v2_infer("m", "3", {.id = "7"}, outputs);
  ASSERT_TRUE(response);
  EXPECT_FALSE(response->json_size);
  EXPECT_EQ(
      response->body,
      R"({"model_name":"m","model_version":"3","id":"7","outputs":[{"name":"y","datatype":"FP32","shape":[3],"data":[1,null,-0.5]},)"
      R"({"name":"n","datatype":"INT8","shape":[2],"data":[-128,-1]},{"name":"b","datatype":"BOOL","shape":[2],"data":[true,false]},)"
      R"({"name":"t\"","datatype":"BYTES","shape":[1],"data":["a\n"]}]})");
  EXPECT_TRUE(json::parse(response->body));
}

TEST(SurfaceV2, what_has_no_json_form_is_always_binary) {
  const std::vector<Tensor> outputs = {numbers("h", DataType::fp16, {1}, "003c"),
                                       numbers("n", DataType::int8, {1}, "07")};
  const auto response = write_v2_infer("m", "3", {}, outputs);
  ASSERT_TRUE(response && response->json_size);
  const auto text = std::string_view(response->body).substr(0, *response->json_size);
  EXPECT_TRUE(json::parse(text));
  EXPECT_NE(text.find("\"binary_data_size\":2"), std::string_view::npos);
  EXPECT_NE(text.find("\"data\":[7]"), std::string_view::npos);
  EXPECT_EQ(hex(as_bytes(std::string_view(response->body).substr(*response->json_size))), "003c");
}

TEST(SurfaceV2, what_is_written_in_binary_is_read_back) {
  const std::vector<Tensor> outputs = {
      numbers("n", DataType::int32, {2}, "0100000002000000"),
      {.name = "t", .type = DataType::bytes, .shape = {2}, .data = {}, .strings = {"ab", ""}}};
  const auto response = write_v2_infer("m", "3", {.all_binary = true}, outputs);
  ASSERT_TRUE(response && response->json_size);
  // The answer's outputs have the form of a request's inputs.
  std::string text = response->body.substr(0, *response->json_size);
  text.replace(text.find("\"outputs\""), 9, "\"inputs\"");
  const auto input = parse_v2_infer(text + response->body.substr(*response->json_size), text.size(), most_elements);
  ASSERT_TRUE(input) << input.error().message;
  EXPECT_EQ(input->tensors[0].data, outputs[0].data);
  EXPECT_EQ(input->tensors[1].strings, outputs[1].strings);
}

TEST(SurfaceV2, writes_metadata_and_errors) {
  EXPECT_EQ(write_v2_server_metadata("1.2"),
            R"({"name":"hauberk","version":"1.2","extensions":["binary_tensor_data"]})");
  EXPECT_EQ(
      write_v2_model_metadata("m", "3", {.platform = "p", .inputs = {{"x", DataType::fp32, {-1, 2}}}, .outputs = {}}),
      R"({"name":"m","versions":["3"],"platform":"p","inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[]})");
  EXPECT_EQ(write_v2_error("no \"x\""), R"({"error":"no \"x\""})");
}

}  // namespace
}  // namespace hauberk::gateway
