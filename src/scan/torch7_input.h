// The numbers and texts that Torch7's objects consist of, in either spelling: binary, little-endian, or as text that
// C's scanf takes apart. Forward only, with one failure flag that stays; what is read after a failure means nothing.
// Memory: one window. Source: torch7's THDiskFile.c.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "scan/budget.h"
#include "scan/program_text.h"
#include "scan/reader.h"

namespace hauberk::scan {

struct Torch7Element {
  std::string_view name;  // "Float" of torch.FloatTensor and torch.FloatStorage
  std::size_t width;      // in bytes; 0: that of a long
  bool whole;             // an integer
};

class Torch7Input {
 public:
  Torch7Input(Reader& data, bool ascii, Budget& budget) : data_(data), at_(data), ascii_(ascii), budget_(budget) {}

  std::int32_t integer();
  std::int64_t long_integer();  // C's long: eight bytes, but for files from 32 bits or from Windows
  void real() { skip_numbers(1, {"Double", 8, false}); }
  // The first bytes of a text; all of it is passed.
  std::string text(std::int64_t size, std::uint64_t kept = program_text_limit);
  void skip_numbers(std::int64_t count, const Torch7Element& element);
  void skip_space();

  // How wide a long is shows where the first ones stand, which must be before one is read: what follows a tensor's is
  // one of two tags; what a storage announces must be there.
  void find_long_width_of_tensor(std::int32_t dimensions);
  void find_long_width_of_storage(const Torch7Element& element);
  bool short_longs() const { return long_width_ == 4; }

  bool good() const { return good_; }
  bool fail() { return good_ = false; }
  bool ascii() const { return ascii_; }
  std::uint64_t position() const { return at_.position(); }
  std::uint64_t remaining() const { return at_.remaining(); }
  std::uint64_t numbers() const { return numbers_; }  // of storages, as text

 private:
  std::uint8_t peek() { return at_.need(1) ? *at_.data() : std::uint8_t{0}; }
  bool next_is(std::uint8_t a, std::uint8_t b);
  void end_of_line();
  std::size_t digits();
  std::int64_t ascii_whole(std::int64_t most);
  bool ascii_real();

  Reader& data_;
  Cursor at_;
  bool ascii_;
  Budget& budget_;
  bool good_ = true;
  std::size_t long_width_ = 8;
  bool long_known_ = false;
  std::uint64_t numbers_ = 0;
};

}  // namespace hauberk::scan
