// Threads give the bits of the interpreter, however many there are.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "core/data/dataset.hpp"
#include "core/rng.hpp"
#include "passes/lower.hpp"
#include "passes/plan/plan.hpp"
#include "runtime/session.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

constexpr int team_sizes[] = {1, 2, 3, 7};

/// Rows wide enough to be shared, dense and sparse, with feedback, skips and labels.
Network wide_network(Values input, Optimizer optimizer, Sweep sweep) {
  Network network;
  network.map = LayerMap({40, 300, 340, 10});
  network.map.add(1, 0, FullyConnected{.strength = 1, .threshold = 1, .weight_decay = 0.01f})
      .add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1})
      .add(1, 2, SparseFullyConnected{.strength = 1, .threshold = 1, .sparsity = 0.9})
      .add(2, 0, SparseFullyConnected{.strength = 2, .threshold = 1, .sparsity = 0.5, .weight_decay = 0.1f})
      .add(2, 1, FullyConnected{.strength = 1, .threshold = 1})
      .add(2, 2, SparseRecurrentDiscrete{.j_d = 0.5, .threshold = 1, .sparsity = 0.9})
      .add(2, 3, FrozenFullyConnected{.strength = 1, .threshold = 0})
      .add(3, 1, FullyConnected{.strength = 1, .threshold = 2})
      .add(3, 2, FullyConnected{.strength = 1, .threshold = 2})
      .add(3, 3, OutputLayer{});
  network.schedule = Schedule::dynamical(1, 2, 2, 2);
  network.schedule.sweep = sweep;
  network.optimizer = std::move(optimizer);
  network.input = input;
  network.label = label_values(LabelMode::pm1, 10);
  network.seed = 5;
  return network;
}

std::vector<TensorPtr> run(const Graph& lowered, const Arguments& arguments, const std::string& passes,
                           int threads) {
  CompileOptions options;
  options.passes = PassSelection::parse(passes);
  options.team = std::make_shared<ThreadTeam>(threads);
  const auto program = compile(lowered, options);
  program->run(arguments);
  return program->run(arguments);
}

void check_same(const std::vector<TensorPtr>& expected, const std::vector<TensorPtr>& given,
                const Graph& lowered) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(lowered.result_names()[i]);
    REQUIRE(*given[i] == *expected[i]);
  }
}

void check_team_sizes(const Network& network, std::uint64_t seed) {
  for (const Graph& lowered : {lower_train_epoch(network), lower_evaluate_epoch(network)}) {
    const Arguments arguments = testing::random_arguments(lowered, network, seed);
    const std::vector<TensorPtr> expected = compile(lowered, Backend::interpreter)->run(arguments);
    for (const int threads : team_sizes) {
      INFO(lowered.name() << ", seed " << seed << ", " << threads << " threads");
      check_same(expected, run(lowered, arguments, "default", threads), lowered);
    }
    for (const Pass& pass : all_passes()) {
      INFO(lowered.name() << ", seed " << seed << ", 3 threads, without " << pass.name);
      check_same(expected, run(lowered, arguments, fmt::format("default,-{}", pass.name), 3), lowered);
    }
  }
}

TEST_CASE("any number of threads gives the bits of the interpreter", "[differential][threads]") {
  check_team_sizes(wide_network(Values::ternary(), Optimizer::sgd(1), Sweep::sequential), 1);
  check_team_sizes(wide_network(Values::bytes(1.0f / 255), Optimizer::adam(0.01), Sweep::sequential), 2);
  check_team_sizes(wide_network(Values::real(), Optimizer::sgd(1, 0.9), Sweep::synchronous), 3);
}

TEST_CASE("wide networks share their training by senders and columns, evaluations by samples",
          "[plan][threads]") {
  const Network network = wide_network(Values::ternary(), Optimizer::sgd(1), Sweep::sequential);
  const auto count = [](const Plan& plan, Threads threads) {
    int n = 0;
    for_each_step(plan.steps, [&](const Step& step, int) { n += step.threads == threads; });
    return n;
  };
  const Plan train = make_plan(optimise(lower_train_epoch(network)));
  CHECK(count(train, Threads::columns) > 10);
  CHECK(count(train, Threads::senders) > 10);
  CHECK(count(train, Threads::samples) == 0);
  const Plan evaluate = make_plan(optimise(lower_evaluate_epoch(network)));
  CHECK(count(evaluate, Threads::columns) + count(evaluate, Threads::senders) == 0);
  CHECK(count(evaluate, Threads::samples) == 1);
}

}  // namespace
}  // namespace relaxon
