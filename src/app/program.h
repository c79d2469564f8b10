// The command line as a whole: builds the tree of verbs, parses, runs one, answers the exit code. Also the data from
// which shell completion is written.
#pragma once

#include <string>
#include <vector>

#include "app/command.h"

namespace hauberk::app {

struct VerbSpec {
  std::string name;  // "model import"
  std::string summary;
  std::vector<ArgumentSpec> arguments;
};
// Every verb with its arguments, and under the empty name the global options.
std::vector<VerbSpec> verb_specs();

}  // namespace hauberk::app
