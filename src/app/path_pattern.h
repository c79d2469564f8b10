// Patterns of paths, as shells and .gitignore write them: * and ? stay within one folder, ** crosses folders, [a-z] is
// a set. A pattern without a slash is matched with the last part of the path alone. Pure; linear but for **, quadratic.
#pragma once

#include <string_view>

namespace hauberk::app {

bool is_pattern(std::string_view text);
bool matches_pattern(std::string_view pattern, std::string_view path);

}  // namespace hauberk::app
