// Archives are built here part by part, because the ones that matter are those that no archiver would write.
#include "scan/seven_zip.h"

#include <bzlib.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>

#include <algorithm>

#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

using namespace std::string_literals;

const std::string seven_good = "\x80\x02}X\x01" + std::string(3, '\0') + "wK\x01s.";
const std::string seven_bad = "cos\nsystem\n(S'id'\ntR.";

std::string seven_le(std::uint64_t value, std::size_t width) {
  std::string out;
  for (std::size_t i = 0; i < width; ++i) out += static_cast<char>(value >> 8 * i);
  return out;
}
// A number of the header, in its longest form where it does not fit into seven bits.
std::string seven_number(std::uint64_t value) {
  return value < 0x80 ? std::string(1, static_cast<char>(value)) : "\xff" + seven_le(value, 8);
}
std::string seven_property(int id, const std::string& content) {
  return std::string(1, static_cast<char>(id)) + seven_number(content.size()) + content;
}
std::string seven_crc(const std::string& data) { return seven_le(crc32(as_bytes(data)), 4); }

struct Packed {
  std::string bytes;                                        // the stream
  std::vector<std::pair<std::string, std::string>> coders;  // ids and properties, from the content to the stream
};

std::string through_lzma(const std::string& data, std::vector<lzma_filter> filters) {
  filters.push_back({.id = LZMA_VLI_UNKNOWN, .options = nullptr});
  std::string out(data.size() * 2 + 4096, '\0');
  std::size_t at = 0;
  EXPECT_EQ(lzma_raw_buffer_encode(filters.data(), nullptr, reinterpret_cast<const std::uint8_t*>(data.data()),
                                   data.size(), reinterpret_cast<std::uint8_t*>(out.data()), &at, out.size()),
            LZMA_OK);
  out.resize(at);
  return out;
}

Packed seven_packed(const std::string& data, const std::string& method) {
  lzma_options_lzma options;
  lzma_lzma_preset(&options, 1);
  options.dict_size = 1u << 16;
  lzma_options_delta delta{.type = LZMA_DELTA_TYPE_BYTE, .dist = 4};
  const lzma_filter lzma1{.id = LZMA_FILTER_LZMA1, .options = &options},
      lzma2{.id = LZMA_FILTER_LZMA2, .options = &options};
  const std::pair coder1("\x03\x01\x01"s, "\x5d"s + seven_le(options.dict_size, 4)), coder2("\x21"s, "\x08"s);
  if (method == "LZMA") return {through_lzma(data, {lzma1}), {coder1}};
  if (method == "LZMA2") return {through_lzma(data, {lzma2}), {coder2}};
  if (method == "BCJ LZMA")
    return {through_lzma(data, {{.id = LZMA_FILTER_X86, .options = nullptr}, lzma1}),
            {{"\x03\x03\x01\x03", ""}, coder1}};
  if (method == "Delta LZMA2")
    return {through_lzma(data, {{.id = LZMA_FILTER_DELTA, .options = &delta}, lzma2}), {{"\x03", "\x03"}, coder2}};
  if (method == "Deflate") {
    std::string out(data.size() + 4096, '\0');
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return {out, {{"\x04\x01\x08", ""}}};
  }
  if (method == "BZip2") {
    std::string out(data.size() + 4096, '\0');
    auto size = static_cast<unsigned>(out.size());
    EXPECT_EQ(BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(data.data()),
                                       static_cast<unsigned>(data.size()), 1, 0, 0),
              BZ_OK);
    out.resize(size);
    return {out, {{"\x04\x02\x02", ""}}};
  }
  if (method == "Delta Copy") {  // a filter without LZMA below it
    std::string out = data;
    for (std::size_t i = 4; i < data.size(); ++i) out[i] = static_cast<char>(data[i] - data[i - 4]);
    return {out, {{"\x03", "\x03"}, {"\0"s, ""}}};
  }
  return {data, {{"\0"s, ""}}};
}

struct SevenMember {
  std::string name, content;
  std::uint32_t mode = 0;
  bool folder = false, anti = false;
  std::uint32_t crc_error = 0;
};

struct SevenOptions {
  std::string method = "Copy";
  bool solid = true;
  bool packed_header = false;
  std::string coders;         // in place of the method's
  std::string within;         // behind each packed stream, as if it belonged to it
  std::string behind;         // within the archive, before its header
  std::string header_change;  // appended to the header
};

std::string seven_coders(const Packed& packed) {
  std::string out = seven_number(packed.coders.size());
  for (const auto& [id, properties] : packed.coders) {
    out += static_cast<char>(id.size() | (properties.empty() ? 0 : 0x20));
    out += id;
    if (!properties.empty()) out += seven_number(properties.size()) + properties;
  }
  for (std::size_t i = 0; i + 1 < packed.coders.size(); ++i) out += seven_number(i) + seven_number(i + 1);
  return out;
}

