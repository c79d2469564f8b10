#include "scan/arrow.h"

#include <gtest/gtest.h>

#include "scan/flat_writer.h"
#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

using namespace std::string_literals;

const std::string system_call = "\x80\2cposix\nsystem\nX\2\0\0\0idq\0\x85R."s;

struct Extension {
  std::string name = "arrow.py_extension_type", description;
};

std::size_t pairs_of(FlatWriter& w, const Extension& extension) {
  const auto pairs = w.vector(2);
  const std::pair<std::string, std::string> all[] = {{"ARROW:extension:name", extension.name},
                                                     {"ARROW:extension:metadata", extension.description}};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto pair = w.table(2);
    w.refer(pairs + 4 + 4 * i, pair);
    w.refer(FlatWriter::field(pair, 0), w.bytes(all[i].first));
    w.refer(FlatWriter::field(pair, 1), w.bytes(all[i].second));
  }
  return pairs;
}

// A schema of one column, which is itself of the type or holds another that is, `depth` deep.
std::size_t schema_of(FlatWriter& w, const Extension& extension, int depth) {
  const auto schema = w.table(3);
  auto of = schema;
  std::size_t field_number = 1;
  for (int i = 0; i <= depth; ++i) {
    const auto fields = w.vector(1);
    w.refer(FlatWriter::field(of, field_number), fields);
    const auto field = w.table(7);
    w.refer(fields + 4, field);
    of = field;
    field_number = 5;
  }
  w.refer(FlatWriter::field(of, 6), pairs_of(w, extension));
  return schema;
}

std::string four(std::uint32_t value) {
  std::string out(4, '\0');
  for (int i = 0; i < 4; ++i) out[static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i));
  return out;
}

std::string message(const Extension& extension, int depth = 0, unsigned kind = 1) {
  FlatWriter w("");
  const auto root = w.table(4);
  w.four(0, static_cast<std::uint32_t>(root));
  w.four(FlatWriter::field(root, 1), kind);
  w.refer(FlatWriter::field(root, 2), schema_of(w, extension, depth));
  auto out = w.done();
  out.resize((out.size() + 7) / 8 * 8);
  return four(0xFFFFFFFF) + four(static_cast<std::uint32_t>(out.size())) + out;
}

std::string file(const std::string& first_message, const Extension& in_footer) {
  FlatWriter w("");
  const auto root = w.table(5);
  w.four(0, static_cast<std::uint32_t>(root));
  w.refer(FlatWriter::field(root, 1), schema_of(w, in_footer, 0));
  const auto footer = w.done();
  return std::string("ARROW1\0\0", 8) + first_message + footer + four(static_cast<std::uint32_t>(footer.size())) +
         "ARROW1";
}

std::string parquet(const std::string& schema) {
  const auto value = base64(as_bytes(schema));
  const auto footer =
      "\x15\x02\x19\x2c\x18\x0c"
      "ARROW:schema\x18" +
      wire_number(value.size()) + value + '\0';
  return "PAR1" + footer + four(static_cast<std::uint32_t>(footer.size())) + "PAR1";
}

const Extension plain_type{"geoarrow.point", R"({"crs": null})"};
const Extension harmful_type{"arrow.py_extension_type", system_call};

TEST(Arrow, columns_of_data_are_clean) {
  for (const auto& [content, name] : {std::pair{message(plain_type), "t.arrow"},
                                      {file(message(plain_type), plain_type), "t.feather"},
                                      {parquet(message(plain_type)), "t.parquet"},
                                      {parquet(message(plain_type, 3)), "t.parquet"}}) {
    const auto report = scan_bytes(content, name);
    EXPECT_EQ(report.verdict, ScanVerdict::clean) << name << report.findings.size();
  }
}

TEST(Arrow, what_opening_a_table_unpickles_is_looked_at_wherever_it_stands) {
  for (const auto& content :
       {message(harmful_type), message(harmful_type, 5), file(message(harmful_type), plain_type),
        file(message(plain_type), harmful_type), parquet(message(harmful_type)), parquet(message(harmful_type, 2))}) {
    const auto report = scan_bytes(content, "t");
    EXPECT_EQ(report.verdict, ScanVerdict::malicious);
    EXPECT_TRUE(has_rule(report, "arrow.python-type"));
    EXPECT_TRUE(has_rule(report, "pickle.dangerous-call"));
  }
}

TEST(Arrow, a_type_of_python_is_worth_a_review_whatever_describes_it) {
  for (const auto& description : {"", "no pickle at all"}) {
    const auto report = scan_bytes(message({"arrow.py_extension_type", description}), "t");
    EXPECT_NE(report.verdict, ScanVerdict::clean);
    EXPECT_TRUE(has_rule(report, "arrow.python-type"));
  }
}

// Other libraries unpickle the descriptions of types of their own.
TEST(Arrow, a_pickle_that_describes_any_type_is_looked_at) {
  const auto report = scan_bytes(message({"ray.data.arrow_tensor", system_call}), "t");
  EXPECT_EQ(report.verdict, ScanVerdict::malicious);
  EXPECT_TRUE(has_rule(report, "arrow.pickled-type"));
}

TEST(Arrow, what_is_cut_off_is_not_called_clean) {
  const auto whole = file(message(plain_type), plain_type), table = parquet(message(plain_type));
  for (std::size_t length = 8; length < whole.size(); length += 7)
    EXPECT_NE(scan_bytes(whole.substr(0, length), "t.arrow").verdict, ScanVerdict::clean) << length;
  auto no_footer = table;
  no_footer.replace(no_footer.size() - 8, 4, four(0x7fffffff));
  EXPECT_TRUE(has_rule(scan_bytes(no_footer, "t.parquet"), "parquet.malformed"));
  EXPECT_TRUE(has_rule(scan_bytes(parquet(message(plain_type).substr(0, 60)), "t.parquet"), "arrow.malformed"));
  EXPECT_TRUE(has_rule(scan_bytes(parquet(message(plain_type, 0, 3)), "t.parquet"), "arrow.malformed")) << "no schema";
}

// Forty tables, of which each has the next one twice.
TEST(Arrow, columns_that_share_their_children_end_with_the_budget) {
  FlatWriter w("");
  const auto root = w.table(4);
  w.four(0, static_cast<std::uint32_t>(root));
  w.four(FlatWriter::field(root, 1), 1);
  auto of = w.table(2);
  w.refer(FlatWriter::field(root, 2), of);
  for (int level = 0; level < 40; ++level) {
    const auto fields = w.vector(2);
    w.refer(FlatWriter::field(of, level == 0 ? 1 : 5), fields);
    of = w.table(6);
    w.refer(fields + 4, of);
    w.refer(fields + 8, of);
  }
  auto out = w.done();
  out.resize((out.size() + 7) / 8 * 8);
  const auto report = scan_bytes(four(0xFFFFFFFF) + four(static_cast<std::uint32_t>(out.size())) + out, "t");
  EXPECT_EQ(report.verdict, ScanVerdict::inconclusive);
}

}  // namespace
}  // namespace hauberk::scan
