#include "passes/scan_carry.hpp"

#include "passes/analysis/blocks.hpp"
#include "passes/carry_rewriter.hpp"

namespace relaxon {
namespace {

class UnchangedCarries final : public CarryRewriter {
 public:
  using CarryRewriter::CarryRewriter;

 private:
  std::optional<std::vector<ValueId>> rewrite(OpId, const Op& op) override {
    if (op.kind != OpKind::scan && op.kind != OpKind::loop) return std::nullopt;
    std::vector<bool> kept(op.results.size(), true);
    for (std::size_t c = 0; c < kept.size(); ++c) {
      const ValueId argument = carry_argument(source(), op, c);
      kept[c] = carry_yield(source(), op, c) != argument || is_watched(op, c);
      if (!kept[c]) map(argument, mapped(op.operands[c + 1]));
    }
    std::vector<ValueId> values = copy_carries(op, kept);
    for (std::size_t c = 0; c < kept.size(); ++c) {
      if (!kept[c]) values[c] = mapped(op.operands[c + 1]);
    }
    return values;
  }
};

}  // namespace

Graph scan_carry(const Graph& graph) { return UnchangedCarries(graph).run(); }

}  // namespace relaxon
