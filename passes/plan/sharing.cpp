#include "passes/plan/sharing.hpp"

#include <algorithm>

#include "passes/plan/partial_rows.hpp"

namespace relaxon {
namespace {

/// Steps that are shared without others that lie alike.
void share_each(const Plan& plan, const CostModel& model, const std::vector<StepRates>& rates,
                std::size_t& position, std::vector<Step>& steps) {
  for (Step& step : steps) {
    const StepRates& own = rates.at(position++);
    const Threads way = way_to_share(plan, step);
    const bool alone = way == Threads::columns || step.kernel == Kernel::update;
    if (alone && model.shared_us(step, own, plan.threads) < model.run_us(step, own)) step.threads = way;
    share_each(plan, model, rates, position, step.body);
  }
}

bool probes(const std::vector<Step>& steps) {
  return std::any_of(steps.begin(), steps.end(),
                     [](const Step& step) { return step.kernel == Kernel::probe || probes(step.body); });
}

/// Whether a loop over batches only adds hits to what it carries, and the plan returns nothing else.
bool only_counts(const Plan& plan, const Step& loop) {
  if (loop.kernel != Kernel::loop || probes(loop.body)) return false;
  for (std::size_t c = 0; c < loop.outputs.size(); ++c) {
    const SlotId carry = loop.outputs[c], next = loop.yielded[c];
    for (const Step& step : loop.body) {
      const bool counts = step.kernel == Kernel::hits && step.inputs[0] == carry && step.outputs[0] == next;
      const auto reads = [&](const Step& reader) {
        return std::count(reader.inputs.begin(), reader.inputs.end(), carry) > (counts ? 1 : 0);
      };
      if (reads(step) || std::any_of(step.body.begin(), step.body.end(), reads)) return false;
      const bool writes = std::count(step.outputs.begin(), step.outputs.end(), next) > 0;
      if (writes && !counts) return false;
    }
  }
  return std::all_of(plan.results.begin(), plan.results.end(), [&](const Plan::Port& result) {
    return std::count(loop.outputs.begin(), loop.outputs.end(), result.slot) > 0;
  });
}

/// Values with a batch axis.
bool has_panels(Storage s) {
  return holds_fields(s) || s == Storage::signs || s == Storage::pair || s == Storage::bytes ||
         s == Storage::reals;
}

}  // namespace

Threads way_to_share(const Plan& plan, const Step& step) {
  const auto lies = [&](const std::vector<SlotId>& slots, Storage storage) {
    return plan.slot(slots.at(0)).storage == storage;
  };
  switch (step.kernel) {
    case Kernel::exact:
    case Kernel::advance:
    case Kernel::follow: return is_dense_message(plan, step) ? Threads::senders : Threads::columns;
    case Kernel::update: return lies(step.inputs, Storage::dense) ? Threads::senders : Threads::columns;
    case Kernel::zero:
    case Kernel::copy:
      if (lies(step.outputs, Storage::partial_rows)) return Threads::senders;
      return has_panels(plan.slot(step.outputs.at(0)).storage) ? Threads::columns : Threads::one;
    case Kernel::gather:
      return holds_fields(plan.slot(step.outputs.at(0)).storage) ? Threads::columns : Threads::one;
    case Kernel::real:
    case Kernel::quantise:
    case Kernel::subtract:
    case Kernel::to_fields:
    case Kernel::sum:
    case Kernel::sign:
    case Kernel::margin: return Threads::columns;
    case Kernel::loop: return Threads::samples;
    default: return Threads::one;
  }
}

void share_work(Plan& plan, const CostModel& model) {
  const auto loops = std::count_if(plan.steps.begin(), plan.steps.end(),
                                   [](const Step& step) { return step.kernel == Kernel::loop; });
  for (Step& step : plan.steps) {
    if (loops == 1 && only_counts(plan, step)) {
      step.threads = Threads::samples;
      return;
    }
  }
  if (plan.threads < 2) return;
  const std::vector<StepRates> rates = default_rates(plan);
  share_by_senders(plan, model, rates);
  std::size_t position = 0;
  share_each(plan, model, rates, position, plan.steps);
}

}  // namespace relaxon
