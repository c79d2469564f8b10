// SentencePiece: tokenizer.model and spiece.model, one protobuf message of pieces of words and of how they were learnt.
// Nothing in it is code or a path that a loader follows; what is checked is that it is that and nothing else.
// Source: sentencepiece_model.proto (ModelProto). Cost: one pass over the pieces, bounded memory.
#pragma once

#include "scan/inspection.h"

namespace hauberk::scan {

// From the first fields, strictly: a few small reads.
bool is_sentencepiece(Reader& data);
// The format is called "sentencepiece".
void inspect_sentencepiece(Reader& data, Inspection& inspection);

}  // namespace hauberk::scan
