// Torch7's serialized objects (.t7): a tagged value, binary or as text, with tables, tensors and objects of classes in
// it. Loading runs no function of the file, but puts its functions, as byte code, where the model's methods are looked
// up: using the model runs them. Cost: one pass; what storages hold is skipped.
// Sources: torch7's File.lua, generic/Storage.c, generic/Tensor.c, THDiskFile.c; tds's hash.lua and vec.lua.
#pragma once

#include <string>

#include "scan/inspection.h"

namespace hauberk::scan {

// From a dry walk over the beginning: whether a loader would make something of it. As lenient as Torch7 itself, which
// takes its numbers with scanf.
bool is_torch7(Reader& data);
std::string inspect_torch7(Reader& data, Inspection& inspection);  // "torch7" or "torch7-ascii"

}  // namespace hauberk::scan
