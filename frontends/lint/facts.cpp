#include "frontends/lint/facts.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/step_scalars.hpp"
#include "runtime/session.hpp"

namespace relaxon::lint_detail {
namespace {

std::vector<Phase> running(std::vector<Phase> phases) {
  std::erase_if(phases, [](const Phase& p) { return p.iterations == 0; });
  return phases;
}

/// Calls visit(sender, receiver, weight) for every connection but those of a recurrent diagonal.
template <class Visit>
void for_each_connection(const Weight& weight, bool recurrent, Visit&& visit) {
  const auto values = weight.values.data<float>();
  if (!weight.is_sparse()) {
    const std::int64_t K = weight.receivers();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::int64_t j = static_cast<std::int64_t>(i) / K, k = static_cast<std::int64_t>(i) % K;
      if (!recurrent || j != k) visit(j, k, values[i]);
    }
    return;
  }
  for (std::int64_t j = 0; j < weight.senders(); ++j) {
    auto entry = static_cast<std::size_t>(weight.pattern->offsets[static_cast<std::size_t>(j)]);
    for (const std::int32_t k : weight.pattern->receivers_of(j)) {
      if (!recurrent || j != k) visit(j, static_cast<std::int64_t>(k), values[entry]);
      ++entry;
    }
  }
}

}  // namespace

double largest_rate(const Optimizer& optimizer) {
  const auto& value = optimizer.lr.value;
  if (const auto* rate = std::get_if<double>(&value)) return std::abs(static_cast<float>(*rate));
  if (const auto* schedule = std::get_if<RateSchedule>(&value)) {
    return std::max(std::abs(static_cast<float>(schedule->from)), std::abs(static_cast<float>(schedule->to)));
  }
  float largest = 0;
  for (const double rate : std::get<std::vector<double>>(value))
    largest = std::max(largest, std::abs(static_cast<float>(rate)));
  return largest;
}

Facts::Facts(const Network& network)
    : network_(network),
      training_(running(network.schedule.phases())),
      evaluation_(running(network.schedule.evaluate)) {
  const Session session(network);
  for (const auto& [id, state] : session.edges()) weights_[id] = state.weight;
  for (const auto& [id, weight] : weights_) {
    if (id.sender == output() && id.receiver < output()) label_edges_.push_back(id);
  }
  bool updates = false;
  for (const ScheduleStep& step : network.schedule.steps) {
    const auto* point = std::get_if<UpdatePoint>(&step);
    if (!point) continue;
    updates = true;
    const std::vector<EdgeId> edges = point->edges.empty() ? map().trainable() : point->edges;
    updated_.insert(edges.begin(), edges.end());
  }
  if (!updates) {
    const std::vector<EdgeId> all = map().trainable();
    updated_.insert(all.begin(), all.end());
  }
}

bool Facts::keeps(Filter filter, EdgeId edge) const {
  return relaxon::keeps(filter, edge.receiver, edge.sender, output());
}

bool Facts::keeps(const std::vector<Phase>& phases, EdgeId edge) const {
  return std::any_of(phases.begin(), phases.end(), [&](const Phase& p) { return keeps(p.filter, edge); });
}

bool Facts::keeps_label(Filter filter) const {
  return std::any_of(label_edges_.begin(), label_edges_.end(), [&](EdgeId e) { return keeps(filter, e); });
}

std::optional<Facts::Reason> Facts::never_trains(EdgeId edge) const {
  const Module& module = map().at(edge).module;
  const Optimizer& optimizer = network_.optimizer.at(edge);
  if (!updated_.contains(edge))
    return Reason{"no update of the schedule names it",
                  fmt::format("add \"{}\" to an update", to_string(edge))};
  if (static_cast<float>(lr_of(module)) == 0)
    return Reason{"its lr is 0", "give it a lr, or a frozen module"};
  if (largest_rate(optimizer) == 0) return Reason{"its optimizer's lr is 0", "give the optimizer a lr"};
  if (static_cast<float>(effective_lr(module) * largest_rate(optimizer)) == 0) {
    return Reason{"its lr times the optimizer's is 0 in float32", "raise one of the two"};
  }
  return std::nullopt;
}

std::optional<double> Facts::largest_value(int buffer) const {
  if (buffer > 0 && buffer < output()) return 1.0;
  const Values& values = buffer == 0 ? network_.input : network_.label;
  switch (values.kind) {
    case Values::Kind::real: return std::nullopt;
    case Values::Kind::ternary: return 1.0;
    case Values::Kind::two_valued: return std::max(std::abs(values.a), std::abs(values.b));
    case Values::Kind::bytes: return 255.0 * values.scale;
  }
  internal_error("unknown values {}", static_cast<int>(values.kind));
}

std::optional<std::vector<double>> Facts::largest_message(EdgeId edge) const {
  auto largest = largest_value(edge.sender);
  if (!largest) return std::nullopt;
  const Module& module = map().at(edge).module;
  if (std::holds_alternative<FrozenRescaledFullyConnected>(module)) {
    const double r = std::sqrt(static_cast<double>(map().units(edge.sender) - 1));
    *largest = (r / 2 + 1 / r) / 2 * *largest + std::abs(r / 2 - 1 / r) / 2;
  }
  std::vector<double> sums(static_cast<std::size_t>(map().units(edge.receiver)));
  for_each_connection(weights_.at(edge), is_recurrent(module), [&](std::int64_t, std::int64_t k, float w) {
    sums[static_cast<std::size_t>(k)] += std::abs(static_cast<double>(w)) * *largest;
  });
  return sums;
}

std::vector<std::int64_t> Facts::connections(int row) const {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(map().units(row)));
  for (const auto& [id, weight] : weights_) {
    if (id.receiver != row) continue;
    for_each_connection(weight, is_recurrent(map().at(id).module),
                        [&](std::int64_t, std::int64_t k, float) { ++counts[static_cast<std::size_t>(k)]; });
  }
  return counts;
}

}  // namespace relaxon::lint_detail
