#include "passes/plan/plan.hpp"

#include <algorithm>

namespace relaxon {

std::vector<std::string> Plan::pattern_names() const {
  std::vector<std::string> names;
  for (const PatternDeclaration& p : patterns) names.push_back(p.name);
  return names;
}

std::vector<Correlated> correlations_of(const Step& update) {
  const auto moments =
      static_cast<std::size_t>(moments_of(std::get<ApplyAttributes>(update.attributes).rule));
  std::vector<Correlated> all;
  for (std::size_t i = moments + 1; i + 2 < update.inputs.size(); i += 2)
    all.push_back({update.inputs[i], update.inputs[i + 1]});
  return all;
}

SlotId message_weight(const Step& step) { return step.inputs.at(step.kernel == Kernel::exact ? 1 : 3); }

SlotId follow_base(const Step& step) {
  return step.kernel == Kernel::follow && step.inputs.size() > 4 ? step.inputs[4] : SlotId{};
}

int writers_of(const Plan& plan, SlotId slot) {
  int count = 0;
  for_each_step(plan.steps, [&](const Step& step, int) {
    for (const auto* slots : {&step.outputs, &step.arguments})
      count += static_cast<int>(std::count(slots->begin(), slots->end(), slot));
  });
  return count;
}

SlotId margin_target(const Plan& plan, const Step& step) {
  const bool fused = holds_fields(plan.slot(step.inputs.front()).storage);
  return fused ? step.inputs.at(step.inputs.size() - 2) : step.inputs.front();
}

void for_each_step(const std::vector<Step>& steps, const std::function<void(const Step&, int)>& visit) {
  const std::function<void(const std::vector<Step>&, int)> walk = [&](const std::vector<Step>& list,
                                                                      int depth) {
    for (const Step& step : list) {
      visit(step, depth);
      walk(step.body, depth + 1);
    }
  };
  walk(steps, 0);
}

}  // namespace relaxon
