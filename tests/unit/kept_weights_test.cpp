// q of weights that their updates keep: where the plan says so, and that nobody can tell.
#include "passes/plan/kept_weights.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <map>
#include <memory>

#include "core/data/dataset.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/plan.hpp"
#include "runtime/session.hpp"
#include "tests/support/files.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

Network network_of(Optimizer optimizer, Schedule schedule) {
  Network network;
  network.map = LayerMap({20, 30, 3});
  network.map.add(1, 0, FullyConnected{.strength = 1, .threshold = 2, .weight_decay = 0.1f})
      .add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 2})
      .add(1, 2, FrozenFullyConnected{.strength = 0.1f, .threshold = 0})
      .add(2, 0, SparseFullyConnected{.strength = 1, .threshold = 2, .sparsity = 0.5})
      .add(2, 1, FullyConnected{.strength = 1, .threshold = 2})
      .add(2, 2, OutputLayer{});
  network.schedule = std::move(schedule);
  network.optimizer = std::move(optimizer);
  network.input = Values::ternary();
  network.label = label_values(LabelMode::pm1, 3);
  network.fixed_bits = 24;
  network.seed = 5;
  return network;
}

/// Learns between the phases, and again at the end.
Schedule learning_twice() {
  Schedule schedule = Schedule::dynamical(1, 2, 2, 2);
  schedule.steps.insert(schedule.steps.begin() + 2, UpdatePoint{{{1, 1}, {2, 1}}});
  schedule.steps.push_back(UpdatePoint{});
  return schedule;
}

/// The plan's steps that make q of a dense weight, and those that keep it, by the slot of q.
struct Keepers {
  std::map<SlotId, int> makers, kept, updates;
  explicit Keepers(const Plan& plan) {
    for_each_step(plan.steps, [&](const Step& step, int) {
      if (step.kernel == Kernel::quantise && plan.slot(step.outputs[0]).storage == Storage::dense_fixed) {
        ++makers[step.outputs[0]];
        if (step.kept) ++kept[step.outputs[0]];
      }
      if (step.kernel != Kernel::update && step.kernel != Kernel::apply) return;
      if (const SlotId q = kept_by(step); q.index >= 0) ++updates[q];
    });
  }
};

const Step& loop_of(const Plan& plan) {
  for (const Step& step : plan.steps)
    if (step.kernel == Kernel::loop) return step;
  FAIL("no loop over batches");
  return plan.steps.front();
}

TEST_CASE("updates of an epoch keep q of dense weights from batch to batch", "[plan][kept]") {
  const Schedule once = Schedule::dynamical(1, 2, 2, 2);
  for (const Schedule& schedule : {once, learning_twice(), Schedule::contrastive(1, 2, 2)}) {
    const Plan plan = make_plan(optimise(lower_train_epoch(network_of(Optimizer::adam(0.01), schedule))));
    const Keepers keepers(plan);
    CHECK(keepers.makers.size() == 3);
    CHECK(keepers.kept == keepers.makers);
    for (const auto& [q, makers] : keepers.makers) {
      CHECK(keepers.updates.at(q) >= 1);
      // Alive at both ends of the loop, which stands a position before its first step.
      const std::int32_t last_inside = plan.slot(loop_of(plan).outputs[0]).last;
      CHECK(plan.slot(q).last >= last_inside - 1);
      for_each_step(loop_of(plan).body, [&, q = q](const Step& step, int) {
        for (const SlotId s : step.outputs) CHECK(plan.slot(q).first <= plan.slot(s).last);
      });
    }
    CHECK(parse_plan(print(plan), "p.rx") == plan);
  }
}

TEST_CASE("without a next batch nothing is kept", "[plan][kept]") {
  const Network network = network_of(Optimizer::sgd(1), Schedule::dynamical(1, 2, 2, 2));
  for (const Graph& lowered : {lower_train_step(network, {}), lower_evaluate_epoch(network)}) {
    const Keepers keepers(make_plan(optimise(lowered)));
    CHECK(keepers.makers.size() >= 3);
    CHECK(keepers.kept.empty());
    CHECK(keepers.updates.empty());
  }
}

std::vector<Backend> planned_backends() {
  return has_backend(Backend::jit) ? std::vector{Backend::kernels, Backend::jit}
                                   : std::vector{Backend::kernels};
}

TEST_CASE("runs begin with the q of their own weights", "[kept]") {
  for (const Optimizer& optimizer : {Optimizer::sgd(1), Optimizer::sgd(1, 0.9), Optimizer::adam(0.01)}) {
    for (const Schedule& schedule : {Schedule::dynamical(1, 2, 2, 2), learning_twice()}) {
      const Network network = network_of(optimizer, schedule);
      const Graph lowered = lower_train_epoch(network);
      const auto reference = compile(lowered, Backend::interpreter);
      for (const Backend backend : planned_backends()) {
        const auto program = compile(lowered, backend);
        for (const std::uint64_t seed : {1u, 2u, 1u, 3u}) {
          INFO(name_of(backend) << ", seed " << seed);
          const Arguments arguments = testing::random_arguments(lowered, network, seed);
          const auto expected = reference->run(arguments), given = program->run(arguments);
          for (std::size_t i = 0; i < expected.size(); ++i) CHECK(*given[i] == *expected[i]);
        }
      }
    }
  }
}

/// What goes wrong when a network trains for so many batches.
std::string error_after(const Network& network, const SessionOptions& options, std::int32_t batches) {
  constexpr std::int64_t images = 16;
  Tensor x(DType::i8, {images, 20}), classes(DType::i32, {images});
  for (std::size_t i = 0; i < static_cast<std::size_t>(images * 20); ++i)
    x.data<std::int8_t>()[i] = i % 3 == 0 ? 1 : -1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(images); ++i)
    classes.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 3);
  const LabelledData data{std::make_shared<const Tensor>(x), std::make_shared<const Tensor>(classes),
                          std::make_shared<const Tensor>(label_code(LabelMode::pm1, 3))};
  std::vector<std::int32_t> order(static_cast<std::size_t>(batches * images));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i % images);
  Session session(network, options);
  return testing::error_of([&] { session.train(data, order, images); });
}

TEST_CASE("a weight that grows too large for q is an error in the batch after", "[kept]") {
  for (const Optimizer& optimizer : {Optimizer::sgd(1), Optimizer::sgd(1, 0.9), Optimizer::adam(5)}) {
    Network network = network_of(optimizer, Schedule::dynamical(1, 2, 2, 2));
    network.fixed_bits = 26;
    network.map = LayerMap({20, 30, 3});
    network.map.add(1, 0, FullyConnected{.strength = 1, .threshold = 1e6f})
        .add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1e6f})
        .add(2, 1, FullyConnected{.strength = 1, .threshold = 1e6f})
        .add(2, 2, OutputLayer{});
    SessionOptions reference;
    reference.backend = Backend::interpreter;
    std::int32_t batches = 1;
    while (batches < 200 && error_after(network, reference, batches) == "no error") ++batches;
    const std::string expected = error_after(network, reference, batches);
    CHECK(expected.ends_with("; with 26 fixed bits it must be below 32 in magnitude"));
    for (const Backend backend : planned_backends()) {
      for (const int threads : {1, 3}) {
        SessionOptions options;
        options.backend = backend;
        options.team = std::make_shared<ThreadTeam>(threads);
        INFO(name_of(backend) << ", " << threads << " threads");
        CHECK(error_after(network, options, batches) == expected);
        CHECK(error_after(network, options, batches - 1) == "no error");
      }
    }
  }
}

}  // namespace
}  // namespace relaxon
