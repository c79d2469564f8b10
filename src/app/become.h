// become: this process turns into a command that works with a verified model.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hauberk::app {

// No image of this process's memory, with keys and weights in it, is to be written when it crashes. become() gives the
// command back what there was. Before any thread is started.
void write_no_cores();

// {} in the words stands for the model's path, which is in HAUBERK_MODEL, too. The environment variables in `secrets`
// stay here. Returns only if the command cannot be run: not_found.
Error become(const std::vector<std::string>& command, const std::string& model,
             const std::vector<std::string>& secrets);

}  // namespace hauberk::app
