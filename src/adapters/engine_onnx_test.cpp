#include "adapters/engine_onnx.h"

#include <gtest/gtest.h>

#include <atomic>
#include <bit>

#include "base/file.h"
#include "base/sync.h"

namespace hauberk::adapters {
namespace {

// Models that tools/setup fetches; see there for where they come from.
Bytes model_file(const std::string& name) {
  SystemFiles files;
  auto content = read_file(files, std::string(HAUBERK_SOURCE_DIR) + "/.deps/" + name, 100 << 20);
  EXPECT_TRUE(content) << "run tools/setup: " << (content ? "" : content.error().text());
  return content.value_or(Bytes());
}

class EngineOnnx : public ::testing::Test {
 protected:
  std::unique_ptr<Engine> engine_ = std::move(*make_engine_onnx(1));
};

TensorInput magika_input(std::string_view text) {
  Tensor tensor{.name = "bytes", .type = DataType::int32, .shape = {1, 2048}, .data = Bytes(2048 * 4)};
  for (std::size_t i = 0; i < 2048; ++i) store_le(tensor.data.data() + i * 4, std::int32_t{256});
  for (std::size_t i = 0; i < text.size() && i < 1024; ++i) {
    store_le(tensor.data.data() + i * 4, static_cast<std::int32_t>(static_cast<std::uint8_t>(text[i])));
    store_le(tensor.data.data() + (2048 - text.size() + i) * 4,
             static_cast<std::int32_t>(static_cast<std::uint8_t>(text[i])));
  }
  return {.tensors = {std::move(tensor)}};
}

TEST_F(EngineOnnx, describes_and_runs_a_real_model) {
  auto model = engine_->load(model_file("magika/model.onnx"));
  ASSERT_TRUE(model) << model.error().text();
  const auto& info = (*model)->info();
  ASSERT_EQ(info.inputs.size(), 1u);
  EXPECT_EQ(info.inputs[0].name, "bytes");
  EXPECT_EQ(info.inputs[0].type, DataType::int32);
  EXPECT_EQ(info.inputs[0].shape, (std::vector<std::int64_t>{-1, 2048}));
  const auto outputs = (*model)->infer(magika_input("import os\nfor name in os.listdir('.'):\n    print(name)\n"));
  ASSERT_TRUE(outputs) << outputs.error().text();
  ASSERT_EQ((*outputs)[0].shape, (std::vector<std::int64_t>{1, 214}));
  float sum = 0;
  for (std::size_t i = 0; i < 214; ++i)
    sum += std::bit_cast<float>(load_le<std::uint32_t>((*outputs)[0].data.data() + i * 4));
  EXPECT_NEAR(sum, 1, 0.01) << "probabilities of the labels";
}

TEST_F(EngineOnnx, gives_the_same_answer_in_many_threads_at_once) {
  auto model = std::move(*engine_->load(model_file("magika/model.onnx")));
  const auto input = magika_input("#include <stdio.h>\nint main() { return 0; }\n");
  const auto expected = model->infer(input)->front().data;
  std::atomic<int> equal = 0;
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 5; ++i) equal += model->infer(input)->front().data == expected;
      });
  }
  EXPECT_EQ(equal, 20);
}

TEST_F(EngineOnnx, refuses_what_the_protocol_cannot_carry_and_says_what) {
  const auto model = engine_->load(model_file("onnxruntime/datasets/logreg_iris.onnx"));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, Errc::unsupported);
  EXPECT_NE(model.error().message.find("sequence"), std::string::npos) << model.error().message;
}

TEST_F(EngineOnnx, refuses_bytes_that_are_no_model) {
  for (const std::string_view bytes : {"", "\x08\x07garbage that is no protobuf", "PK\x03\x04"})
    EXPECT_FALSE(engine_->load(to_bytes(bytes)));
  auto cut = model_file("magika/model.onnx");
  cut.resize(cut.size() / 2);
  EXPECT_FALSE(engine_->load(std::move(cut)));
}

TEST_F(EngineOnnx, answers_a_wrong_input_with_an_error) {
  auto model = std::move(*engine_->load(model_file("magika/model.onnx")));
  TensorInput wrong{.tensors = {{.name = "bytes", .type = DataType::int32, .shape = {1, 3}, .data = Bytes(12)}}};
  EXPECT_FALSE(model->infer(wrong));
  TensorInput torn{.tensors = {{.name = "bytes", .type = DataType::int32, .shape = {1, 2048}, .data = Bytes(12)}}};
  EXPECT_EQ(model->infer(torn).error().code, Errc::invalid);
  TensorInput unknown = magika_input("x");
  unknown.wanted_outputs = {"no_such_output"};
  EXPECT_FALSE(model->infer(unknown));
}

}  // namespace
}  // namespace hauberk::adapters
