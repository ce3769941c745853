// What every reader of a carried message adds to it is added once, where it starts.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// Carried messages (passes/advance.hpp) absorb what does not change while they are carried. An advance adds
/// to whatever it is given, so a term that every field made of a carried message has can be in it from the
/// start:
///
///     %s2, %r2 = scan %n (%s = %s1, %r = %z) {      becomes   %s2, %r2 = scan %n (%s = %s1, %r = %c) {
///       %h = aggregate %c, %r                                   %t = threshold %r {sign}
///       %t = threshold %h {sign}                                %u = advance %r, %s, %t, %J {M}
///       %u = advance %r, %s, %t, %J {M}                         yield %t, %u
///       yield %t, %u                                          }
///     }                                                       .. %r2 ..
///     .. aggregate %c, %r2 ..
///
/// where %z is zeros; any other start is added to %c. A field of a unit then needs one array less, in every
/// iteration of every phase that carries the message. Terms are values defined before the message is, once in
/// each of its fields; where two carried messages share a field, the first takes the term. A message that
/// anything else reads (a probe, a threshold of its own, a loop over batches) stays as it is.
Graph absorb(const Graph& graph);

}  // namespace relaxon
