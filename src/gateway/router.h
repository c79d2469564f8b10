// The routes there are. What is not in the table does not exist, whatever an upstream would answer. Paths are compared
// as they are: escapes, empty and dotted parts are not normalised but refused. Pure; any thread.
#pragma once

#include <span>
#include <string_view>

#include "core/exchange.h"

namespace hauberk::gateway {

struct Route {
  Surface surface = Surface::none;
  Operation operation = Operation::none;
  std::string_view model;    // from the path; empty where the body or nothing names it
  std::string_view version;  // from the path
  std::string_view allow;    // the method that the path takes: set, with operation none, if it was another
};

// One line of the table, as documentation shows it.
struct RouteRow {
  std::string_view method;
  std::string_view path;  // {m}: a model's name, {v}: a version
  Surface surface;
  Operation operation;
};
std::span<const RouteRow> routes();

// `target` may have a query, which is ignored: nothing of ours is ever in it.
Route find_route(std::string_view method, std::string_view target);

}  // namespace hauberk::gateway
