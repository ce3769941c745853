#include "passes/analysis/blocks.hpp"

#include <algorithm>

namespace relaxon {

bool contains(const Graph& graph, BlockId block, OpKind kind) {
  const std::vector<OpId>& ops = graph.block(block).ops;
  return std::any_of(ops.begin(), ops.end(), [&](OpId id) {
    const Op& op = graph.op(id);
    return op.kind == kind || (op.body && contains(graph, *op.body, kind));
  });
}

bool touches_batch(const Graph& graph, const Op& op) {
  const auto has_batch = [&](ValueId value) {
    const Dims& dims = graph.type(value).dims;
    return std::find(dims.begin(), dims.end(), batch_dim) != dims.end();
  };
  return std::any_of(op.operands.begin(), op.operands.end(), has_batch) ||
         std::any_of(op.results.begin(), op.results.end(), has_batch);
}

bool slices_between(const Graph& graph, OpId earlier, OpId later) {
  // Ops are numbered in the order of the text.
  for (OpId id = earlier; id < later; ++id.index) {
    if (graph.op(id).kind == OpKind::slice) return true;
  }
  return false;
}

bool is_defined_at(const Graph& graph, ValueId value, OpId op) {
  const Value& v = graph.value(value);
  while (graph.block_of(op) != v.block) {
    const std::optional<OpId> owner = graph.block(graph.block_of(op)).owner;
    if (!owner) return false;
    op = *owner;
  }
  return v.op < op;  // arguments have none
}

ValueId carry_argument(const Graph& graph, const Op& op, std::size_t carry) {
  const std::vector<ValueId>& arguments = graph.block(*op.body).arguments;
  return arguments[arguments.size() - op.results.size() + carry];
}

ValueId carry_yield(const Graph& graph, const Op& op, std::size_t carry) {
  return graph.terminator(*op.body).operands[carry];
}

}  // namespace relaxon