// Streams of which each holds the contents that belong together.
std::string seven_streams(const std::vector<std::vector<std::string>>& contents, const SevenOptions& options,
                          const std::vector<std::uint32_t>& crc_errors, std::string& body) {
  std::string sizes, folders, unpacked, counts, parts, crcs;
  const auto at = body.size();
  std::size_t nth = 0;
  for (const auto& together : contents) {
    std::string whole;
    for (const auto& content : together) whole += content;
    auto stream = seven_packed(whole, options.method);
    stream.bytes += options.within;
    body += stream.bytes;
    sizes += seven_number(stream.bytes.size());
    folders += options.coders.empty() ? seven_coders(stream) : options.coders;
    for (std::size_t i = 0; i < stream.coders.size(); ++i) unpacked += seven_number(whole.size());
    counts += seven_number(together.size());
    for (std::size_t i = 0; i < together.size(); ++i) {
      if (i + 1 < together.size()) parts += seven_number(together[i].size());
      crcs += seven_le(crc32(as_bytes(together[i])) ^ (nth < crc_errors.size() ? crc_errors[nth] : 0), 4);
      ++nth;
    }
  }
  const auto count = seven_number(contents.size());
  std::string out = "\x06" + seven_number(at) + count + "\x09" + sizes + "\0"s;
  out += "\x07\x0b" + count + "\0"s + folders + "\x0c" + unpacked + "\0"s;
  out += "\x08\x0d" + counts + (parts.empty() ? "" : "\x09" + parts) + "\x0a\x01" + crcs + "\0"s;
  return out + "\0"s;
}

std::string seven_start(const std::string& body, const std::string& header) {
  const std::string start = seven_le(body.size(), 8) + seven_le(header.size(), 8) + seven_crc(header);
  return "7z\xbc\xaf\x27\x1c\0\x04"s + seven_crc(start) + start + body + header;
}

std::string seven_zip(const std::vector<SevenMember>& members, const SevenOptions& options = {}) {
  std::vector<std::vector<std::string>> contents;
  std::vector<std::uint32_t> crc_errors;
  std::string names(1, '\0'), attributes("\x01\0"s), empty, empty_file, anti, body;
  const auto bit = [](std::string& bits, std::size_t at, bool set) {
    if (at % 8 == 0) bits += '\0';
    if (set) bits.back() = static_cast<char>(bits.back() | 0x80 >> at % 8);
  };
  std::size_t nth = 0, nth_empty = 0;
  for (const auto& member : members) {
    for (const char c : member.name) names += std::string{c, '\0'};
    names += "\0\0"s;
    attributes += seven_le(member.mode == 0 ? 0 : member.mode << 16 | 0x8000, 4);
    const bool none = member.content.empty();
    bit(empty, nth++, none);
    if (none) {
      bit(empty_file, nth_empty, !member.folder);
      bit(anti, nth_empty++, member.anti);
      continue;
    }
    if (contents.empty() || !options.solid) contents.emplace_back();
    contents.back().push_back(member.content);
    crc_errors.push_back(member.crc_error);
  }
  std::string header = "\x01"s;
  if (!contents.empty()) header += "\x04" + seven_streams(contents, options, crc_errors, body);
  body += options.behind;
  header += "\x05" + seven_number(members.size());
  if (nth_empty != 0)
    header += seven_property(0x0e, empty) + seven_property(0x0f, empty_file) + seven_property(0x10, anti);
  header += seven_property(0x19, "\0\0"s) + seven_property(0x11, names) + seven_property(0x15, attributes) + "\0\0"s;
  header += options.header_change;
  if (options.packed_header) header = "\x17" + seven_streams({{header}}, {.method = "LZMA"}, {}, body);
  return seven_start(body, header);
}

Report seven_scan(const std::string& data, const ScanOptions& options = {}) {
  return scan_bytes(data, "m.7z", options);
}
std::string seven_told(const Report& report) {
  std::string text = std::string(name(report.verdict)) + " " + report.format;
  for (const auto& finding : report.findings)
    text += "\n  " + finding.rule + " " + finding.where.text() + ": " + finding.message;
  return text;
}

const std::vector<std::string> seven_methods = {"Copy",        "LZMA",    "LZMA2", "BCJ LZMA",
                                                "Delta LZMA2", "Deflate", "BZip2", "Delta Copy"};

