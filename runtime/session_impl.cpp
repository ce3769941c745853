#include "runtime/session_impl.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/init.hpp"
#include "runtime/jit/library.hpp"

namespace relaxon {
namespace {

Graph lower(const Network& network, const ProgramKey& key) {
  switch (key.piece) {
    case Piece::train_step: return lower_train_step(network, key.options);
    case Piece::evaluate_step: return lower_evaluate_step(network, key.options);
    case Piece::train_epoch: return lower_train_epoch_probed(network, key.options.selected);
    case Piece::evaluate_epoch: return lower_evaluate_epoch_probed(network, key.options.selected);
    case Piece::sweep: return lower_sweep(network, key.filter, key.options);
    case Piece::predict: return lower_predict(network, key.options);
    case Piece::backward: return lower_backward(network, key.filter, key.options);
    case Piece::apply: return lower_apply(network);
  }
  internal_error("unknown piece {}", static_cast<int>(key.piece));
}

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

}  // namespace

void check_finite(const Tensor& values, std::string_view what) {
  const auto data = values.data<float>();
  const auto bad = std::find_if(data.begin(), data.end(), [](float v) { return !std::isfinite(v); });
  if (bad != data.end()) fail("{}: entry {} is {}; expected a finite number", what, bad - data.begin(), *bad);
}

Session::Impl::Impl(Network n, SessionOptions o) : network(std::move(n)), options(std::move(o)) {
  network.validate();
  if (!options.library) options.library = std::make_shared<jit::Library>();
  for (const auto& [id, edge] : network.map.edges()) {
    if (!has_weight(edge.module)) continue;
    const Key key = child(key_of(network.seed), network.key_count(), network.map.key_index(id), network.rng);
    EdgeState& state = edges[id];
    state.weight = initialise(edge.module, network.map.units(id.sender), network.map.units(id.receiver), key,
                              network.rng, fmt::format("edge {}", to_string(id)));
    if (state.weight.pattern) options.plan.entries[to_string(id)] = state.weight.pattern->entries();
    reset_moments(id);
  }
}

void Session::Impl::reset_moments(EdgeId id) {
  EdgeState& state = edges.at(id);
  state.moments.clear();
  state.clock = {};
  if (!is_trainable(network.map.at(id).module)) return;
  for (int i = 0; i < network.optimizer.at(id).moments(); ++i) {
    state.moments.emplace_back(DType::f32, state.weight.values.shape());
  }
}

Program& Session::Impl::program(const ProgramKey& key) {
  std::unique_ptr<Program>& place = programs[key];
  if (place) return *place;
  const bool known = std::any_of(programs.begin(), programs.end(), [&](const auto& other) {
    return other.second && other.first.piece == key.piece;
  });
  const std::string why = !known                          ? "first use"
                          : !key.options.selected.empty() ? "first use with these probes"
                                                          : "first use with these options";
  StageClock clock, all;
  Graph lowered = lower(network, key);
  const double lower_ms = clock.lap();
  CompileOptions how = options;
  // What is probed is seen in batches that don't depend on the machine.
  how.chooses_batch = key.piece == Piece::evaluate_epoch && key.options.selected.empty();
  place = compile(std::move(lowered), how);
  report.milliseconds += all.lap();
  ++report.compiles;
  note(*place, why, lower_ms);
  return *place;
}

void Session::Impl::note(const Program& program, std::string why, double lower_ms) {
  CompiledProgram made{program.graph().name(), std::move(why), {{"lower", lower_ms}}, {}};
  made.stages.insert(made.stages.end(), program.stages().begin(), program.stages().end());
  std::string reason = fmt::format("{}: {}", made.name, made.why);
  if (const jit::CodeReport* code = program.code_report()) {
    made.code = *code;
    if (code->from_cache) ++report.cache_hits;
    reason += fmt::format("; {} functions, {}", code->functions, jit::origin_of(*code));
  }
  report.reasons.push_back(std::move(reason));
  report.programs.push_back(std::move(made));
}

std::vector<TensorPtr> Session::Impl::run(Program& program,
                                          const std::function<TensorPtr(const Role&)>& special,
                                          const ProbeSink& probes) {
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

PatternPtr Session::Impl::pattern_named(const std::string& name) const {
  for (const auto& [id, state] : edges) {
    if (to_string(id) == name) return state.weight.pattern;
  }
  internal_error("no edge has the pattern @{}", name);
}

TensorPtr Session::Impl::common(const Role& role) const {
  switch (role.kind) {
    case Role::Kind::weight: return borrow(edges.at(role.edge).weight.values);
    case Role::Kind::moment:
      return borrow(edges.at(role.edge).moments.at(static_cast<std::size_t>(role.index)));
    case Role::Kind::margin: return own(margin(role.edge));
    default: return nullptr;
  }
}

Tensor Session::Impl::margin(EdgeId id) const {
  const PerOutput& threshold = *threshold_of(edge(id).module);
  Tensor t(DType::f32, {network.map.units(id.receiver)});
  auto values = t.data<float>();
  for (std::size_t k = 0; k < values.size(); ++k) values[k] = threshold.at(k);
  return t;
}

TensorPtr Session::Impl::iterations(const std::vector<Phase>& phases, const Role& role) const {
  return integer(phases.at(static_cast<std::size_t>(role.index)).iterations);
}

UpdateSetting Session::Impl::setting(EdgeId id, std::int64_t batch, float gate) const {
  const bool bytes = id.sender == 0 && network.input.kind == Values::Kind::bytes;
  return {batch, network.map.units(id.sender), bytes ? network.input.scale : 1.0f, gate};
}

std::vector<float> Session::Impl::next_scalars(EdgeId id, const OptimizerClock& clock, std::int64_t batch,
                                               float gate) const {
  const Optimizer& optimizer = network.optimizer.at(id);
  return pack(apply_rule(optimizer),
              step_scalars(edge(id).module, optimizer, clock, setting(id, batch, gate)));
}

void Session::Impl::check_gate(const Tensor& gate, std::int64_t batch) const {
  if (gate.dtype() != DType::f32) fail("gate: expected F32 elements, got {}", name_of(gate.dtype()));
  const Shape& shape = gate.shape();
  for (const EdgeId id : network.map.trainable()) {
    const std::int64_t d = network.map.units(id.sender);
    const bool fits = shape.empty() || shape == Shape{batch} || shape == Shape{batch, 1} ||
                      shape == Shape{1, d} || shape == Shape{batch, d};
    if (!fits) {
      fail("gate: shape {} doesn't fit edge {}: expected (), ({}), ({}, 1), (1, {}) or ({}, {})",
           to_string(shape), to_string(id), batch, batch, d, batch, d);
    }
  }
  check_finite(gate, "gate");
}

GateShape Session::Impl::gate_shape(const Tensor* gate, std::int64_t batch) {
  if (!gate || gate->shape().empty()) return GateShape::none;
  if (gate->shape().size() == 1) return GateShape::samples;
  if (gate->shape()[1] == 1) return GateShape::sample_column;
  return gate->shape()[0] == batch ? GateShape::full : GateShape::senders;
}

TensorPtr Session::Impl::label(const Tensor& y) const {
  if (network.label.kind != Values::Kind::ternary) return borrow(y);
  Tensor signs(DType::i8, y.shape());
  std::transform(y.data<float>().begin(), y.data<float>().end(), signs.data<std::int8_t>().begin(),
                 [](float v) { return static_cast<std::int8_t>(v); });
  return own(std::move(signs));
}

TensorPtr Session::Impl::buffer(const State& state, int index) const {
  const bool labels = index == network.map.output() && state.labelled();
  return labels ? label(state.buffer(index)) : borrow(state.buffer(index));
}

void Session::Impl::check_state(const State& state) const {
  if (state.buffers() != network.map.buffers()) {
    fail("state: {} buffers; the network has {}", state.buffers(), network.map.buffers());
  }
}

void Session::Impl::store(const Graph& graph, const std::vector<TensorPtr>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Role role = *role_named(graph.result_names()[i]);
    EdgeState& state = edges.at(role.edge);
    Tensor& place = role.kind == Role::Kind::weight ? state.weight.values
                                                    : state.moments.at(static_cast<std::size_t>(role.index));
    place = *results[i];
  }
}

void Session::Impl::check_split(const LabelledData& data, std::int64_t batch_size) {
  if (!data.inputs || !data.classes || !data.code) fail("data: inputs, classes and code are all needed");
  if (data.inputs != checked_inputs) {
    check_inputs(network, *data.inputs);
    checked_inputs = data.inputs;
  }
  const std::int64_t images = data.inputs->shape()[0];
  if (data.classes->dtype() != DType::i32 || data.classes->shape() != Shape{images}) {
    fail("data: classes must be I32 ({}), got {} {}", images, name_of(data.classes->dtype()),
         to_string(data.classes->shape()));
  }
  const std::int64_t codes = network.map.units(network.map.output());
  check_labels(network, *data.code, codes);
  for (const std::int32_t c : data.classes->data<std::int32_t>()) {
    if (c < 0 || c >= codes) fail("data: class {}; the code book has {} rows", c, codes);
  }
  if (batch_size < 1 || batch_size > (1 << 24))
    fail("data: batch_size = {}; expected 1 .. 16777216", batch_size);
}

Session::Impl::Tables Session::Impl::tables(std::int64_t images, std::int64_t batch_size) const {
  Tables t;
  std::vector<std::vector<EdgeId>> points;
  for (const ScheduleStep& step : network.schedule.steps) {
    if (const auto* p = std::get_if<UpdatePoint>(&step))
      points.push_back(p->edges.empty() ? network.map.trainable() : p->edges);
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

}  // namespace relaxon
