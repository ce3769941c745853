// Access to the innards of a graph, for tests that need broken ones.
#pragma once

#include <vector>

#include "ir/graph.hpp"

namespace relaxon {

/// Edits a graph behind the builder's back.
class GraphSurgery {
 public:
  explicit GraphSurgery(Graph graph) : graph_(std::move(graph)) {}

  const Graph& graph() const { return graph_; }
  Op& op(std::int32_t index) { return graph_.ops_.at(static_cast<std::size_t>(index)); }
  Value& value(std::int32_t index) { return graph_.values_.at(static_cast<std::size_t>(index)); }
  Block& block(std::int32_t index) { return graph_.blocks_.at(static_cast<std::size_t>(index)); }
  std::vector<Block>& blocks() { return graph_.blocks_; }
  std::vector<PatternDeclaration>& patterns() { return graph_.patterns_; }
  std::vector<OpId>& bindings() { return graph_.bindings_; }

  /// Position of the first op of a kind.
  std::int32_t find(OpKind kind) const {
    for (std::size_t i = 0; i < graph_.ops_.size(); ++i) {
      if (graph_.ops_[i].kind == kind) return static_cast<std::int32_t>(i);
    }
    return -1;
  }

 private:
  Graph graph_;
};

}  // namespace relaxon
