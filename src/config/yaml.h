// YAML as a json::Value that remembers where everything stood, for errors like a compiler's. Strict, because a
// configuration that two readers read differently is a way around it: the core schema of YAML 1.2 (yes, no, on and 0777
// are texts), one document, text keys, no duplicates, no anchors, aliases, tags or merge keys, bounded size, depth and
// number of values. JSON is YAML, too. Pure; any thread. Memory: some twenty times the text.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "core/fields.h"

namespace hauberk::config {

struct Position {
  std::uint32_t line = 1;    // from 1
  std::uint32_t column = 1;  // from 1, in characters
  bool operator==(const Position&) const = default;
};

// One mistake, ready to be shown.
struct ConfigError {
  std::string file;
  Position position;
  std::string message;
  std::string meaning;  // what it means or what the field is for; may be empty
  std::string line;     // the source line; may be empty
  bool operator==(const ConfigError&) const = default;
};
// file:line:column: error: message, then the line, a caret under the column, and the meaning.
std::string render(const ConfigError& error);
std::string render(const std::vector<ConfigError>& errors);
// For callers that speak Result: all of them rendered, as one Error (invalid).
Error to_error(const std::vector<ConfigError>& errors);

struct YamlLimits {
  std::size_t bytes = 1u << 20;
  std::size_t depth = 32;
  std::size_t values = 100'000;
};

struct YamlDocument {
  struct Place {
    Position key;  // of the key or of the list's dash; the value's own where there is none
    Position value;
  };
  json::Value value;
  std::unordered_map<std::string, Place> places;  // by JSON pointer

  // The place of the pointer, or of the nearest enclosing value that exists.
  Position position(std::string_view pointer, bool of_key) const;
};

// `file` is only a name, for errors. An empty document is an empty object.
std::expected<YamlDocument, ConfigError> parse_yaml(std::string_view text, std::string_view file,
                                                    const YamlLimits& limits = {});

// Field errors with their places, in the order of the document. Values that may be secrets are cut out of the lines
// shown.
std::vector<ConfigError> locate(const FieldErrors& errors, const YamlDocument& document, std::string_view text,
                                std::string_view file);

// The value as YAML in block style, texts quoted where they would be read as something else.
std::string write_yaml(const json::Value& value);

}  // namespace hauberk::config
