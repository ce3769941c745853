// What keeps an edge from learning, or makes it learn the wrong way.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/step_scalars.hpp"
#include "frontends/lint/rules.hpp"

namespace relaxon::lint_detail {
namespace {

/// What a step takes of a weight, as a share of it, at the optimizer's largest rate; 0 for none and where
/// adam rescales it.
double largest_decay(const Facts& facts, EdgeId edge) {
  const Optimizer& optimizer = facts.network().optimizer.at(edge);
  const double rate = largest_rate(optimizer);
  if (optimizer.kind == OptimizerKind::adamw) return rate * static_cast<float>(optimizer.weight_decay);
  if (optimizer.kind == OptimizerKind::adam) return 0;
  const Module& module = facts.map().at(edge).module;
  const double k = rate * effective_lr(module) * decay_of(module, facts.map().units(edge.sender));
  return k / (1 - static_cast<float>(optimizer.momentum));
}

bool goes_negative(const LearningRate& rate) {
  if (const auto* value = std::get_if<double>(&rate.value)) return *value < 0;
  if (const auto* s = std::get_if<RateSchedule>(&rate.value)) return s->from < 0 || s->to < 0;
  const auto& list = std::get<std::vector<double>>(rate.value);
  return std::any_of(list.begin(), list.end(), [](double r) { return r < 0; });
}

}  // namespace

void never_trains(const Facts& facts, Report& report) {
  for (const EdgeId edge : facts.map().trainable()) {
    if (const auto reason = facts.never_trains(edge)) {
      report.push_back({"never-trains", to_string(edge), reason->text, reason->remedy});
    }
  }
}

void negative_rate(const Facts& facts, Report& report) {
  for (const EdgeId edge : facts.map().trainable()) {
    const bool module = lr_of(facts.map().at(edge).module) < 0;
    const bool optimizer = goes_negative(facts.network().optimizer.at(edge).lr);
    if (module == optimizer) continue;
    report.push_back(
        {"negative-rate", to_string(edge),
         fmt::format("{} is negative, so updates go uphill", module ? "its lr" : "its optimizer's lr"),
         "make it positive"});
  }
}

void unused_optimizer(const Facts& facts, Report& report) {
  for (const auto& [edge, optimizer] : facts.network().optimizer.edges) {
    if (const auto reason = facts.never_trains(edge)) {
      report.push_back(
          {"unused-optimizer", to_string(edge),
           fmt::format("[optimizer.edge.\"{}\"] has no effect: {}", to_string(edge), reason->text),
           "remove it, or train the edge"});
    }
  }
}

void decay(const Facts& facts, Report& report) {
  for (const EdgeId edge : facts.map().trainable()) {
    const double k = largest_decay(facts, edge);
    if (k == 0 || facts.never_trains(edge)) continue;
    const auto add = [&](std::string id, std::string_view what, std::string remedy) {
      report.push_back({std::move(id), to_string(edge), fmt::format("a step's decay is {:.3g}, {}", k, what),
                        std::move(remedy)});
    };
    if (k < 0) {
      add("decay-diverges", "so weights grow", "make weight_decay and lr positive");
    } else if (k > 1) {
      add("decay-diverges", "so weights change sign at every step", "lower weight_decay or lr");
    } else if (k < 0x1p-25) {
      add("decay-lost", "below 2^-25: rounding to float32 undoes it", "raise weight_decay, or leave it out");
    } else if (k < 0x1p-22) {
      add("decay-quantised", "below 2^-22: float32 rounds it to no or a few units in the last place",
          "raise weight_decay, or leave it out");
    }
  }
}

}  // namespace relaxon::lint_detail
