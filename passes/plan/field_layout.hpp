// How the exact fields of a graph lie: by lane or by sample.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.hpp"
#include "passes/analysis/uses.hpp"

namespace relaxon {

/// Kernels decide where they have a preference: a dense message adds rows of its weight to samples, so its
/// fields lie by sample; a sparse one serves all samples of a panel at once, so its fields lie by lane. The
/// others follow what they are added to. A carry lies as what its loop yields.
class FieldLayout {
 public:
  explicit FieldLayout(const Graph& graph);

  bool by_sample(ValueId value) const;

 private:
  enum class Choice : std::uint8_t { unknown, running, none, by_lane, by_sample };

  Choice preference(ValueId value) const;
  Choice preference_of_definition(ValueId value) const;
  Choice preference_of_carry(const Op& loop, std::size_t carry) const;
  Choice preference_of_neighbours(ValueId value) const;

  const Graph& graph_;
  Uses uses_;
  mutable std::vector<Choice> preferences_;  // found so far
};

}  // namespace relaxon
