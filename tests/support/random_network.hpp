// Networks of every kind and what to run them on, for tests of what holds for all of them.
#pragma once

#include <cstdint>
#include <string>

#include "core/network.hpp"
#include "ir/graph.hpp"
#include "runtime/program.hpp"

namespace relaxon::testing {

/// A valid network, the same for the same seed: 1 to 5 hidden rows of 1 to `largest` units, dense and sparse
/// edges, skips, feedback, label feedback, every optimizer, schedule, sweep and declaration.
Network random_network(std::uint64_t seed, std::int64_t largest = 40);

/// Edges, schedule, optimizers and declarations, for messages of failed tests.
std::string describe(const Network& network);

/// Random values for every binding of a graph lowered from the network: 1 to 3 batches of 1 to 33 images, the
/// last one smaller if it can be; few iterations; weights and margins on a coarse grid every other time, so
/// that fields meet 0 and margins exactly.
Arguments random_arguments(const Graph& graph, const Network& network, std::uint64_t seed);

}  // namespace relaxon::testing
