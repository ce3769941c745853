#include "passes/cse.hpp"

#include "ir/rewriter.hpp"
#include "passes/analysis/blocks.hpp"
#include "passes/analysis/value_table.hpp"

namespace relaxon {
namespace {

class Sharing final : public Rewriter {
 public:
  using Rewriter::Rewriter;

 private:
  std::optional<std::vector<ValueId>> rewrite(OpId, const Op& op) override {
    if (op.body) return region(op);
    if (op.kind == OpKind::slice) ++batch_;
    if (!is_expression(op)) return std::nullopt;
    Expression expression{op.kind, mapped(op.operands), op.attributes,
                          touches_batch(source(), op) ? batch_ : 0};
    if (const std::vector<ValueId>* values = table_.find(expression)) return *values;
    std::vector<ValueId> values = copy(op);
    table_.add(std::move(expression), values);
    return values;
  }

  std::vector<ValueId> region(const Op& op) {
    // A body that slices starts with the batch of the iteration before, and leaves its own behind.
    const bool slices = contains(source(), *op.body, OpKind::slice);
    if (slices) ++batch_;
    table_.open_scope();
    const std::vector<ValueId> values = copy(op);
    table_.close_scope();
    if (slices) ++batch_;
    return values;
  }

  ValueTable table_;
  int batch_ = 0;  // counts the lengths of the batch axis
};

}  // namespace

Graph cse(const Graph& graph) { return Sharing(graph).run(); }

}  // namespace relaxon
