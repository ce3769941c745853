#include "passes/zeros.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "ir/op_info.hpp"
#include "ir/rewriter.hpp"

namespace relaxon {
namespace {

/// fma(a, 0, b 0), the correlation of two-valued labels that nothing meets, is -0 where a and b are negative.
bool may_be_negative_zero(const Type& type) {
  return type.elem == Elem::two && std::signbit(type.a) && std::signbit(type.b);
}

class ZeroFolding final : public Rewriter {
 public:
  using Rewriter::Rewriter;

 private:
  std::optional<std::vector<ValueId>> rewrite(OpId, const Op& op) override {
    if (op.kind == OpKind::zeros) return zeros(op);
    if (op.kind == OpKind::aggregate) return aggregate(op);
    if (!has_trait(op.kind, trait::linear) || !is_zero(op.operands[0]) || keeps_sign(op)) return std::nullopt;
    return zeros(op);
  }

  bool is_zero(ValueId old) const { return zeros_.contains(mapped(old)); }

  bool keeps_sign(const Op& op) const {
    if (op.kind == OpKind::gate) return true;
    return std::any_of(op.operands.begin(), op.operands.end(),
                       [&](ValueId v) { return may_be_negative_zero(source().type(v)); });
  }

  std::vector<ValueId> zeros(const Op& op) {
    const ValueId value = out().zeros(source().type(op.results[0]));
    zeros_.insert(value);
    return {value};
  }

  std::optional<std::vector<ValueId>> aggregate(const Op& op) {
    std::vector<ValueId> messages;
    for (const ValueId operand : op.operands) {
      if (!is_zero(operand)) messages.push_back(mapped(operand));
    }
    if (messages.empty()) return zeros(op);
    if (messages.size() == op.operands.size() || source().type(op.results[0]).elem != Elem::fix)
      return std::nullopt;
    if (messages.size() == 1) return messages;
    return out().append(OpKind::aggregate, messages);
  }

  std::set<ValueId> zeros_;  // of the new graph
};

}  // namespace

Graph fold_zeros(const Graph& graph) { return ZeroFolding(graph).run(); }

}  // namespace relaxon
