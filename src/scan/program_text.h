// Programs kept as text where models keep data. Nothing runs them when the file is loaded; no model needs them either,
// and whoever put them there meant something by it. Judged by what the text would do as Python or in a shell, so that
// prose, vocabularies and source of classes pass. A text that runs commands is a payload that waits for its exec: that
// is critical. One that evaluates or imports may be a template or a helper, and one that only mentions a command
// explains something: a person should look. Pure, linear.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/finding.h"

namespace hauberk::scan {

constexpr std::size_t program_text_limit = 64u << 10;

struct ProgramText {
  std::string does;  // "calls os.system", "removes files in a shell"
  Severity severity = Severity::medium;
};

// Nothing for any other text. Base64 of such a text counts as one.
std::optional<ProgramText> program_in(std::string_view text);
// A cheap test that what program_in() finds always passes.
bool may_be_program(std::string_view text);

}  // namespace hauberk::scan
