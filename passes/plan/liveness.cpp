#include "passes/plan/liveness.hpp"

#include <algorithm>

#include "passes/plan/followed_samples.hpp"

namespace relaxon {

LastUses::LastUses(const Graph& graph, const std::map<OpId, ValueId>& more)
    : graph_(graph), positions_(graph.op_count(), -1), uses_(graph.value_count()) {
  std::int32_t position = 0;
  scan(graph.body(), graph.body(), more, position);
}

BlockId LastUses::home_of(BlockId block) const {
  while (true) {
    const std::optional<OpId> owner = graph_.block(block).owner;
    if (!owner || graph_.op(*owner).kind != OpKind::fuse) return block;
    block = graph_.block_of(*owner);
  }
}

void LastUses::scan(BlockId block, BlockId home, const std::map<OpId, ValueId>& more,
                    std::int32_t& position) {
  for (const OpId id : graph_.block(block).ops) {
    const Op& op = graph_.op(id);
    const std::int32_t own = positions_[static_cast<std::size_t>(id.index)] = position++;
    for (const ValueId operand : op.operands) use(operand, home, own);
    if (const auto found = more.find(id); found != more.end()) use(found->second, home, own);
    if (!op.body) continue;
    if (op.kind == OpKind::fuse) {
      scan(*op.body, home, more, position);
    } else {
      scan(*op.body, *op.body, more, position);
    }
  }
}

/// Notes a use at `position` of block `home`; for the value's own block it happens where the op stands whose
/// body holds it.
void LastUses::use(ValueId value, BlockId home, std::int32_t position) {
  const BlockId own = home_of(graph_.value(value).block);
  bool inside_body = false;
  for (BlockId at = home; at != own;) {
    const OpId owner = *graph_.block(at).owner;
    inside_body = true;
    position = positions_[static_cast<std::size_t>(owner.index)];
    at = home_of(graph_.block_of(owner));
  }
  Use& last = uses_[static_cast<std::size_t>(value.index)];
  if (position > last.position) {
    last = {position, inside_body};
  } else if (position == last.position) {
    last.inside_body = last.inside_body || inside_body;
  }
}

bool LastUses::dies_at(ValueId value, OpId op) const {
  const BlockId own = home_of(graph_.value(value).block);
  const Use& last = uses_[static_cast<std::size_t>(value.index)];
  return own == home_of(graph_.block_of(op)) &&
         last.position == positions_[static_cast<std::size_t>(op.index)] && !last.inside_body;
}

namespace {

/// Walks the steps in order and widens the live range of each slot that they name.
class RangeAssignment {
 public:
  explicit RangeAssignment(Plan& plan) : plan_(plan) {
    for (Slot& slot : plan.slots) slot.first = slot.last = -1;
  }

  void run() {
    for (const Plan::Port& binding : plan_.bindings) mention(binding.slot, 0);
    walk(plan_.steps);
    for (const Plan::Port& result : plan_.results) mention(result.slot, position_);
  }

 private:
  void mention(SlotId id, std::int32_t position) {
    Slot& slot = plan_.slots[static_cast<std::size_t>(id.index)];
    if (slot.first < 0) slot.first = position;
    slot.last = std::max(slot.last, position);
    // What a loop reads from outside must last through all its iterations.
    for (const std::int32_t start : loop_starts_) {
      if (slot.first < start) outlives_.push_back({id, start});
    }
  }
  void mention(const std::vector<SlotId>& ids, std::int32_t position) {
    for (const SlotId id : ids) mention(id, position);
  }

  void walk(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      const std::int32_t start = ++position_;
      // What is kept comes from the iteration before.
      if ((step.kept || followed_senders(step).index >= 0) && !loop_starts_.empty())
        mention(step.outputs, loop_starts_.front() - 1);
      mention(step.inputs, start);
      mention(step.outputs, start);
      mention(step.arguments, start);
      if (step.body.empty() && step.yielded.empty()) continue;
      loop_starts_.push_back(start + 1);
      walk(step.body);
      const std::int32_t end = ++position_;
      mention(step.yielded, end);
      loop_starts_.pop_back();
      mention(step.outputs, end);
      // Mentioning a slot may note it for the loops further out, so the list is taken first.
      std::vector<SlotId> needed;
      std::erase_if(outlives_, [&](const auto& outlived) {
        if (outlived.second == start + 1) needed.push_back(outlived.first);
        return outlived.second == start + 1;
      });
      mention(needed, end);
    }
  }

  Plan& plan_;
  std::vector<std::int32_t> loop_starts_;
  std::vector<std::pair<SlotId, std::int32_t>> outlives_;
  std::int32_t position_ = 0;
};

}  // namespace

void assign_live_ranges(Plan& plan) { RangeAssignment(plan).run(); }

}  // namespace relaxon
