// Lua functions as data: source, or what string.dump() writes (the byte code of Lua 5.1 to 5.4 and of LuaJIT). Nothing
// is decoded: the constants that a function refers to stand in its byte code as they are, and they tell what it could
// reach. That misses names put together at run time, so that a function is never harmless for what it does not name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hauberk::scan {

bool is_lua_byte_code(std::string_view chunk);
// "names os.execute", "names loadstring"; nothing for a function that names nothing of the kind.
std::optional<std::string> lua_danger(std::string_view chunk);
// The same for a text that is Lua source with such a call, not just words of it.
std::optional<std::string> lua_program_in(std::string_view text);

}  // namespace hauberk::scan
