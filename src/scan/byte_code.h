// Functions that models carry as code: Python's byte code (marshal, usually in base64) or source text. They run when
// the model does, whatever a scanner thinks of them; what is told apart is whether the code names nothing that reaches
// files, commands, the network or Python's internals. Code that cannot be read is taken for the worst.
// Source: Python/marshal.c and the code objects of CPython 2.7 and 3.0 to 3.14. Pure functions, linear, bounded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "core/finding.h"

namespace hauberk::scan {

struct EmbeddedCode {
  Severity severity = Severity::critical;
  std::string effect;   // "it names os, system"
  std::string excerpt;  // the names
};

EmbeddedCode judge_embedded_code(std::string_view text);

// All texts in a marshalled code object; nothing if it is none that a Python of any version reads to its end.
std::optional<std::vector<std::string>> code_object_texts(ByteView marshalled);
// A word that code uses to reach files, commands, the network, or Python's internals.
bool is_powerful_word(std::string_view word);

}  // namespace hauberk::scan
