// Text that lies beside models or within their archives. Nothing executes plain text; what something does execute is
// told apart by its content and, where only the name decides who reads it, by its name: templates, YAML, requirements,
// Python source. Bounded memory, at most a few passes.
#pragma once

#include <string>
#include <vector>

#include "scan/inspection.h"

namespace hauberk::scan {

// The answer is what it turned out to be: "text", "yaml", "jinja", "requirements", "python".
std::string inspect_text(Reader& data, Inspection& inspection);
// Whether the name makes somebody read the file as text of one of these kinds, whatever it begins with.
bool is_text_by_name(std::string_view file_name);

// Python source: which functions it calls that run commands or code, as far as its imports tell.
struct PythonCall {
  std::string name;  // in full: "os.system"
  std::string_view effect;
  std::size_t offset = 0;
  bool imported = false;   // by an import of the source's own
  bool qualified = false;  // by the name of its module, imported or not
};
std::vector<PythonCall> python_calls(std::string_view source);
// The severity is that of such a call: critical where loading the model runs the source.
void inspect_python(std::string_view source, Inspection& inspection, Severity severity = Severity::high);

}  // namespace hauberk::scan
