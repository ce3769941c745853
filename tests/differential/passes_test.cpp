// Passes are exact: on random networks the interpreter gives the same bits whatever passes have run.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/error.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

using Probes = std::vector<std::tuple<std::string, std::vector<std::int64_t>, Tensor>>;

struct Outcome {
  std::vector<TensorPtr> results;
  Probes probes;
};

Outcome run(const Graph& graph, const Arguments& arguments) {
  Outcome outcome;
  outcome.results =
      compile(graph, Backend::interpreter)
          ->run(arguments, [&](std::string_view name, const std::vector<std::int64_t>& at,
                               const Tensor& value) { outcome.probes.emplace_back(name, at, value); });
  return outcome;
}

/// "default", "none", each pass alone, each pass off.
std::vector<std::string> selections() {
  std::vector<std::string> texts{"default", "none"};
  for (const Pass& pass : all_passes()) {
    texts.emplace_back(pass.name);
    texts.push_back(fmt::format("default,-{}", pass.name));
  }
  return texts;
}

void check(const Graph& lowered, const Network& network, std::uint64_t seed,
           const std::vector<std::string>& choices) {
  const Arguments arguments = testing::random_arguments(lowered, network, seed);
  const Outcome expected = run(lowered, arguments);
  for (const std::string& passes : choices) {
    INFO("seed " << seed << ", graph " << lowered.name() << ", passes " << passes << "\n"
                 << testing::describe(network));
    PassOptions options;
    options.selection = PassSelection::parse(passes);
    const Outcome given = run(optimise(lowered, options), arguments);
    for (std::size_t i = 0; i < expected.results.size(); ++i) {
      INFO("result " << lowered.result_names()[i]);
      REQUIRE(*given.results[i] == *expected.results[i]);
    }
    REQUIRE((given.probes == expected.probes));
  }
}

std::uint64_t network_count() { return std::getenv("RELAXON_LONG") != nullptr ? 1000 : 60; }

TEST_CASE("every choice of passes gives the bits of the lowered graph", "[differential]") {
  for (std::uint64_t seed = 0; seed < network_count(); ++seed) {
    const Network network = testing::random_network(seed, seed % 4 == 0 ? 40 : 11);
    check(lower_train_epoch(network), network, seed, selections());
    check(lower_evaluate_epoch(network), network, seed, selections());
  }
}

TEST_CASE("passes keep every probe of a gated step", "[differential]") {
  for (std::uint64_t seed = 0; seed < network_count(); ++seed) {
    const Network network = testing::random_network(seed, 11);
    LowerOptions options;
    options.gate = seed % 2 == 0 ? GateShape::samples : GateShape::sample_column;
    options.probes = true;
    check(lower_train_step(network, options), network, seed, {"default"});
  }
}

}  // namespace
}  // namespace relaxon
