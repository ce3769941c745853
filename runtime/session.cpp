#include "runtime/session.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "core/error.hpp"
#include "core/init.hpp"
#include "passes/lower.hpp"
#include "passes/roles.hpp"
#include "runtime/digest.hpp"

namespace relaxon {
namespace {

/// The graphs a session can need; each is lowered and compiled when it first does.
enum class Piece : std::uint8_t { train_step, evaluate_step, train_epoch, evaluate_epoch, sweep, predict, backward, apply };

struct ProgramKey {
  Piece piece = Piece::train_step;
  Filter filter = Filter::all;
  LowerOptions options;

  bool operator<(const ProgramKey& other) const { return tie() < other.tie(); }

 private:
  std::tuple<Piece, Filter, GateShape, bool, bool, bool> tie() const {
    return {piece, filter, options.gate, options.separate_targets, options.labelled, options.probes};
  }
};

Graph lower(const Network& network, const ProgramKey& key) {
  switch (key.piece) {
    case Piece::train_step: return lower_train_step(network, key.options);
    case Piece::evaluate_step: return lower_evaluate_step(network, key.options);
    case Piece::train_epoch: return lower_train_epoch(network);
    case Piece::evaluate_epoch: return lower_evaluate_epoch(network);
    case Piece::sweep: return lower_sweep(network, key.filter, key.options);
    case Piece::predict: return lower_predict(network, key.options);
    case Piece::backward: return lower_backward(network, key.filter, key.options);
    case Piece::apply: return lower_apply(network);
  }
  internal_error("unknown piece {}", static_cast<int>(key.piece));
}

/// A tensor seen through a shared pointer that doesn't own it; for the length of one run.
TensorPtr borrow(const Tensor& tensor) { return {TensorPtr{}, &tensor}; }

TensorPtr own(Tensor tensor) { return std::make_shared<const Tensor>(std::move(tensor)); }

TensorPtr integer(std::int64_t value) { return own(Tensor::scalar(static_cast<std::int32_t>(value))); }

std::vector<float> pack(ApplyRule rule, const StepScalars& s) {
  switch (rule) {
    case ApplyRule::sgd: return {s.alpha, s.k};
    case ApplyRule::momentum:
    case ApplyRule::nesterov: return {s.beta, s.delta, s.mu, s.eta};
    case ApplyRule::adam: return {s.beta, s.delta, s.b1, s.c1, s.b2, s.c2, s.a, s.r, s.eps};
    case ApplyRule::adamw: return {s.beta, s.delta, s.b1, s.c1, s.b2, s.c2, s.a, s.r, s.eps, s.decay};
  }
  internal_error("unknown optimizer rule {}", static_cast<int>(rule));
}

void check_finite(const Tensor& values, std::string_view what) {
  const auto data = values.data<float>();
  const auto bad = std::find_if(data.begin(), data.end(), [](float v) { return !std::isfinite(v); });
  if (bad != data.end()) fail("{}: entry {} is {}; expected a finite number", what, bad - data.begin(), *bad);
}

}  // namespace

struct Session::Impl {
  Network network;
  SessionOptions options;
  std::map<EdgeId, EdgeState> edges;
  std::map<ProgramKey, std::unique_ptr<Program>> programs;
  TensorPtr checked_inputs;  // the last split whose values were checked

  Impl(Network n, SessionOptions o) : network(std::move(n)), options(std::move(o)) {
    network.validate();
    for (const auto& [id, edge] : network.map.edges()) {
      if (!has_weight(edge.module)) continue;
      const Key key = child(key_of(network.seed), network.key_count(), network.map.key_index(id), network.rng);
      EdgeState& state = edges[id];
      state.weight = initialise(edge.module, network.map.units(id.sender), network.map.units(id.receiver), key,
                                network.rng, fmt::format("edge {}", to_string(id)));
      reset_moments(id);
    }
  }

  void reset_moments(EdgeId id) {
    EdgeState& state = edges.at(id);
    state.moments.clear();
    state.clock = {};
    if (!is_trainable(network.map.at(id).module)) return;
    for (int i = 0; i < network.optimizer.at(id).moments(); ++i) {
      state.moments.emplace_back(DType::f32, state.weight.values.shape());
    }
  }

