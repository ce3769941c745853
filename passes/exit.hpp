// Scans stop at a fixed point.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// A scan ends once an iteration has left its states as they were, where that means that every later one
/// would:
///
///     scan %n (%s = %s1, %r = %r1) {            becomes   scan %n (%s = %s1, %r = %r1) until unchanged(%s) {
///       ..                                                  ..
///       yield %t, (advance %r, %s, %t, %J)
///     }
///
/// Watched are the carries of -1, 0, 1. It is proved for each body: with what it yields for them replaced by
/// their arguments, it yields the argument of every other carry too, by advance(r, x, x, W) = r and equal
/// ops of equal operands. Scans where that fails stay as they are, and those with probes: iterations are
/// seen.
Graph exit_at_fixed_point(const Graph& graph);

}  // namespace relaxon
