// The schema of the catalogue, as the steps that made it what it is. Pure; any thread.
#pragma once

#include <span>

namespace hauberk::adapters {

// SQL of each step; a database that has taken N of them says so in its user_version. They are only ever appended to:
// what a release has shipped is never edited.
std::span<const char* const> catalog_migrations();

}  // namespace hauberk::adapters
