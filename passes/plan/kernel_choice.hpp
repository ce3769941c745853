// Which kernel serves an op, and how its values are stored.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "passes/plan/plan.hpp"

namespace relaxon {

struct KernelChoice {
  Kernel kernel = Kernel::reference;
  std::string why;
};

/// The storage of a value: by what it is if it has a batch axis; weights, their moments and correlations as
/// weights; everything else as it is bound.
Storage storage_of(const Graph& graph, ValueId value);

/// The kernel of an op without a body. `reference` always fits; `why` says what kept a faster one away.
KernelChoice choose_kernel(const Graph& graph, const Op& op);

/// The weights that an op, or any op of its body, reads in exact messages that a kernel computes.
std::vector<ValueId> exact_weights(const Graph& graph, const Op& op);
/// The edge of the first exact message in `op` or its body that reads `weight`.
std::optional<EdgeId> edge_of(const Graph& graph, const Op& op, ValueId weight);

}  // namespace relaxon
