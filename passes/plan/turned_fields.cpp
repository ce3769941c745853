#include "passes/plan/turned_fields.hpp"

#include <algorithm>
#include <set>

#include "passes/plan/cost_model.hpp"

namespace relaxon {
namespace {

/// Whether a step adds fields of both layouts.
bool mixes(const Plan& plan, const Step& step) {
  if (step.kernel != Kernel::sum && step.kernel != Kernel::sign && step.kernel != Kernel::margin)
    return false;
  const auto any = [&](auto condition) {
    return std::any_of(step.inputs.begin(), step.inputs.end(),
                       [&](SlotId s) { return condition(plan.slot(s).storage); });
  };
  return any(by_sample) && any([](Storage s) { return s == Storage::fields; });
}

/// Fields by lane in such sums that are written once.
std::set<SlotId> candidates(const Plan& plan) {
  std::set<SlotId> found;
  for_each_step(plan.steps, [&](const Step& step, int) {
    if (!mixes(plan, step)) return;
    for (const SlotId s : step.inputs) {
      if (plan.slot(s).storage == Storage::fields && writers_of(plan, s) == 1) found.insert(s);
    }
  });
  return found;
}

/// Puts `turn` behind the step that writes its input; whether that was found.
bool insert_turn(std::vector<Step>& steps, const Step& turn) {
  for (auto step = steps.begin(); step != steps.end(); ++step) {
    const auto& outputs = step->outputs;
    if (step->body.empty() && std::find(outputs.begin(), outputs.end(), turn.inputs[0]) != outputs.end()) {
      steps.insert(step + 1, turn);
      return true;
    }
    if (insert_turn(step->body, turn)) return true;
  }
  return false;
}

void read_instead(const Plan& plan, std::vector<Step>& steps, SlotId from, SlotId to) {
  for (Step& step : steps) {
    if (mixes(plan, step)) std::replace(step.inputs.begin(), step.inputs.end(), from, to);
    read_instead(plan, step.body, from, to);
  }
}

/// The plan with a field turned; the same plan where no single step makes it.
Plan turned(Plan plan, SlotId field) {
  const Slot by_lane = plan.slot(field);
  plan.slots.push_back({by_lane.name, by_lane.type, Storage::field_rows, 0, 0});
  Step turn;
  turn.kernel = Kernel::turn;
  turn.inputs = {field};
  turn.outputs = {SlotId{static_cast<std::int32_t>(plan.slots.size()) - 1}};
  turn.why = "once, instead of in each sum";
  if (insert_turn(plan.steps, turn)) read_instead(plan, plan.steps, field, turn.outputs[0]);
  return plan;
}

}  // namespace

void turn_fields_once(Plan& plan, const PlanOptions& options) {
  const std::set<SlotId> fields = candidates(plan);
  if (fields.empty()) return;
  const PlanSizes sizes = sizes_of(plan, options);
  double us = batch_us(plan, sizes, options.target);
  for (const SlotId field : fields) {
    Plan other = turned(plan, field);
    const double other_us = batch_us(other, sizes, options.target);
    if (other_us >= us) continue;
    plan = std::move(other);
    us = other_us;
  }
}

}  // namespace relaxon
