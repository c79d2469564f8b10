// Surface of the OpenAI API: chat completions, completions, embeddings, models. Pure: bytes in, values out. The
// upstream gets what was validated (no two parsers can read it differently), with the model's name replaced by the one
// the upstream knows. Errors are Errc::invalid with a text for the caller.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/exchange.h"

namespace hauberk::gateway {

// The input refers to `body` (TextInput::spelling).
Result<TextInput> parse_openai(Operation operation, std::string_view body);

// `model`: the upstream's name for it; empty keeps the caller's.
std::string write_openai_upstream_body(const TextInput& input, std::string_view model);

// An upstream's answer, or one event of its stream, written anew under the name that the caller asked for: what the
// upstream calls its model is nobody's business. Errc::corrupt where it is no JSON object; Errc::unavailable where it
// tells an error although its status said success.
Result<std::string> rewrite_openai_answer(std::string_view body, std::string_view model);

std::string write_openai_models(const std::vector<std::string>& names, std::int64_t created_unix_seconds);
std::string write_openai_model(std::string_view name, std::int64_t created_unix_seconds);
// {"error":{"message","type","param","code"}} with the types that the official clients know.
std::string write_openai_error(int status, std::string_view message, std::string_view code);

}  // namespace hauberk::gateway
