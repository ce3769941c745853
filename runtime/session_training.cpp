// Whole batches, epochs and evaluations.
#include <numeric>

#include "core/error.hpp"
#include "runtime/session_impl.hpp"

namespace relaxon {

void Session::train_batch(const Tensor& x, const Tensor& y, const Tensor* gate, const ProbeSink& probes) {
  const State state = clamp(impl_->network, x, &y);
  if (gate) impl_->check_gate(*gate, state.batch());
  const LowerOptions lowered{Impl::gate_shape(gate, state.batch()), false, true, static_cast<bool>(probes)};
  Program& program = impl_->program({Piece::train_step, Filter::all, lowered});
  const std::vector<Phase> phases = impl_->network.schedule.phases();
  std::map<EdgeId, OptimizerClock> clocks;
  for (const EdgeId id : impl_->network.map.trainable()) clocks[id] = impl_->edges.at(id).clock;
  const auto results = impl_->run(
      program,
      [&](const Role& role) -> TensorPtr {
        switch (role.kind) {
          case Role::Kind::input: return borrow(state.buffer(0));
          case Role::Kind::label: return impl_->label(y);
          case Role::Kind::gate: return borrow(*gate);
          case Role::Kind::iterations: return impl_->iterations(phases, role);
          default: break;
        }
        // Bound in the order of the update points, so an edge's clock moves on as it will.
        const std::vector<float> row =
            impl_->next_scalars(role.edge, clocks.at(role.edge), state.batch(), Impl::scalar_gate(gate));
        clocks.at(role.edge).advance(impl_->network.optimizer.at(role.edge));
        return own(Tensor::of<float>({static_cast<std::int64_t>(row.size())}, row));
      },
      probes);
  impl_->store(program.graph(), results);
  for (const auto& [id, clock] : clocks) impl_->edges.at(id).clock = clock;
}

Tensor Session::evaluate(const Tensor& x) {
  const State state = clamp(impl_->network, x, nullptr);
  Program& program = impl_->program({Piece::evaluate_step, Filter::all, {}});
  const auto results = impl_->run(program, [&](const Role& role) {
    return role.kind == Role::Kind::input ? borrow(state.buffer(0))
                                          : impl_->iterations(impl_->network.schedule.evaluate, role);
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
    if (i < 0 || i >= data.inputs->shape()[0])
      fail("data: order names image {} of {}", i, data.inputs->shape()[0]);
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
  if (images > data.inputs->shape()[0])
    fail("data: {} images asked for, the split has {}", images, data.inputs->shape()[0]);
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
