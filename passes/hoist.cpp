#include "passes/hoist.hpp"

#include <algorithm>

#include "ir/op_info.hpp"
#include "ir/rewriter.hpp"
#include "passes/analysis/blocks.hpp"

namespace relaxon {
namespace {

class Hoister final : public Rewriter {
 public:
  explicit Hoister(const Graph& graph) : Rewriter(graph), home_(graph.op_count()) {
    find_homes(graph.body());
  }

 private:
  BlockId& home(OpId op) { return home_[static_cast<std::size_t>(op.index)]; }
  BlockId home(ValueId value) {
    const Value& v = source().value(value);
    return v.op.index < 0 ? v.block : home(v.op);
  }

  /// The outermost block that each op of a block, and of the bodies in it, may stand in.
  void find_homes(BlockId block) {
    for (const OpId id : source().block(block).ops) {
      const Op& op = source().op(id);
      home(id) = block;
      if (op.body) {
        find_homes(*op.body);
      } else if (!has_trait(op.kind, trait::effect | trait::terminator) && op.kind != OpKind::slice) {
        while (may_leave(op, home(id))) home(id) = source().block_of(*source().block(home(id)).owner);
      }
    }
  }

  bool may_leave(const Op& op, BlockId block) {
    const std::optional<OpId> owner = source().block(block).owner;
    if (!owner || source().op(*owner).kind == OpKind::fuse) return false;
    // The homes of operands enclose the op, so they are this block or one around it.
    const bool free =
        std::none_of(op.operands.begin(), op.operands.end(), [&](ValueId v) { return home(v) == block; });
    return free && !(touches_batch(source(), op) && contains(source(), block, OpKind::slice));
  }

  std::optional<std::vector<ValueId>> rewrite(OpId id, const Op& op) override {
    if (home(id) != op.block) return mapped(op.results);
    if (op.body) move_out(*op.body, op.block);
    return std::nullopt;
  }

  /// Builds the ops of a body that belong into the open block.
  void move_out(BlockId body, BlockId open) {
    for (const OpId id : source().block(body).ops) {
      const Op& op = source().op(id);
      if (home(id) == open) map(op.results, copy(op));
      if (op.body) move_out(*op.body, open);
    }
  }

  std::vector<BlockId> home_;
};

}  // namespace

Graph hoist(const Graph& graph) { return Hoister(graph).run(); }

}  // namespace relaxon