  Program& program(const ProgramKey& key) {
    std::unique_ptr<Program>& place = programs[key];
    if (!place) place = compile(lower(network, key), options);
    return *place;
  }

  const Edge& edge(EdgeId id) const { return network.map.at(id); }

  std::vector<TensorPtr> run(Program& program, const std::function<TensorPtr(const Role&)>& special,
                             const ProbeSink& probes = {}) {
    Arguments arguments;
    const Graph& graph = program.graph();
    for (std::size_t i = 0; i < graph.bindings().size(); ++i) {
      const std::optional<Role> role = role_named(graph.binding(i).name);
      if (!role) internal_error("graph {}: \"{}\" plays no role", graph.name(), graph.binding(i).name);
      TensorPtr value = common(*role);
      arguments.bindings.push_back(value ? value : special(*role));
    }
    for (const PatternDeclaration& p : graph.patterns()) arguments.patterns.push_back(pattern_named(p.name));
    return program.run(arguments, probes);
  }

  PatternPtr pattern_named(const std::string& name) const {
    for (const auto& [id, state] : edges) {
      if (to_string(id) == name) return state.weight.pattern;
    }
    internal_error("no edge has the pattern @{}", name);
  }

  /// What every graph may need; null for roles that depend on the call.
  TensorPtr common(const Role& role) const {
    switch (role.kind) {
      case Role::Kind::weight: return borrow(edges.at(role.edge).weight.values);
      case Role::Kind::moment: return borrow(edges.at(role.edge).moments.at(static_cast<std::size_t>(role.index)));
      case Role::Kind::margin: return own(margin(role.edge));
      default: return nullptr;
    }
  }

  Tensor margin(EdgeId id) const {
    const PerOutput& threshold = *threshold_of(edge(id).module);
    Tensor t(DType::f32, {network.map.units(id.receiver)});
    auto values = t.data<float>();
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = threshold.at(k);
    return t;
  }

  TensorPtr iterations(const std::vector<Phase>& phases, const Role& role) const {
    return integer(phases.at(static_cast<std::size_t>(role.index)).iterations);
  }

  UpdateSetting setting(EdgeId id, std::int64_t batch, float gate) const {
    const bool bytes = id.sender == 0 && network.input.kind == Values::Kind::bytes;
    return {batch, network.map.units(id.sender), bytes ? network.input.scale : 1.0f, gate};
  }

  std::vector<float> next_scalars(EdgeId id, const OptimizerClock& clock, std::int64_t batch, float gate) const {
    const Optimizer& optimizer = network.optimizer.at(id);
    return pack(apply_rule(optimizer), step_scalars(edge(id).module, optimizer, clock, setting(id, batch, gate)));
  }

  void check_gate(const Tensor& gate, std::int64_t batch) const {
    if (gate.dtype() != DType::f32) fail("gate: expected F32 elements, got {}", name_of(gate.dtype()));
    const Shape& shape = gate.shape();
    for (const EdgeId id : network.map.trainable()) {
      const std::int64_t d = network.map.units(id.sender);
      const bool fits = shape.empty() || shape == Shape{batch} || shape == Shape{batch, 1} || shape == Shape{1, d} || shape == Shape{batch, d};
      if (!fits) {
        fail("gate: shape {} doesn't fit edge {}: expected (), ({}), ({}, 1), (1, {}) or ({}, {})", to_string(shape),
             to_string(id), batch, batch, d, batch, d);
      }
    }
    check_finite(gate, "gate");
  }

  static GateShape gate_shape(const Tensor* gate, std::int64_t batch) {
    if (!gate || gate->shape().empty()) return GateShape::none;
    if (gate->shape().size() == 1) return GateShape::samples;
    if (gate->shape()[1] == 1) return GateShape::sample_column;
    return gate->shape()[0] == batch ? GateShape::full : GateShape::senders;
  }

  static float scalar_gate(const Tensor* gate) { return gate && gate->shape().empty() ? gate->data<float>()[0] : 1.0f; }

  /// Labels as their declared kind is stored.
  TensorPtr label(const Tensor& y) const {
    if (network.label.kind != Values::Kind::ternary) return borrow(y);
    Tensor signs(DType::i8, y.shape());
    std::transform(y.data<float>().begin(), y.data<float>().end(), signs.data<std::int8_t>().begin(),
                   [](float v) { return static_cast<std::int8_t>(v); });
    return own(std::move(signs));
  }

