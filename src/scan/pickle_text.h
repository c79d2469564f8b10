// The escapes of the text opcodes: STRING as codecs.escape_decode reads it, UNICODE as raw-unicode-escape. What no
// decoder accepts is kept as it stands: these texts are looked at, never executed. UTF-8 out, linear.
#pragma once

#include <string>
#include <string_view>

namespace hauberk::scan {

std::string decode_string_escapes(std::string_view quoted);  // with its quotes
std::string decode_unicode_escapes(std::string_view text);
void append_utf8(std::string& out, char32_t code_point);
// Text that stands for bytes (code points below 256), back into these bytes. False if there is another code point.
bool latin1_bytes(std::string_view utf8, std::string& out);

}  // namespace hauberk::scan
