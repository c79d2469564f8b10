// UTF-8 (RFC 3629). Pure; any thread.
#pragma once

#include <string_view>

namespace hauberk {

// Well-formed: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace hauberk
