// Plans are exact: on random networks every backend and instruction set gives the interpreter's bits on the
// lowered graph, whatever passes have run.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/plan.hpp"
#include "tests/support/random_network.hpp"
#include "tests/support/shrink.hpp"

namespace relaxon {
namespace {

struct Choice {
  Backend backend;
  Isa isa;
  std::string passes;
  int threads = 1;
};

/// The default passes on every instruction set of this machine; no passes, each switched off, and all that
/// threads can share shared, on one of them.
std::vector<Choice> choices(std::uint64_t seed) {
  std::vector<Isa> present;
  for (const Isa isa : {Isa::x86_64, Isa::avx2, Isa::avx512}) {
    if (has_isa(isa)) present.push_back(isa);
  }
  std::vector<Choice> all;
  for (const Isa isa : present) all.push_back({Backend::kernels, isa, "default"});
  const Isa one = present[seed % present.size()];
  all.push_back({Backend::kernels, one, "none"});
  for (const Pass& pass : all_passes())
    all.push_back({Backend::kernels, one, fmt::format("default,-{}", pass.name)});
  if (has_backend(Backend::jit)) {
    all.push_back({Backend::jit, one, "default"});
    all.push_back({Backend::jit, one, seed % 2 == 0 ? "none" : "default,-advance"});
    all.push_back({Backend::jit, one, "default", 3});
  }
  all.push_back({Backend::kernels, one, seed % 3 == 0 ? "none" : "default", 2});
  return all;
}

std::vector<TensorPtr> run(const Graph& lowered, const Choice& choice, const Arguments& arguments) {
  CompileOptions options;
  options.backend = choice.backend;
  options.cache = jit::CodeCache(std::nullopt);
  options.passes = PassSelection::parse(choice.passes);
  options.isa = choice.isa;
  if (choice.threads > 1) options.team = std::make_shared<ThreadTeam>(choice.threads);
  options.plan.target.barrier = 0;                                  // nothing is too small to share,
  options.plan.target.l1_rate = options.plan.target.l2_rate = 1e9;  // looking at numbers costs nothing
  return compile(lowered, options)->run(arguments);
}

using Lower = std::function<Graph(const Network&)>;

/// The first result that differs from the interpreter's; nullopt if none does.
std::optional<std::string> difference(const Network& network, std::uint64_t seed, const Lower& lower,
                                      const Choice& choice) {
  const Graph lowered = lower(network);
  const Arguments arguments = testing::random_arguments(lowered, network, seed);
  const std::vector<TensorPtr> expected = compile(lowered, Backend::interpreter)->run(arguments);
  const std::vector<TensorPtr> given = run(lowered, choice, arguments);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!(*given[i] == *expected[i])) return lowered.result_names()[i];
  }
  return std::nullopt;
}

/// Compares all choices; a failure is shown on the smallest network that still fails.
void check(const Network& network, std::uint64_t seed, const Lower& lower) {
  for (const Choice& choice : choices(seed)) {
    if (!difference(network, seed, lower, choice)) continue;
    const auto fails = [&](const Network& n) { return difference(n, seed, lower, choice).has_value(); };
    const Network smallest = testing::shrunk(network, fails);
    FAIL("seed " << seed << ", " << name_of(choice.backend) << ", " << name_of(choice.isa) << ", passes "
                 << choice.passes << ", " << choice.threads
                 << " threads: " << *difference(smallest, seed, lower, choice) << " differs in\n"
                 << testing::network_text(smallest));
  }
  SUCCEED();
}

bool long_run() { return std::getenv("RELAXON_LONG") != nullptr; }

TEST_CASE("plans give the bits of the interpreter on every backend and instruction set", "[differential]") {
  const std::uint64_t networks = long_run() ? 1000 : 60;
  for (std::uint64_t seed = 0; seed < networks; ++seed) {
    // Large networks are rare: the interpreter is slow.
    const Network network = testing::random_network(seed, long_run() && seed % 20 == 0 ? 300
                                                          : seed % 4 == 0              ? 40
                                                                                       : 11);
    check(network, seed, lower_train_epoch);
    check(network, seed, lower_evaluate_epoch);
  }
}

/// What the weights, senders and errors of updates by two phases lie in: "columns signs pair".
std::set<std::string> kinds_of_contrast(const Network& network) {
  std::set<std::string> kinds;
  const Plan plan = make_plan(optimise(lower_train_epoch(network)));
  for_each_step(plan.steps, [&](const Step& step, int) {
    if (step.kernel != Kernel::update) return;
    const std::vector<Correlated> correlations = correlations_of(step);
    REQUIRE(correlations.size() == 2);
    const auto storage = [&](SlotId s) { return name_in(storage_names, plan.slot(s).storage); };
    kinds.insert(fmt::format("{} {} {}", storage(step.inputs[0]), storage(correlations[0].u),
                             storage(correlations[0].v)));
  });
  return kinds;
}

TEST_CASE("contrastive plans give the bits of the interpreter", "[differential]") {
  std::set<std::string> kinds;
  for (std::uint64_t seed = 0; seed < (long_run() ? 300u : 25u); ++seed) {
    Network network = testing::random_network(1000 + seed, seed % 5 == 0 ? 40 : 11);
    Schedule schedule = Schedule::contrastive(2, 2, 2);
    schedule.sweep = network.schedule.sweep;
    schedule.update_filter = network.schedule.update_filter;
    network.schedule = schedule;
    check(network, seed, lower_train_epoch);
    kinds.merge(kinds_of_contrast(network));
  }
  for (const std::string weight : {"dense", "columns"}) {
    for (const std::string sides :
         {"signs signs", "bytes signs", "pair signs", "reals signs", "signs pair", "signs reals"}) {
      INFO(weight << ' ' << sides);
      CHECK(kinds.contains(weight + ' ' + sides));
    }
  }
}

TEST_CASE("plans give the bits of the interpreter on single steps with gates", "[differential]") {
  for (std::uint64_t seed = 0; seed < (long_run() ? 300u : 30u); ++seed) {
    const Network network = testing::random_network(seed, 11);
    LowerOptions options;
    options.gate = seed % 2 == 0 ? GateShape::samples : GateShape::sample_column;
    check(network, seed, [&](const Network& n) { return lower_train_step(n, options); });
    check(network, seed, [](const Network& n) { return lower_evaluate_step(n); });
  }
}

}  // namespace
}  // namespace relaxon
