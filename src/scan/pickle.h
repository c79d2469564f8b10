// Pickles: what loading one would do. PickleMachine executes the stream, the table of callables judges what it names,
// and findings come of it. Files hold one pickle, several after each other, joblib's pickles with raw arrays between
// the opcodes, or PyTorch's older form: five pickles and then raw storages.
#pragma once

#include "scan/inspection.h"
#include "scan/pickle_machine.h"

namespace hauberk::scan {

struct PickleContext {
  std::uint64_t start = 0;
  bool storages_outside = false;   // persistent ids name storages, as in PyTorch's files
  bool torchscript_types = false;  // names below __torch__ are types of the archive's own code
  bool plain_unpickler = false;    // what loads this does not know joblib's arrays
  bool holds_source = false;       // source text kept for messages: programs in it are what it is for
};

struct PickleOutcome {
  PickleEnd end = PickleEnd::truncated;
  std::uint64_t next = 0;  // behind the pickle
  bool torch_magic = false;
};

PickleOutcome inspect_pickle(Reader& data, Inspection& inspection, const PickleContext& context = {});
// A pickle of which nobody says that it gets loaded: the worst that loading it would do, and whether it ends where the
// data ends. Into the inspection goes nothing; its budget pays.
struct DryRun {
  Severity worst = Severity::info;
  bool whole = false;
};
DryRun dry_run_pickle(Reader& data, const Inspection& inspection);
// The whole of the data: pickle after pickle. Answers the format: "pickle", "joblib", "torch-legacy".
std::string inspect_pickle_file(Reader& data, Inspection& inspection);
// A dry run: whether this is a pickle, or does harm like one before it breaks off. For data without a magic number.
bool is_pickle(Reader& data, Budget& budget);

}  // namespace hauberk::scan
