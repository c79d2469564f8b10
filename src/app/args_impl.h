// What stands behind Args; only args.cpp and program.cpp include it.
#pragma once

#include <memory>
#include <vector>

#include "app/args.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace hauberk::app {

struct Args::Impl {
  CLI::App* app = nullptr;  // null while only the specification is wanted
  CLI::Option* last = nullptr;
  std::vector<ArgumentSpec> specs;
};

}  // namespace hauberk::app
