// Common subexpressions are computed once.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// An op with the kind, attributes and operands of one before it, in the same block or one around it, is that
/// one:
///
///     %a = message %x, %W {M}     becomes   %a = message %x, %W {M}
///     %b = message %x, %W {M}
///     .. %a .. %b ..                        .. %a .. %a ..
///
/// So the fields of the update share the messages of the phases, and edges with one margin share their
/// errors. Bindings, probes and bodies are never shared, nor values with a batch axis across a slice.
Graph cse(const Graph& graph);

}  // namespace relaxon
