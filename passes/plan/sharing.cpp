#include "passes/plan/sharing.hpp"

#include <algorithm>

namespace relaxon {
namespace {

// What a barrier costs, in work: a tenth of a microsecond.
constexpr std::int64_t least_units = 256;         // of steps that touch each unit of a batch once
constexpr std::int64_t least_connections = 8192;  // of steps that touch each connection

bool pays(const Plan& plan, const Step& step) {
  const auto input = [&](std::size_t i) -> const Slot& { return plan.slot(step.inputs.at(i)); };
  // A sparse weight's entries aren't known here: it is large, or it wouldn't be sparse.
  const auto weight_pays = [](const Slot& weight) {
    const Type& type = weight.type;
    if (type.dims[1].length < 2 * 64) return false;
    return type.entries.kind == Entries::Kind::sparse ||
           type.dims[0].length * type.dims[1].length >= least_connections;
  };
  switch (step.kernel) {
    case Kernel::exact:
    case Kernel::real: return weight_pays(input(1));
    case Kernel::advance:
    case Kernel::follow: return weight_pays(input(3));
    case Kernel::quantise:
    case Kernel::subtract: return weight_pays(input(0));
    case Kernel::update: {
      const Type& type = input(0).type;
      return type.entries.kind == Entries::Kind::sparse ||
             type.dims[0].length * type.dims[1].length >= least_connections;
    }
    case Kernel::gather:
      return holds_fields(plan.slot(step.outputs[0]).storage) &&
             plan.slot(step.outputs[0]).type.units() >= least_units;
    case Kernel::to_fields:
    case Kernel::sum:
    case Kernel::sign:
    case Kernel::margin: return plan.slot(step.outputs[0]).type.units() >= least_units;
    default: return false;
  }
}

void share_by_columns(const Plan& plan, std::vector<Step>& steps) {
  for (Step& step : steps) {
    if (pays(plan, step)) step.threads = Threads::columns;
    share_by_columns(plan, step.body);
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

void share_work(Plan& plan) {
  const auto loops = std::count_if(plan.steps.begin(), plan.steps.end(),
                                   [](const Step& step) { return step.kernel == Kernel::loop; });
  for (Step& step : plan.steps) {
    if (loops == 1 && only_counts(plan, step)) {
      step.threads = Threads::samples;
      return;
    }
  }
  share_by_columns(plan, plan.steps);
}

}  // namespace relaxon
