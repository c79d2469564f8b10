// RecordedCatalog: a catalogue that changes nothing before the ledger has it. Each change is announced first, on the
// disk, with what it is about and what it gives; what cannot be announced does not happen, and what a killed process
// left undone or untold stands in the ledger as begun. That it happened is told afterwards, by the verb.
// Only put_wrapped_keys() is not announced: it gives nobody anything, and the rotation that needs it is announced as a
// whole. Thread safety: as the catalogue and the function.
#pragma once

#include <functional>
#include <memory>

#include "core/catalog.h"
#include "core/event.h"

namespace hauberk::registry {

struct ChangeRecorder {
  // What is about to happen, where: the operation, the target, the artifact, the reason. Returns once it is on the
  // disk.
  std::function<Status(Environment, Event)> announce;
  std::function<void()> done;  // what was announced last was done; may be empty
};

std::unique_ptr<Catalog> record_before_change(std::unique_ptr<Catalog> catalog, ChangeRecorder recorder);

}  // namespace hauberk::registry
