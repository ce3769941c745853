#include "passes/lowering.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace relaxon {
namespace {

Dims dims_of(const Shape& size, Dim batch) {
  Dims dims{batch};
  dims.insert(dims.end(), size.begin(), size.end());
  return dims;
}

Type declared(const Values& values, Dims dims) {
  Type type = make_type(Elem::f32, std::move(dims));
  switch (values.kind) {
    case Values::Kind::real: break;
    case Values::Kind::ternary: type.elem = Elem::tern; break;
    case Values::Kind::two_valued:
      type.elem = Elem::two;
      type.a = values.a;
      type.b = values.b;
      break;
    case Values::Kind::bytes:
      type.elem = Elem::u8;
      type.scale = values.scale;
      break;
  }
  return type;
}

/// a and b of FrozenRescaled: r, a, b in double, a and b rounded once (section 4).
std::pair<float, float> rescaling(std::int64_t senders) {
  const double r = std::sqrt(static_cast<double>(senders - 1));
  return {static_cast<float>((r / 2 + 1 / r) / 2), static_cast<float>((r / 2 - 1 / r) / 2)};
}

const MapAttributes dense_map{};

}  // namespace

ApplyRule apply_rule(const Optimizer& optimizer) {
  if (optimizer.kind == OptimizerKind::adam) return ApplyRule::adam;
  if (optimizer.kind == OptimizerKind::adamw) return ApplyRule::adamw;
  if (optimizer.moments() == 0) return ApplyRule::sgd;
  return optimizer.nesterov ? ApplyRule::nesterov : ApplyRule::momentum;
}

Lowering::Lowering(const Network& network, std::string_view name, LowerOptions options)
    : network_(network), options_(options), builder_(std::string(name), network.fixed_bits) {
  for (const auto& [id, edge] : map().edges()) {
    if (!is_sparse(edge.module)) continue;
    patterns_[id] = builder_.pattern({relaxon::to_string(id), map().units(id.sender),
                                      map().units(id.receiver), is_recurrent(edge.module)});
  }
}

Type Lowering::input_type(Dim batch) const {
  return declared(network_.input, dims_of(map().sizes().front(), batch));
}

Type Lowering::label_type(Dim batch) const {
  return declared(network_.label, dims_of(map().sizes().back(), batch));
}

Type Lowering::buffer_type(int buffer, Dim batch) const {
  if (buffer == 0) return input_type(batch);
  const Dims dims = dims_of(map().sizes()[static_cast<std::size_t>(buffer)], batch);
  if (buffer < map().output()) return make_type(Elem::tern, dims);
  return options_.labelled ? label_type(batch) : make_type(Elem::f32, dims);
}

Type Lowering::weight_type(EdgeId edge) const {
  Type type = make_type(Elem::f32, {map().units(edge.sender), map().units(edge.receiver)});
  const auto pattern = patterns_.find(edge);
  if (pattern != patterns_.end()) {
    type.entries = {Entries::Kind::sparse, pattern->second};
  } else if (is_recurrent(map().at(edge).module)) {
    type.entries.kind = Entries::Kind::offdiag;
  }
  return type;
}

Type Lowering::scalars_type(EdgeId edge) const {
  return make_type(Elem::f32, {scalars_of(apply_rule(network_.optimizer.at(edge)))});
}

ValueId Lowering::bind(const Role& role, Type type) {
  const bool persistent = role.kind == Role::Kind::weight || role.kind == Role::Kind::moment;
  const std::string name = relaxon::to_string(role);
  return persistent ? builder_.param(name, std::move(type)) : builder_.input(name, std::move(type));
}

void Lowering::bind_weights() {
  for (const auto& [id, edge] : map().edges()) {
    if (has_weight(edge.module)) weights_[id] = bind({Role::Kind::weight, id, 0}, weight_type(id));
  }
}

void Lowering::bind_moments() {
  for (const EdgeId edge : map().trainable()) {
    for (int i = 0; i < network_.optimizer.at(edge).moments(); ++i) {
      moments_[edge].push_back(bind({Role::Kind::moment, edge, i}, weight_type(edge)));
    }
  }
}

EdgeId Lowering::margin_owner(EdgeId edge) const {
  const PerOutput& wanted = *threshold_of(map().at(edge).module);
  for (const EdgeId other : map().trainable()) {
    if (other.receiver == edge.receiver && *threshold_of(map().at(other).module) == wanted) return other;
  }
  return edge;
}