  TensorPtr buffer(const State& state, int index) const {
    const bool labels = index == network.map.output() && state.labelled();
    return labels ? label(state.buffer(index)) : borrow(state.buffer(index));
  }

  void check_state(const State& state) const {
    if (state.buffers() != network.map.buffers()) {
      fail("state: {} buffers; the network has {}", state.buffers(), network.map.buffers());
    }
  }

  /// Stores weights and moments that a program returned.
  void store(const Graph& graph, const std::vector<TensorPtr>& results) {
    for (std::size_t i = 0; i < results.size(); ++i) {
      const Role role = *role_named(graph.result_names()[i]);
      EdgeState& state = edges.at(role.edge);
      Tensor& place = role.kind == Role::Kind::weight ? state.weight.values : state.moments.at(static_cast<std::size_t>(role.index));
      place = *results[i];
    }
  }

  void check_split(const LabelledData& data, std::int64_t batch_size) {
    if (!data.inputs || !data.classes || !data.code) fail("data: inputs, classes and code are all needed");
    if (data.inputs != checked_inputs) {
      check_inputs(network, *data.inputs);
      checked_inputs = data.inputs;
    }
    const std::int64_t images = data.inputs->shape()[0];
    if (data.classes->dtype() != DType::i32 || data.classes->shape() != Shape{images}) {
      fail("data: classes must be I32 ({}), got {} {}", images, name_of(data.classes->dtype()), to_string(data.classes->shape()));
    }
    const std::int64_t codes = network.map.units(network.map.output());
    check_labels(network, *data.code, codes);
    for (const std::int32_t c : data.classes->data<std::int32_t>()) {
      if (c < 0 || c >= codes) fail("data: class {}; the code book has {} rows", c, codes);
    }
    if (batch_size < 1 || batch_size > (1 << 24)) fail("data: batch_size = {}; expected 1 .. 16777216", batch_size);
  }

  /// Scalars of every update of a run of batches, and the clocks after it.
  struct Tables {
    std::map<std::pair<EdgeId, int>, std::vector<float>> rows;
    std::map<EdgeId, OptimizerClock> clocks;
  };

