#include "passes/plan/kept_weights.hpp"

#include <algorithm>
#include <map>

namespace relaxon {
namespace {

bool updates(const Step& step) { return step.kernel == Kernel::update || step.kernel == Kernel::apply; }

/// Reads `to` wherever the steps named `from`.
void rename(std::vector<Step>& steps, SlotId from, SlotId to) {
  for (Step& step : steps) {
    for (std::vector<SlotId>* slots : {&step.inputs, &step.outputs, &step.arguments, &step.yielded})
      std::replace(slots->begin(), slots->end(), from, to);
    rename(step.body, from, to);
  }
}

/// The steps of one iteration. All versions of a weight that lie in its slot share one q: each is dead where
/// the next one is made.
void keep_in(const Plan& plan, std::vector<Step>& steps) {
  std::map<SlotId, SlotId> kept;  // by the weight's slot
  for (const Step& step : steps) {
    if (step.kernel == Kernel::quantise && plan.slot(step.outputs[0]).storage == Storage::dense_fixed)
      kept.emplace(step.inputs[0], step.outputs[0]);
  }
  std::erase_if(kept, [&](const auto& weight) {
    return std::none_of(steps.begin(), steps.end(),
                        [&](const Step& step) { return updates(step) && step.outputs[0] == weight.first; });
  });
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool quantises = steps[i].kernel == Kernel::quantise;
    if (!quantises && !updates(steps[i])) continue;
    const auto found = kept.find(quantises ? steps[i].inputs[0] : steps[i].outputs[0]);
    if (found == kept.end()) continue;
    if (quantises) {
      const SlotId own = steps[i].outputs[0];
      if (own != found->second) rename(steps, own, found->second);
      steps[i].kept = true;
      steps[i].why =
          "messages add integers; updates keep them, so it runs only where they are not the weight's";
    } else {
      steps[i].outputs.push_back(found->second);
      steps[i].why += "; q is written while the weight is at hand";
    }
  }
}

void keep_in_bodies(const Plan& plan, std::vector<Step>& steps) {
  for (Step& step : steps) {
    if (step.body.empty()) continue;
    keep_in(plan, step.body);
    keep_in_bodies(plan, step.body);
  }
}

}  // namespace

void keep_fixed_weights(Plan& plan) { keep_in_bodies(plan, plan.steps); }

SlotId kept_by(const Step& step) {
  const auto parameters =
      static_cast<std::size_t>(moments_of(std::get<ApplyAttributes>(step.attributes).rule)) + 1;
  return step.outputs.size() > parameters ? step.outputs.back() : SlotId{};
}

}  // namespace relaxon