void Lowering::bind_margins() {
  for (const EdgeId edge : map().trainable()) {
    const EdgeId owner = margin_owner(edge);
    if (owner == edge)
      margins_[edge] =
          bind({Role::Kind::margin, edge, 0}, make_type(Elem::f32, {map().units(edge.receiver)}));
    margins_[edge] = margins_.at(owner);
  }
}

std::vector<ValueId> Lowering::bind_iterations(std::size_t phases) {
  std::vector<ValueId> counts;
  for (std::size_t p = 0; p < phases; ++p) {
    counts.push_back(bind({Role::Kind::iterations, {}, static_cast<int>(p)}, make_type(Elem::i32, {})));
  }
  return counts;
}

void Lowering::probe(std::string_view name, ValueId value) {
  if (options_.probes) builder_.append(OpKind::probe, {value}, NamesAttributes{{std::string(name)}});
}

void Lowering::probe(const Role& role, ValueId value) { probe(relaxon::to_string(role), value); }

void Lowering::check_probes(bool evaluation) const {
  for (const Probe& p : options_.selected) validate(p, network_, evaluation);
}

bool Lowering::is_selected(const Probe& asked) const {
  return std::any_of(options_.selected.begin(), options_.selected.end(), [&](Probe p) {
    if (!p.phase) p.phase = asked.phase;
    return p == asked;
  });
}

void Lowering::probe_selected(const Probe& asked, ValueId value) {
  if (is_selected(asked))
    builder_.append(OpKind::probe, {value}, NamesAttributes{{relaxon::to_string(asked)}});
}

/// States and fields of rows whose value no op of the phase is: states after it, fields that follow from
/// them, and the read-out's.
void Lowering::probe_phase(const States& states, Filter filter, int phase, bool every) {
  for (int row = 1; row <= map().output(); ++row) {
    if (row < map().output()) {
      probe_selected({.kind = Probe::Kind::state, .row = row, .phase = phase, .every = every},
                     states[static_cast<std::size_t>(row)]);
    }
    const Probe wanted{.kind = Probe::Kind::field, .row = row, .phase = phase, .every = every};
    const bool has_op = every && row < map().output();
    if (!has_op && is_selected(wanted)) probe_selected(wanted, field(row, filter, states));
  }
}

void Lowering::probe_error(EdgeId edge, ValueId target, ValueId h) {
  const Probe wanted{.kind = Probe::Kind::error, .edge = edge};
  if (!is_selected(wanted)) return;
  probe_selected(
      wanted, builder_.one(OpKind::error, {target, h, margins_.at(edge)}, ErrorAttributes{Rule::perceptron},
                           fmt::format("e{}", relaxon::to_string(edge))));
}

States Lowering::start(ValueId x, ValueId y) {
  States states{x};
  for (int row = 1; row < map().output(); ++row) {
    states.push_back(builder_.zeros(buffer_type(row), fmt::format("s{}", row)));
  }
  states.push_back(y);
  return states;
}

ValueId Lowering::message(EdgeId edge, ValueId sender) {
  const Module& module = map().at(edge).module;
  const std::string hint = fmt::format("m{}", relaxon::to_string(edge));
  if (std::holds_alternative<FrozenRescaledFullyConnected>(module)) {
    const auto [a, b] = rescaling(map().units(edge.sender));
    const ValueId a_value = builder_.constant(a);
    sender = builder_.one(OpKind::affine, {sender, a_value, builder_.constant(b)});
  }
  const bool exact = is_ternary(builder_.type(sender));
  const ValueId sum = builder_.one(OpKind::message, {sender, weights_.at(edge)},
                                   MessageAttributes{dense_map, edge, exact}, hint);
  return exact ? sum : builder_.one(OpKind::to_fix, {sum}, {}, hint);
}

ValueId Lowering::field(int row, Filter filter, const States& states) {
  std::vector<ValueId> messages;
  for (const int sender : map().senders(row, filter)) {
    messages.push_back(message({row, sender}, states[static_cast<std::size_t>(sender)]));
  }
  const std::string hint = fmt::format("h{}", row);
  if (messages.empty()) {
    return builder_.zeros(
        make_type(Elem::fix, dims_of(map().sizes()[static_cast<std::size_t>(row)], batch_dim)), hint);
  }
  return builder_.one(OpKind::aggregate, std::move(messages), {}, hint);
}

