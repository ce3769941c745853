#include "passes/plan/partial_rows.hpp"

#include <algorithm>
#include <numeric>

namespace relaxon {
namespace {

/// Slots that must lie alike, in groups.
class Groups {
 public:
  explicit Groups(const Plan& plan) : plan_(plan), parent_(plan.slots.size()), groups_(plan.slots.size()) {
    std::iota(parent_.begin(), parent_.end(), std::size_t{0});
    for_each_step(plan.steps, [&](const Step& step, int) { join_lasting(step); });
    for (std::size_t i = 0; i < parent_.size(); ++i) {
      if (plan.slots[i].storage != Storage::field_rows) group(i).whole = true;
    }
    for_each_step(plan.steps, [&](const Step& step, int) { look_at(step); });
  }

  /// What is copied into whole fields, or added to them, must be whole itself.
  void settle() {
    for (bool changed = true; changed;) {
      changed = false;
      const auto as_whole = [&](SlotId from, SlotId to) {
        if (!partial(index(from)) || partial(index(to))) return;
        group(index(from)).whole = changed = true;
      };
      for_each_step(plan_.steps, [&](const Step& step, int) {
        if (step.kernel == Kernel::copy) as_whole(step.inputs[0], step.outputs[0]);
        if (const SlotId base = follow_base(step); base.index >= 0) as_whole(base, step.outputs[0]);
      });
    }
  }

  /// A dense message makes the slot; sharing it gains so many microseconds a batch.
  void gain(SlotId slot, double us) { group(index(slot)).gain += us; }
  bool partial(std::size_t slot) {
    const Group& own = group(slot);
    return !own.whole && own.gain > 0;
  }

 private:
  struct Group {
    bool whole = false;  // some step needs it whole
    double gain = 0;
  };

  static std::size_t index(SlotId id) { return static_cast<std::size_t>(id.index); }
  std::size_t root(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  Group& group(std::size_t slot) { return groups_[root(slot)]; }
  void join(SlotId a, SlotId b) { parent_[root(index(a))] = root(index(b)); }

  void join_lasting(const Step& step) {
    if (step.kernel != Kernel::scan && step.kernel != Kernel::loop) return;
    for (std::size_t c = 0; c < step.outputs.size(); ++c) {
      join(step.inputs[c + 1], step.outputs[c]);
      join(step.yielded[c], step.outputs[c]);
    }
  }

  void look_at(const Step& step) {
    switch (step.kernel) {
      case Kernel::scan:
      case Kernel::loop:
      case Kernel::copy:
      case Kernel::zero:
      case Kernel::probe: return;
      case Kernel::sum:
      case Kernel::sign:
      case Kernel::margin: return keep_whole(step.outputs);
      default:
        if (is_dense_message(plan_, step) &&
            plan_.slot(message_weight(step)).type.dims[0].length >= plan_.threads)
          return;
        keep_whole(step.inputs);
        keep_whole(step.outputs);
    }
  }
  void keep_whole(const std::vector<SlotId>& slots) {
    for (const SlotId slot : slots) group(index(slot)).whole = true;
  }

  const Plan& plan_;
  std::vector<std::size_t> parent_;
  std::vector<Group> groups_;  // of the roots
};

void add_gains(const CostModel& model, const std::vector<StepRates>& rates, const Plan& plan,
               Groups& groups) {
  std::size_t position = 0;
  for_each_step(plan.steps, [&](const Step& step, int) {
    const StepRates& own = rates.at(position++);
    if (!is_dense_message(plan, step)) return;
    const double us = model.run_us(step, own) - model.shared_us(step, own, plan.threads);
    groups.gain(step.outputs[0], us * own.runs);
  });
}

void mark(const Plan& plan, std::vector<Step>& steps) {
  for (Step& step : steps) {
    const bool makes =
        step.kernel == Kernel::zero || step.kernel == Kernel::copy || is_dense_message(plan, step);
    if (makes && plan.slot(step.outputs[0]).storage == Storage::partial_rows) step.threads = Threads::senders;
    mark(plan, step.body);
  }
}

}  // namespace

void share_by_senders(Plan& plan, const CostModel& model, const std::vector<StepRates>& rates) {
  Groups groups(plan);
  add_gains(model, rates, plan, groups);
  groups.settle();
  for (std::size_t i = 0; i < plan.slots.size(); ++i) {
    if (groups.partial(i)) plan.slots[i].storage = Storage::partial_rows;
  }
  mark(plan, plan.steps);
}

bool is_dense_message(const Plan& plan, const Step& step) {
  switch (step.kernel) {
    case Kernel::exact:
    case Kernel::advance:
    case Kernel::follow: return plan.slot(message_weight(step)).storage == Storage::dense_fixed;
    default: return false;
  }
}

}  // namespace relaxon
