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

/// A training of `batches` batches of 16 random images; what was counted, after comparing with the
/// interpreter.
RunStatistics trained(const Network& network, int batches, std::string_view passes = "default") {
  constexpr std::int64_t images = 48;
  Tensor x(DType::i8, {images, 20}), classes(DType::i32, {images});
  const auto draws = bits(key_of(3), images * 20, RngLayout::partitionable);
  for (std::size_t i = 0; i < draws.size(); ++i) x.data<std::int8_t>()[i] = draws[i] % 2 == 0 ? 1 : -1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(images); ++i)
    classes.data<std::int32_t>()[i] = static_cast<std::int32_t>(draws[i] / 2 % 3);
  const LabelledData data{std::make_shared<const Tensor>(x), std::make_shared<const Tensor>(classes),
                          std::make_shared<const Tensor>(label_code(LabelMode::pm1, 3))};
  std::vector<std::int32_t> order(static_cast<std::size_t>(batches * 16));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i % images);

  SessionOptions reference;
  reference.backend = Backend::interpreter;
  Session expected(network, reference);
  expected.train(data, order, 16);
  SessionOptions counting;
  counting.statistics = true;
  counting.passes = PassSelection::parse(passes);
  Session session(network, counting);
  session.train(data, order, 16);
  CHECK(session.digest() == expected.digest());
  const auto statistics = session.take_statistics();
  REQUIRE(statistics.size() == 1);
  CHECK(session.take_statistics().empty());
  return statistics[0].second;
}

Network bounded_network(float strength, float threshold, float weight_decay) {
  Network network;
  network.map = LayerMap({20, 30, 3});
  network.map
      .add(1, 0, FullyConnected{.strength = strength, .threshold = threshold, .weight_decay = weight_decay})
      .add(1, 1,
           RecurrentDiscrete{
               .j_d = 0.5, .threshold = threshold, .strength = strength, .weight_decay = weight_decay})
      .add(1, 2, FrozenFullyConnected{.strength = 0.1, .threshold = 0})
      .add(2, 1, FullyConnected{.strength = 0.1, .threshold = threshold})
      .add(2, 2, OutputLayer{});
  network.schedule = Schedule::dynamical(1, 2, 2, 2);
  network.optimizer = Optimizer::sgd(1);
  network.input = Values::ternary();
  network.label = label_values(LabelMode::pm1, 3);
  network.fixed_bits = 26;  // int32 ends at 32
  network.seed = 5;
  return network;
}

TEST_CASE("fields that outgrow int32, or shrink into it, keep their bits", "[differential]") {
  const RunStatistics growing = trained(bounded_network(0.5f, 50, 0), 12);
  CHECK(growing.batches == 12);
  CHECK(growing.wide_batches > 0);
  CHECK(growing.wide_batches < 12);
  const RunStatistics shrinking = trained(bounded_network(4, -1000, 0.2f), 150);
  CHECK(shrinking.batches == 150);
  CHECK(shrinking.wide_batches > 0);
  CHECK(shrinking.wide_batches < 150);
  // A message that is carried within another counts once.
  const RunStatistics apart = trained(bounded_network(4, -1000, 0.2f), 150, "default,-absorb");
  CHECK(apart.wide_batches == shrinking.wide_batches);
  CHECK(apart.bound_checks == shrinking.bound_checks);
}

TEST_CASE("statistics count what happened", "[statistics]") {
  const RunStatistics s = trained(bounded_network(0.5f, 1, 0), 6);
  CHECK(s.batches == 6);
  REQUIRE(s.phases.size() == 3);
  CHECK(s.phases[1].iterations == "iterations/1");
  for (const PhaseStatistics& phase : s.phases) {
    CHECK(phase.batches == 6);
    for (const IterationStatistics& i : phase.by_iteration) {
      CHECK(i.values == i.samples * 30);
      CHECK(i.flips >= i.moving);
      CHECK(i.moving <= i.samples);
    }
  }
  // From zeros every unit moves.
  CHECK(s.phases[0].by_iteration[0].flips == 6 * 16 * 30);
  REQUIRE(s.follows.size() == 3);
  CHECK(s.follows[0].edge == "1-1");
  CHECK(s.follows[0].wholes == 6);
  CHECK(s.follows[0].changes == 0);
  REQUIRE(s.updates.size() == 3);
  CHECK(s.updates[0].edge == "1-0");
  CHECK(s.updates[0].columns == 6 * 30);
  CHECK(s.updates[0].silent <= s.updates[0].columns);
  RunStatistics twice = s;
  twice.add(s);
  CHECK(twice.batches == 12);
  CHECK(twice.phases[0].by_iteration[0].flips == 2 * s.phases[0].by_iteration[0].flips);
  twice.clear();
  CHECK(twice.batches == 0);
  CHECK(twice.phases[0].by_iteration.empty());
  CHECK(to_text(twice, "train")
            .starts_with("train: 0 batches, 0 of them with fields in int64\n  iterations/0"));
}

}  // namespace
}  // namespace relaxon
