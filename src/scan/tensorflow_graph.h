// The operators of a TensorFlow graph and what they would do when it runs, whatever form the graph was read from. Where
// an operator's input names a file, constants are followed to it: through operators that hand texts on or join them,
// through variables, queues and the arguments of functions. What is not known until the graph runs, such as the prefix
// that a loader feeds to a saver, is taken for harmless; what is computed in ways that are not followed is told.
// Source: the operators' own definitions, tensorflow/core/framework/{node_def,function,attr_value}.proto.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scan/inspection.h"

namespace hauberk::scan {

constexpr std::size_t tensorflow_inputs_kept = 10'000;  // of one node

struct TensorflowNode {
  std::string name, op;
  std::string scope;                // of the function that it is part of; empty for the graph's own
  std::vector<std::string> inputs;  // "name", "name:0", "^name", "name:output:0"
  std::vector<std::pair<std::string, std::string>> texts;  // attributes that are texts, and texts of lists
  std::vector<std::string> constants;                      // texts of a constant
  std::vector<std::string> calls;                          // functions that attributes name
  bool cut = false;                                        // it has more texts or inputs than are kept
  std::uint64_t offset = 0;
};

class TensorflowGraph {
 public:
  struct Signature {
    std::string scope;                            // of the nodes of its body
    std::vector<std::string> arguments, returns;  // names of arguments; what of its body it answers with
  };

  explicit TensorflowGraph(Inspection& inspection) : inspection_(inspection) {}

  void node(TensorflowNode node);
  void function(const std::string& name, Signature signature);
  // A tensor whose value the loader replaces by the path of an asset within the model.
  void asset_tensor(const std::string& name);
  void asset_file(std::string_view name, std::uint64_t offset);
  void settle();  // at the end of each graph
  void finish();

 private:
  struct Kept {  // what constants are followed through
    std::string op, separator;
    std::vector<std::string> inputs, constants, calls;
    bool cut = false;
  };
  struct PathInput {
    std::string scope, node, op, input;
    std::string_view effect;
    std::uint64_t offset = 0;
  };
  using Texts = std::set<std::string>;
  using Place = std::pair<std::string, std::string>;  // function and node

  void judge(const TensorflowNode& node);
  void keep(TensorflowNode& node);
  void link_sinks();
  Texts texts_at(const std::string& scope, const std::string& input, int depth);
  Texts joined(const std::string& scope, const Kept& node, int depth);
  void report(std::string_view rule, Severity severity, std::uint64_t offset, std::string message, std::string where);

  Inspection& inspection_;
  std::map<Place, Kept> nodes_;
  std::map<Place, std::vector<std::pair<std::string, std::string>>> feeds_;  // what variables, queues, arguments get
  std::vector<PathInput> paths_;
  std::map<std::string, Signature> signatures_;
  std::set<std::string> assets_;
  std::set<std::string> functions_;
  std::map<std::string, std::uint64_t> unknown_;
  std::size_t kept_ = 0, reported_ = 0, work_ = 0;
  std::string computed_;  // an operator that makes a path in a way that is not followed
  bool lost_ = false;     // more than is followed
  bool nameless_ = false;
};

bool is_tensorflow_operator(std::string_view name);
// The texts of a tensor's encoded content: the lengths of all of them, then their bytes. Nothing if it is anything
// else.
std::optional<std::vector<std::string>> tensorflow_texts(std::string_view content);

}  // namespace hauberk::scan
