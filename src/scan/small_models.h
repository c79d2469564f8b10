// Formats that hold arrays, trees and a few texts: nothing in them is code, so what is checked is that the structure
// holds together, that no text in it is a program, and that nothing follows. Sources: msgpack.org's specification and
// flax.serialization's extension types; ubjson.org draft 12; XGBoost's LearnerModelParam; MXNet's NDArray::Save;
// CatBoost's and RKNN's headers; "R Internals", section 1.8, and R's serialize.c.
#pragma once

#include <string>

#include "scan/inspection.h"

namespace hauberk::scan {

enum class SmallModel : std::uint8_t { none, msgpack, ubjson, xgboost, mxnet, rknn, r_data };

// From the first bytes; for msgpack, which has no beginning of its own, from a dry walk to the end.
SmallModel small_model(Reader& data);
std::string inspect_small_model(Reader& data, Inspection& inspection);
void inspect_catboost(Reader& data, Inspection& inspection);
// Texts of some length anywhere in the first megabytes, of formats that are not understood any deeper.
void inspect_texts_within(Reader& data, Inspection& inspection);

}  // namespace hauberk::scan
