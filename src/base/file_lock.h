// A lock between processes, by flock(2) on a file of its own: the kernel's, so that it ends with its holder however
// that ends. Held as long as the descriptor lives. Thread safety: any; two calls exclude each other within a process as
// well.
#pragma once

#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/result.h"
#include "base/time.h"

namespace hauberk {

enum class LockMode { shared, exclusive };

// Makes the file if it is missing. unavailable: others held it for all of `patience`, which is then `busy`; denied,
// exhausted.
Result<Descriptor> lock_file(const std::string& path, LockMode mode, Duration patience,
                             std::string_view busy = "other commands are at work on it; try again later");

}  // namespace hauberk
