#include "core/schedule.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace relaxon {
namespace {

void check(const Phase& phase, std::string_view where) {
  constexpr std::int64_t most = 1'000'000'000;
  if (phase.iterations < 0 || phase.iterations > most) {
    fail("schedule: {}: {} iterations; expected 0 .. {}", where, phase.iterations, most);
  }
}

}  // namespace

std::string_view name_of(Sweep sweep) { return sweep == Sweep::sequential ? "sequential" : "synchronous"; }

Schedule Schedule::dynamical(std::int64_t warmup, std::int64_t clamped, std::int64_t free, std::int64_t evaluate) {
  return {.steps = {Phase{Filter::forward, warmup}, Phase{Filter::all, clamped}, Phase{Filter::inference, free}},
          .evaluate = {Phase{Filter::inference, warmup + evaluate}}};
}

Schedule Schedule::two_phase(std::int64_t iterations, std::int64_t evaluate) {
  return {.steps = {Phase{Filter::all, iterations}, Phase{Filter::inference, iterations}},
          .evaluate = {Phase{Filter::inference, evaluate}}};
}

Schedule Schedule::alternate(std::int64_t free, std::int64_t clamped, std::int64_t evaluate) {
  return {.steps = {Phase{Filter::forward, free}, Phase{Filter::all, clamped}},
          .evaluate = {Phase{Filter::forward, evaluate}}};
}

Schedule Schedule::contrastive(std::int64_t free, std::int64_t clamped, std::int64_t evaluate) {
  Schedule schedule = alternate(free, clamped, evaluate);
  schedule.rule = UpdateRule::contrastive;
  return schedule;
}

std::vector<Phase> Schedule::phases() const {
  std::vector<Phase> result;
  for (const ScheduleStep& step : steps) {
    if (const auto* phase = std::get_if<Phase>(&step)) result.push_back(*phase);
  }
  return result;
}

void Schedule::validate(const LayerMap& map) const {
  int index = 0;
  for (const ScheduleStep& step : steps) {
    const std::string where = fmt::format("step {}", index++);
    if (const auto* phase = std::get_if<Phase>(&step)) {
      check(*phase, where);
      continue;
    }
    for (const EdgeId edge : std::get<UpdatePoint>(step).edges) {
      const auto found = map.edges().find(edge);
      if (found == map.edges().end()) fail("schedule: {}: update of edge {}, which is not in the map", where, to_string(edge));
      if (!is_trainable(found->second.module)) {
        fail("schedule: {}: update of edge {}, but {} is not trainable", where, to_string(edge),
             name_of(found->second.module));
      }
    }
  }
  for (std::size_t i = 0; i < evaluate.size(); ++i) check(evaluate[i], fmt::format("evaluation phase {}", i));
  if (rule != UpdateRule::contrastive) return;
  const bool only_phases = std::all_of(steps.begin(), steps.end(),
                                       [](const ScheduleStep& s) { return std::holds_alternative<Phase>(s); });
  if (!only_phases || steps.size() < 2) {
    fail("schedule: the contrastive rule needs at least two phases and no updates between them");
  }
}

}  // namespace relaxon
