// The tokens of Jinja's templates. Offsets and lengths only, so that a token costs a few bytes. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hauberk::scan {

struct JinjaToken {
  enum Type : std::uint8_t { data, block_begin, block_end, output_begin, output_end, name, text, number, op, end };
  Type type = end;
  bool trim_before = false, trim_after = false;  // of begins and ends: a minus
  std::uint32_t offset = 0, length = 0;
};

struct JinjaTokens {
  std::vector<JinjaToken> tokens;  // up to the problem, if there is one
  std::string problem;             // empty: none
  std::size_t problem_at = 0;
};

JinjaTokens lex_jinja(std::string_view text, std::size_t limit);
bool jinja_space(char c);
// Jinja reads its texts as Python reads literals. False if a character was named that is not known here.
bool unescape_jinja(std::string_view raw, std::string& out);
// The value of a number as it is spelled, without its fraction, saturated.
std::int64_t jinja_integer(std::string_view spelled);

}  // namespace hauberk::scan
