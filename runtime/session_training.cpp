// Whole batches, epochs and evaluations.
#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "passes/plan/evaluation_batch.hpp"
#include "runtime/session_impl.hpp"

namespace relaxon {
namespace {

/// Both the caller's sink and that of a recording.
ProbeSink both(const ProbeSink& probes, const ProbeSink& recording) {
  if (!probes) return recording;
  if (!recording) return probes;
  return
      [&probes, recording](std::string_view name, const std::vector<std::int64_t>& at, const Tensor& value) {
        probes(name, at, value);
        recording(name, at, value);
      };
}

}  // namespace

void Session::record(Recording recording, bool evaluation) {
  for (const Probe& probe : recording.probes) validate(probe, impl_->network, evaluation);
  if (!recording.sink) fail("recording: it has no sink");
  if (recording.first < 0) fail("recording: first = {}; expected at least 0", recording.first);
  if (recording.steps < 0) fail("recording: steps = {}; expected at least 0", recording.steps);
  (evaluation ? impl_->evaluation : impl_->training) = Impl::Watch{std::move(recording), 0};
}

ProbeSink Session::Impl::Stretch::sink(bool looped) const {
  if (!seen_by) return {};
  return [sink = &seen_by->recording.sink, first = first, looped](
             std::string_view name, const std::vector<std::int64_t>& loops, const Tensor& value) {
    std::vector<std::int64_t> at{first + (looped ? loops.at(0) : 0)};
    at.insert(at.end(), loops.begin() + (looped ? 1 : 0), loops.end());
    (*sink)(name, at, value);
  };
}

Session::Impl::Stretch Session::Impl::next_stretch(std::optional<Watch>& watch, std::int64_t steps) {
  if (!watch) return {steps};
  const auto& [probes, sink, first, count] = watch->recording;
  const std::int64_t at = watch->offered;
  Stretch stretch{steps};
  if (at < first) {
    stretch.steps = std::min(steps, first - at);
  } else if (at - first < count) {
    stretch = {std::min(steps, count - (at - first)), &*watch, at - first};
  }
  watch->offered += stretch.steps;
  return stretch;
}

void Session::train_batch(const Tensor& x, const Tensor& y, const Tensor* gate, const ProbeSink& probes) {
  const State state = clamp(impl_->network, x, &y);
  if (gate) impl_->check_gate(*gate, state.batch());
  const Impl::Stretch stretch = Impl::next_stretch(impl_->training, 1);
  const LowerOptions lowered{Impl::gate_shape(gate, state.batch()), false, true, static_cast<bool>(probes),
                             stretch.probes()};
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
      both(probes, stretch.sink(false)));
  impl_->store(program.graph(), results);
  for (const auto& [id, clock] : clocks) impl_->edges.at(id).clock = clock;
}

Tensor Session::evaluate(const Tensor& x) {
  const State state = clamp(impl_->network, x, nullptr);
  const Impl::Stretch stretch = Impl::next_stretch(impl_->evaluation, 1);
  LowerOptions lowered;
  lowered.selected = stretch.probes();
  Program& program = impl_->program({Piece::evaluate_step, Filter::all, lowered});
  const auto results = impl_->run(
      program,
      [&](const Role& role) {
        return role.kind == Role::Kind::input ? borrow(state.buffer(0))
                                              : impl_->iterations(impl_->network.schedule.evaluate, role);
      },
      stretch.sink(false));
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
  for (std::int64_t done = 0; done < images;) {
    const std::int64_t left = (images - done + batch_size - 1) / batch_size;
    const Impl::Stretch stretch = Impl::next_stretch(impl_->training, left);
    const std::int64_t count = std::min(images - done, stretch.steps * batch_size);
    const auto part = order.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count));
    impl_->train_stretch(data, part, batch_size, stretch);
    done += count;
  }
}

void Session::Impl::train_stretch(const LabelledData& data, std::span<const std::int32_t> images_in_order,
                                  std::int64_t batch_size, const Stretch& stretch) {
  LowerOptions lowered;
  lowered.selected = stretch.probes();
  Program& compiled = program({Piece::train_epoch, Filter::all, lowered});
  const auto images = static_cast<std::int64_t>(images_in_order.size());
  const std::vector<Phase> phases = network.schedule.phases();
  const Tables scalars = tables(images, batch_size);
  const std::int64_t steps = stretch.steps;
  const auto special = [&](const Role& role) -> TensorPtr {
    switch (role.kind) {
      case Role::Kind::inputs: return inputs_as_stored(network, data);
      case Role::Kind::classes: return data.classes;
      case Role::Kind::code: return label(*data.code);
      case Role::Kind::order: return own(Tensor::of<std::int32_t>({images}, images_in_order));
      case Role::Kind::steps: return integer(steps);
      case Role::Kind::batch: return integer(batch_size);
      case Role::Kind::iterations: return iterations(phases, role);
      default: break;
    }
    const std::vector<float>& table = scalars.rows.at({role.edge, role.index});
    return own(Tensor::of<float>({steps, static_cast<std::int64_t>(table.size()) / steps}, table));
  };
  store(compiled.graph(), run(compiled, special, stretch.sink(true)));
  for (const auto& [id, clock] : scalars.clocks) edges.at(id).clock = clock;
}

std::int64_t Session::evaluation_batch(std::int64_t images) {
  if (impl_->evaluation) return recorded_batch;
  const std::int64_t chosen = impl_->program({Piece::evaluate_epoch, Filter::all, {}}).batch();
  const SessionOptions& options = impl_->options;
  return shared_evaluation_batch(chosen, options.plan.batch, images, options.team ? options.team->size() : 1);
}

std::int64_t Session::hits(const LabelledData& data, std::int64_t images, std::int64_t batch_size) {
  if (images < 1) return 0;
  impl_->check_split(data, batch_size);
  if (images > data.inputs->shape()[0])
    fail("data: {} images asked for, the split has {}", images, data.inputs->shape()[0]);
  std::int64_t right = 0;
  for (std::int64_t done = 0; done < images;) {
    const std::int64_t left = (images - done + batch_size - 1) / batch_size;
    const Impl::Stretch stretch = Impl::next_stretch(impl_->evaluation, left);
    const std::int64_t count = std::min(images - done, stretch.steps * batch_size);
    right += impl_->hits_stretch(data, done, count, batch_size, stretch);
    done += count;
  }
  return right;
}

std::int64_t Session::Impl::hits_stretch(const LabelledData& data, std::int64_t first, std::int64_t images,
                                         std::int64_t batch_size, const Stretch& stretch) {
  LowerOptions lowered;
  lowered.selected = stretch.probes();
  Program& compiled = program({Piece::evaluate_epoch, Filter::all, lowered});
  const auto special = [&](const Role& role) -> TensorPtr {
    switch (role.kind) {
      case Role::Kind::inputs: return inputs_as_stored(network, data);
      case Role::Kind::classes: return data.classes;
      case Role::Kind::order: {
        std::vector<std::int32_t> order(static_cast<std::size_t>(images));
        std::iota(order.begin(), order.end(), static_cast<std::int32_t>(first));
        return own(Tensor::of<std::int32_t>({images}, order));
      }
      case Role::Kind::steps: return integer((images + batch_size - 1) / batch_size);
      case Role::Kind::batch: return integer(batch_size);
      default: return iterations(network.schedule.evaluate, role);
    }
  };
  return run(compiled, special, stretch.sink(true))[0]->data<std::int64_t>()[0];
}

}  // namespace relaxon
