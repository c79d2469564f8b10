// hauberk-scan-worker: the confined child of libhauberk_scan. It is started by the library and by nobody else.
#include "app/scan_worker.h"

int main(int argc, char** argv) { return hauberk::app::run_scan_worker(argc, argv); }
