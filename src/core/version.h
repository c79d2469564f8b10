// The version of the program, as `hauberk version`, SARIF and the gateway say it. A test keeps it equal to the one of
// the top CMakeLists.txt.
#pragma once

#include <string_view>

namespace hauberk {

inline constexpr std::string_view program_version = "0.1.0";

}  // namespace hauberk
