// The catalogue in one SQLite file: WAL, synchronous=FULL (what was answered is on the disk), foreign keys, one
// connection behind a mutex, a busy timeout so that several processes (the command line beside `serve`) work at once.
// Migrations are numbered and only go forward; a file with a newer schema, of another program or damaged is refused
// with what to do, and never made anew in silence. In a folder that can only be read (a copy for an auditor) it is
// read, and no change is possible. Errors: corrupt (restore a backup), exhausted (disk full), unavailable (read-only,
// locked for too long), not_found (no catalogue there), exists. Thread safety: any thread.
#pragma once

#include <memory>
#include <string>

#include "core/catalog.h"

namespace hauberk::adapters {

enum class CatalogMode {
  create,  // exists: a catalogue is there already
  open,    // not_found: there is none; its schema is brought up to date, and its pages are checked
};

// ":memory:" with CatalogMode::create is a catalogue that lives and dies with the object.
Result<std::unique_ptr<Catalog>> open_catalog_sqlite(const std::string& path, CatalogMode mode);

// The schema that this program writes.
int catalog_schema_version();

}  // namespace hauberk::adapters
