// Judges templates of Jinja, which are programs that a server runs for each conversation. Names under which a template
// reaches for attributes are worked out as far as constants go; what is put together in ways that cannot be followed is
// said so. Cost: linear in the template, with a few passes; templates above 1 MiB are not looked at.
#pragma once

#include <string_view>

#include "scan/inspection.h"

namespace hauberk::scan {

enum class TemplateTrust {
  certain,   // a template, because its place says so: what cannot be parsed is malformed
  possible,  // any text: says nothing where it is no template, and only what is certainly an attack where it is one
};

void inspect_jinja(std::string_view text, Inspection& inspection, TemplateTrust trust, std::string_view pointer = {},
                   std::uint64_t offset = 0);
bool has_jinja_tags(std::string_view text);

}  // namespace hauberk::scan
