// Tables of Apache Arrow (IPC files and streams, Feather) and Parquet. Their values are data, but a column may have a
// type of a program's own, described by bytes that the program reads as it likes; pyarrow before 14.0.1 unpickled those
// of "arrow.py_extension_type" by merely opening the table (CVE-2023-47248), others unpickle theirs still. Only the
// schemas are read. Sources: Arrow's format/{Schema,Message,File}.fbs, Parquet's parquet.thrift.
#pragma once

#include "scan/inspection.h"

namespace hauberk::scan {

void inspect_arrow(Reader& data, Inspection& inspection);
void inspect_parquet(Reader& data, Inspection& inspection);

// Whether it begins as a stream does: with a message that holds a schema.
bool is_arrow_stream(Reader& data);

}  // namespace hauberk::scan
