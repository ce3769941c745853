// Whether an accumulator holds a message.
#pragma once

#include "ir/graph.hpp"

namespace relaxon {

/// Whether `accumulator` is provably message(sender, weight) of the map of `advance`, an op of that kind,
/// wherever it stands: it was zeros when the sender was, a message of it, or was advanced together with it,
/// in scans too. False says nothing.
bool is_message_of(const Graph& graph, const Op& advance, ValueId accumulator, ValueId sender);

}  // namespace relaxon
