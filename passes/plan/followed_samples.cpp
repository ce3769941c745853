#include "passes/plan/followed_samples.hpp"

namespace relaxon {
namespace {

void follow_in(Plan& plan, const CostModel& model, std::vector<Step>& steps, bool in_scan) {
  for (Step& step : steps) {
    if (!step.body.empty()) follow_in(plan, model, step.body, in_scan || step.kernel == Kernel::scan);
    if (!in_scan || step.kernel != Kernel::real) continue;
    const Slot sender = plan.slot(step.inputs[0]);
    if (sender.storage != Storage::reals || 4 * model.comparison_us(step) > model.run_us(step, {}) ||
        writers_of(plan, step.outputs[0]) != 1)
      continue;
    plan.slots.push_back({"seen." + sender.name, sender.type, Storage::reals, 0, 0});
    step.outputs.push_back(SlotId{static_cast<std::int32_t>(plan.slots.size()) - 1});
    step.why += "; samples whose senders stay as they were keep their message";
  }
}

}  // namespace

void follow_samples(Plan& plan, const CostModel& model) { follow_in(plan, model, plan.steps, false); }

SlotId followed_senders(const Step& step) {
  return step.kernel == Kernel::real && step.outputs.size() > 1 ? step.outputs[1] : SlotId{};
}

}  // namespace relaxon
