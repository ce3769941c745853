// The only way to make a graph: appends ops to the open block and infers their types.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.hpp"

namespace relaxon {

/// Builds a graph op by op. Operands must be visible where they are used: defined before in the open block or
/// in one that encloses it. Every call throws Error if an op's operands or attributes don't fit.
class GraphBuilder {
 public:
  GraphBuilder(std::string name, int fixed_bits);

  PatternId pattern(PatternDeclaration declaration);

  /// Appends an op without a body; its results.
  std::vector<ValueId> append(OpKind kind, std::vector<ValueId> operands, Attributes attributes = {});
  /// append() of an op with exactly one result, with a name hint.
  ValueId one(OpKind kind, std::vector<ValueId> operands, Attributes attributes = {}, std::string_view hint = {});

  ValueId input(std::string_view name, Type type);
  ValueId param(std::string_view name, Type type);
  ValueId constant(float value);
  ValueId zeros(Type type, std::string_view hint = {});

  /// Opens the body of an op; values appended until end() belong to it. The arguments of the body:
  /// scan: one per carry, loop: the index, then one per carry; fuse: none.
  std::vector<ValueId> begin(OpKind kind, std::vector<ValueId> operands, Attributes attributes = {});
  /// Yields from the open body and closes it; the results of its op.
  std::vector<ValueId> end(std::vector<ValueId> yielded);

  /// Ends the graph. The builder is spent.
  Graph finish(std::vector<ValueId> results, std::vector<std::string> names);

  const Type& type(ValueId id) const { return graph_.type(id); }
  const std::vector<PatternDeclaration>& patterns() const { return graph_.patterns(); }
  void name(ValueId id, std::string_view hint);
  const std::string& hint(ValueId id) const { return graph_.value(id).hint; }
  bool inside_body() const { return open_.size() > 1; }
  BlockId open_block() const { return open_.back(); }

 private:
  ValueId new_value(Type type, OpId op, BlockId block);
  OpId new_op(OpKind kind, std::vector<ValueId> operands, Attributes attributes);
  void check_visible(OpKind kind, std::span<const ValueId> operands) const;
  std::vector<Type> types_of(std::span<const ValueId> values) const;
  std::vector<ValueId> add_results(OpId op, std::vector<Type> types);

  Graph graph_;
  std::vector<BlockId> open_;
};

}  // namespace relaxon
