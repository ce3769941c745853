#include "passes/analysis/message_of.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "ir/rewriter.hpp"
#include "passes/analysis/blocks.hpp"

namespace relaxon {
namespace {

std::optional<std::size_t> position(const std::vector<ValueId>& values, ValueId value) {
  const auto found = std::find(values.begin(), values.end(), value);
  if (found == values.end()) return std::nullopt;
  return static_cast<std::size_t>(found - values.begin());
}

class Proof {
 public:
  Proof(const Graph& graph, OpId advance)
      : graph_(graph),
        advance_(advance),
        map_(std::get<MessageAttributes>(graph.op(advance).attributes).map),
        weight_(graph.op(advance).operands[3]) {}

  std::optional<BesideMessage> run() {
    const std::vector<ValueId>& operands = graph_.op(advance_).operands;
    if (!holds(operands[0], operands[1])) return std::nullopt;
    const ValueId base = base_ ? *base_ : ValueId{};
    if (base.index < 0) return BesideMessage{};
    // Another iteration's value would be another one.
    const bool outside = std::all_of(loops_.begin(), loops_.end(),
                                     [&](BlockId body) { return is_outside(graph_, base, body); });
    if (!outside || !is_defined_at(graph_, base, advance_)) return std::nullopt;
    return BesideMessage{base};
  }

 private:
  bool holds(ValueId accumulator, ValueId sender) {
    if (is_zeros(sender)) return begins_with(is_zeros(accumulator) ? ValueId{} : accumulator);
    const Op* made = graph_.definition(accumulator);
    if (!made) {
      const Block& block = graph_.block(graph_.value(accumulator).block);
      const auto a = position(block.arguments, accumulator), s = position(block.arguments, sender);
      const Op& loop = graph_.op(*block.owner);
      const std::size_t first = loop.kind == OpKind::loop ? 1 : 0;
      return a && s && *a >= first && *s >= first && carried(loop, *a - first, *s - first);
    }
    switch (made->kind) {
      case OpKind::message: return is_message(accumulator, sender) && begins_with({});
      case OpKind::aggregate: {
        const std::vector<ValueId>& terms = made->operands;
        if (terms.size() != 2) return false;
        return is_message(terms[1], sender)   ? begins_with(terms[0])
               : is_message(terms[0], sender) ? begins_with(terms[1])
                                              : false;
      }
      case OpKind::advance:
        return same(*made, made->operands[3]) && made->operands[2] == sender &&
               holds(made->operands[0], made->operands[1]);
      case OpKind::scan:
      case OpKind::loop: {
        const auto a = position(made->results, accumulator), s = position(made->results, sender);
        return a && s && carried(*made, *a, *s);
      }
      default: return false;
    }
  }

  bool is_zeros(ValueId value) const {
    const Op* made = graph_.definition(value);
    return made && made->kind == OpKind::zeros;
  }

  bool is_message(ValueId value, ValueId sender) const {
    const Op* made = graph_.definition(value);
    return made && made->kind == OpKind::message && same(*made, made->operands[1]) &&
           made->operands[0] == sender;
  }

  bool same(const Op& op, ValueId weight) const {
    return weight == weight_ && std::get<MessageAttributes>(op.attributes).map == map_;
  }

  /// Wherever the accumulator starts, the same lies beside the message; an invalid value: nothing.
  bool begins_with(ValueId base) {
    if (!base_) base_ = base;
    return *base_ == base;
  }

  /// By induction over the iterations.
  bool carried(const Op& loop, std::size_t accumulator, std::size_t sender) {
    const std::vector<ValueId>& yielded = graph_.terminator(*loop.body).operands;
    if (!assumed_.insert({yielded[accumulator], yielded[sender]}).second) return true;
    loops_.push_back(*loop.body);
    return holds(loop.operands[accumulator + 1], loop.operands[sender + 1]) &&
           holds(yielded[accumulator], yielded[sender]);
  }

  const Graph& graph_;
  OpId advance_;
  MapAttributes map_;
  ValueId weight_;
  std::optional<ValueId> base_;                    // what lies beside the message, once a start is known
  std::vector<BlockId> loops_;                     // bodies of the loops that it comes through
  std::set<std::pair<ValueId, ValueId>> assumed_;  // what loops yield
};

}  // namespace

std::optional<BesideMessage> beside_message(const Graph& graph, OpId op) { return Proof(graph, op).run(); }

BesideMessages::BesideMessages(const Graph& graph) {
  for (std::size_t i = 0; i < graph.op_count(); ++i) {
    const OpId id{static_cast<std::int32_t>(i)};
    if (graph.op(id).kind != OpKind::advance) continue;
    const std::optional<BesideMessage> beside = beside_message(graph, id);
    if (!beside) continue;
    known_[id] = *beside;
    if (beside->base.index >= 0) bases_[id] = beside->base;
  }
}

bool BesideMessages::is_base(ValueId value) const {
  return std::any_of(bases_.begin(), bases_.end(), [&](const auto& base) { return base.second == value; });
}

std::optional<BesideMessage> BesideMessages::of(OpId advance) const {
  const auto found = known_.find(advance);
  return found == known_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace relaxon
