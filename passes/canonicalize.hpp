// update -> error, correlate; one-message aggregates vanish.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// Brings a lowered graph into the form the other passes know:
///
///     %S = update %u, %t, %h, %m {R M}   becomes   %v = error %t, %h, %m {R}
///                                                  %S = correlate %u, %v {M}
///     %h = aggregate %m                  becomes   %m
Graph canonicalize(const Graph& graph);

}  // namespace relaxon
