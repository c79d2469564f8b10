#include "gateway/router.h"

#include <algorithm>

namespace hauberk::gateway {
namespace {

constexpr RouteRow table[] = {
    {"POST", "/v1/chat/completions", Surface::openai, Operation::chat},
    {"POST", "/v1/completions", Surface::openai, Operation::completion},
    {"POST", "/v1/embeddings", Surface::openai, Operation::embedding},
    {"GET", "/v1/models", Surface::openai, Operation::list_models},
    {"GET", "/v1/models/{m}", Surface::openai, Operation::model_metadata},
    {"POST", "/v2/models/{m}/infer", Surface::v2, Operation::infer},
    {"POST", "/v2/models/{m}/versions/{v}/infer", Surface::v2, Operation::infer},
    {"GET", "/v2", Surface::v2, Operation::server_metadata},
    {"GET", "/v2/health/live", Surface::v2, Operation::server_live},
    {"GET", "/v2/health/ready", Surface::v2, Operation::server_ready},
    {"GET", "/v2/models/{m}", Surface::v2, Operation::model_metadata},
    {"GET", "/v2/models/{m}/versions/{v}", Surface::v2, Operation::model_metadata},
    {"GET", "/v2/models/{m}/ready", Surface::v2, Operation::model_ready},
    {"GET", "/v2/models/{m}/versions/{v}/ready", Surface::v2, Operation::model_ready},
};

bool is_name(std::string_view part) {
  return !part.empty() && part.size() <= 64 && part != "." && part != ".." && std::ranges::all_of(part, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

bool is_version(std::string_view part) {
  return !part.empty() && part.size() <= 10 && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
}

// Takes the part up to the next slash.
std::string_view next_part(std::string_view& path) {
  const auto slash = path.find('/', 1);
  const auto part = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
  return part;
}

bool matches(std::string_view pattern, std::string_view path, Route& route) {
  while (!pattern.empty() && !path.empty()) {
    const auto wanted = next_part(pattern), given = next_part(path);
    if (wanted == "/{m}") {
      if (!is_name(given.substr(1))) return false;
      route.model = given.substr(1);
    } else if (wanted == "/{v}") {
      if (!is_version(given.substr(1))) return false;
      route.version = given.substr(1);
    } else if (wanted != given) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

}  // namespace

std::span<const RouteRow> routes() { return table; }

Route find_route(std::string_view method, std::string_view target) {
  const auto path = target.substr(0, target.find('?'));
  Route known;  // a path that is known, with another method
  for (const auto& row : table) {
    Route route{.surface = row.surface, .operation = row.operation};
    if (!matches(row.path, path, route)) continue;
    if (row.method == method) return route;
    known = {.surface = row.surface, .allow = row.method};
  }
  if (known.surface == Surface::none) known.surface = path.starts_with("/v1/") ? Surface::openai : Surface::v2;
  return known;
}

}  // namespace hauberk::gateway