TEST(SevenZip, members_are_seen_through_every_method) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += i % 7 == 0 ? "\xe8\x10 \n\x01"s : "word ";
  std::erase_if(text, [](char c) { return c < ' ' && c != '\n'; });
  for (const auto& method : seven_methods)
    for (const bool solid : {true, false})
      for (const bool packed_header : {true, false}) {
        const SevenOptions options{.method = method, .solid = solid, .packed_header = packed_header};
        const auto good = seven_scan(seven_zip({{"a.pkl", seven_good}, {"n.txt", text}, {"empty", ""}}, options));
        EXPECT_EQ(good.verdict, ScanVerdict::clean) << method << ": " << seven_told(good);
        EXPECT_EQ(good.format, "seven-zip");
        const auto bad =
            seven_scan(seven_zip({{"a.pkl", seven_good}, {"n.txt", text}, {"d/b.pkl", seven_bad}}, options));
        EXPECT_EQ(bad.verdict, ScanVerdict::malicious) << method << ": " << seven_told(bad);
        ASSERT_TRUE(has_rule(bad, "pickle.dangerous-call"));
        EXPECT_EQ(bad.findings[0].where.file, "m.7z!d/b.pkl");
      }
}

TEST(SevenZip, names_that_lead_out_and_links_are_findings) {
  for (const std::string name : {"../x", "/etc/x", "a/../../x", "..\\x", "C:\\x"}) {
    EXPECT_TRUE(has_rule(seven_scan(seven_zip({{name, seven_good}})), "seven-zip.unsafe-path")) << name;
    EXPECT_TRUE(has_rule(seven_scan(seven_zip({{name, "", 0, true}})), "seven-zip.unsafe-path")) << name;
  }
  const auto out = seven_scan(seven_zip({{"link", "../../etc/passwd", 0120777}}));
  EXPECT_EQ(out.verdict, ScanVerdict::malicious) << seven_told(out);
  const auto inside = seven_scan(seven_zip({{"link", "other", 0120777}}));
  EXPECT_EQ(inside.verdict, ScanVerdict::review) << seven_told(inside);
  EXPECT_TRUE(has_rule(seven_scan(seven_zip({{"device", "x", 0020666}})), "seven-zip.link"));
  EXPECT_EQ(seven_scan(seven_zip({{"file", seven_good, 0100644}, {"folder", "", 0040755, true}})).verdict,
            ScanVerdict::clean);
}

TEST(SevenZip, odd_members_are_findings) {
  EXPECT_TRUE(has_rule(seven_scan(seven_zip({{"a", seven_good}, {"A", seven_good}})), "seven-zip.duplicate-name"));
  EXPECT_TRUE(has_rule(seven_scan(seven_zip({{"a", "", 0, false, true}})), "seven-zip.anti-item"));
  for (const bool solid : {true, false}) {
    const auto report = seven_scan(
        seven_zip({{"a", seven_good}, {"b", seven_good, 0, false, false, 1}, {"c", seven_good}}, {.solid = solid}));
    EXPECT_EQ(report.verdict, ScanVerdict::review);
    ASSERT_EQ(report.findings.size(), 1u) << seven_told(report);
    EXPECT_EQ(report.findings[0].rule, "seven-zip.checksum");
    EXPECT_EQ(report.findings[0].where.file, "m.7z!b");
  }
}

TEST(SevenZip, what_cannot_be_unpacked_is_never_clean) {
  const auto coded = [](const std::string& coders) {
    return seven_scan(seven_zip({{"a", "12345"}}, {.coders = coders}));
  };
  const auto encrypted = coded("\x01\x04\x06\xf1\x07\x01"s);
  EXPECT_EQ(encrypted.verdict, ScanVerdict::inconclusive);
  EXPECT_TRUE(has_rule(encrypted, "seven-zip.encrypted")) << seven_told(encrypted);
  const auto ppmd = coded("\x01\x03\x03\x04\x01"s);
  EXPECT_EQ(ppmd.verdict, ScanVerdict::inconclusive);
  ASSERT_EQ(ppmd.findings.size(), 1u);
  EXPECT_NE(ppmd.findings[0].message.find("PPMd"), std::string::npos) << seven_told(ppmd);
  EXPECT_NE(coded("\x01\x03\x12\x34\x56"s).findings[0].message.find("0x123456"), std::string::npos);
  // LZMA2 with a dictionary of 4 GiB, of which five bytes need none, and with one of no size at all.
  EXPECT_EQ(coded("\x01\x21\x21\x01\x28"s).verdict, ScanVerdict::malformed);
  EXPECT_EQ(coded("\x01\x21\x21\x01\x29"s).verdict, ScanVerdict::malformed);
  EXPECT_EQ(coded("\x01\xc1\x00"s).verdict, ScanVerdict::malformed);
  EXPECT_EQ(coded("\x02\x01\x00\x01\x00\x00\x00"s).verdict, ScanVerdict::malformed);  // joined to itself
}

