// Ops that belong together become regions that an executor may run in one go.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// A field and what is made of it, element by element; a correlation, or two and their difference, and the
/// optimizer step that they are for:
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
///     %C = correlate %u, %v {M}                 becomes   %W2 = fuse {
///     %F = correlate %t, %w {M}                             %C = correlate %u, %v {M}
///     %S = subtract %C, %F                                  %F = correlate %t, %w {M}
///     %W2 = apply %W, %S, %c {sgd}                          %S = subtract %C, %F
///                                                           %W2 = apply %W, %S, %c {sgd}
///                                                           yield %W2
///                                                         }
///
/// A region of a field holds every threshold and error of it whose other operands stand before the field, and
/// yields the field only if something else uses it. A correlation or difference with another use is left
/// alone.
Graph fuse(const Graph& graph);

}  // namespace relaxon
