// Carries that no iteration changes vanish.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// A carry that the body of a scan or loop yields as it came is its start, inside the body and after it:
///
///     %a, %b = scan %n (%p = %x, %q = %y) {     becomes   %b = scan %n (%q = %y) {
///       .. %p .. %q ..                                      .. %x .. %q ..
///       yield %p, %r                                        yield %r
///     }                                                   }
///     .. %a ..                                            .. %x ..
///
/// Carries that an early exit watches stay. Carries that are never used are dce's.
Graph scan_carry(const Graph& graph);

}  // namespace relaxon
