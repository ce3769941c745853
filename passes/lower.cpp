#include "passes/lower.hpp"

#include "core/error.hpp"
#include "ir/verify.hpp"
#include "passes/lowering.hpp"

namespace relaxon {
namespace {

using K = Role::Kind;

Graph checked(Graph graph) {
  verify(graph, Stage::lowered);
  return graph;
}

/// One map of scalars per update point; `rows` adds the axis of a table of steps.
std::vector<std::map<EdgeId, ValueId>> bind_scalars(Lowering& l, std::optional<Dim> rows) {
  std::vector<std::map<EdgeId, ValueId>> scalars;
  for (const std::vector<EdgeId>& edges : l.update_points()) {
    std::map<EdgeId, ValueId>& point = scalars.emplace_back();
    for (const EdgeId edge : edges) {
      Type type = l.scalars_type(edge);
      if (rows) type.dims.insert(type.dims.begin(), *rows);
      point[edge] = l.bind({K::scalars, edge, static_cast<int>(scalars.size()) - 1}, type);
    }
  }
  return scalars;
}

std::optional<ValueId> bind_gate(Lowering& l) {
  if (l.options().gate == GateShape::none) return std::nullopt;
  // Gates of senders hold for every trainable edge, so these have senders of one length.
  const std::vector<EdgeId> trainable = l.map().trainable();
  const Dim d = trainable.empty() ? l.map().units(0) : l.map().units(trainable.front().sender);
  switch (l.options().gate) {
    case GateShape::none: break;
    case GateShape::samples: return l.bind({K::gate, {}, 0}, make_type(Elem::f32, {batch_dim}));
    case GateShape::sample_column: return l.bind({K::gate, {}, 0}, make_type(Elem::f32, {batch_dim, 1}));
    case GateShape::senders: return l.bind({K::gate, {}, 0}, make_type(Elem::f32, {1, d}));
    case GateShape::full: return l.bind({K::gate, {}, 0}, make_type(Elem::f32, {batch_dim, d}));
  }
  internal_error("unknown gate {}", static_cast<int>(l.options().gate));
}

States bind_states(Lowering& l, K kind) {
  States states;
  for (int buffer = 0; buffer < l.map().buffers(); ++buffer) {
    states.push_back(l.bind({kind, {}, buffer}, l.buffer_type(buffer)));
  }
  return states;
}

/// Bindings of a loop over the batches of a split.
struct SplitBindings {
  ValueId inputs, classes, order, steps, batch;
};

SplitBindings bind_split(Lowering& l) {
  const Dim images = Dim::symbolic('N');
  SplitBindings s;
  s.inputs = l.bind({K::inputs, {}, 0}, l.input_type(images));
  s.classes = l.bind({K::classes, {}, 0}, make_type(Elem::i32, {images}));
  s.order = l.bind({K::order, {}, 0}, make_type(Elem::i32, {Dim::symbolic('M')}));
  s.steps = l.bind({K::steps, {}, 0}, make_type(Elem::i32, {}));
  s.batch = l.bind({K::batch, {}, 0}, make_type(Elem::i32, {}));
  return s;
}

}  // namespace

Graph lower_train_step(const Network& network, const LowerOptions& options) {
  Lowering l(network, "train_step", options);
  l.check_probes(false);
  const ValueId x = l.bind({K::input, {}, 0}, l.input_type(batch_dim));
  const ValueId y = l.bind({K::label, {}, 0}, l.label_type(batch_dim));
  const std::optional<ValueId> gate = bind_gate(l);
  const std::vector<ValueId> iterations = l.bind_iterations(network.schedule.phases().size());
  l.bind_margins();
  const auto scalars = bind_scalars(l, std::nullopt);
  l.bind_weights();
  l.bind_moments();
  l.batch(x, y, gate, iterations, scalars);
  return checked(l.builder().finish(l.trained(), l.trained_names()));
}

Graph lower_evaluate_step(const Network& network, const LowerOptions& options) {
  Lowering l(network, "evaluate_step", options);
  l.check_probes(true);
  const ValueId x = l.bind({K::input, {}, 0}, l.input_type(batch_dim));
  const std::vector<ValueId> iterations = l.bind_iterations(network.schedule.evaluate.size());
  l.bind_weights();
  const ValueId scores = l.evaluate(x, iterations);
  return checked(l.builder().finish({scores}, {to_string(Role{K::scores, {}, 0})}));
}

Graph lower_train_epoch(const Network& network) { return lower_train_epoch_probed(network, {}); }

Graph lower_train_epoch_probed(const Network& network, const std::vector<Probe>& probes) {
  LowerOptions options;
  options.selected = probes;
  Lowering l(network, "train", options);
  l.check_probes(false);
  const SplitBindings split = bind_split(l);
  const ValueId code = l.bind({K::code, {}, 0}, l.label_type(l.map().units(l.map().output())));
  const std::vector<ValueId> iterations = l.bind_iterations(network.schedule.phases().size());
  l.bind_margins();
  const auto tables = bind_scalars(l, Dim::symbolic('T'));
  l.bind_weights();
  l.bind_moments();

  GraphBuilder& b = l.builder();
  std::vector<ValueId> operands{split.steps};
  const std::vector<ValueId> carried = l.trained();
  operands.insert(operands.end(), carried.begin(), carried.end());
  const std::vector<ValueId> arguments = b.begin(OpKind::loop, operands);
  b.name(arguments[0], "step");
  l.set_trained({arguments.begin() + 1, arguments.end()});
  const ValueId rows = b.one(OpKind::slice, {split.order, arguments[0], split.batch}, {}, "rows");
  const ValueId x = b.one(OpKind::take, {split.inputs, rows}, {}, "x");
  const ValueId y =
      b.one(OpKind::take, {code, b.one(OpKind::take, {split.classes, rows}, {}, "class")}, {}, "y");
  std::vector<std::map<EdgeId, ValueId>> scalars;
  for (const auto& table : tables) {
    std::map<EdgeId, ValueId>& point = scalars.emplace_back();
    for (const auto& [edge, value] : table) point[edge] = b.one(OpKind::take, {value, arguments[0]});
  }
  l.batch(x, y, std::nullopt, iterations, scalars);
  l.set_trained(b.end(l.trained()));
  return checked(b.finish(l.trained(), l.trained_names()));
}

Graph lower_evaluate_epoch(const Network& network) { return lower_evaluate_epoch_probed(network, {}); }

Graph lower_evaluate_epoch_probed(const Network& network, const std::vector<Probe>& probes) {
  LowerOptions options;
  options.selected = probes;
  Lowering l(network, "evaluate", options);
  l.check_probes(true);
  const SplitBindings split = bind_split(l);
  const std::vector<ValueId> iterations = l.bind_iterations(network.schedule.evaluate.size());
  l.bind_weights();
  GraphBuilder& b = l.builder();
  const ValueId none = b.zeros(make_type(Elem::i64, {}), "hits");
  const std::vector<ValueId> arguments = b.begin(OpKind::loop, {split.steps, none});
  b.name(arguments[0], "step");
  const ValueId rows = b.one(OpKind::slice, {split.order, arguments[0], split.batch}, {}, "rows");
  const ValueId x = b.one(OpKind::take, {split.inputs, rows}, {}, "x");
  const ValueId scores = l.evaluate(x, iterations);
  const ValueId classes = b.one(OpKind::take, {split.classes, rows}, {}, "class");
  const ValueId hits = b.one(OpKind::hits, {arguments[1], scores, classes}, {}, "hits");
  return checked(b.finish(b.end({hits}), {to_string(Role{K::hits, {}, 0})}));
}

Graph lower_sweep(const Network& network, Filter filter, const LowerOptions& options) {
  Lowering l(network, "sweep", options);
  States states = bind_states(l, K::state);
  const std::vector<ValueId> iterations = l.bind_iterations(1);
  l.bind_weights();
  states = l.scan(states, filter, iterations[0], 0);
  std::vector<std::string> names;
  for (int row = 1; row < l.map().output(); ++row) names.push_back(to_string(Role{K::state, {}, row}));
  return checked(l.builder().finish({states.begin() + 1, states.end() - 1}, names));
}

Graph lower_predict(const Network& network, const LowerOptions& options) {
  Lowering l(network, "predict", options);
  const States states = bind_states(l, K::state);
  l.bind_weights();
  const ValueId h = l.field(l.map().output(), Filter::all, states);
  const ValueId scores = l.builder().one(OpKind::to_f32, {h}, {}, "scores");
  return checked(l.builder().finish({scores}, {to_string(Role{K::scores, {}, 0})}));
}

Graph lower_backward(const Network& network, Filter filter, const LowerOptions& options) {
  Lowering l(network, "backward", options);
  const States states = bind_states(l, K::state);
  const States targets = options.separate_targets ? bind_states(l, K::target) : states;
  const std::optional<ValueId> gate = bind_gate(l);
  l.bind_margins();
  l.bind_weights();
  std::vector<ValueId> results;
  std::vector<std::string> names;
  for (int row = 1; row <= l.map().output(); ++row) {
    results.push_back(l.field(row, filter, states));
    names.push_back(to_string(Role{K::field, {}, row}));
  }
  for (const auto& [edge, s] : l.correlations(l.map().trainable(), filter, states, targets, gate)) {
    const bool counted = l.builder().type(s).elem == Elem::i64;
    results.push_back(counted ? l.builder().one(OpKind::to_f32, {s}) : s);
    names.push_back(to_string(Role{K::correlation, edge, 0}));
  }
  return checked(l.builder().finish(results, names));
}

Graph lower_apply(const Network& network) {
  Lowering l(network, "apply", {});
  std::map<EdgeId, ValueId> scalars, correlations;
  for (const EdgeId edge : network.map.trainable()) {
    scalars[edge] = l.bind({K::scalars, edge, 0}, l.scalars_type(edge));
    correlations[edge] = l.bind({K::correlation, edge, 0}, l.weight_type(edge));
  }
  l.bind_weights();
  l.bind_moments();
  l.apply(correlations, scalars);
  return checked(l.builder().finish(l.trained(), l.trained_names()));
}

}  // namespace relaxon
