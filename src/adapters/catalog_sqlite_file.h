// The catalogue's file, before SQLite sees it. Pure of SQLite; any thread.
#pragma once

#include <string>

#include "adapters/catalog_sqlite.h"

namespace hauberk::adapters {

// exists, not_found, with what to do.
Status check_presence(const std::string& path, CatalogMode mode);
Status make_file(const std::string& path);

// Whether nothing can be written beside the file: a copy for an auditor, a snapshot of a volume. unavailable: then it
// cannot be read either, as changes that are not in the main file yet need the files beside it.
Result<bool> only_readable(const std::string& path);
// Of such a file: SQLite then wants no file beside it.
std::string immutable_uri(const std::string& path);

}  // namespace hauberk::adapters
