#include "frontends/bench/naive.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "core/error.hpp"
#include "core/math.hpp"

namespace relaxon::bench {
namespace {

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

float* data(Tensor& tensor) { return tensor.data<float>().data(); }

/// The edges that an update point moves.
std::vector<EdgeId> updated_edges(const UpdatePoint& point, const LayerMap& map) {
  return point.edges.empty() ? map.trainable() : point.edges;
}

/// Where S is computed: after these phases, for these edges.
struct Correlation {
  std::vector<EdgeId> edges;
  bool first = false;  // the first phase of the contrastive rule
};
using Step = std::variant<Phase, Correlation>;

/// The steps of a batch with its correlations written out.
std::vector<Step> training_steps(const Network& network) {
  const Schedule& schedule = network.schedule;
  const bool contrastive = schedule.rule == UpdateRule::contrastive;
  std::vector<Step> steps;
  int phases = 0;
  bool updates = false;
  for (const ScheduleStep& step : schedule.steps) {
    if (const auto* phase = std::get_if<Phase>(&step)) {
      steps.emplace_back(*phase);
      if (contrastive && ++phases == 1) {
        steps.emplace_back(Correlation{.edges = network.map.trainable(), .first = true});
      }
    } else {
      steps.emplace_back(Correlation{.edges = updated_edges(std::get<UpdatePoint>(step), network.map)});
      updates = true;
    }
  }
  if (!updates) steps.emplace_back(Correlation{.edges = network.map.trainable()});
  return steps;
}

std::set<int> rows_of(std::span<const EdgeId> edges) {
  std::set<int> rows;
  for (const EdgeId id : edges) rows.insert(id.receiver);
  return rows;
}

void count_row(const LayerMap& map, int row, Filter filter, std::int64_t times,
               std::map<EdgeId, std::int64_t>& counts) {
  for (const int sender : map.senders(row, filter)) counts[{row, sender}] += times;
}

void count_phase(const LayerMap& map, const Phase& phase, std::map<EdgeId, std::int64_t>& counts) {
  for (int row = 1; row < map.output(); ++row) count_row(map, row, phase.filter, phase.iterations, counts);
}

}  // namespace

std::map<EdgeId, std::int64_t> messages_per_batch(const Network& network) {
  std::map<EdgeId, std::int64_t> counts;
  for (const Step& step : training_steps(network)) {
    if (const auto* phase = std::get_if<Phase>(&step)) {
      count_phase(network.map, *phase, counts);
    } else {
      for (const int row : rows_of(std::get<Correlation>(step).edges)) {
        count_row(network.map, row, network.schedule.update_filter, 1, counts);
      }
    }
  }
  return counts;
}

std::map<EdgeId, std::int64_t> correlations_per_batch(const Network& network) {
  std::map<EdgeId, std::int64_t> counts;
  for (const Step& step : training_steps(network)) {
    const auto* correlation = std::get_if<Correlation>(&step);
    if (!correlation) continue;
    for (const EdgeId id : correlation->edges) ++counts[id];
  }
  return counts;
}

std::map<EdgeId, std::int64_t> messages_per_evaluation(const Network& network) {
  std::map<EdgeId, std::int64_t> counts;
  for (const Phase& phase : network.schedule.evaluate) count_phase(network.map, phase, counts);
  count_row(network.map, network.map.output(), Filter::all, 1, counts);
  return counts;
}

NaiveNetwork::NaiveNetwork(const Network& network, const std::map<EdgeId, EdgeState>& edges,
                           std::int64_t batch, Isa isa)
    : network_(network), kernels_(&eigen_kernels(isa)) {
  std::map<EdgeId, std::int64_t> messages = messages_per_batch(network);
  std::map<EdgeId, std::int64_t> correlations = correlations_per_batch(network);
  for (const auto& [id, state] : edges) {
    const EdgeUse use{.messages = messages[id], .correlations = correlations[id]};
    const Forms forms = fastest_forms(network, id, state, use, batch, *kernels_);
    edges_.emplace(id, NaiveEdge(network, id, state, forms, *kernels_));
  }
}

NaiveNetwork::NaiveNetwork(const Network& network, const std::map<EdgeId, EdgeState>& edges, Forms forms,
                           Isa isa)
    : network_(network), kernels_(&eigen_kernels(isa)) {
  for (const auto& [id, state] : edges) edges_.emplace(id, NaiveEdge(network, id, state, forms, *kernels_));
}

void NaiveNetwork::allocate(std::int64_t batch) {
  if (batch == batch_) {
    for (Buffer& state : states_) std::ranges::fill(state.data<float>(), 0.0f);
    return;
  }
  batch_ = batch;
  states_.clear();
  std::int64_t most_units = 0;
  for (int b = 0; b < network_.map.buffers(); ++b) {
    const std::int64_t units = network_.map.units(b);
    states_.emplace_back(DType::f32, Shape{units, batch});
    most_units = std::max(most_units, units);
  }
  fields_ = states_;
  message_ = Tensor(DType::f32, {most_units, batch});
}

void NaiveNetwork::clamp_inputs(const Tensor& inputs, std::span<const std::int32_t> images) {
  const std::span<float> x = states_[0].data<float>();
  const std::int64_t units = network_.map.units(0);
  const auto gather = [&](const auto* values, float scale) {
    for (std::int64_t b = 0; b < batch_; ++b) {
      const auto* image = values + images[index(b)] * units;
      for (std::int64_t j = 0; j < units; ++j)
        x[index(j * batch_ + b)] = static_cast<float>(image[j]) * scale;
    }
  };
  switch (inputs.dtype()) {
    case DType::f32: return gather(inputs.data<float>().data(), 1);
    case DType::i8: return gather(inputs.data<std::int8_t>().data(), 1);
    case DType::u8: return gather(inputs.data<std::uint8_t>().data(), network_.input.scale);
    default: internal_error("inputs of type {}", name_of(inputs.dtype()));
  }
}

void NaiveNetwork::clamp_labels(const LabelledData& data, std::span<const std::int32_t> images) {
  const auto classes = data.classes->data<std::int32_t>();
  const auto code = data.code->matrix<float>();
  auto y = states_.back().matrix<float>();
  for (std::int64_t b = 0; b < batch_; ++b) {
    const std::int32_t row = classes[index(images[index(b)])];
    for (std::int64_t k = 0; k < code.cols(); ++k) y(k, b) = code(row, k);
  }
}

void NaiveNetwork::field(int row, Filter filter, Buffer& out) {
  bool empty = true;
  for (const int sender : network_.map.senders(row, filter)) {
    NaiveEdge& edge = edges_.at({row, sender});
    const float* x = data(states_[index(sender)]);
    if (empty) {
      edge.message(x, batch_, data(out));
    } else {
      edge.message(x, batch_, data(message_));
      kernels_->add(data(message_), out.size(), data(out));
    }
    empty = false;
  }
  if (empty) std::ranges::fill(out.data<float>(), 0.0f);
}

void NaiveNetwork::run(const Phase& phase) {
  const auto activate = [&](int row) {
    Buffer& h = fields_[index(row)];
    kernels_->sign(data(h), h.size(), data(states_[index(row)]));
  };
  const bool sequential = network_.schedule.sweep == Sweep::sequential;
  const int output = network_.map.output();
  for (std::int64_t i = 0; i < phase.iterations; ++i) {
    for (int row = 1; row < output; ++row) {
      field(row, phase.filter, fields_[index(row)]);
      if (sequential) activate(row);
    }
    for (int row = 1; row < output && !sequential; ++row) activate(row);
  }
}

void NaiveNetwork::correlate(std::span<const EdgeId> edges) {
  for (const int row : rows_of(edges)) field(row, network_.schedule.update_filter, fields_[index(row)]);
  for (const EdgeId id : edges) {
    const auto target = index(id.receiver);
    edges_.at(id).correlate(data(states_[index(id.sender)]), data(states_[target]), data(fields_[target]),
                            batch_);
  }
}

void NaiveNetwork::update(std::span<const EdgeId> edges) {
  correlate(edges);
  for (const EdgeId id : edges) {
    NaiveEdge& edge = edges_.at(id);
    if (network_.schedule.rule == UpdateRule::contrastive) edge.subtract_first();
    edge.step(batch_);
  }
}

void NaiveNetwork::train_batch(const LabelledData& data, std::span<const std::int32_t> images) {
  allocate(static_cast<std::int64_t>(images.size()));
  clamp_inputs(*data.inputs, images);
  clamp_labels(data, images);
  for (const Step& step : training_steps(network_)) {
    if (const auto* phase = std::get_if<Phase>(&step)) {
      run(*phase);
      continue;
    }
    const Correlation& correlation = std::get<Correlation>(step);
    if (!correlation.first) {
      update(correlation.edges);
      continue;
    }
    correlate(correlation.edges);
    for (const EdgeId id : correlation.edges) edges_.at(id).keep_as_first();
  }
}

std::int64_t NaiveNetwork::batch_hits(const LabelledData& data, std::span<const std::int32_t> images) {
  allocate(static_cast<std::int64_t>(images.size()));
  clamp_inputs(*data.inputs, images);
  for (const Phase& phase : network_.schedule.evaluate) run(phase);
  field(network_.map.output(), Filter::all, fields_.back());
  const auto scores = fields_.back().matrix<float>();
  std::int64_t hits = 0;
  for (std::int64_t b = 0; b < batch_; ++b) {
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < scores.rows(); ++k) {
      if (scores(k, b) > scores(best, b)) best = k;
    }
    hits += best == data.classes->data<std::int32_t>()[index(images[index(b)])] ? 1 : 0;
  }
  return hits;
}

void NaiveNetwork::train(const LabelledData& data, std::span<const std::int32_t> order,
                         std::int64_t batch_size) {
  const FlushToZero mode;  // without it, moments that have died away would cost a trap each
  for (std::size_t begin = 0; begin < order.size(); begin += index(batch_size)) {
    train_batch(data, order.subspan(begin, std::min(index(batch_size), order.size() - begin)));
  }
}

std::int64_t NaiveNetwork::hits(const LabelledData& data, std::int64_t images, std::int64_t batch_size) {
  const FlushToZero mode;
  std::vector<std::int32_t> order(index(images));
  std::iota(order.begin(), order.end(), 0);
  std::int64_t hits = 0;
  const std::span<const std::int32_t> all(order);
  for (std::size_t begin = 0; begin < all.size(); begin += index(batch_size)) {
    hits += batch_hits(data, all.subspan(begin, std::min(index(batch_size), all.size() - begin)));
  }
  return hits;
}

}  // namespace relaxon::bench
