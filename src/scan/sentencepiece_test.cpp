#include "scan/sentencepiece.h"

#include <gtest/gtest.h>

namespace hauberk::scan {
namespace {

using namespace std::string_literals;

std::string piece_field(char number, const std::string& bytes) {
  return static_cast<char>(number << 3 | 2) + std::string(1, static_cast<char>(bytes.size())) + bytes;
}
std::string piece(const std::string& text, const std::string& more = "") {
  return piece_field(1, piece_field(1, text) + "\x15\0\0\x80\xbf"s + more);
}

bool is_pieces(const std::string& data) {
  MemoryReader reader(as_bytes(data));
  return is_sentencepiece(reader);
}
ScanVerdict judged_pieces(const std::string& data) {
  MemoryReader reader(as_bytes(data));
  Gathering gathering{.budget = Budget({}, {})};
  Inspection inspection(gathering, "tokenizer.model");
  inspect_sentencepiece(reader, inspection);
  return gathering.verdict();
}

TEST(SentencePiece, tokenizers_are_known_by_their_pieces_and_are_clean) {
  std::string model = piece("<unk>", "\x18\x02") + piece("<s>", "\x18\x03");
  for (int i = 0; i < 200; ++i) model += piece("\xe2\x96\x81the" + std::to_string(i));
  model += piece_field(2, piece_field(1, "corpus.txt")) + piece_field(3, piece_field(1, "nmt_nfkc"));
  EXPECT_TRUE(is_pieces(model));
  EXPECT_EQ(judged_pieces(model), ScanVerdict::clean);
  for (std::size_t cut = 1; cut < 60; ++cut)
    EXPECT_NE(judged_pieces(model.substr(0, model.size() - cut)), ScanVerdict::review) << cut;
  EXPECT_EQ(judged_pieces(model.substr(0, model.size() - 1)), ScanVerdict::malformed);
  EXPECT_EQ(judged_pieces(model + "PK\x03\x04"), ScanVerdict::malformed);
  EXPECT_EQ(judged_pieces(model + piece("x", "\x18\x09")), ScanVerdict::malformed);
}

TEST(SentencePiece, other_messages_and_texts_are_no_tokenizers) {
  EXPECT_FALSE(is_pieces(""));
  EXPECT_FALSE(is_pieces("words"));
  EXPECT_FALSE(is_pieces(piece_field(2, piece_field(1, "x"))));                         // no pieces
  EXPECT_FALSE(is_pieces(piece_field(1, piece_field(1, "x"))));                         // no score
  EXPECT_FALSE(is_pieces(piece_field(1, piece_field(1, "x") + piece_field(2, "Op"))));  // a node of TensorFlow
  EXPECT_FALSE(is_pieces(piece("x") + piece_field(7, "x")));
  EXPECT_FALSE(is_pieces("\x08\x01"s + piece("x")));
}

}  // namespace
}  // namespace hauberk::scan