  Tables tables(std::int64_t images, std::int64_t batch_size) const {
    Tables t;
    std::vector<std::vector<EdgeId>> points;
    for (const ScheduleStep& step : network.schedule.steps) {
      if (const auto* p = std::get_if<UpdatePoint>(&step)) points.push_back(p->edges.empty() ? network.map.trainable() : p->edges);
    }
    if (points.empty()) points.push_back(network.map.trainable());
    for (const EdgeId id : network.map.trainable()) t.clocks[id] = edges.at(id).clock;
    for (std::int64_t begin = 0; begin < images; begin += batch_size) {
      const std::int64_t batch = std::min(batch_size, images - begin);
      for (std::size_t u = 0; u < points.size(); ++u) {
        for (const EdgeId id : points[u]) {
          const std::vector<float> row = next_scalars(id, t.clocks.at(id), batch, 1.0f);
          auto& table = t.rows[{id, static_cast<int>(u)}];
          table.insert(table.end(), row.begin(), row.end());
          t.clocks.at(id).advance(network.optimizer.at(id));
        }
      }
    }
    return t;
  }
};

Session::Session(Network network, SessionOptions options) : impl_(std::make_unique<Impl>(std::move(network), std::move(options))) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Network& Session::network() const { return impl_->network; }
const SessionOptions& Session::options() const { return impl_->options; }
const std::map<EdgeId, EdgeState>& Session::edges() const { return impl_->edges; }

namespace {

template <class Edges>
auto& edge_with_weight(Edges& edges, EdgeId id) {
  const auto found = edges.find(id);
  if (found == edges.end()) fail("edge {}: has no weight", to_string(id));
  return found->second;
}

void check_weight(const Tensor& values, const Shape& expected, EdgeId id) {
  if (values.dtype() != DType::f32 || values.shape() != expected) {
    fail("edge {}: weight must be F32 {}, got {} {}", to_string(id), to_string(expected), name_of(values.dtype()),
         to_string(values.shape()));
  }
  check_finite(values, fmt::format("edge {}: weight", to_string(id)));
}

void check_pattern(const Pattern& given, const Pattern& own, EdgeId id) {
  if (given.senders != own.senders || given.receivers != own.receivers || given.fixed_diagonal != own.fixed_diagonal) {
    fail("edge {}: connections of shape ({}, {}), the network needs ({}, {})", to_string(id), given.senders,
         given.receivers, own.senders, own.receivers);
  }
}

}  // namespace

const Weight& Session::weight(EdgeId edge) const { return edge_with_weight(impl_->edges, edge).weight; }

void Session::set_weight(EdgeId edge, Tensor values) {
  EdgeState& state = edge_with_weight(impl_->edges, edge);
  check_weight(values, state.weight.values.shape(), edge);
  state.weight.values = std::move(values);
}

void Session::set_weight(EdgeId edge, Weight weight) {
  EdgeState& state = edge_with_weight(impl_->edges, edge);
  if (weight.is_sparse() != state.weight.is_sparse()) {
    fail("edge {}: the weight is {}, the network's is {}", to_string(edge), weight.is_sparse() ? "sparse" : "dense",
         state.weight.is_sparse() ? "sparse" : "dense");
  }
  if (!weight.is_sparse()) return set_weight(edge, std::move(weight.values));
  check_pattern(*weight.pattern, *state.weight.pattern, edge);
  check_weight(weight.values, {weight.pattern->entries()}, edge);
  state.weight = std::move(weight);
  impl_->reset_moments(edge);
}

void Session::restore(std::map<EdgeId, EdgeState> edges) {
  for (const auto& [id, own] : impl_->edges) {
    const auto found = edges.find(id);
    if (found == edges.end()) fail("edge {}: no weight is given, the network has one", to_string(id));
    const EdgeState& given = found->second;
    if (given.weight.is_sparse() != own.weight.is_sparse()) {
      fail("edge {}: the weight is {}, the network's is {}", to_string(id), given.weight.is_sparse() ? "sparse" : "dense",
           own.weight.is_sparse() ? "sparse" : "dense");
    }
    if (given.weight.is_sparse()) check_pattern(*given.weight.pattern, *own.weight.pattern, id);
    const Shape shape = given.weight.is_sparse() ? Shape{given.weight.pattern->entries()} : own.weight.values.shape();
    check_weight(given.weight.values, shape, id);
    if (given.moments.size() != own.moments.size()) {
      fail("edge {}: {} moments are given, its optimizer keeps {}", to_string(id), given.moments.size(), own.moments.size());
    }
    for (const Tensor& moment : given.moments) check_weight(moment, shape, id);
  }
  for (const auto& [id, state] : edges) {
    if (!impl_->edges.contains(id)) fail("edge {}: a weight is given, the network has none", to_string(id));
  }
  impl_->edges = std::move(edges);
}

std::string Session::digest() const { return digest_of(impl_->network, impl_->edges); }

State Session::init(const Tensor& x, const Tensor* y) const { return clamp(impl_->network, x, y); }

void Session::sweep(State& state, Filter filter, std::int64_t iterations) {
  impl_->check_state(state);
  Program& program = impl_->program({Piece::sweep, filter, {.labelled = state.labelled()}});
  const auto results = impl_->run(program, [&](const Role& role) {
    return role.kind == Role::Kind::iterations ? integer(iterations) : impl_->buffer(state, role.index);
  });
  for (std::size_t row = 0; row < results.size(); ++row) state.buffer(static_cast<int>(row) + 1) = *results[row];
}

void Session::predict(State& state) {
  impl_->check_state(state);
  Program& program = impl_->program({Piece::predict, Filter::all, {.labelled = state.labelled()}});
  const auto results = impl_->run(program, [&](const Role& role) { return impl_->buffer(state, role.index); });
  std::vector<Tensor> buffers;
  for (int b = 0; b + 1 < state.buffers(); ++b) buffers.push_back(std::move(state.buffer(b)));
  buffers.push_back(*results[0]);
  state = State(std::move(buffers), false);
}

Gradients Session::backward(const State& state, const BackwardOptions& options) {
  impl_->check_state(state);
  if (options.gate) impl_->check_gate(*options.gate, state.batch());
  const State& targets = options.targets ? *options.targets : state;
  if (options.targets) {
    impl_->check_state(targets);
    if (targets.batch() != state.batch() || targets.labelled() != state.labelled()) {
      fail("targets: a batch of {} {} labels for a state of {} {}", targets.batch(), targets.labelled() ? "with" : "without",
           state.batch(), state.labelled() ? "with" : "without");
    }
  }
  const Filter filter = options.filter.value_or(impl_->network.schedule.update_filter);
  const LowerOptions lowered{Impl::gate_shape(options.gate, state.batch()), options.targets != nullptr, state.labelled(), false};
  Program& program = impl_->program({Piece::backward, filter, lowered});
  const auto results = impl_->run(program, [&](const Role& role) {
    if (role.kind == Role::Kind::gate) return borrow(*options.gate);
    return impl_->buffer(role.kind == Role::Kind::target ? targets : state, role.index);
  });
  Gradients gradients{state.batch(), Impl::scalar_gate(options.gate), {}, {}};
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Role role = *role_named(program.graph().result_names()[i]);
    if (role.kind == Role::Kind::field) {
      gradients.fields[role.index] = *results[i];
    } else {
      gradients.correlations[role.edge] = *results[i];
    }
  }
  return gradients;
}

