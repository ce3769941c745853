// Linear ops of zeros are zeros.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// Folds what is known to be zero:
///
///     %z = zeros : tern[B,300]                  becomes   %z = zeros : tern[B,300]
///     %m = message %z, %J {dense fixed}                   %m = zeros : fix[B,300]
///     %h = aggregate %c, %m                               %h = %c
///
/// Float32 sums keep their zeros, which can turn -0 into 0; so do gates and correlations of negative labels,
/// whose zeros can be -0.
Graph fold_zeros(const Graph& graph);

}  // namespace relaxon
