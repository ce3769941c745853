#include "passes/exit.hpp"

#include <map>

#include "ir/rewriter.hpp"
#include "passes/analysis/blocks.hpp"
#include "passes/analysis/value_table.hpp"

namespace relaxon {
namespace {

/// The proof that one iteration leaves every carry unchanged if it leaves the watched ones so. Each value is
/// replaced by one that it equals under that assumption.
class FixedPoint {
 public:
  FixedPoint(const Graph& graph, const Op& scan) : graph_(graph), scan_(scan) {
    for (std::size_t c = 0; c < scan.results.size(); ++c) {
      if (is_ternary(graph.type(scan.results[c]))) watched_.push_back(static_cast<std::int32_t>(c));
    }
    for (const std::int32_t c : watched_) {
      const auto carry = static_cast<std::size_t>(c);
      assumed_.emplace(carry_yield(graph, scan, carry), carry_argument(graph, scan, carry));
    }
  }

  const std::vector<std::int32_t>& watched() const { return watched_; }

  bool holds() {
    for (const OpId id : graph_.block(*scan_.body).ops) fold(graph_.op(id));
    for (std::size_t c = 0; c < scan_.results.size(); ++c) {
      const ValueId argument = carry_argument(graph_, scan_, c);
      if (!is_ternary(graph_.type(argument)) && equal_to(carry_yield(graph_, scan_, c)) != argument)
        return false;
    }
    return !watched_.empty();
  }

 private:
  ValueId equal_to(ValueId value) const {
    if (const auto assumed = assumed_.find(value); assumed != assumed_.end()) return assumed->second;
    const auto known = equal_.find(value);
    return known == equal_.end() ? value : known->second;
  }

  void fold(const Op& op) {
    if (!is_expression(op)) return;
    Expression expression{op.kind, {}, op.attributes, 0};
    for (const ValueId operand : op.operands) expression.operands.push_back(equal_to(operand));
    if (op.kind == OpKind::advance && expression.operands[1] == expression.operands[2]) {
      equal_[op.results[0]] = expression.operands[0];
    } else if (const std::vector<ValueId>* same = table_.find(expression)) {
      for (std::size_t r = 0; r < op.results.size(); ++r) equal_[op.results[r]] = (*same)[r];
    } else {
      std::vector<ValueId> values;
      for (const ValueId result : op.results) values.push_back(equal_to(result));
      table_.add(std::move(expression), std::move(values));
    }
  }

  const Graph& graph_;
  const Op& scan_;
  std::vector<std::int32_t> watched_;
  std::map<ValueId, ValueId> assumed_;  // what is yielded for a watched carry -> its argument
  std::map<ValueId, ValueId> equal_;
  ValueTable table_;
};

class EarlyExit final : public Rewriter {
 public:
  using Rewriter::Rewriter;

 private:
  std::optional<std::vector<ValueId>> rewrite(OpId, const Op& op) override {
    if (op.kind != OpKind::scan || !std::get<ScanAttributes>(op.attributes).until_unchanged.empty())
      return std::nullopt;
    const bool same_every_time =
        !contains(source(), *op.body, OpKind::probe) && !contains(source(), *op.body, OpKind::slice);
    FixedPoint proof(source(), op);
    if (!same_every_time || !proof.holds()) return std::nullopt;
    Op stopping = op;
    stopping.attributes = ScanAttributes{proof.watched()};
    return copy(stopping);
  }
};

}  // namespace

Graph exit_at_fixed_point(const Graph& graph) { return EarlyExit(graph).run(); }

}  // namespace relaxon
