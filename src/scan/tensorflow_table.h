// Indexes of TensorFlow's checkpoints: sorted tables in LevelDB's format, with a magic number at their end only. Since
// loaders of other formats ignore what follows, that number alone says nothing: a table is what its footer leads to.
// Sources: tensorflow/core/lib/io/table*, util/tensor_bundle/tensor_bundle.cc, google/snappy's format_description.txt.
#pragma once

#include <cstdint>

#include "scan/reader.h"

namespace hauberk::scan {

enum class CheckpointTable : std::uint8_t {
  none,
  plain,      // begins with a zero, as nothing else does that a loader would take: it is this and nothing more
  compressed  // may be something else as well, though no pickle
};

// A few small reads.
CheckpointTable checkpoint_table(Reader& data);

}  // namespace hauberk::scan
