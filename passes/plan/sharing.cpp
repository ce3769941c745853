#include "passes/plan/sharing.hpp"

#include <algorithm>

namespace relaxon {
namespace {

void share_by_columns(const Plan& plan, const CostModel& model, int threads,
                      const std::vector<StepRates>& rates, std::size_t& position, std::vector<Step>& steps) {
  for (Step& step : steps) {
    const StepRates& own = rates.at(position++);
    if (can_share(plan, step) && model.shared_us(step, own, threads) < model.run_us(step, own))
      step.threads = Threads::columns;
    share_by_columns(plan, model, threads, rates, position, step.body);
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

}  // namespace

bool can_share(const Plan& plan, const Step& step) {
  switch (step.kernel) {
    case Kernel::exact:
    case Kernel::real:
    case Kernel::advance:
    case Kernel::follow:
    case Kernel::quantise:
    case Kernel::subtract:
    case Kernel::update:
    case Kernel::to_fields:
    case Kernel::sum:
    case Kernel::sign:
    case Kernel::margin: return true;
    case Kernel::gather: return holds_fields(plan.slot(step.outputs.at(0)).storage);
    default: return false;
  }
}

void share_work(Plan& plan, const CostModel& model, int threads) {
  const auto loops = std::count_if(plan.steps.begin(), plan.steps.end(),
                                   [](const Step& step) { return step.kernel == Kernel::loop; });
  for (Step& step : plan.steps) {
    if (loops == 1 && only_counts(plan, step)) {
      step.threads = Threads::samples;
      return;
    }
  }
  if (threads < 2) return;
  std::size_t position = 0;
  share_by_columns(plan, model, threads, default_rates(plan), position, plan.steps);
}

}  // namespace relaxon
