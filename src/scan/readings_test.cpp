// One file, several readers: each sees something else, and the scan must see what each of them does.
#include <gtest/gtest.h>

#include <algorithm>

#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

using namespace std::string_literals;

const std::string stolen = "cos\nsystem\n(S'id'\ntR.";
const std::string harmless_data = "\x80\x02}X\x01\0\0\0wK\x01s."s;

Report read_as(const std::string& data, std::string_view name) { return scan_bytes(data, name); }

std::string padded(std::string text, std::size_t size) {
  text.resize(size, '\0');
  return text;
}

TEST(OtherReadings, a_pickle_that_begins_like_another_format_is_read_as_both) {
  const std::string tflite = "C\x10\0\0TFL3"s + std::string(10, '\0') + stolen;
  const std::string catboost = "CBM1"s + std::string(64, '\0') + stolen;
  const std::string hdf5 = padded(stolen, 512) + "\x89HDF\r\n\x1a\n";
  // A header of safetensors whose length is the opcode of a text, and the rest a name.
  for (const auto& data : {tflite, catboost, hdf5})
    for (const std::string_view name : {"pytorch_model.bin", "model.pkl", "model"}) {
      const auto report = read_as(data, name);
      EXPECT_EQ(report.verdict, ScanVerdict::malicious) << name << data.substr(0, 8);
      EXPECT_TRUE(has_rule(report, "scan.polyglot"));
    }
  EXPECT_FALSE(has_rule(read_as("\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }"s +
                                    std::string(61, ' ') + "\n",
                                "x.npy"),
                        "scan.polyglot"));
}

TEST(OtherReadings, what_a_name_promises_to_the_unpickler_is_unpickled) {
  // No known name, no end: as text nobody would take it for a pickle.
  EXPECT_NE(read_as("GGUF" + std::string(100, '\0'), "model.pkl").verdict, ScanVerdict::clean);
  EXPECT_TRUE(has_rule(read_as("\x89PNG\r\n\x1a\n" + std::string(100, '\0'), "model.pkl"), "scan.name-mismatch"));
}

TEST(OtherReadings, files_that_names_make_templates_or_code_are_read_as_such) {
  const std::string escape = "{{ ''.__class__.__mro__ }}";
  for (const std::string& data : {"<a>" + escape + "</a>", "tree\nversion=v4\n" + escape, "[\"" + escape + "\"]"})
    EXPECT_EQ(read_as(data, "chat_template.jinja").verdict, ScanVerdict::malicious) << data;
  EXPECT_EQ(read_as("<a>: !!python/object/apply:os.system ['id'] # </a>", "config.yaml").verdict,
            ScanVerdict::malicious);
  EXPECT_TRUE(has_rule(read_as("#!/usr/bin/python3\nimport os\nos.system('id')\n", "run.py"), "text.python-call"));
}

TEST(OtherReadings, hdf5_lies_anywhere_that_its_readers_look) {
  // Not a whole file: what counts is that it is not taken for the numbers before it.
  const auto report = read_as(padded("", 2u << 20) + "\x89HDF\r\n\x1a\n" + std::string(100, '\0'), "weights");
  EXPECT_EQ(report.format, "hdf5");
  EXPECT_NE(report.verdict, ScanVerdict::clean);
}

TEST(Ordinary, files_beside_models_are_what_they_are) {
  struct Case {
    std::string name, data;
    ScanVerdict verdict;
    std::string format;
  };
  const Case cases[] = {
      {"logo.png", "\x89PNG\r\n\x1a\n" + std::string(20, '\0'), ScanVerdict::clean, "png"},
      {"a.jpg", "\xff\xd8\xff\xe0" + std::string(20, '\0'), ScanVerdict::clean, "jpeg"},
      {"a.webp", "RIFF" + std::string(4, '\x01') + "WEBPVP8 ", ScanVerdict::clean, "webp"},
      {"a.parquet", "PAR1" + std::string(20, '\1') + std::string("\x14\0\0\0PAR1", 8), ScanVerdict::clean, "parquet"},
      {"a.parquet", "PAR1" + std::string(20, '\1') + "PAR1", ScanVerdict::malformed, "parquet"},
      {"a.parquet", "PAR1" + std::string(20, '\x01'), ScanVerdict::inconclusive, "unknown"},
      {"w2v.bin", "2 2\na " + std::string(8, '\1') + "b " + std::string(8, '\1'), ScanVerdict::clean, "word-vectors"},
      {"w2v.bin", "9 2\na " + std::string(8, '\1') + "b " + std::string(8, '\1'), ScanVerdict::inconclusive, ""},
      {"weight.bin", "\1\0\0\0\2\0\0\0"s + std::string(56, '\0') + "\xef\xbe\xad\xde" + std::string(60, '\0'),
       ScanVerdict::clean, "coreml-weights"},
      {"variables.data-00000-of-00001", "ABCDEFGH", ScanVerdict::clean, "tensorflow-checkpoint-shard"},
      {"favicon.ico", "\0\0\1\0"s + std::string(20, '\1'), ScanVerdict::clean, "icon"},
      {"model.bin", "\x89PNG\r\n\x1a\n" + std::string(20, '\0'), ScanVerdict::review, "png"},
      {"logo.png", "\x89PNG\r\n\x1a\n" + std::string(20, '\0') + "PK\5\6" + std::string(18, '\0'), ScanVerdict::clean,
       "png"},
      {"__init__.py", "", ScanVerdict::clean, "empty"},
      {"model.pt", "", ScanVerdict::malformed, "empty"},
      {"train.sh", "#!/bin/sh\npython train.py\n", ScanVerdict::review, "script"},
      {"model.bin", "#!/bin/sh\nrm -rf x\n", ScanVerdict::malicious, "script"},
      {"x.pyc", "\xa7\r\r\n"s + std::string(4, '\0') + std::string(12, '\1'), ScanVerdict::review, "python-byte-code"},
      {"x.wasm", "\0asm\1\0\0\0"s, ScanVerdict::review, "webassembly"},
      {"notes.txt",
       "gr\xfc\xdf"
       "e\n",
       ScanVerdict::clean, "text"},
      {"data.csv",
       "\xff\xfe"
       "a\0,\0b\0\n\0"s,
       ScanVerdict::clean, "text"},
      {"config.json", "{\"a\": \"gr\xfc\"}", ScanVerdict::malformed, ""},
  };
  for (const auto& c : cases) {
    const auto report = read_as(c.data, c.name);
    EXPECT_EQ(report.verdict, c.verdict) << c.name << " " << name(report.verdict);
    if (!c.format.empty()) EXPECT_EQ(report.format, c.format) << c.name;
  }
}

}  // namespace
}  // namespace hauberk::scan
