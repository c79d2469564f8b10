// The size of a NumPy element from the text of its dtype ("<f8", "U5", "|S3", "O", "V16", "M8[ns]"), and the header of
// an .npy file, which is a Python literal. Pure; literals nest at most 16 deep.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hauberk::scan {

struct Dtype {
  std::uint64_t item_size = 0;
  bool has_object = false;  // elements are Python objects: a pickle stands where the data would
};

std::optional<Dtype> parse_dtype(std::string_view text);
// The same of a type by its name, "numpy.float32", "ml_dtypes.bfloat16".
std::optional<Dtype> parse_type_name(std::string_view name);

struct NpyHeader {
  Dtype dtype;
  std::uint64_t count = 0;  // elements, without overflow
};

std::optional<NpyHeader> parse_npy_header(std::string_view literal);

}  // namespace hauberk::scan
