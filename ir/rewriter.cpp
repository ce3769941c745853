#include "ir/rewriter.hpp"

#include "core/error.hpp"

namespace relaxon {

Rewriter::Rewriter(const Graph& source)
    : source_(source), out_(source.name(), source.fixed_bits()), map_(source.value_count()) {
  for (const PatternDeclaration& p : source.patterns()) out_.pattern(p);
}

std::optional<std::vector<ValueId>> Rewriter::rewrite(OpId, const Op&) { return std::nullopt; }

Graph Rewriter::run() {
  visit_block(source_.body());
  const Op& ret = source_.terminator(source_.body());
  return out_.finish(mapped(ret.operands), std::get<NamesAttributes>(ret.attributes).names);
}

ValueId Rewriter::mapped(ValueId old) const {
  const ValueId value = map_[static_cast<std::size_t>(old.index)];
  if (value.index < 0) internal_error("graph {}: {} has no new value", source_.name(), source_.describe(old));
  return value;
}

std::vector<ValueId> Rewriter::mapped(const std::vector<ValueId>& old) const {
  std::vector<ValueId> values;
  for (const ValueId id : old) values.push_back(mapped(id));
  return values;
}

void Rewriter::map(ValueId old, ValueId value) {
  map_[static_cast<std::size_t>(old.index)] = value;
  if (value.index >= 0 && out_.hint(value).empty()) out_.name(value, source_.value(old).hint);
}

void Rewriter::map(const std::vector<ValueId>& old, const std::vector<ValueId>& values) {
  if (old.size() != values.size()) internal_error("graph {}: {} values for {} results", source_.name(), values.size(), old.size());
  for (std::size_t i = 0; i < old.size(); ++i) map(old[i], values[i]);
}

void Rewriter::visit(OpId id) {
  const Op& op = source_.op(id);
  std::optional<std::vector<ValueId>> values = rewrite(id, op);
  map(op.results, values ? *values : copy(op));
}

void Rewriter::visit_block(BlockId id) {
  const Block& block = source_.block(id);
  for (std::size_t i = 0; i + 1 < block.ops.size(); ++i) visit(block.ops[i]);
}

std::vector<ValueId> Rewriter::copy(const Op& op) {
  if (!op.body) return out_.append(op.kind, mapped(op.operands), op.attributes);
  const std::vector<ValueId> arguments = out_.begin(op.kind, mapped(op.operands), op.attributes);
  map(source_.block(*op.body).arguments, arguments);
  visit_block(*op.body);
  return out_.end(mapped(source_.terminator(*op.body).operands));
}

bool is_outside(const Graph& graph, ValueId value, BlockId block) {
  BlockId at = graph.value(value).block;
  while (true) {
    if (at == block) return false;
    const std::optional<OpId> owner = graph.block(at).owner;
    if (!owner) return true;
    at = graph.block_of(*owner);
  }
}

}  // namespace relaxon
