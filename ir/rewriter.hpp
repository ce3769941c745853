// Rebuilds a graph op by op; passes say what becomes of which op.
#pragma once

#include <optional>
#include <vector>

#include "ir/builder.hpp"
#include "ir/graph.hpp"

namespace relaxon {

/// Walks a graph in order and builds a new one. A pass derives from it and overrides what it changes; what it
/// leaves alone is copied. Patterns keep their ids.
class Rewriter {
 public:
  explicit Rewriter(const Graph& source);
  virtual ~Rewriter() = default;
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

  Graph run();

 protected:
  /// Replaces an op other than a terminator: builds what stands for it through out() and returns the values
  /// for its results (ValueId{} for one that nothing uses), or nullopt to have it copied.
  virtual std::optional<std::vector<ValueId>> rewrite(OpId id, const Op& op);

  const Graph& source() const { return source_; }
  GraphBuilder& out() { return out_; }

  /// The new value of an old one.
  ValueId mapped(ValueId old) const;
  std::vector<ValueId> mapped(const std::vector<ValueId>& old) const;
  void map(ValueId old, ValueId value);
  void map(const std::vector<ValueId>& old, const std::vector<ValueId>& values);

  /// Rewrites one op into the open block and maps its results.
  void visit(OpId id);
  /// Rewrites the ops of a block, its terminator left out.
  void visit_block(BlockId id);
  /// Copies an op with its body as they are, operands mapped; its new results.
  std::vector<ValueId> copy(const Op& op);

 private:
  const Graph& source_;
  GraphBuilder out_;
  std::vector<ValueId> map_;
};

/// Whether a value is defined outside a block and all blocks inside it.
bool is_outside(const Graph& graph, ValueId value, BlockId block);

}  // namespace relaxon
