// What the initial weights make possible, and what not.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/fixed_point.hpp"
#include "frontends/lint/rules.hpp"

namespace relaxon::lint_detail {
namespace {

/// For each unit of a row a bound of its field under a filter; nullopt if there is none.
std::optional<std::vector<double>> field_bounds(const Facts& facts, int row, Filter filter, bool diagonal) {
  std::vector<double> bounds(static_cast<std::size_t>(facts.map().units(row)));
  for (const int sender : facts.map().senders(row, filter)) {
    const EdgeId edge{row, sender};
    const auto message = facts.largest_message(edge);
    if (!message) return std::nullopt;
    for (std::size_t k = 0; k < bounds.size(); ++k) bounds[k] += (*message)[k];
    const Module& module = facts.map().at(edge).module;
    if (!diagonal || sender != row) continue;
    const auto add_diagonal = [&](const auto& m) {
      if constexpr (requires { m.j_d; }) {
        for (std::size_t k = 0; k < bounds.size(); ++k) bounds[k] += std::abs(m.j_d.at(k));
      }
    };
    std::visit(add_diagonal, module);
  }
  return bounds;
}

const PerOutput* j_d_of(const Module& module) {
  if (const auto* m = std::get_if<RecurrentDiscrete>(&module)) return &m->j_d;
  if (const auto* m = std::get_if<SparseRecurrentDiscrete>(&module)) return &m->j_d;
  return nullptr;
}

/// "unit 3", or "unit 3 and 12 others".
std::string units_text(const std::vector<std::size_t>& units) {
  if (units.size() == 1) return fmt::format("unit {}", units[0]);
  return fmt::format("unit {} and {} {}", units[0], units.size() - 1, units.size() == 2 ? "other" : "others");
}

}  // namespace

void threshold_range(const Facts& facts, Report& report) {
  for (const EdgeId edge : facts.map().trainable()) {
    const auto bounds = field_bounds(facts, edge.receiver, facts.network().schedule.update_filter, true);
    if (!bounds || std::all_of(bounds->begin(), bounds->end(), [](double b) { return b == 0; })) continue;
    const PerOutput& threshold = *threshold_of(facts.map().at(edge).module);
    std::vector<std::size_t> below, above;
    for (std::size_t k = 0; k < bounds->size(); ++k) {
      if (threshold.at(k) < -(*bounds)[k]) below.push_back(k);
      if (threshold.at(k) >= (*bounds)[k]) above.push_back(k);
    }
    if (!below.empty()) {
      report.push_back(
          {"threshold-never-met", to_string(edge),
           fmt::format("the threshold {} of {} is below all fields (at least {:.3g} as initialised): no "
                       "sample errs, so nothing is learned",
                       threshold.at(below[0]), units_text(below), -(*bounds)[below[0]]),
           "raise the threshold"});
    }
    if (above.size() == bounds->size()) {
      report.push_back(
          {"threshold-always-met", to_string(edge),
           fmt::format("the threshold {} is above all fields as initialised (at most {:.3g}): every "
                       "sample errs in every unit",
                       threshold.at(0), (*bounds)[0]),
           "lower the threshold, or raise the strengths of the row"});
    }
  }
}

void frozen_unit(const Facts& facts, Report& report) {
  for (int row = 1; row < facts.output(); ++row) {
    const PerOutput* j_d = j_d_of(facts.map().at({row, row}).module);
    const auto bounds = field_bounds(facts, row, Filter::all, false);
    if (!j_d || !bounds) continue;
    std::vector<std::size_t> frozen;
    for (std::size_t k = 0; k < bounds->size(); ++k) {
      if (std::abs(j_d->at(k)) > (*bounds)[k]) frozen.push_back(k);
    }
    if (frozen.empty()) continue;
    const float value = j_d->at(frozen[0]);
    report.push_back(
        {"frozen-unit", to_string(EdgeId{row, row}),
         fmt::format("j_d = {} outweighs all that {} can receive as initialised (at most {:.3g}): after "
                     "the first sweep {}",
                     value, units_text(frozen), (*bounds)[frozen[0]],
                     value > 0 ? "the state never changes" : "the state flips in every sweep"),
         "bring j_d nearer to 0, or raise the strengths of the row"});
  }
}

void unit_without_input(const Facts& facts, Report& report) {
  for (int row = 1; row <= facts.output(); ++row) {
    const std::vector<std::int64_t> connections = facts.connections(row);
    std::vector<std::size_t> alone;
    for (std::size_t k = 0; k < connections.size(); ++k) {
      if (connections[k] == 0) alone.push_back(k);
    }
    if (alone.empty()) continue;
    report.push_back({"unit-without-input", to_string(EdgeId{row, row}),
                      fmt::format("no other unit is connected to {}: always +1", units_text(alone)),
                      "lower the sparsity of the row's edges, or add one"});
  }
}

void silent_edge(const Facts& facts, Report& report) {
  for (const auto& [id, weight] : facts.weights()) {
    const Module& module = facts.map().at(id).module;
    const auto values = weight.values.data<float>();
    const bool zero = std::all_of(values.begin(), values.end(), [](float w) { return w == 0; });
    if (!zero || is_recurrent(module)) continue;
    if (weight.is_sparse() && values.empty()) {
      report.push_back(
          {"silent-edge", to_string(id), "its sparsity leaves no connection", "lower the sparsity"});
    } else if (!is_trainable(module)) {
      report.push_back({"silent-edge", to_string(id), "it is frozen and all its weights are 0",
                        "give it a strength, or remove the edge"});
    }
  }
}

void weight_range(const Facts& facts, Report& report) {
  const int bits = facts.network().fixed_bits;
  for (const auto& [id, weight] : facts.weights()) {
    float largest = 0;
    std::int64_t connected = 0, lost = 0;
    for (const float w : weight.values.data<float>()) {
      if (w == 0) continue;
      ++connected;
      largest = std::max(largest, std::abs(w));
      if (to_fixed(w, bits) == 0) ++lost;
    }
    if (largest >= weight_limit(bits)) {
      report.push_back(
          {"weight-too-large", to_string(id),
           fmt::format("an initial weight is {:.3g}; fields with {} fractional bits hold weights below {}",
                       largest, bits, weight_limit(bits)),
           "lower strength or j_d, or network.fixed_bits"});
    }
    if (2 * lost > connected) {
      report.push_back(
          {"weight-too-small", to_string(id),
           fmt::format("{} of {} initial weights are 0 in units of 2^-{}", lost, connected, bits),
           "raise the strength, or network.fixed_bits"});
    }
  }
}

void shared_key(const Facts& facts, Report& report) {
  std::map<int, EdgeId> owners;
  for (const auto& [id, weight] : facts.weights()) {
    const int key = facts.map().key_index(id);
    const auto [owner, is_new] = owners.try_emplace(key, id);
    if (is_new) continue;
    report.push_back(
        {"shared-key", to_string(id),
         fmt::format("it draws its weight from key {}, as edge {} does", key, to_string(owner->second)),
         "give it a key of its own"});
  }
}

void dense_sparse_edge(const Facts& facts, Report& report) {
  for (const auto& [id, weight] : facts.weights()) {
    const Module& module = facts.map().at(id).module;
    if (!is_sparse(module) || static_cast<float>(sparsity_of(module)) != 0) continue;
    report.push_back({"sparse-but-dense", to_string(id),
                      "its sparsity is 0: sparse storage costs more than dense",
                      fmt::format("use {}", is_recurrent(module) ? "RecurrentDiscrete" : "FullyConnected")});
  }
}

}  // namespace relaxon::lint_detail