Tensor Session::pseudo_gradient(const Gradients& gradients, EdgeId edge) const {
  const auto found = gradients.correlations.find(edge);
  if (found == gradients.correlations.end()) fail("edge {}: has no gradient", to_string(edge));
  const EdgeState& state = impl_->edges.at(edge);
  const StepScalars c = step_scalars(impl_->edge(edge).module, impl_->network.optimizer.at(edge), state.clock,
                                     impl_->setting(edge, gradients.batch, gradients.gate));
  Tensor result(DType::f32, state.weight.values.shape());
  const auto w = state.weight.values.data<float>();
  const auto s = found->second.data<float>();
  auto d = result.data<float>();
  const auto diagonal = [&, p = state.weight.pattern](std::size_t i) {
    if (!is_recurrent(impl_->edge(edge).module)) return false;
    if (!p) return i / static_cast<std::size_t>(state.weight.receivers()) == i % static_cast<std::size_t>(state.weight.receivers());
    const auto sender = std::upper_bound(p->offsets.begin(), p->offsets.end(), static_cast<std::int32_t>(i)) - p->offsets.begin() - 1;
    return p->receiver[i] == sender;
  };
  for (std::size_t i = 0; i < d.size(); ++i) {
    if (diagonal(i)) continue;
    const float decay = c.delta * w[i];
    d[i] = s[i] == 0 ? decay : std::fma(-c.beta, s[i], decay);
  }
  return result;
}

void Session::apply(const Gradients& gradients) {
  for (const EdgeId id : impl_->network.map.trainable()) {
    if (!gradients.correlations.contains(id)) fail("edge {}: has no gradient", to_string(id));
  }
  Program& program = impl_->program({Piece::apply, Filter::all, {}});
  const auto results = impl_->run(program, [&](const Role& role) -> TensorPtr {
    if (role.kind == Role::Kind::correlation) return borrow(gradients.correlations.at(role.edge));
    const std::vector<float> row = impl_->next_scalars(role.edge, impl_->edges.at(role.edge).clock, gradients.batch, gradients.gate);
    return own(Tensor::of<float>({static_cast<std::int64_t>(row.size())}, row));
  });
  impl_->store(program.graph(), results);
  for (const EdgeId id : impl_->network.map.trainable()) impl_->edges.at(id).clock.advance(impl_->network.optimizer.at(id));
}

void Session::train_batch(const Tensor& x, const Tensor& y, const Tensor* gate, const ProbeSink& probes) {
  const State state = clamp(impl_->network, x, &y);
  if (gate) impl_->check_gate(*gate, state.batch());
  const LowerOptions lowered{Impl::gate_shape(gate, state.batch()), false, true, static_cast<bool>(probes)};
  Program& program = impl_->program({Piece::train_step, Filter::all, lowered});
  const std::vector<Phase> phases = impl_->network.schedule.phases();
  std::map<EdgeId, OptimizerClock> clocks;
  for (const EdgeId id : impl_->network.map.trainable()) clocks[id] = impl_->edges.at(id).clock;
  const auto results = impl_->run(program, [&](const Role& role) -> TensorPtr {
    switch (role.kind) {
      case Role::Kind::input: return borrow(state.buffer(0));
      case Role::Kind::label: return impl_->label(y);
      case Role::Kind::gate: return borrow(*gate);
      case Role::Kind::iterations: return impl_->iterations(phases, role);
      default: break;
    }
    // Bound in the order of the update points, so an edge's clock moves on as it will.
    const std::vector<float> row = impl_->next_scalars(role.edge, clocks.at(role.edge), state.batch(), Impl::scalar_gate(gate));
    clocks.at(role.edge).advance(impl_->network.optimizer.at(role.edge));
    return own(Tensor::of<float>({static_cast<std::int64_t>(row.size())}, row));
  }, probes);
  impl_->store(program.graph(), results);
  for (const auto& [id, clock] : clocks) impl_->edges.at(id).clock = clock;
}

