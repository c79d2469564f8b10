#include "scan/tensorflow_graph.h"

#include <algorithm>
#include <iterator>

#include "scan/config_rules.h"

namespace hauberk::scan {
namespace {

constexpr std::size_t kept_bytes = 48u << 20;  // of nodes that constants are followed through
constexpr std::size_t texts_followed = 256;    // that one input may have
constexpr std::size_t joined_followed = 64;    // that joining texts may make
constexpr std::size_t work_limit = 200'000;    // nodes that are passed while following
constexpr std::size_t links_limit = 500'000;   // to arguments, variables and queues
constexpr int follow_depth = 40;
constexpr char unknown_text = '\x01';  // stands for what only running the graph tells

// What an operator does besides computing.
struct OperatorRisk {
  std::string_view name;
  Severity severity;
  std::string_view effect;
};

// Always: whatever their inputs are, no model that is served needs them.
constexpr OperatorRisk harmful_operators[] = {
    {"PyFunc", Severity::critical, "call a Python function"},
    {"PyFuncStateless", Severity::critical, "call a Python function"},
    {"EagerPyFunc", Severity::critical, "call a Python function"},
    {"ReadFile", Severity::critical, "read a file"},
    {"WriteFile", Severity::critical, "write a file"},
    {"MatchingFiles", Severity::high, "list files"},
    {"DumpTensor", Severity::critical, "write a file"},
    {"CalibrationStatisticsSaver", Severity::high, "write a file"},
    {"DatasetFromGraph", Severity::high, "run a graph that is hidden in a constant"},
    {"MlirPassthroughOp", Severity::high, "run a program that is hidden in an attribute"},
    {"RemoteFusedGraphExecute", Severity::high, "run a graph that is hidden in an attribute"},
    {"RpcServer", Severity::critical, "open a server"},
    {"RpcServerRegister", Severity::critical, "open a server"},
    {"RpcServerStart", Severity::critical, "open a server"},
    {"RpcClient", Severity::critical, "call another machine"},
    {"RpcCall", Severity::critical, "call another machine"},
    {"RegisterDataset", Severity::high, "call another machine"},
    {"RegisterDatasetV2", Severity::high, "call another machine"},
    {"DataServiceDataset", Severity::high, "call another machine"},
    {"DataServiceDatasetV2", Severity::high, "call another machine"},
    {"DataServiceDatasetV3", Severity::high, "call another machine"},
    {"DataServiceDatasetV4", Severity::high, "call another machine"},
    {"SqlDataset", Severity::high, "read a database"},
    {"ExperimentalSqlDataset", Severity::high, "read a database"},
    {"BigQueryReader", Severity::high, "call another machine"},
    {"CreateSummaryFileWriter", Severity::high, "write files"},
    {"CreateSummaryDbWriter", Severity::high, "write a database"},
    {"SaveDataset", Severity::high, "write files"},
    {"SaveDatasetV2", Severity::high, "write files"},
    {"LoadDataset", Severity::high, "read files"},
    {"DatasetToTFRecord", Severity::high, "write a file"},
    {"ExperimentalDatasetToTFRecord", Severity::high, "write a file"},
    {"DistributedSave", Severity::high, "write files"},
    {"SnapshotDataset", Severity::high, "write files"},
    {"SnapshotDatasetV2", Severity::high, "write files"},
    {"FileSystemSetConfiguration", Severity::high, "change how files are reached"},
};

// Operators whose attribute names a file or an address.
struct AttributeRisk {
  std::string_view op, attribute;
  std::string_view effect;
};
constexpr AttributeRisk path_attributes[] = {
    {"RecordInput", "file_pattern", "read files"},
    {"Skipgram", "filename", "read a file"},
    {"FixedUnigramCandidateSampler", "vocab_file", "read a file"},
    {"ImmutableConst", "memory_region_name", "map a file"},
    {"DecodeProtoV2", "descriptor_source", "read a file"},
    {"EncodeProtoV2", "descriptor_source", "read a file"},
};

// Operators that read or write where their input says; the number is that of the input. What a saver or a table has
// for itself is normal, so only a constant that leads out of the model's folder counts.
struct InputRisk {
  std::string_view op;
  std::size_t input;
  std::string_view effect;
};
constexpr InputRisk path_inputs[] = {
    {"SaveV2", 0, "write a file"},
    {"Save", 0, "write a file"},
    {"SaveSlices", 0, "write a file"},
    {"MergeV2Checkpoints", 0, "read and delete files"},
    {"MergeV2Checkpoints", 1, "write and delete files"},
    {"RestoreV2", 0, "read a file"},
    {"Restore", 0, "read a file"},
    {"RestoreSlice", 0, "read a file"},
    {"TextLineDataset", 0, "read a file"},
    {"TFRecordDataset", 0, "read a file"},
    {"TFRecordDatasetV2", 0, "read a file"},
    {"CacheDataset", 1, "write a file"},
    {"CacheDatasetV2", 1, "write a file"},
    {"FixedLengthRecordDataset", 0, "read a file"},
    {"FixedLengthRecordDatasetV2", 0, "read a file"},
    {"CSVDataset", 0, "read a file"},
    {"CSVDatasetV2", 0, "read a file"},
    {"ExperimentalCSVDataset", 0, "read a file"},
    {"LMDBDataset", 0, "read a database"},
    {"ExperimentalLMDBDataset", 0, "read a database"},
    {"MatchingFilesDataset", 0, "list files"},
    {"ExperimentalMatchingFilesDataset", 0, "list files"},
    {"DatasetToTFRecord", 1, "write a file"},
    {"ExperimentalDatasetToTFRecord", 1, "write a file"},
    {"SaveDataset", 1, "write files"},
    {"SaveDatasetV2", 1, "write files"},
    {"LoadDataset", 0, "read files"},
    {"SnapshotDataset", 1, "write files"},
    {"SnapshotDatasetV2", 1, "write files"},
    {"DistributedSave", 1, "write files"},
    {"CreateSummaryFileWriter", 1, "write files"},
    {"CreateSummaryDbWriter", 1, "write a database"},
    {"InitializeTableFromTextFile", 1, "read a file"},
    {"InitializeTableFromTextFileV2", 1, "read a file"},
    {"LoadAndRemapMatrix", 0, "read a file"},
    {"GenerateVocabRemapping", 0, "read a file"},
    {"GenerateVocabRemapping", 1, "read a file"},
    {"DTensorRestoreV2", 0, "read a file"},
    {"InitializeTRTResource", 1, "load an engine"},
    {"ReaderRead", 1, "read a file"},
    {"ReaderReadV2", 1, "read a file"},
    {"ReaderReadUpTo", 1, "read a file"},
    {"ReaderReadUpToV2", 1, "read a file"},
};

constexpr std::string_view operator_names =
#include "scan/tensorflow_operators.inc"
    ;

bool is_one_of(std::initializer_list<std::string_view> list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// Operators that hand on the texts of their inputs, each as it is.
bool hands_on(std::string_view op) {
  return is_one_of({"Identity",
                    "IdentityN",
                    "PlaceholderWithDefault",
                    "StopGradient",
                    "PreventGradient",
                    "Snapshot",
                    "EnsureShape",
                    "Reshape",
                    "ExpandDims",
                    "Squeeze",
                    "Pack",
                    "Unpack",
                    "Stack",
                    "Concat",
                    "ConcatV2",
                    "Select",
                    "SelectV2",
                    "Switch",
                    "RefSwitch",
                    "Merge",
                    "RefMerge",
                    "Enter",
                    "Exit",
                    "NextIteration",
                    "Gather",
                    "GatherV2",
                    "GatherNd",
                    "StridedSlice",
                    "Slice",
                    "Split",
                    "SplitV",
                    "Tile",
                    "Fill",
                    "BroadcastTo",
                    "Transpose",
                    "Reverse",
                    "ReverseV2",
                    "RandomShuffle",
                    "Unique",
                    "UniqueV2",
                    "StringStrip",
                    "StringLower",
                    "StringUpper",
                    "UnicodeTranscode",
                    "Print",
                    "PrintV2",
                    "CheckNumerics",
                    "Copy",
                    "CopyHost",
                    "DeepCopy",
                    "LoopCond",
                    "Cast",
                    "Where",
                    "ReadVariableOp",
                    "Assign",
                    "AssignVariableOp",
                    "QueueDequeue",
                    "QueueDequeueV2",
                    "QueueDequeueMany",
                    "QueueDequeueManyV2",
                    "StackPopV2",
                    "GuaranteeConst",
                    "TensorSliceDataset",
                    "TensorDataset",
                    "BatchDataset",
                    "BatchDatasetV2",
                    "RepeatDataset",
                    "ShuffleDataset",
                    "ShuffleDatasetV2",
                    "ShuffleDatasetV3",
                    "TakeDataset",
                    "SkipDataset",
                    "PrefetchDataset",
                    "ConcatenateDataset",
                    "ZipDataset",
                    "CacheDataset",
                    "CacheDatasetV2",
                    "OptionsDataset",
                    "ShardDataset",
                    "ModelDataset",
                    "OptimizeDataset",
                    "OptimizeDatasetV2",
                    "IteratorGetNext",
                    "IteratorGetNextSync",
                    "IteratorV2",
                    "OneShotIterator",
                    "AnonymousIteratorV2",
                    "DatasetToSingleElement",
                    "_Retval",
                    "_HostSend",
                    "ReduceJoin",
                    "StringSplit",
                    "StringSplitV2",
                    "ShardedFilename",
                    "ShardedFilespec"},
                   op);
}

// Operators that make a text out of others in a way that is not followed.
bool computes_text(std::string_view op) {
  return is_one_of(
      {"UnicodeEncode",      "DecodeBase64",        "EncodeBase64", "Substr",           "RegexReplace",
       "StaticRegexReplace", "StringNGrams",        "StringFormat", "DecodeCompressed", "ParseTensor",
       "SerializeTensor",    "DecodeJSONExample",   "ParseExample", "ParseExampleV2",   "LookupTableFindV2",
       "LookupTableFind",    "UnsortedSegmentJoin", "SegmentJoin",  "DecodeProtoV2",    "EncodeProtoV2",
       "ReadFile",           "MatchingFiles",       "Bitcast",      "DecodeRaw"},
      op);
}

bool is_call(const std::string& op, const std::vector<std::string>& calls) {
  return !calls.empty() || is_one_of({"PartitionedCall", "StatefulPartitionedCall", "RemoteCall"}, op);
}

bool stores_into(std::string_view op) {
  return is_one_of({"Assign", "AssignVariableOp", "QueueEnqueue", "QueueEnqueueV2", "QueueEnqueueMany",
                    "QueueEnqueueManyV2", "StackPushV2", "MakeIterator", "TensorArrayWriteV3", "TensorArrayScatterV3"},
                   op);
}

std::string node_of(std::string_view input) {
  if (input.starts_with('^')) input.remove_prefix(1);
  return std::string(input.substr(0, input.find(':')));
}

}  // namespace

bool is_tensorflow_operator(std::string_view name) {
  static const std::set<std::string_view> known = [] {
    std::set<std::string_view> names;
    for (std::string_view rest = operator_names; !rest.empty();) {
      const auto blank = rest.find(' ');
      if (blank != 0) names.insert(rest.substr(0, blank));
      rest = blank == std::string_view::npos ? std::string_view{} : rest.substr(blank + 1);
    }
    return names;
  }();
  // Operators that the runtime puts in itself begin with an underscore.
  return known.contains(name) || name.starts_with("_");
}

std::optional<std::vector<std::string>> tensorflow_texts(std::string_view raw) {
  std::vector<std::uint64_t> lengths;
  std::uint64_t sum = 0;
  std::size_t at = 0;
  // The count is the one with which everything adds up.
  while (at + sum < raw.size()) {
    std::uint64_t length = 0;
    for (unsigned shift = 0;; shift += 7) {
      if (at >= raw.size() || shift > 28) return std::nullopt;
      const auto b = static_cast<unsigned char>(raw[at++]);
      length |= std::uint64_t{b & 0x7fu} << shift;
      if ((b & 0x80) == 0) break;
    }
    lengths.push_back(length);
    sum += length;
  }
  if (at + sum != raw.size()) return std::nullopt;
  std::vector<std::string> out;
  for (const auto length : lengths) {
    out.emplace_back(raw.substr(at, length));
    at += length;
  }
  return out;
}

void TensorflowGraph::node(TensorflowNode node) {
  judge(node);
  keep(node);
}

void TensorflowGraph::function(const std::string& name, Signature signature) {
  if (functions_.size() < 100'000) functions_.insert(name);
  if (signatures_.size() < 20'000)
    signatures_[name] = std::move(signature);
  else
    lost_ = true;
}

void TensorflowGraph::asset_tensor(const std::string& name) {
  if (assets_.size() < 10'000) assets_.insert(node_of(name));
}

void TensorflowGraph::asset_file(std::string_view name, std::uint64_t offset) {
  if (leads_out(name))
    inspection_.find("tensorflow.asset-path", Severity::critical, offset,
                     "would read the asset " + printable(name) + " outside the model's folder", printable(name));
}

void TensorflowGraph::judge(const TensorflowNode& node) {
  const std::string where = printable(node.name);
  for (const auto& risk : harmful_operators)
    if (node.op == risk.name)
      report("tensorflow.operator", risk.severity, node.offset,
             "the operator " + node.op + " would " + std::string(risk.effect) + " when the graph runs", where);
  for (const auto& [key, text] : node.texts) {
    for (const auto& risk : path_attributes) {
      if (node.op != risk.op || key != risk.attribute || text == "local://" || text.starts_with("bytes://")) continue;
      report("tensorflow.operator", leads_out(text) ? Severity::critical : Severity::medium, node.offset,
             "the operator " + node.op + " would " + std::string(risk.effect) + ": " + printable(text, 80), where);
    }
    if (node.op.starts_with("Debug") && key == "debug_urls")
      report("tensorflow.operator", Severity::critical, node.offset,
             "the operator " + node.op + " would send what it sees to " + printable(text, 80), where);
    if (node.op == "PrintV2" && key == "output_stream" && text.starts_with("file://"))
      report("tensorflow.operator", Severity::critical, node.offset,
             "the operator PrintV2 would write to " + printable(text, 80), where);
  }
  for (const auto& risk : path_inputs) {
    if (node.op != risk.op || risk.input >= node.inputs.size()) continue;
    if (paths_.size() < 10'000)
      paths_.push_back({node.scope, node.name, node.op, node.inputs[risk.input], risk.effect, node.offset});
    else
      lost_ = true;
  }
  if (!node.op.empty() && !is_tensorflow_operator(node.op) && unknown_.size() < 20'000)
    unknown_.emplace(node.op, node.offset);
  if (node.op.empty() && !std::exchange(nameless_, true))
    inspection_.malformed("tensorflow.malformed", node.offset, "a node has no operator", where);
}

void TensorflowGraph::keep(TensorflowNode& node) {
  // A function of the graph's own is called by a node with its name for an operator.
  if (!is_tensorflow_operator(node.op)) node.calls.push_back(node.op);
  const bool follow = !node.constants.empty() || hands_on(node.op) || computes_text(node.op) || stores_into(node.op) ||
                      node.op == "StringJoin" || is_call(node.op, node.calls);
  if (!follow) return;
  Kept kept{.op = node.op, .separator = {}, .inputs = {}, .constants = {}, .calls = {}, .cut = node.cut};
  for (const auto& [key, text] : node.texts)
    if (node.op == "StringJoin" && key == "separator") kept.separator = text;
  std::size_t bytes = sizeof(Kept) + 64 + node.name.size() + node.scope.size();
  for (const auto* list : {&node.inputs, &node.constants, &node.calls})
    for (const auto& text : *list) bytes += text.size() + sizeof text;
  if (kept_ + bytes > kept_bytes) {
    lost_ = true;
    return;
  }
  kept_ += bytes;
  kept.inputs = std::move(node.inputs);
  kept.constants = std::move(node.constants);
  kept.calls = std::move(node.calls);
  nodes_.insert_or_assign({node.scope, node.name}, std::move(kept));
}

// What variables and queues are given, and what calls give to the arguments of functions.
void TensorflowGraph::link_sinks() {
  std::size_t links = 0;
  // False once there are too many.
  const auto feed = [&](Place place, const std::string& scope, const std::string& input) {
    if (++links > links_limit) return !(lost_ = true);
    feeds_[std::move(place)].emplace_back(scope, input);
    return true;
  };
  for (const auto& [place, kept] : nodes_) {
    const auto& [scope, name] = place;
    if (stores_into(kept.op))
      for (std::size_t i = 1; i < kept.inputs.size(); ++i)
        if (!feed({scope, node_of(kept.inputs[0])}, scope, kept.inputs[i])) return;
    for (const auto& call : kept.calls) {
      const auto function = signatures_.find(call);
      if (function == signatures_.end()) continue;
      const auto& body = function->second.scope;
      const auto& arguments = function->second.arguments;
      for (const auto& value : function->second.returns)
        if (!feed(place, body, value)) return;
      const bool in_order = is_one_of({"PartitionedCall", "StatefulPartitionedCall"}, kept.op) || kept.op == call;
      for (std::size_t i = 0; i < arguments.size(); ++i)
        for (std::size_t k = in_order ? i : 0;
             k < (in_order ? std::min(i + 1, kept.inputs.size()) : kept.inputs.size()); ++k)
          if (!feed({body, arguments[i]}, scope, kept.inputs[k])) return;
    }
  }
}

// All texts that may arrive at an input.
TensorflowGraph::Texts TensorflowGraph::texts_at(const std::string& scope, const std::string& input, int depth) {
  Texts out;
  if (depth > follow_depth) return lost_ = true, out;
  std::set<Place> seen;
  std::vector<Place> left{{scope, node_of(input)}};
  const auto visit = [&](const std::string& in, const std::string& name) {
    Place place{in, node_of(name)};
    if (!seen.contains(place)) left.push_back(std::move(place));
  };
  while (!left.empty()) {
    const Place place = std::move(left.back());
    left.pop_back();
    if (!seen.insert(place).second) continue;
    if (++work_ > work_limit || !inspection_.budget().spend_entries()) return lost_ = true, out;
    // What the loader replaces does not matter.
    if (place.first.empty() && assets_.contains(place.second)) continue;
    const auto fed = feeds_.find(place);
    if (fed != feeds_.end())
      for (const auto& [from, name] : fed->second) visit(from, name);
    const auto found = nodes_.find(place);
    if (found == nodes_.end()) {
      if (fed == feeds_.end()) out.insert(std::string(1, unknown_text));
      continue;
    }
    const Kept& node = found->second;
    lost_ = lost_ || node.cut;
    out.insert(node.constants.begin(), node.constants.end());
    if (node.op == "StringJoin") {
      out.merge(joined(place.first, node, depth));
    } else if (hands_on(node.op) || is_call(node.op, node.calls)) {
      for (const auto& name : node.inputs)
        if (!name.starts_with('^')) visit(place.first, name);
    } else if (computes_text(node.op)) {
      computed_ = node.op;
    }
    if (out.size() > texts_followed) return lost_ = true, out;
  }
  return out;
}

TensorflowGraph::Texts TensorflowGraph::joined(const std::string& scope, const Kept& node, int depth) {
  Texts out{""};
  bool first = true;
  for (const auto& input : node.inputs) {
    if (input.starts_with('^')) continue;
    const auto parts = texts_at(scope, input, depth + 1);
    Texts longer;
    for (const auto& begin : out)
      for (const auto& part : parts) {
        if (longer.size() >= joined_followed) return lost_ = true, longer;
        longer.insert((first ? part : begin + node.separator + part).substr(0, 4096));
      }
    if (!longer.empty()) out = std::move(longer);
    first = false;
  }
  return out;
}

void TensorflowGraph::settle() {
  if (!paths_.empty()) link_sinks();
  std::size_t computed_told = 0;
  for (const auto& path : paths_) {
    if (work_ > work_limit) break;
    computed_.clear();
    const auto texts = texts_at(path.scope, path.input, 0);
    const auto out = std::find_if(texts.begin(), texts.end(), [](const std::string& text) { return leads_out(text); });
    if (out != texts.end())
      report("tensorflow.operator", Severity::critical, path.offset,
             "the operator " + path.op + " would " + std::string(path.effect) + ": " + printable(*out, 80),
             printable(path.node));
    else if (!computed_.empty() && computed_told++ < 16)
      report("tensorflow.operator", Severity::medium, path.offset,
             "the operator " + path.op + " would " + std::string(path.effect) + " whose name " + computed_ + " makes",
             printable(path.node));
  }
  if (lost_ && !paths_.empty())
    inspection_.inconclusive("scan.budget-exhausted", "the graph names more files, or in more ways, than are followed");
  paths_.clear();
  nodes_.clear();
  feeds_.clear();
  assets_.clear();
  signatures_.clear();
  kept_ = work_ = 0;
  lost_ = false;
}

void TensorflowGraph::finish() {
  settle();
  std::size_t said = 0;
  for (const auto& [op, offset] : unknown_)
    if (!functions_.contains(op) && said++ < 16)
      inspection_.find("tensorflow.custom-operator", Severity::low, offset,
                       "needs an operator of a library of its own: " + printable(op, 80), {}, printable(op));
}

void TensorflowGraph::report(std::string_view rule, Severity severity, std::uint64_t offset, std::string message,
                             std::string where) {
  if (reported_++ < 50)
    inspection_.find(rule, severity, offset, std::move(message), {}, std::move(where));
  else
    inspection_.find(rule, severity, 0, "more operators of this kind");
}

}  // namespace hauberk::scan
