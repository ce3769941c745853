// Messages of labels are computed once per class instead of once per image.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// A row-wise op commutes with taking rows of a table that stands outside the loop:
///
///     for %steps, %step (..) {                  becomes   %t = message %code, %W {M}
///       %y = take %code, %class                           for %steps, %step (..) {
///       %m = message %y, %W {M}                             %m = take %t, %class
///       ..                                                  ..
///     }                                                   }
///
/// The table must have a known, small number of rows, and the op's other operands (weights, scalars) stand
/// outside the loop too (constants: after hoist): messages through trained weights stay. Chains (affine,
/// message, to_fix) follow.
Graph code_book(const Graph& graph);

}  // namespace relaxon
