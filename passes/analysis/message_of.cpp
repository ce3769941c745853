#include "passes/analysis/message_of.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace relaxon {
namespace {

std::optional<std::size_t> position(const std::vector<ValueId>& values, ValueId value) {
  const auto found = std::find(values.begin(), values.end(), value);
  if (found == values.end()) return std::nullopt;
  return static_cast<std::size_t>(found - values.begin());
}

class Proof {
 public:
  Proof(const Graph& graph, const Op& advance)
      : graph_(graph),
        map_(std::get<MessageAttributes>(advance.attributes).map),
        weight_(advance.operands[3]) {}

  bool holds(ValueId accumulator, ValueId sender) {
    const Op* made = graph_.definition(accumulator);
    if (!made) {
      const Block& block = graph_.block(graph_.value(accumulator).block);
      const auto a = position(block.arguments, accumulator), s = position(block.arguments, sender);
      const Op& loop = graph_.op(*block.owner);
      const std::size_t first = loop.kind == OpKind::loop ? 1 : 0;
      return a && s && *a >= first && *s >= first && carried(loop, *a - first, *s - first);
    }
    switch (made->kind) {
      case OpKind::zeros: {
        const Op* start = graph_.definition(sender);
        return start && start->kind == OpKind::zeros;
      }
      case OpKind::message: return same(*made, made->operands[1]) && made->operands[0] == sender;
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

 private:
  bool same(const Op& op, ValueId weight) const {
    return weight == weight_ && std::get<MessageAttributes>(op.attributes).map == map_;
  }

  /// By induction over the iterations.
  bool carried(const Op& loop, std::size_t accumulator, std::size_t sender) {
    const std::vector<ValueId>& yielded = graph_.terminator(*loop.body).operands;
    if (!assumed_.insert({yielded[accumulator], yielded[sender]}).second) return true;
    return holds(loop.operands[accumulator + 1], loop.operands[sender + 1]) &&
           holds(yielded[accumulator], yielded[sender]);
  }

  const Graph& graph_;
  MapAttributes map_;
  ValueId weight_;
  std::set<std::pair<ValueId, ValueId>> assumed_;  // what loops yield
};

}  // namespace

bool is_message_of(const Graph& graph, const Op& advance, ValueId accumulator, ValueId sender) {
  return Proof(graph, advance).holds(accumulator, sender);
}

}  // namespace relaxon
