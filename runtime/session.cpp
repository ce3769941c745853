#include "runtime/session.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "runtime/digest.hpp"
#include "runtime/session_impl.hpp"

namespace relaxon {

Session::Session(Network network, SessionOptions options)
    : impl_(std::make_unique<Impl>(std::move(network), std::move(options))) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Network& Session::network() const { return impl_->network; }
const SessionOptions& Session::options() const { return impl_->options; }
const CompileReport& Session::compile_report() const { return impl_->report; }

std::vector<std::pair<std::string, RunStatistics>> Session::take_statistics() {
  std::vector<std::pair<std::string, RunStatistics>> taken;
  for (const auto& [key, program] : impl_->programs) {
    if (!program || !program->statistics() || program->statistics()->batches == 0) continue;
    taken.emplace_back(program->graph().name(), *program->statistics());
    program->clear_statistics();
  }
  return taken;
}

void Session::prepare() {
  impl_->program({Piece::train_epoch, Filter::all, {}});
  impl_->program({Piece::evaluate_epoch, Filter::all, {}});
}
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
    fail("edge {}: weight must be F32 {}, got {} {}", to_string(id), to_string(expected),
         name_of(values.dtype()), to_string(values.shape()));
  }
  check_finite(values, fmt::format("edge {}: weight", to_string(id)));
}

void check_pattern(const Pattern& given, const Pattern& own, EdgeId id) {
  if (given.senders != own.senders || given.receivers != own.receivers ||
      given.fixed_diagonal != own.fixed_diagonal) {
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
    fail("edge {}: the weight is {}, the network's is {}", to_string(edge),
         weight.is_sparse() ? "sparse" : "dense", state.weight.is_sparse() ? "sparse" : "dense");
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
      fail("edge {}: the weight is {}, the network's is {}", to_string(id),
           given.weight.is_sparse() ? "sparse" : "dense", own.weight.is_sparse() ? "sparse" : "dense");
    }
    if (given.weight.is_sparse()) check_pattern(*given.weight.pattern, *own.weight.pattern, id);
    const Shape shape =
        given.weight.is_sparse() ? Shape{given.weight.pattern->entries()} : own.weight.values.shape();
    check_weight(given.weight.values, shape, id);
    if (given.moments.size() != own.moments.size()) {
      fail("edge {}: {} moments are given, its optimizer keeps {}", to_string(id), given.moments.size(),
           own.moments.size());
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
  for (std::size_t row = 0; row < results.size(); ++row)
    state.buffer(static_cast<int>(row) + 1) = *results[row];
}

void Session::predict(State& state) {
  impl_->check_state(state);
  Program& program = impl_->program({Piece::predict, Filter::all, {.labelled = state.labelled()}});
  const auto results =
      impl_->run(program, [&](const Role& role) { return impl_->buffer(state, role.index); });
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
      fail("targets: a batch of {} {} labels for a state of {} {}", targets.batch(),
           targets.labelled() ? "with" : "without", state.batch(), state.labelled() ? "with" : "without");
    }
  }
  const Filter filter = options.filter.value_or(impl_->network.schedule.update_filter);
  const LowerOptions lowered{Impl::gate_shape(options.gate, state.batch()), options.targets != nullptr,
                             state.labelled(), false};
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
    if (!p)
      return i / static_cast<std::size_t>(state.weight.receivers()) ==
             i % static_cast<std::size_t>(state.weight.receivers());
    const auto sender = std::upper_bound(p->offsets.begin(), p->offsets.end(), static_cast<std::int32_t>(i)) -
                        p->offsets.begin() - 1;
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
    const std::vector<float> row =
        impl_->next_scalars(role.edge, impl_->edges.at(role.edge).clock, gradients.batch, gradients.gate);
    return own(Tensor::of<float>({static_cast<std::int64_t>(row.size())}, row));
  });
  impl_->store(program.graph(), results);
  for (const EdgeId id : impl_->network.map.trainable())
    impl_->edges.at(id).clock.advance(impl_->network.optimizer.at(id));
}

}  // namespace relaxon