Tensor Session::evaluate(const Tensor& x) {
  const State state = clamp(impl_->network, x, nullptr);
  Program& program = impl_->program({Piece::evaluate_step, Filter::all, {}});
  const auto results = impl_->run(program, [&](const Role& role) {
    return role.kind == Role::Kind::input ? borrow(state.buffer(0)) : impl_->iterations(impl_->network.schedule.evaluate, role);
  });
  return *results[0];
}

namespace {

TensorPtr inputs_as_stored(const Network& network, const LabelledData& data) {
  if (network.input.kind != Values::Kind::ternary || data.inputs->dtype() == DType::i8) return data.inputs;
  return own(clamp(network, *data.inputs, nullptr).buffer(0));
}

}  // namespace

void Session::train(const LabelledData& data, std::span<const std::int32_t> order, std::int64_t batch_size) {
  if (order.empty()) return;
  impl_->check_split(data, batch_size);
  const auto images = static_cast<std::int64_t>(order.size());
  for (const std::int32_t i : order) {
    if (i < 0 || i >= data.inputs->shape()[0]) fail("data: order names image {} of {}", i, data.inputs->shape()[0]);
  }
  Program& program = impl_->program({Piece::train_epoch, Filter::all, {}});
  const std::vector<Phase> phases = impl_->network.schedule.phases();
  const Impl::Tables tables = impl_->tables(images, batch_size);
  const std::int64_t steps = (images + batch_size - 1) / batch_size;
  const auto results = impl_->run(program, [&](const Role& role) -> TensorPtr {
    switch (role.kind) {
      case Role::Kind::inputs: return inputs_as_stored(impl_->network, data);
      case Role::Kind::classes: return data.classes;
      case Role::Kind::code: return impl_->label(*data.code);
      case Role::Kind::order: return own(Tensor::of<std::int32_t>({images}, order));
      case Role::Kind::steps: return integer(steps);
      case Role::Kind::batch: return integer(batch_size);
      case Role::Kind::iterations: return impl_->iterations(phases, role);
      default: break;
    }
    const std::vector<float>& table = tables.rows.at({role.edge, role.index});
    return own(Tensor::of<float>({steps, static_cast<std::int64_t>(table.size()) / steps}, table));
  });
  impl_->store(program.graph(), results);
  for (const auto& [id, clock] : tables.clocks) impl_->edges.at(id).clock = clock;
}

std::int64_t Session::hits(const LabelledData& data, std::int64_t images, std::int64_t batch_size) {
  if (images < 1) return 0;
  impl_->check_split(data, batch_size);
  if (images > data.inputs->shape()[0]) fail("data: {} images asked for, the split has {}", images, data.inputs->shape()[0]);
  Program& program = impl_->program({Piece::evaluate_epoch, Filter::all, {}});
  const auto results = impl_->run(program, [&](const Role& role) -> TensorPtr {
    switch (role.kind) {
      case Role::Kind::inputs: return inputs_as_stored(impl_->network, data);
      case Role::Kind::classes: return data.classes;
      case Role::Kind::order: {
        std::vector<std::int32_t> order(static_cast<std::size_t>(images));
        std::iota(order.begin(), order.end(), 0);
        return own(Tensor::of<std::int32_t>({images}, order));
      }
      case Role::Kind::steps: return integer((images + batch_size - 1) / batch_size);
      case Role::Kind::batch: return integer(batch_size);
      default: return impl_->iterations(impl_->network.schedule.evaluate, role);
    }
  });
  return results[0]->data<std::int64_t>()[0];
}

}  // namespace relaxon
