#include "gateway/surface_openai.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace hauberk::gateway {
namespace {

std::unexpected<Error> bad(std::string message) { return fail(Errc::invalid, std::move(message)); }

constexpr std::string_view roles[] = {"assistant", "developer", "function", "system", "tool", "user"};

// Members that decide something here. Some upstreams (all that are written with Go's encoding/json) take "Model" for
// "model", whichever comes last: what was checked would not be what they read.
constexpr std::string_view meaningful[] = {
    "best_of",    "content",  "echo",         "input", "logit_bias", "logprobs", "max_completion_tokens",
    "max_tokens", "messages", "model",        "n",     "prompt",     "refusal",  "role",
    "stream",     "text",     "top_logprobs", "type"};

// Lower case as such parsers compare it: ASCII, and the two letters outside of it that fold into it.
std::string folded(std::string_view key) {
  std::string out;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (key.substr(i).starts_with("\u017F")) {
      out += 's';
      i += 1;
    } else if (key.substr(i).starts_with("\u212A")) {
      out += 'k';
      i += 2;
    } else {
      out += key[i] >= 'A' && key[i] <= 'Z' ? static_cast<char>(key[i] | 0x20) : key[i];
    }
  }
  return out;
}

Status check_spelling(const json::Value& object) {
  const auto* members = object.as_object();
  if (members == nullptr) return {};
  for (const auto& [key, unused] : *members) {
    const bool plain = std::ranges::all_of(key, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
    if (plain) continue;
    if (const auto low = folded(key); low != key && std::ranges::binary_search(meaningful, low))
      return bad(fmt::format("the key '{:.64}' must be written '{}'", key, low));
  }
  return {};
}

// An upstream that fetches a caller's address is a way into our network. Upstreams differ in where they look for one,
// so every member called url or something_url counts, whatever type the part says it has.
bool media_is_inline(const json::Value& value, bool is_address) {
  if (const auto* text = value.as_string()) return !is_address || text->starts_with("data:");
  if (const auto* items = value.as_array())
    return std::ranges::all_of(*items, [&](const json::Value& item) { return media_is_inline(item, is_address); });
  if (const auto* members = value.as_object())
    return std::ranges::all_of(*members, [&](const json::Member& member) {
      return media_is_inline(member.second, member.first == "url" || member.first.ends_with("_url"));
    });
  return true;
}

// The text of a message's content: a string, or the text parts of a list. Other parts (images, audio) are kept in the
// body.
Result<std::string> content_text(const json::Value& content) {
  if (const auto* text = content.as_string()) return *text;
  if (content.is_null()) return std::string();
  const auto* parts = content.as_array();
  if (parts == nullptr) return bad("the content of a message must be a string or a list of parts");
  std::string joined;
  for (const auto& part : *parts) {
    CHECK(check_spelling(part));
    const auto type = part.text_or("type", "");
    if (type.empty()) return bad("a part of a message has no type");
    if (!media_is_inline(part, false)) return bad("media must be given inline (data:), not by address");
    if (type.ends_with("_url") && part.find(type) == nullptr) return bad("a part of a message lacks its media");
    joined += part.text_or("text", part.text_or("refusal", ""));
  }
  return joined;
}

Status parse_messages(const json::Value& body, TextInput& input) {
  const auto* messages = body.find("messages");
  if (messages == nullptr || messages->as_array() == nullptr || messages->as_array()->empty())
    return bad("messages must be a list with at least one message");
  for (const auto& message : *messages->as_array()) {
    CHECK(check_spelling(message));
    const auto role = message.text_or("role", "");
    if (!std::ranges::binary_search(roles, role))
      return bad(fmt::format("a message has the role '{:.32}', which is not known", role));
    const auto* content = message.find("content");
    input.messages.push_back({std::string(role), TRY(content_text(content != nullptr ? *content : json::Value()))});
  }
  return {};
}

// prompt and input: a string, a list of strings, or lists of token numbers (kept in the body, no text).
Status parse_texts(const json::Value& body, std::string_view key, TextInput& input) {
  const auto* value = body.find(key);
  if (value == nullptr || value->is_null()) return bad(fmt::format("{} is missing", key));
  if (const auto* text = value->as_string()) {
    input.texts.push_back(*text);
    return {};
  }
  const auto* items = value->as_array();
  if (items == nullptr || items->empty())
    return bad(fmt::format("{} must be a string or a list that is not empty", key));
  if (items->size() > 2048) return bad(fmt::format("{} has more than 2048 items", key));
  for (const auto& item : *items) {
    if (const auto* text = item.as_string())
      input.texts.push_back(*text);
    else if (!item.is_integer() && !item.is_array())
      return bad(fmt::format("{} holds something else than texts or token numbers", key));
  }
  return {};
}

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

void append_model(std::string& out, std::string_view name, std::int64_t created) {
  out += "{\"id\":";
  json::append_quoted(out, name);
  fmt::format_to(std::back_inserter(out), ",\"object\":\"model\",\"created\":{},\"owned_by\":\"hauberk\"}}", created);
}

// All but the name goes through as it is spelled: numbers keep their digits, and nothing is built to be torn down
// again.
std::string with_model(std::string_view text, const std::vector<json::RawMember>& members, std::string_view model) {
  std::string out;
  out.reserve(text.size() + model.size() + 2);
  std::size_t copied = 0;
  for (const auto& [key, value] : members) {
    if (key != "model") continue;
    const auto at = static_cast<std::size_t>(value.data() - text.data());
    out.append(text, copied, at - copied);
    json::append_quoted(out, model);
    copied = at + value.size();
  }
  return out.append(text, copied);
}

}  // namespace

