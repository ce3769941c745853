// Phases that iterate the same body are one phase.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// A scan that goes on where another one with an equal body stopped is the same scan, run longer:
///
///     %s2 = scan %n0 (%s = %s1) {body}          becomes   %n = add %n0, %n1
///     %s3 = scan %n1 (%s = %s2) {body}                    %s3 = scan %n (%s = %s1) {body}
///
/// Bodies are equal if they do the same with the same values from outside. Left alone: results of the first
/// scan that something else uses, probes inside (they see the iteration), scans with an early exit.
Graph fuse_phase(const Graph& graph);

}  // namespace relaxon
