// TensorFlow's models: SavedModel, MetaGraph, GraphDef, what lies beside them, and the judgement of one operator, which
// TFLite asks for as well. Judged is what running or loading the graph would do to files, the network or Python.
// Source: tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph}.proto, framework/{graph,node_def,
// function,attr_value,tensor}.proto, the operators' own definitions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "scan/inspection.h"
#include "scan/protobuf.h"
#include "scan/tensorflow_graph.h"

namespace hauberk::scan {

enum class TensorflowKind : std::uint8_t {
  none,
  saved_model,
  meta_graph,
  graph,
  keras_metadata,
  fingerprint,
  checkpoint
};

// None of these has a magic number that is worth the name: a node that is one decides. A few small reads.
TensorflowKind tensorflow_kind(Reader& data);
std::string inspect_tensorflow(Reader& data, Inspection& inspection);

// A NodeDef at the cursor, in a graph of some other format.
void inspect_tensorflow_node(Cursor& at, const WireField& node, Inspection& inspection);

}  // namespace hauberk::scan
