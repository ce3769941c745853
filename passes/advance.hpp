// Delta propagation: messages of a state that changes little are kept up to date instead of computed.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// Strength reduction of exact messages. A scan carries the message of each changing state beside the state:
///
///     %s2 = scan %n (%s = %s1) {                becomes   %r1 = message %s1, %J {M}
///       %m = message %s, %J {M}                           %s2, %r2 = scan %n (%s = %s1, %r = %r1) {
///       %h = aggregate %c, %m                               %h = aggregate %c, %r
///       %t = threshold %h {sign}                            %t = threshold %h {sign}
///       yield %t                                            %u = advance %r, %s, %t, %J {M}
///     }                                                     yield %t, %u
///     %f = message %s2, %J {M}                            }
///     .. %f ..                                            .. %r2 ..
///
/// So is the message of the value that is yielded (a later row of a sequential sweep reads it). The start is
/// what is known already of that state and weight: the message itself, or that of a state it came from,
/// brought up to date by one advance (an edge that a phase left out); else a message, which of zeros is
/// zeros. After the scan its message is the one carried. Everything known is known of one weight: an update
/// makes a new one.
///
/// Messages of senders that the scan doesn't change are hoist's.
Graph advance(const Graph& graph);

}  // namespace relaxon
