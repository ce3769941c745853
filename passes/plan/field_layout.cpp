#include "passes/plan/field_layout.hpp"

#include <algorithm>

#include "passes/plan/kernel_choice.hpp"

namespace relaxon {
namespace {

std::size_t position(const std::vector<ValueId>& values, ValueId value) {
  return static_cast<std::size_t>(std::find(values.begin(), values.end(), value) - values.begin());
}

std::size_t first_carry(const Op& op) { return op.kind == OpKind::loop ? 1 : 0; }

}  // namespace

FieldLayout::FieldLayout(const Graph& graph)
    : graph_(graph), uses_(graph), preferences_(graph.value_count(), Choice::unknown) {}

bool FieldLayout::by_sample(ValueId value) const {
  Choice choice = preference(value);
  if (choice == Choice::none) choice = preference_of_neighbours(value);
  return choice == Choice::by_sample;
}

/// What the kernel that makes a value wants; none if it doesn't mind.
FieldLayout::Choice FieldLayout::preference(ValueId value) const {
  Choice& known = preferences_[static_cast<std::size_t>(value.index)];
  if (known == Choice::running) return Choice::none;  // a carry that depends on itself
  if (known != Choice::unknown) return known;
  known = Choice::running;
  return known = preference_of_definition(value);
}

FieldLayout::Choice FieldLayout::preference_of_definition(ValueId value) const {
  const Op* op = graph_.definition(value);
  if (!op) {
    const Block& block = graph_.block(graph_.value(value).block);
    const Op& loop = graph_.op(*block.owner);
    return preference_of_carry(loop, position(block.arguments, value) - first_carry(loop));
  }
  switch (op->kind) {
    case OpKind::message:
    case OpKind::advance: {
      const Kernel kernel = choose_kernel(graph_, *op).kernel;
      if (kernel != Kernel::exact && kernel != Kernel::advance) return Choice::by_lane;
      const ValueId weight = op->operands[op->kind == OpKind::advance ? 3 : 1];
      return storage_of(graph_, weight) == Storage::dense ? Choice::by_sample : Choice::by_lane;
    }
    case OpKind::aggregate: {
      // One message by sample is enough: the others are turned on the way.
      Choice choice = Choice::none;
      for (const ValueId term : op->operands) {
        const Choice own = preference(term);
        if (own == Choice::by_sample || choice == Choice::none) choice = own;
        if (choice == Choice::by_sample) return choice;
      }
      return choice;
    }
    case OpKind::scan:
    case OpKind::loop: return preference_of_carry(*op, position(op->results, value));
    case OpKind::fuse:
      return preference(graph_.terminator(*op->body).operands.at(position(op->results, value)));
    case OpKind::zeros:
    case OpKind::take:
    case OpKind::to_fix: return Choice::none;
    default: return Choice::by_lane;
  }
}

FieldLayout::Choice FieldLayout::preference_of_carry(const Op& loop, std::size_t carry) const {
  const Choice yielded = preference(graph_.terminator(*loop.body).operands.at(carry));
  return yielded != Choice::none ? yielded : preference(loop.operands.at(carry + 1));
}

FieldLayout::Choice FieldLayout::preference_of_neighbours(ValueId value) const {
  Choice choice = Choice::none;
  for (const OpId id : uses_.of(value)) {
    const Op& user = graph_.op(id);
    if (user.kind == OpKind::aggregate) {
      for (const ValueId term : user.operands) {
        const Choice own = preference(term);
        if (own == Choice::by_lane) return own;
        if (own != Choice::none) choice = own;
      }
    } else if (user.kind == OpKind::scan || user.kind == OpKind::loop) {
      const std::size_t operand = position(user.operands, value);
      const Choice own = operand == 0 ? Choice::none : preference_of_carry(user, operand - 1);
      if (own != Choice::none) return own;
    } else if (user.kind == OpKind::yield) {
      const Op& owner = graph_.op(*graph_.block(user.block).owner);
      const Choice own = owner.kind == OpKind::fuse
                             ? Choice::none
                             : preference_of_carry(owner, position(user.operands, value));
      if (own != Choice::none) return own;
    }
  }
  return choice;
}

}  // namespace relaxon
