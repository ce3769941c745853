// What stands in the bodies of a graph.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// Whether an op of this kind stands in a block or in a body inside it.
bool contains(const Graph& graph, BlockId block, OpKind kind);

/// Whether an op reads or makes values with the batch axis. Such ops must not move across a slice: it gives
/// the axis another length.
bool touches_batch(const Graph& graph, const Op& op);

/// Whether the batch axis can have another length at `later` than it had at `earlier`, an op of the same
/// block.
bool slices_between(const Graph& graph, OpId earlier, OpId later);

/// Whether an op, or a body around it, stands where a value can be read: after what makes it, in its block or
/// inside it.
bool is_defined_at(const Graph& graph, ValueId value, OpId op);

/// The argument of a carry of a scan or loop, and the value its body yields for it.
ValueId carry_argument(const Graph& graph, const Op& op, std::size_t carry);
ValueId carry_yield(const Graph& graph, const Op& op, std::size_t carry);

}  // namespace relaxon
