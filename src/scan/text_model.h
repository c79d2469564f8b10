// Text that lies beside models or within their archives. Nothing executes plain text; what something does execute is
// told apart by its content and, where only the name decides who reads it, by its name: templates, YAML, requirements,
// Python source. Bounded memory, at most a few passes.
#pragma once

#include <string>

#include "scan/inspection.h"

namespace hauberk::scan {

// The answer is what it turned out to be: "text", "yaml", "jinja", "requirements", "python".
std::string inspect_text(Reader& data, Inspection& inspection);

// Python source: which functions it calls that run commands or code, as far as its imports tell.
void inspect_python(std::string_view source, Inspection& inspection);

}  // namespace hauberk::scan
