// What no iteration changes is computed once.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// Moves ops of a scan or loop whose operands are all defined outside to the place before it, out of as many
/// bodies as possible:
///
///     %s2 = scan %n (%s = %s1) {                becomes   %c = message %x, %W {M}
///       %c = message %x, %W {M}                           %s2 = scan %n (%s = %s1) {
///       %h = aggregate %c, ..                               %h = aggregate %c, ..
///       ..                                                  ..
///     }                                                   }
///
/// Probes stay, and so does everything with a batch axis in the body whose slice gives that axis its length:
/// also zeros, which have no operands. What is moved runs once even if the body never does.
Graph hoist(const Graph& graph);

}  // namespace relaxon
