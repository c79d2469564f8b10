// The name somebody probably meant: the nearest by edit distance (insertion, deletion, substitution, and swap of
// neighbours each count one), for "did you mean". Pure; cost is the product of the lengths, and names over 64 bytes are
// not compared, so that hostile input costs nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace hauberk {

// Optimal string alignment distance; both at most 64 bytes, otherwise a number larger than any real distance.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of `names` if it is near enough to be a slip (at most a third of its length), the first of several.
std::optional<std::string_view> nearest(std::string_view written, std::span<const std::string_view> names);

}  // namespace hauberk