States Lowering::step(const States& old, Filter filter, int phase) {
  States states = old;
  for (int row = 1; row < map().output(); ++row) {
    const States& seen = network_.schedule.sweep == Sweep::synchronous ? old : states;
    const ValueId h = field(row, filter, seen);
    probe_selected({.kind = Probe::Kind::field, .row = row, .phase = phase, .every = true}, h);
    const auto index = static_cast<std::size_t>(row);
    states[index] =
        builder_.one(OpKind::threshold, {h}, ThresholdAttributes{Activation::sign}, fmt::format("s{}", row));
  }
  return states;
}

States Lowering::scan(const States& states, Filter filter, ValueId iterations, int phase) {
  if (map().output() < 2) {  // no hidden row to iterate
    probe_phase(states, filter, phase, false);
    return states;
  }
  std::vector<ValueId> operands{iterations};
  operands.insert(operands.end(), states.begin() + 1, states.end() - 1);
  const std::vector<ValueId> arguments = builder_.begin(OpKind::scan, operands, ScanAttributes{});
  States inside = states;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    inside[i + 1] = arguments[i];
    builder_.name(arguments[i], fmt::format("s{}", i + 1));
  }
  inside = step(inside, filter, phase);
  for (int row = 1; row < map().output(); ++row) {
    probe(fmt::format("state/{}/{}", phase, row), inside[static_cast<std::size_t>(row)]);
  }
  probe_phase(inside, filter, phase, true);
  const std::vector<ValueId> results = builder_.end({inside.begin() + 1, inside.end() - 1});
  States after = states;
  for (std::size_t i = 0; i < results.size(); ++i) {
    after[i + 1] = results[i];
    builder_.name(results[i], fmt::format("s{}", i + 1));
  }
  probe_phase(after, filter, phase, false);
  return after;
}

std::map<EdgeId, ValueId> Lowering::correlations(const std::vector<EdgeId>& edges, Filter filter,
                                                 const States& states, const States& targets,
                                                 std::optional<ValueId> gate) {
  std::map<EdgeId, ValueId> result;
  for (int row = 1; row <= map().output(); ++row) {
    std::vector<EdgeId> trained;
    for (const EdgeId edge : edges) {
      if (edge.receiver == row) trained.push_back(edge);
    }
    const Probe judged{.kind = Probe::Kind::judged, .row = row};
    if (trained.empty() && !options_.probes && !is_selected(judged)) continue;
    const ValueId h = field(row, filter, states);
    probe({Role::Kind::field, {}, row}, h);
    probe_selected(judged, h);
    for (const EdgeId edge : trained) {
      probe_error(edge, targets[static_cast<std::size_t>(row)], h);
      ValueId u = states[static_cast<std::size_t>(edge.sender)];
      if (gate) u = builder_.one(OpKind::gate, {u, *gate});
      const Type type = weight_type(edge);
      result[edge] =
          builder_.one(OpKind::update, {u, targets[static_cast<std::size_t>(row)], h, margins_.at(edge)},
                       UpdateAttributes{Rule::perceptron, {dense_map, type.dims, type.entries, edge}},
                       fmt::format("S{}", relaxon::to_string(edge)));
    }
  }
  return result;
}

void Lowering::apply(const std::map<EdgeId, ValueId>& correlations,
                     const std::map<EdgeId, ValueId>& scalars) {
  for (const auto& [edge, s] : correlations) {
    probe({Role::Kind::correlation, edge, 0}, s);
    probe_selected({.kind = Probe::Kind::correlation, .edge = edge}, s);
    std::vector<ValueId> operands{weights_.at(edge)};
    std::vector<ValueId>& moments = moments_[edge];
    operands.insert(operands.end(), moments.begin(), moments.end());
    operands.push_back(s);
    operands.push_back(scalars.at(edge));
    const std::vector<ValueId> results = builder_.append(
        OpKind::apply, operands, ApplyAttributes{apply_rule(network_.optimizer.at(edge)), edge});
    weights_[edge] = results[0];
    builder_.name(results[0], relaxon::to_string(Role{Role::Kind::weight, edge, 0}));
    probe_selected({.kind = Probe::Kind::weight, .edge = edge}, results[0]);
    moments.assign(results.begin() + 1, results.end());
  }
}

