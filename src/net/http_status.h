// The reason phrases of HTTP statuses (RFC 9110), those that we answer with. Pure; any thread.
#pragma once

#include <string_view>

namespace hauberk::net {

std::string_view status_text(int status);  // "Not Found"; "Unknown" of others

}  // namespace hauberk::net
