// Real-valued messages in scans compute the samples that moved, and give the interpreter's bits.
#include "passes/plan/followed_samples.hpp"

#include <catch2/catch.hpp>

#include "core/data/dataset.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "runtime/session.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

/// Two rows, the second driven by numbers that follow the first one's states, dense or sparse.
Network rescaled_network(std::int64_t first, std::int64_t second, Optimizer optimizer) {
  Network network;
  network.map = LayerMap({12, first, second, 10});
  network.map.add(1, 0, FullyConnected{.strength = 1, .threshold = 1})
      .add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1})
      .add(1, 2, FrozenFullyConnected{.strength = 0.1f, .threshold = 0})
      .add(2, 1, FrozenRescaledFullyConnected{.strength = 1})
      .add(2, 2, SparseRecurrentDiscrete{.j_d = 0.5, .threshold = 1, .sparsity = 0.8})
      .add(3, 2, FullyConnected{.strength = 1, .threshold = 2})
      .add(3, 3, OutputLayer{});
  network.schedule = Schedule::dynamical(1, 4, 4, 4);
  network.optimizer = std::move(optimizer);
  network.input = Values::ternary();
  network.label = label_values(LabelMode::pm1, 10);
  network.seed = 5;
  return network;
}

std::vector<const Step*> followed_steps(const Plan& plan) {
  std::vector<const Step*> found;
  for_each_step(plan.steps, [&](const Step& step, int) {
    if (followed_senders(step).index >= 0) found.push_back(&step);
  });
  return found;
}

TEST_CASE("numbers in a scan are followed by sample where that pays", "[plan]") {
  const Plan plan = make_plan(optimise(lower_train_epoch(rescaled_network(60, 57, Optimizer::sgd(1)))));
  const std::vector<const Step*> followed = followed_steps(plan);
  REQUIRE(followed.size() >= 2);
  for (const Step* step : followed) {
    const Slot& seen = plan.slot(followed_senders(*step));
    CHECK(seen.storage == Storage::reals);
    CHECK(seen.type == plan.slot(step->inputs[0]).type);
    // Message and senders last from before the loop over batches to its end.
    std::int32_t position = 0;
    for (const Step& loop : plan.steps) {
      ++position;
      if (loop.kernel != Kernel::loop) continue;
      std::int32_t end = position + 1;  // a body ends at a position of its own
      for_each_step(loop.body, [&](const Step& inner, int) { end += inner.body.empty() ? 1 : 2; });
      for (const SlotId kept : step->outputs) {
        CHECK(plan.slot(kept).first <= position);
        CHECK(plan.slot(kept).last >= end);
      }
    }
  }
  CHECK(parse_plan(print(plan), "p.rx") == plan);
  PlanOptions slow;  // where looking at numbers takes longer than adding them up for two receivers
  slow.target.l1_rate = slow.target.l2_rate = slow.target.l3_rate = 0.1;
  const Graph graph = optimise(lower_train_epoch(rescaled_network(200, 2, Optimizer::sgd(1))));
  CHECK(followed_steps(make_plan(graph, slow)).empty());
}

TEST_CASE("messages of the samples that moved are those of all", "[differential]") {
  for (const Optimizer& optimizer : {Optimizer::sgd(0.5), Optimizer::adam(0.01)}) {
    const Network network = rescaled_network(60, 57, optimizer);
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      for (const Graph& lowered : {lower_train_epoch(network), lower_evaluate_epoch(network)}) {
        const Arguments arguments = testing::random_arguments(lowered, network, seed);
        const Arguments others = testing::random_arguments(lowered, network, seed + 100);
        const auto reference = compile(lowered, Backend::interpreter);
        const auto expected = reference->run(arguments), expected_others = reference->run(others);
        for (const Backend backend : {Backend::kernels, Backend::jit}) {
          if (!has_backend(backend)) continue;
          for (const int threads : {1, 3}) {
            INFO(name_of(backend) << ", seed " << seed << ", " << threads << " threads");
            CompileOptions options;
            options.backend = backend;
            options.cache = jit::CodeCache(std::nullopt);
            options.plan.target.barrier = 0;
            if (threads > 1) options.team = std::make_shared<ThreadTeam>(threads);
            const auto program = compile(lowered, options);
            // What a run leaves behind is nothing to the next.
            const auto given = program->run(arguments), given_others = program->run(others),
                       again = program->run(arguments);
            for (std::size_t i = 0; i < expected.size(); ++i) {
              REQUIRE(*given[i] == *expected[i]);
              REQUIRE(*given_others[i] == *expected_others[i]);
              REQUIRE(*again[i] == *expected[i]);
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace relaxon
