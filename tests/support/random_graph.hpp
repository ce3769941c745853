// Valid graphs of every op, for tests of what holds for all graphs.
#pragma once

#include <cstdint>

#include "ir/graph.hpp"

namespace relaxon::testing {

/// A graph that passes verify(), the same for the same seed: a few dozen ops of all kinds on bindings of
/// every element, sparse and offdiag weights, symbolic axes, bodies up to three deep.
Graph random_graph(std::uint64_t seed);

}  // namespace relaxon::testing
