// Ops that belong together become regions that an executor may run in one go.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// A field and what is made of it, element by element; a correlation and the optimizer step that it is for:
///
///     %h = aggregate %c, %r                     becomes   %t = fuse {
///     %t = threshold %h {sign}                              %h = aggregate %c, %r
///                                                           %t = threshold %h {sign}
///                                                           yield %t
///                                                         }
///     %S = correlate %u, %v {M}                 becomes   %W2 = fuse {
///     %W2 = apply %W, %S, %c {sgd}                          %S = correlate %u, %v {M}
///                                                           %W2 = apply %W, %S, %c {sgd}
///                                                           yield %W2
///                                                         }
///
/// A region of a field holds every threshold and error of it whose other operands stand before the field, and
/// yields the field only if something else uses it. A correlation with another use is left alone.
Graph fuse(const Graph& graph);

}  // namespace relaxon