TEST(SevenZip, damage_and_foreign_bytes_are_seen) {
  for (const auto& method : seven_methods)
    for (const bool packed_header : {true, false}) {
      const auto whole =
          seven_zip({{"a.pkl", seven_good}, {"b.pkl", seven_good}}, {.method = method, .packed_header = packed_header});
      for (std::size_t cut = 6; cut < whole.size(); ++cut)
        EXPECT_NE(seven_scan(whole.substr(0, cut)).verdict, ScanVerdict::clean) << method << cut;
      std::size_t unseen = 0;
      for (std::size_t at = 8; at < whole.size(); ++at) {
        auto changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x10);
        unseen += seven_scan(changed).verdict == ScanVerdict::clean ? 1 : 0;
      }
      // Where a compressed stream says that it ends, the content is complete already.
      EXPECT_LE(unseen, method == "Copy" && !packed_header ? 0u : 24u) << method;
      EXPECT_TRUE(has_rule(seven_scan(whole + "more"), "seven-zip.trailing-bytes"));
    }
  const auto hidden = [](std::size_t more) {
    return seven_scan(seven_zip({{"a", seven_good}}, {.method = "Deflate", .within = std::string(more, 'x')}));
  };
  EXPECT_TRUE(has_rule(hidden(100), "seven-zip.unused-bytes"));
  EXPECT_EQ(hidden(0).verdict, ScanVerdict::clean);
  EXPECT_TRUE(has_rule(seven_scan(seven_zip({{"a", seven_good}}, {.behind = "x"})), "seven-zip.unused-bytes"));
  EXPECT_EQ(seven_scan(seven_zip({{"a", seven_good}}, {.header_change = "x"})).verdict, ScanVerdict::malformed);
  EXPECT_EQ(seven_scan(seven_start("", "")).verdict, ScanVerdict::clean);
  EXPECT_EQ(seven_scan("7z\xbc\xaf\x27\x1c\0\x04"s + std::string(24, '\0')).verdict, ScanVerdict::malformed);
}

TEST(SevenZip, hostile_counts_reserve_nothing) {
  const auto huge = "\xff"s + seven_le(std::uint64_t{1} << 60, 8);
  for (const auto& header :
       {"\x01\x05" + huge + "\0\0"s, "\x01\x04\x06\0"s + huge + "\0\0\0"s,
        "\x01\x04\x06\0\x01\x09\x01\0\x07\x0b"s + huge + "\0\0"s, "\x01\x04\x06\0\x01\x09"s + huge + "\0\0\0"s,
        "\x01\x04\x06\0\x01\x09\x01\0\x07\x0b\x01\0\x01\x01\0\x0c"s + huge + "\0\x08\x0d"s + huge + "\0\0\0"s,
        "\x01\x04\x07\x0b\x01\0\x01\x01\0\x0c\x05\0\0\0"s, "\x01\x04\x07\x0b\x01\0\x01\x11\0"s + huge + huge,
        "\x17\x06\0\x01\x09\x01\0\x07\x0b\x01\0\x01\x01\0\x0c"s + huge + "\0\0"s, "\x42"s}) {
    const auto report = seven_scan(seven_start("12345", header));
    EXPECT_NE(report.verdict, ScanVerdict::clean) << hex(as_bytes(header));
    EXPECT_NE(report.verdict, ScanVerdict::malicious);
  }
}

TEST(SevenZip, bombs_and_nesting_end_with_the_budget) {
  const auto bomb = seven_zip({{"a.npy", std::string(4u << 20, '\0')}}, {.method = "LZMA2"});
  const auto much = seven_scan(bomb, {.limits = {.bytes_out = 1u << 20}});
  EXPECT_EQ(much.verdict, ScanVerdict::inconclusive) << seven_told(much);
  EXPECT_TRUE(has_rule(much, "scan.budget-exhausted"));
  const auto few = seven_scan(seven_zip({{"a", "1"}, {"b", "2"}, {"c", "3"}}), {.limits = {.entries = 5}});
  EXPECT_EQ(few.verdict, ScanVerdict::inconclusive) << seven_told(few);
  std::string nested = seven_zip({{"b.pkl", seven_bad}});
  nested = seven_zip({{"in.7z", nested}}, {.method = "LZMA"});
  EXPECT_EQ(seven_scan(nested).verdict, ScanVerdict::malicious);
  for (int i = 0; i < 10; ++i) nested = seven_zip({{"in.7z", nested}});
  EXPECT_EQ(seven_scan(nested).verdict, ScanVerdict::inconclusive);
}

}  // namespace
}  // namespace hauberk::scan
