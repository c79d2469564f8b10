// Ordinary files that lie beside models: pictures, sound, documents, tables, fonts. No loader of models runs anything
// in them; they are recognised so that "could not check" is said of what could not be checked alone. What follows or
// hides within them is looked for like in any file (scan/scanner.cpp). Pure; a few small reads.
#pragma once

#include <string_view>

#include "scan/reader.h"

namespace hauberk::scan {

// "png", "parquet", "fasttext", …; empty for anything else. The name counts where a magic number is weak.
std::string_view passive_kind(Reader& data, std::string_view file_name);
// Of these kinds: those that are a model's numbers, and may have a model's name.
bool is_numbers_of_models(std::string_view kind);

}  // namespace hauberk::scan
