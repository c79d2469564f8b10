// Archives are built here byte by byte, because the ones that matter are those that no library would write.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>

#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

const std::string harmless = "\x80\x02}X\x01" + std::string(3, '\0') + "wK\x01s.";
const std::string harmful = "cos\nsystem\n(S'id'\ntR.";

template <class T>
void put(std::string& out, T value) {
  std::uint8_t bytes[sizeof(T)];
  store_le(bytes, value);
  out.append(reinterpret_cast<const char*>(bytes), sizeof(T));
}

std::string deflated(const std::string& text) {
  std::string out(text.size() + 64, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct Member {
  std::string name, content;
  std::uint16_t method = 0, flags = 0;
  bool listed = true;
  std::string listed_name = {};  // if the directory gives another one
  int listed_method = -1;
  std::uint32_t mode = 0;
  std::uint32_t crc_error = 0;
};

std::string zip(const std::vector<Member>& members, const std::string& prefix = {}) {
  std::string out = prefix, directory;
  std::uint16_t count = 0;
  for (const auto& m : members) {
    const std::string stored = m.method == 8 ? deflated(m.content) : m.content;
    const auto crc = crc32(as_bytes(m.content)) ^ m.crc_error;
    const auto offset = static_cast<std::uint32_t>(out.size() - prefix.size());
    const auto header = [&](std::string& to, std::string_view name, int method) {
      put<std::uint16_t>(to, m.flags);
      put(to, static_cast<std::uint16_t>(method));
      put<std::uint32_t>(to, 0);
      put<std::uint32_t>(to, crc);
      put(to, static_cast<std::uint32_t>(stored.size()));
      put(to, static_cast<std::uint32_t>(m.content.size()));
      put(to, static_cast<std::uint16_t>(name.size()));
      put<std::uint16_t>(to, 0);
    };
    put<std::uint32_t>(out, 0x04034b50);
    put<std::uint16_t>(out, 20);
    header(out, m.name, m.method);
    out += m.name + stored;
    if (!m.listed) continue;
    ++count;
    const std::string name = m.listed_name.empty() ? m.name : m.listed_name;
    put<std::uint32_t>(directory, 0x02014b50);
    put<std::uint16_t>(directory, 20);
    put<std::uint16_t>(directory, 20);
    header(directory, name, m.listed_method < 0 ? m.method : m.listed_method);
    put<std::uint16_t>(directory, 0);
    put<std::uint32_t>(directory, 0);
    put<std::uint32_t>(directory, m.mode << 16);
    put<std::uint32_t>(directory, offset);
    directory += name;
  }
  const auto start = static_cast<std::uint32_t>(out.size() - prefix.size());
  out += directory;
  put<std::uint32_t>(out, 0x06054b50);
  put<std::uint32_t>(out, 0);
  put<std::uint16_t>(out, count);
  put<std::uint16_t>(out, count);
  put(out, static_cast<std::uint32_t>(directory.size()));
  put(out, start);
  put<std::uint16_t>(out, 0);
  return out;
}

Report scanned(const std::string& data, std::string_view name = "m.pt", const ScanOptions& options = {}) {
  return scan_bytes(data, name, options);
}

std::string described_entries(const Report& report) {
  std::string text = std::string(name(report.verdict)) + " " + report.format;
  for (const auto& finding : report.findings)
    text += "\n  " + finding.rule + " " + finding.where.text() + ": " + finding.message;
  return text;
}

TEST(Zip, an_ordinary_torch_archive_is_clean) {
  const auto report = scanned(zip({{"m/data.pkl", harmless},
                                   {"m/version", "3\n"},
                                   {"m/data/0",
                                    "\x80\x02"
                                    "cos\nsystem\n."}}));
  EXPECT_EQ(report.verdict, ScanVerdict::clean) << described_entries(report);
  EXPECT_EQ(report.format, "torch-zip");
}

TEST(Zip, names_the_member_and_the_offset_in_it) {
  const auto report = scanned(zip({{"m/data.pkl", harmful, 8}, {"m/version", "3\n"}}));
  EXPECT_EQ(report.verdict, ScanVerdict::malicious);
  ASSERT_TRUE(has_rule(report, "pickle.dangerous-call")) << described_entries(report);
  EXPECT_EQ(report.findings[0].where.file, "m.pt!m/data.pkl");
  EXPECT_EQ(report.findings[0].where.offset, 19u);
}

TEST(Zip, sees_both_of_two_members_with_one_name) {
  for (const bool first : {true, false}) {
    const auto report = scanned(zip(
        {{"m/data.pkl", first ? harmful : harmless}, {"m/data.pkl", first ? harmless : harmful}, {"m/version", "3"}}));
    EXPECT_EQ(report.verdict, ScanVerdict::malicious) << described_entries(report);
    EXPECT_TRUE(has_rule(report, "zip.duplicate-name"));
  }
  const auto report = scanned(zip({{"m/DATA.PKL", harmless}, {"m/data.pkl", harmless}}));
  EXPECT_EQ(report.verdict, ScanVerdict::review) << described_entries(report);
}

TEST(Zip, sees_a_member_that_the_directory_hides) {
  const auto report =
      scanned(zip({{"m/version", "3"}, {"m/data.pkl", harmful, 0, 0, false}, {"m/byteorder", "little"}}));
  EXPECT_EQ(report.verdict, ScanVerdict::malicious) << described_entries(report);
  EXPECT_TRUE(has_rule(report, "zip.hidden-entry"));
}

TEST(Zip, looks_at_the_content_by_both_headers) {
  const auto report = scanned(zip({{"m/data.pkl", harmful, 0, 0, true, "", 99}}));
  EXPECT_EQ(report.verdict, ScanVerdict::malicious) << described_entries(report);
  EXPECT_TRUE(has_rule(report, "zip.header-mismatch"));
  EXPECT_TRUE(has_rule(scanned(zip({{"m/data.pkl", harmless, 0, 0, true, "m/readme"}})), "zip.header-mismatch"));
}

TEST(Zip, a_flag_does_not_hide_what_is_in_the_clear) {
  const auto report = scanned(zip({{"m/data.pkl", harmful, 0, 1}}));
  EXPECT_EQ(report.verdict, ScanVerdict::malicious) << described_entries(report);
  const auto secret = scanned(zip({{"m/data.pkl", "\x01\x02\x03\x04\x05\x06", 0, 1}}));
  EXPECT_EQ(secret.verdict, ScanVerdict::inconclusive) << described_entries(secret);
  EXPECT_TRUE(has_rule(secret, "zip.encrypted"));
}

TEST(Zip, a_wrong_checksum_and_a_prefix_are_for_review) {
  EXPECT_TRUE(has_rule(scanned(zip({{"m/data.pkl", harmless, 0, 0, true, "", -1, 0, 1}})), "zip.checksum"));
  const auto prefixed = scanned(zip({{"m/data.pkl", harmful}}, "\x80\x02N."));
  EXPECT_EQ(prefixed.verdict, ScanVerdict::malicious) << described_entries(prefixed);
  EXPECT_TRUE(has_rule(prefixed, "scan.polyglot"));
}

TEST(Zip, names_and_links_that_lead_out_are_malicious) {
  for (const std::string_view name : {"../evil", "/etc/cron.d/x", "..\\evil", "C:evil", "a/../../b"})
    EXPECT_TRUE(has_rule(scanned(zip({{std::string(name), harmless}})), "zip.unsafe-path")) << name;
  const auto link = scanned(zip({{"link", "/etc/passwd", 0, 0, true, "", -1, 0120777}}));
  EXPECT_EQ(link.verdict, ScanVerdict::malicious) << described_entries(link);
}

// The end record behind another directory, whose size says nothing and whose offset does.
TEST(Zip, reads_both_directories_where_readers_would_differ) {
  const std::string good = zip({{"a.npy", harmless}}), evil = zip({{"b.pkl", harmful}});
  // The last end record's offset names the directory of the first archive, its size the one of the second.
  std::string two = good + evil;
  const auto end = two.size() - 22;
  const auto first_directory = good.size() - 22 - (46 + 5);
  std::uint8_t offset[4];
  store_le(offset, static_cast<std::uint32_t>(first_directory));
  two.replace(end + 16, 4, reinterpret_cast<const char*>(offset), 4);
  const auto report = scanned(two);
  EXPECT_TRUE(has_rule(report, "zip.two-directories")) << described_entries(report);
  EXPECT_EQ(report.verdict, ScanVerdict::malicious);
}

TEST(Zip, believes_no_count) {
  std::string data = zip({{"a.pkl", harmless}, {"b.pkl", harmful}});
  for (const char count : {'\0', '\1', '\7'}) {
    data[data.size() - 22 + 10] = count;
    EXPECT_EQ(scanned(data).verdict, ScanVerdict::malicious) << int{count};
  }
  data[data.size() - 22 + 10] = 0;
  EXPECT_EQ(scanned("CBM1" + std::string(100, '\0') + data).verdict, ScanVerdict::malicious);
}

TEST(Zip, what_small_files_unpack_to_is_limited) {
  const std::string zeros(48u << 20, '\0');
  const auto bomb = zip({{"a", zeros, 8}, {"b", zeros, 8}, {"c", zeros, 8}, {"d", zeros, 8}});
  const auto report = scanned(bomb);
  EXPECT_EQ(report.verdict, ScanVerdict::inconclusive) << described_entries(report);
  EXPECT_TRUE(has_rule(report, "scan.budget-exhausted"));
}

TEST(Zip, torchscript_is_read_with_the_blanks_that_it_allows) {
  const auto code = [](const std::string& text) {
    return scanned(zip({{"m/constants.pkl", "\x80\x02)."}, {"m/code/__torch__.py", text}})).verdict;
  };
  EXPECT_EQ(code("x = torch . from_file (\"/etc/passwd\")"), ScanVerdict::malicious);
  EXPECT_EQ(code("x = ops.torchaudio.sox_io_save_audio_file(\"x\")"), ScanVerdict::malicious);
  EXPECT_EQ(code("x = ops.image.write_file(\"x\", y)"), ScanVerdict::malicious);
  EXPECT_EQ(code("x = ops.torchvision.nms(a, b)"), ScanVerdict::clean);
  EXPECT_EQ(code("x : __torch__.torch.classes.quantized.Conv2dPackedParamsBase"), ScanVerdict::clean);
  EXPECT_EQ(code("x : __torch__.torch.classes.evil.Thing"), ScanVerdict::review);
  const auto phone = scanned(zip({{"m/constants.pkl", "\x80\x02)."},
                                  {"m/code/a.py", ""},
                                  {"m/bytecode.pkl", "\x80\x02X\x0f" + std::string(3, '\0') + "aten::from_file."}}));
  EXPECT_EQ(phone.verdict, ScanVerdict::malicious) << described_entries(phone);
}

TEST(Zip, source_text_that_torchscript_keeps_for_its_messages_is_no_payload) {
  const std::string text = "import os; os.system('echo a')..";
  const std::string source =
      "\x80\x02X" + std::string(1, static_cast<char>(text.size())) + std::string(3, '\0') + text + ".";
  const auto script = [&](const std::string& name) {
    return scanned(zip({{"m/constants.pkl", "\x80\x02)."}, {"m/code/a.py", ""}, {name, source}})).verdict;
  };
  EXPECT_EQ(script("m/code/a.py.debug_pkl"), ScanVerdict::clean);
  EXPECT_EQ(script("m/other.pkl"), ScanVerdict::malicious);
}

TEST(Zip, an_archive_for_torchserve_is_one_whatever_else_it_looks_like) {
  const auto mar =
      scanned(zip({{"MAR-INF/MANIFEST.json", "{\"model\": {\"handler\": \"image_classifier\", \"modelName\": \"m\"}}"},
                   {"image_classifier.py", "import torch\n"},
                   {"x/data.pkl", harmless}}));
  EXPECT_EQ(mar.format, "torchserve-mar");
  EXPECT_EQ(mar.verdict, ScanVerdict::review) << described_entries(mar);
}

TEST(Zip, a_storage_that_numpy_would_take_for_an_array_is_read) {
  const std::string array =
      std::string("\x93NUMPY\1\0\x76\0", 10) + std::string("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }");
  const std::string npy = array + std::string(10 + 118 - array.size() - 1, ' ') + "\n" + harmful;
  EXPECT_EQ(scanned(zip({{"m/data.pkl", harmless}, {"m/data/0", npy}})).verdict, ScanVerdict::malicious);
}

TEST(Zip, follows_nested_archives_to_the_limit_and_says_so) {
  std::string data = zip({{"x.pkl", harmful}});
  for (int i = 0; i < 4; ++i) data = zip({{"inner.zip", data, 8}});
  EXPECT_EQ(scanned(data, "a.zip").verdict, ScanVerdict::malicious);
  for (int i = 0; i < 8; ++i) data = zip({{"inner.zip", data, 8}});
  const auto deep = scanned(data, "a.zip");
  EXPECT_EQ(deep.verdict, ScanVerdict::inconclusive) << described_entries(deep);
}

TEST(Zip, a_bomb_ends_at_the_budget) {
  const std::string data = zip({{"m/data.pkl",
                                 "\x80\x02"
                                 "B" +
                                     std::string("\xff\xff\xff\x03", 4) + std::string((64u << 20) - 1, 'x') + ".",
                                 8}});
  const auto report = scanned(data, "m.pt", {.limits = {.bytes_out = 1u << 20}});
  EXPECT_EQ(report.verdict, ScanVerdict::inconclusive) << described_entries(report);
  EXPECT_TRUE(has_rule(report, "scan.budget-exhausted"));
}

TEST(Zip, what_is_cut_off_is_malformed_and_still_looked_at) {
  const std::string whole = zip({{"m/data.pkl", harmful}, {"m/version", "3"}});
  EXPECT_EQ(scanned(whole.substr(0, whole.size() - 30)).verdict, ScanVerdict::malicious);
  const std::string fine = zip({{"m/data.pkl", harmless}, {"m/version", "3"}});
  EXPECT_EQ(scanned(fine.substr(0, fine.size() - 30)).verdict, ScanVerdict::malformed);
}

std::string keras(const std::string& layers) {
  return zip({{"config.json",
               R"json({"module": "keras", "class_name": "Sequential", "config": {"layers": [)json" + layers + "]}}"},
              {"metadata.json", R"({"keras_version": "3.11.1"})"}});
}

TEST(Keras, layers_are_judged_wherever_they_stand) {
  struct Case {
    const char* layer;
    ScanVerdict verdict;
    const char* rule;
  };
  static const Case cases[] = {
      {R"json({"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}, "registered_name": null})json",
       ScanVerdict::clean, nullptr},
      {R"json({"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wAAAAAA"}}}})json",
       ScanVerdict::malicious, "keras.lambda"},
      {R"json({"class_name": "Lambda", "config": {"function": "lambda x: __import__('os').system('id')"}})json",
       ScanVerdict::malicious, "keras.lambda"},
      {R"json({"class_name": "Lambda", "config": {"function": {"class_name": "__tuple__", "items": ["4wAAAAAA", null]}}})json",
       ScanVerdict::malicious, "keras.lambda"},
      {R"json({"class_name": "Lambda", "config": {"function": "lambda x: x + 1"}})json", ScanVerdict::review,
       "keras.lambda"},
      {R"json({"class_name": "Wrapper", "config": {"a": [[{"b": {"class_name": "Lambda", "config": {"function": ["!", null]}}}]]}})json",
       ScanVerdict::review, "keras.lambda"},
      {R"json({"class_name": "Dense", "config": {"activation": {"module": "subprocess", "class_name": "function", "config": "run"}}})json",
       ScanVerdict::malicious, "keras.import"},
      {R"json({"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"})json",
       ScanVerdict::malicious, "keras.import"},
      {R"json({"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization"})json",
       ScanVerdict::malicious, "keras.import"},
      {R"json({"module": "shutil", "class_name": "Dense", "config": {}})json", ScanVerdict::malicious, "keras.import"},
      {R"json({"module": "keras.layers", "class_name": "Dense", "module": "os", "config": {}})json",
       ScanVerdict::malicious, "keras.import"},
      {R"json({"module": "my.layers", "class_name": "Mine", "config": {}})json", ScanVerdict::review,
       "keras.custom-object"},
      {R"json({"module": null, "class_name": "Mine", "config": {}, "registered_name": "Custom>Mine"})json",
       ScanVerdict::review, "keras.custom-object"},
      {R"json({"class_name": "TFOpLambda", "config": {"function": "io.write_file"}})json", ScanVerdict::malicious,
       "keras.function"},
      {R"json({"class_name": "TFOpLambda", "config": {"function": "math.add"}})json", ScanVerdict::clean, nullptr},
      {R"json({"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}})json", ScanVerdict::malicious,
       "keras.path"},
      {R"json({"class_name": "StringLookup", "config": {"vocabulary": ["os", "eval", "/etc"]}})json",
       ScanVerdict::clean, nullptr},
      {R"json({"class_name": "TorchModuleWrapper", "config": {"module": "gASVHQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKULg=="}})json",
       ScanVerdict::malicious, "keras.torch-module"},
  };
  for (const auto& c : cases) {
    const auto report = scanned(keras(c.layer), "m.keras");
    EXPECT_EQ(report.verdict, c.verdict) << c.layer;
    EXPECT_EQ(report.format, "keras");
    if (c.rule) EXPECT_TRUE(has_rule(report, c.rule)) << c.layer;
  }
}

