// The isolated side: what runs as `hauberk scan-worker` in a child of IsolatedScanner. It talks on descriptor 3 only
// (app/isolate_protocol), confines itself before it reads a byte of any file, and never answers an Error: it exits with
// a WorkerExit, or dies. One thread, no environment.
#pragma once

#include <functional>
#include <string_view>

#include "app/isolate_confine.h"
#include "scan/scanner.h"

namespace hauberk::app {

// The whole of the hidden verb.
int run_scan_worker(int argc, char** argv);

// For one file: wall time, and processor time in proportion to its size, so that a small file costs seconds at most.
scan::OutOfTime time_budget(std::uint64_t size, Duration limit);

using ScanFunction =
    std::function<scan::Report(scan::Reader& reader, std::string_view path, const scan::ScanOptions& options)>;
// The same with another function in the place of scan::scan and only some layers: tests put an attacker behind each of
// them.
int serve_scans(const ScanFunction& scan, Confinement confinement);

}  // namespace hauberk::app
