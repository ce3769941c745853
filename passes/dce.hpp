// What nothing needs is not computed.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// Removes ops whose results lead to no result of the graph and no probe, and carries of scans and loops that
/// only compute themselves:
///
///     %a, %b = scan %n (%p = %x, %q = %y) {     becomes   %a = scan %n (%p = %x) {
///       %u = threshold %p {sign}                            %u = threshold %p {sign}
///       %v = aggregate %q, %p                               yield %u
///       yield %u, %v                                      }
///     }
///     return "a" %a                                       return "a" %a
///
/// Scans and loops that are left with nothing go. Bindings stay: they are the graph's signature. So do
/// slices: they give the batch axis its length.
Graph dce(const Graph& graph);

}  // namespace relaxon