Result<TextInput> parse_openai(Operation operation, std::string_view body) {
  auto parsed = json::parse(body, {.bytes = body.size() + 1, .depth = 64});
  if (!parsed) return bad(parsed.error().message);
  if (!parsed->is_object()) return bad("the body must be a JSON object");
  CHECK(check_spelling(*parsed));
  TextInput input;
  input.model = parsed->text_or("model", "");
  if (input.model.empty()) return bad("model is missing");
  if (const auto* stream = parsed->find("stream"); stream != nullptr && !stream->is_null()) {
    if (stream->as_bool() == nullptr) return bad("stream must be true or false");
    input.stream = *stream->as_bool();
  }
  for (const std::string_view key : {"max_tokens", "max_completion_tokens"})
    if (const auto* value = parsed->find(key); value != nullptr && !value->is_null()) {
      if (value->as_int() == nullptr) return bad(fmt::format("{} must be a whole number", key));
      input.max_tokens = std::max(input.max_tokens.value_or(*value->as_int()), *value->as_int());
    }
  switch (operation) {
    case Operation::chat:
      CHECK(parse_messages(*parsed, input));
      break;
    case Operation::completion:
      CHECK(parse_texts(*parsed, "prompt", input));
      break;
    case Operation::embedding:
      CHECK(parse_texts(*parsed, "input", input));
      break;
    default:
      return fail(Errc::internal, "not an operation of this surface");
  }
  input.body = std::move(*parsed);
  input.spelling = body;
  return input;
}

std::string write_openai_upstream_body(const TextInput& input, std::string_view model) {
  const bool renamed = !model.empty() && model != input.model;
  if (!input.spelling.empty()) {
    if (!renamed) return std::string(input.spelling);
    if (const auto members = json::members(input.spelling, {.bytes = input.spelling.size() + 1, .depth = 64}))
      return with_model(input.spelling, *members, model);
  }
  if (!renamed) return json::write(input.body);
  auto body = input.body;
  body.set("model", model);
  return json::write(body);
}

Result<std::string> rewrite_openai_answer(std::string_view body, std::string_view model) {
  const auto members = json::members(body, {.bytes = body.size() + 1, .depth = 64});
  if (!members) return fail(Errc::corrupt, "the answer is no JSON object");
  for (const auto& [key, value] : *members)
    if (key == "error" && value != "null") return fail(Errc::unavailable, "the answer tells an error");
  return with_model(body, *members, model);
}

std::string write_openai_models(const std::vector<std::string>& names, std::int64_t created) {
  std::string out = "{\"object\":\"list\",\"data\":[";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i != 0) out += ',';
    append_model(out, names[i], created);
  }
  return out + "]}";
}

std::string write_openai_model(std::string_view name, std::int64_t created) {
  std::string out;
  append_model(out, name, created);
  return out;
}

std::string write_openai_error(int status, std::string_view message, std::string_view code) {
  std::string out = "{\"error\":{\"message\":";
  json::append_quoted(out, message);
  fmt::format_to(std::back_inserter(out), ",\"type\":\"{}\",\"param\":null,\"code\":", error_type(status));
  if (code.empty())
    out += "null";
  else
    json::append_quoted(out, code);
  return out + "}}";
}

}  // namespace hauberk::gateway