TEST(Keras, archives_hold_no_programs_and_their_configuration_is_json) {
  EXPECT_EQ(scanned(zip({{"config.json", "{}"}, {"metadata.json", "{}"}}), "m.keras").verdict, ScanVerdict::clean);
  EXPECT_EQ(scanned(zip({{"config.json", "{ no"}, {"metadata.json", "{}"}}), "m.keras").verdict,
            ScanVerdict::malformed);
  EXPECT_TRUE(has_rule(scanned(zip({{"config.json", "{}"}, {"metadata.json", "{}"}, {"A.PY", "x"}}), "m.keras"),
                       "zip.program"));
}

TEST(Zip, texts_within_are_inspected_as_what_they_are) {
  EXPECT_EQ(scanned(zip({{"README.md", "words"}, {"config.json", "{\"model_type\": \"x\"}"}})).verdict,
            ScanVerdict::clean);
  EXPECT_EQ(scanned(zip({{"tokenizer_config.json", "{\"chat_template\": \"{{ x.__class__ }}\"}"}})).verdict,
            ScanVerdict::malicious);
  EXPECT_EQ(scanned(zip({{"README.md", "words"}, {"weights", std::string("\0\1\2\3", 4)}})).verdict,
            ScanVerdict::inconclusive);
}

TEST(Skops, the_tree_decides) {
  const std::string node = R"({"__class__": "%", "__module__": "#", "__loader__": "ObjectNode", "content": null})";
  const auto schema = [&](std::string module, std::string name) {
    std::string text = node;
    text.replace(text.find('%'), 1, name).replace(text.find('#'), 1, module);
    return scanned(zip({{"schema.json", text}}));
  };
  EXPECT_EQ(schema("sklearn.linear_model._base", "LinearRegression").verdict, ScanVerdict::clean);
  EXPECT_EQ(schema("sklearn.linear_model._base", "LinearRegression").format, "skops");
  EXPECT_EQ(schema("my.module", "Thing").verdict, ScanVerdict::review);
  EXPECT_EQ(schema("os", "system").verdict, ScanVerdict::malicious);
  EXPECT_EQ(scanned(zip({{"schema.json", "{}"}})).verdict, ScanVerdict::review);
  EXPECT_EQ(scanned(zip({{"schema.json", R"({"__class__": "call", "__module__": "builtins",
                                             "__loader__": "OperatorFuncNode", "attrs": {}})"}}))
                .verdict,
            ScanVerdict::malicious);
}

TEST(TorchServe, handlers_of_its_own_are_for_review) {
  const std::string manifest = R"({"model": {"modelName": "m", "handler": "%", "serializedFile": "m.pt"}})";
  const auto archive = [&](std::string handler, std::string code) {
    std::string text = manifest;
    text.replace(text.find('%'), 1, handler);
    std::vector<Member> members{{"MAR-INF/MANIFEST.json", text}};
    if (!code.empty()) members.push_back({handler, code});
    return scanned(zip(members));
  };
  EXPECT_EQ(archive("image_classifier", "").verdict, ScanVerdict::clean);
  EXPECT_EQ(archive("image_classifier", "").format, "torchserve-mar");
  EXPECT_EQ(archive("h.py", "def handle(data, context):\n    return data\n").verdict, ScanVerdict::review);
  const auto found = archive("h.py", "import subprocess as s\ns.run(['x'])\n").findings;
  EXPECT_TRUE(std::any_of(found.begin(), found.end(), [](const Finding& f) { return f.rule == "text.python-call"; }));
}

TEST(TorchScript, types_of_its_own_are_fine_and_file_access_is_not) {
  const std::string types =
      "\x80\x02"
      "c__torch__.model\nNet\n)\x81}b.";
  const auto fine =
      scanned(zip({{"m/data.pkl", types},
                   {"m/constants.pkl", "\x80\x02)."},
                   {"m/code/__torch__.py", "class Net(Module):\n  def forward(self): return ops.aten.relu(x)\n"}}));
  EXPECT_EQ(fine.verdict, ScanVerdict::clean) << described_entries(fine);
  EXPECT_EQ(fine.format, "torchscript");
  const auto reads = scanned(
      zip({{"m/constants.pkl", "\x80\x02)."}, {"m/code/__torch__.py", "x = torch.from_file(\"/etc/passwd\")\n"}}));
  EXPECT_EQ(reads.verdict, ScanVerdict::malicious) << described_entries(reads);
  const auto custom =
      scanned(zip({{"m/constants.pkl", "\x80\x02)."}, {"m/code/__torch__.py", "x = ops.mine.run(y)\n"}}));
  EXPECT_EQ(custom.verdict, ScanVerdict::review) << described_entries(custom);
}

TEST(Compressed, content_is_scanned_whatever_the_name) {
  std::string data(compressBound(harmful.size()), '\0');
  uLongf size = data.size();
  ASSERT_EQ(compress(reinterpret_cast<Bytef*>(data.data()), &size, reinterpret_cast<const Bytef*>(harmful.data()),
                     harmful.size()),
            Z_OK);
  data.resize(size);
  const auto report = scanned(data, "m.joblib");
  EXPECT_EQ(report.verdict, ScanVerdict::malicious) << described_entries(report);
  EXPECT_EQ(report.format, "zlib+pickle");
  const auto cut = scanned(data.substr(0, data.size() - 2), "m.joblib");
  EXPECT_EQ(cut.verdict, ScanVerdict::malicious) << described_entries(cut);
  EXPECT_TRUE(has_rule(cut, "compressed.malformed"));
}

}  // namespace
}  // namespace hauberk::scan