std::vector<ValueId> Lowering::trained() const {
  std::vector<ValueId> values;
  for (const EdgeId edge : map().trainable()) {
    values.push_back(weights_.at(edge));
    if (const auto found = moments_.find(edge); found != moments_.end()) {
      values.insert(values.end(), found->second.begin(), found->second.end());
    }
  }
  return values;
}

std::vector<std::string> Lowering::trained_names() const {
  std::vector<std::string> names;
  for (const EdgeId edge : map().trainable()) {
    names.push_back(relaxon::to_string(Role{Role::Kind::weight, edge, 0}));
    for (int i = 0; i < network_.optimizer.at(edge).moments(); ++i) {
      names.push_back(relaxon::to_string(Role{Role::Kind::moment, edge, i}));
    }
  }
  return names;
}

void Lowering::set_trained(const std::vector<ValueId>& values) {
  const std::vector<std::string> names = trained_names();
  for (std::size_t i = 0; i < values.size(); ++i) builder_.name(values[i], names[i]);
  std::size_t next = 0;
  for (const EdgeId edge : map().trainable()) {
    weights_[edge] = values[next++];
    for (ValueId& moment : moments_[edge]) moment = values[next++];
  }
}

std::vector<std::vector<EdgeId>> Lowering::update_points() const {
  std::vector<std::vector<EdgeId>> points;
  for (const ScheduleStep& step : network_.schedule.steps) {
    if (const auto* point = std::get_if<UpdatePoint>(&step)) {
      points.push_back(point->edges.empty() ? map().trainable() : point->edges);
    }
  }
  if (points.empty()) points.push_back(map().trainable());
  return points;
}

void Lowering::contrastive_batch(States states, std::optional<ValueId> gate,
                                 const std::vector<ValueId>& iterations,
                                 const std::map<EdgeId, ValueId>& scalars) {
  const Schedule& schedule = network_.schedule;
  const std::vector<Phase> phases = schedule.phases();
  std::map<EdgeId, ValueId> first;
  for (std::size_t p = 0; p < phases.size(); ++p) {
    states = scan(states, phases[p].filter, iterations[p], static_cast<int>(p));
    if (p == 0) first = correlations(map().trainable(), schedule.update_filter, states, states, gate);
  }
  std::map<EdgeId, ValueId> last =
      correlations(map().trainable(), schedule.update_filter, states, states, gate);
  for (auto& [edge, s] : last) s = builder_.one(OpKind::subtract, {s, first.at(edge)});
  apply(last, scalars);
}

void Lowering::batch(ValueId x, ValueId y, std::optional<ValueId> gate,
                     const std::vector<ValueId>& iterations,
                     const std::vector<std::map<EdgeId, ValueId>>& scalars) {
  const Schedule& schedule = network_.schedule;
  States states = start(x, y);
  if (schedule.rule == UpdateRule::contrastive)
    return contrastive_batch(states, gate, iterations, scalars[0]);
  const std::vector<std::vector<EdgeId>> points = update_points();
  int phase = 0;
  std::size_t point = 0;
  const auto update = [&] {
    apply(correlations(points[point], schedule.update_filter, states, states, gate), scalars[point]);
    ++point;
  };
  for (const ScheduleStep& step : schedule.steps) {
    if (const auto* p = std::get_if<Phase>(&step)) {
      states = scan(states, p->filter, iterations[static_cast<std::size_t>(phase)], phase);
      ++phase;
    } else {
      update();
    }
  }
  if (point == 0) update();
}

ValueId Lowering::evaluate(ValueId x, const std::vector<ValueId>& iterations) {
  // No label: the last buffer holds zeros, exact whatever labels are declared to be.
  const Type none = make_type(Elem::tern, dims_of(map().sizes().back(), batch_dim));
  States states = start(x, builder_.zeros(none));
  const std::vector<Phase>& phases = network_.schedule.evaluate;
  for (std::size_t p = 0; p < phases.size(); ++p) {
    states = scan(states, phases[p].filter, iterations[p], static_cast<int>(p));
  }
  const ValueId scores =
      builder_.one(OpKind::to_f32, {field(map().output(), Filter::all, states)}, {}, "scores");
  probe_selected({.kind = Probe::Kind::scores}, scores);
  return scores;
}

}  // namespace relaxon
