// The names that Python 3 gives to what Python 2 called otherwise, as its unpickler maps them for protocols below 3.
// The scanner maps them always: a stream that names `__builtin__` means the builtins, whoever loads it.
#pragma once

#include <string>

namespace hauberk::scan {

void map_python2_name(std::string& module, std::string& name);

}  // namespace hauberk::scan
