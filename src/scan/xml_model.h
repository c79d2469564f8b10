// XML that models come as: PMML, OpenVINO's IR, and any other, which nothing executes. Declarations of entities are
// judged and never followed: no file is opened, what expands without end is cut short. Bounded memory, one pass.
#pragma once

#include <string>

#include "scan/inspection.h"

namespace hauberk::scan {

// The answer is what it turned out to be: "pmml", "openvino", "xml".
std::string inspect_xml(Reader& data, Inspection& inspection);

}  // namespace hauberk::scan
