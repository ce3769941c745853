#include "passes/canonicalize.hpp"

#include "ir/rewriter.hpp"

namespace relaxon {
namespace {

class Canonicalizer final : public Rewriter {
 public:
  using Rewriter::Rewriter;

 private:
  std::optional<std::vector<ValueId>> rewrite(OpId, const Op& op) override {
    if (op.kind == OpKind::aggregate && op.operands.size() == 1) return mapped(op.operands);
    if (op.kind != OpKind::update) return std::nullopt;
    const auto& attributes = std::get<UpdateAttributes>(op.attributes);
    const std::vector<ValueId> operands = mapped(op.operands);
    const ValueId v = out().one(OpKind::error, {operands.begin() + 1, operands.end()}, ErrorAttributes{attributes.rule});
    return out().append(OpKind::correlate, {operands[0], v}, attributes.correlate);
  }
};

}  // namespace

Graph canonicalize(const Graph& graph) { return Canonicalizer(graph).run(); }

}  // namespace relaxon
