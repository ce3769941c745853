#include "passes/dce.hpp"

#include "ir/op_info.hpp"
#include "passes/analysis/blocks.hpp"
#include "passes/carry_rewriter.hpp"

namespace relaxon {
namespace {

/// The ops and values that a result of the graph or an effect depends on.
class Liveness {
 public:
  explicit Liveness(const Graph& graph)
      : graph_(graph), ops_(graph.op_count()), values_(graph.value_count()) {
    for (std::size_t i = 0; i < graph.op_count(); ++i) {
      const OpId id{static_cast<std::int32_t>(i)};
      const OpKind kind = graph.op(id).kind;
      if (kind == OpKind::ret || kind == OpKind::slice || has_trait(kind, trait::effect)) need(id);
    }
    while (!work_.empty()) {
      const ValueId value = work_.back();
      work_.pop_back();
      trace(value);
    }
  }

  bool needs(OpId op) const { return ops_[static_cast<std::size_t>(op.index)]; }
  bool needs(ValueId value) const { return values_[static_cast<std::size_t>(value.index)]; }
  /// A carry is needed inside its body or after it.
  bool needs_carry(const Op& op, std::size_t carry) const {
    return needs(op.results[carry]) || needs(carry_argument(graph_, op, carry)) || is_watched(op, carry);
  }

 private:
  void need(ValueId value) {
    if (needs(value)) return;
    values_[static_cast<std::size_t>(value.index)] = true;
    work_.push_back(value);
  }

  void need(OpId id) {
    if (needs(id)) return;
    ops_[static_cast<std::size_t>(id.index)] = true;
    const Op& op = graph_.op(id);
    if (const auto owner = graph_.block(op.block).owner) need(*owner);
    if (!op.body) {
      for (const ValueId operand : op.operands) need(operand);
      return;
    }
    if (!op.operands.empty()) need(op.operands[0]);
    for (std::size_t c = 0; c < op.results.size(); ++c) {
      if (is_watched(op, c)) need_carry(op, c);
    }
  }

  void need_carry(const Op& op, std::size_t carry) {
    need(carry_yield(graph_, op, carry));
    if (op.kind != OpKind::fuse) need(op.operands[carry + 1]);
  }

  void trace(ValueId value) {
    const Value& v = graph_.value(value);
    if (v.op.index >= 0) {
      need(v.op);
      const Op& op = graph_.op(v.op);
      for (std::size_t r = 0; op.body && r < op.results.size(); ++r) {
        if (op.results[r] == value) need_carry(op, r);
      }
      return;
    }
    const OpId owner = *graph_.block(v.block).owner;
    need(owner);
    const Op& op = graph_.op(owner);
    for (std::size_t c = 0; c < op.results.size(); ++c) {
      if (carry_argument(graph_, op, c) == value) need_carry(op, c);
    }
  }

  const Graph& graph_;
  std::vector<bool> ops_, values_;
  std::vector<ValueId> work_;
};

class Removal final : public CarryRewriter {
 public:
  explicit Removal(const Graph& graph) : CarryRewriter(graph), live_(graph) {}

 private:
  std::optional<std::vector<ValueId>> rewrite(OpId id, const Op& op) override {
    if (!live_.needs(id)) return std::vector<ValueId>(op.results.size());
    if (!op.body) return std::nullopt;
    if (op.kind == OpKind::fuse) return fuse(op);
    std::vector<bool> kept(op.results.size());
    for (std::size_t c = 0; c < kept.size(); ++c) kept[c] = live_.needs_carry(op, c);
    return copy_carries(op, kept);
  }

  std::vector<ValueId> fuse(const Op& op) {
    out().begin(op.kind, {});
    visit_block(*op.body);
    std::vector<ValueId> yielded, values(op.results.size());
    for (std::size_t r = 0; r < op.results.size(); ++r) {
      if (live_.needs(op.results[r])) yielded.push_back(mapped(carry_yield(source(), op, r)));
    }
    const std::vector<ValueId> results = out().end(yielded);
    for (std::size_t r = 0, next = 0; r < op.results.size(); ++r) {
      if (live_.needs(op.results[r])) values[r] = results[next++];
    }
    return values;
  }

  Liveness live_;
};

}  // namespace

Graph dce(const Graph& graph) { return Removal(graph).run(); }

}  // namespace relaxon
