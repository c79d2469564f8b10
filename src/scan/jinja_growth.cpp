#include "scan/jinja_growth.h"

#include <algorithm>
#include <map>
#include <vector>

#include "scan/jinja_findings.h"

namespace hauberk::scan {
namespace {

using Node = JinjaNode;
using Shares = std::map<std::string, double>;  // how often a text holds the text of each variable

constexpr double growth_limit = 4'194'304;  // times the longest text that a template begins with
constexpr int growth_rounds = 24;           // of loops whose number of turns is not known
constexpr std::size_t growth_steps = 20'000;

struct GrowthStep {
  const Node* node;
  std::string target;
  Shares shares;
};

void add_shares(Shares& to, const Shares& from, double factor) {
  for (const auto& [name, share] : from)
    if (to.size() < 64 || to.contains(name)) to[name] += share * factor;
}
// Of alternatives, the larger share.
void raise_shares(Shares& to, const Shares& from) {
  for (const auto& [name, share] : from)
    if (to.size() < 64 || to.contains(name)) to[name] = std::max(to[name], share);
}

class Growth {
 public:
  explicit Growth(const std::function<bool(const std::string&)>& is_number) : is_number_(is_number) {}

  const Node* run(const Node& root) {
    std::vector<const Node*> loops;
    gather_loops(&root, loops);
    if (const auto* found = grows(&root, 1)) return found;
    for (const auto* loop : loops)
      if (const auto* found = grows(loop->children[3], rounds_of(loop->children[1]))) return found;
    return nullptr;
  }

 private:
  // The outermost ones: what is assigned within inner loops counts as theirs.
  static void gather_loops(const Node* node, std::vector<const Node*>& loops) {
    if (!node) return;
    if (node->kind == Node::loop && node->children.size() > 3) return loops.push_back(node);
    for (const auto* child : node->children) gather_loops(child, loops);
  }
  static int rounds_of(const Node* sequence) {
    if (!sequence) return growth_rounds;
    if (sequence->kind == Node::list)
      return static_cast<int>(std::min<std::size_t>(sequence->children.size(), growth_rounds));
    const bool range = sequence->kind == Node::call && sequence->children.size() == 2 && sequence->children[0] &&
                       sequence->children[0]->text == "range" && sequence->children[1];
    if (range && sequence->children[1]->kind == Node::number_literal)
      return static_cast<int>(std::clamp<std::int64_t>(sequence->children[1]->integer, 0, growth_rounds));
    return growth_rounds;
  }

  const Node* grows(const Node* body, int rounds) {
    std::vector<GrowthStep> steps;
    gather_steps(body, steps);
    std::map<std::string, double> sizes;
    for (int round = 0; round < rounds; ++round)
      for (const auto& step : steps) {
        double size = 1;
        for (const auto& [name, share] : step.shares) {
          const auto known = sizes.find(name);
          size += share * (known == sizes.end() ? 1 : known->second);
        }
        if (size > growth_limit) return step.node;
        sizes[step.target] = size;
      }
    return nullptr;
  }

  void gather_steps(const Node* node, std::vector<GrowthStep>& steps) {
    if (!node || ++steps_ > growth_steps) return;
    if (node->kind == Node::assign || node->kind == Node::capture) {
      const auto target = JinjaFindings::target_name(node->children[0]);
      if (!target.empty() && !is_number_(target)) {
        GrowthStep step{node, target, {}};
        step.shares = shares_of(node->children[1]);
        steps.push_back(std::move(step));
      }
    }
    for (const auto* child : node->children) gather_steps(child, steps);
  }

  // What a text is put together from; conditions, tests and lengths are no part of it.
  Shares shares_of(const Node* node) {
    Shares out;
    if (!node || ++steps_ > growth_steps) return out;
    const auto name = JinjaFindings::target_name(node);
    if (!name.empty()) {
      if (!is_number_(name)) out[name] = 1;
      return out;
    }
    switch (node->kind) {
      case Node::condition:
        for (std::size_t i = 0; i < node->children.size(); i += 2) raise_shares(out, shares_of(node->children[i]));
        return out;
      case Node::choose:
        for (std::size_t i = 0; i < node->children.size(); ++i)
          if (i % 2 == 1 || i + 1 == node->children.size()) raise_shares(out, shares_of(node->children[i]));
        return out;
      case Node::logic:
        if (node->words[0] == "and" || node->words[0] == "or")
          for (const auto* child : node->children) raise_shares(out, shares_of(child));
        return out;
      case Node::chain:
        return chain_shares(*node);
      case Node::subscript:
        // A part of a text may be nearly all of it; one item is not.
        if (node->children[1] && node->children[1]->kind == Node::slice) return shares_of(node->children[0]);
        return out;
      case Node::test:
      case Node::assign:
      case Node::capture:
      case Node::macro:
        return out;
      case Node::filter:
        if (jinja_in(" length count int float abs round wordcount first last ", node->text)) return out;
        break;
      case Node::call:
        if (node->children[0] && node->children[0]->kind == Node::attribute) {
          if (jinja_in(" find rfind index rindex count startswith endswith get pop ", node->children[0]->text))
            return out;
          add_shares(out, shares_of(node->children[0]->children[0]), 1);
        }
        for (std::size_t i = 1; i < node->children.size(); ++i) add_shares(out, shares_of(node->children[i]), 1);
        return out;
      default:
        break;
    }
    for (const auto* child : node->children) add_shares(out, shares_of(child), 1);
    return out;
  }

  Shares chain_shares(const Node& node) {
    Shares out;
    double factor = 1;
    for (std::size_t i = 0; i < node.children.size(); ++i) {
      const auto* operand = node.children[i];
      const std::string_view op = i == 0 ? node.words[0] : node.words[i - 1];
      if (op == "-" || op == "/" || op == "//" || op == "**") return {};
      if (op == "*" && operand && operand->kind == Node::number_literal)
        factor *= static_cast<double>(std::clamp<std::int64_t>(operand->integer, 1, 1'000'000));
      add_shares(out, shares_of(operand), 1);
    }
    for (auto& [name, share] : out) share *= factor;
    return out;
  }

  const std::function<bool(const std::string&)>& is_number_;
  std::size_t steps_ = 0;
};

}  // namespace

const JinjaNode* find_doubling(const JinjaNode& root, const std::function<bool(const std::string&)>& is_number) {
  return Growth(is_number).run(root);
}

}  // namespace hauberk::scan
