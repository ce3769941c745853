// The text form loses nothing: on random networks and the published ones, each stage survives print and
// parse.
#include "ir/text.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "frontends/network_file.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/plan.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

void check_graph(const Graph& graph) {
  const std::string text = print(graph);
  const Graph again = parse(text, "printed.rx");
  REQUIRE(equal(graph, again));
  REQUIRE(print(again) == text);
}

void check_stages(const Graph& lowered, const PassOptions& options = {}) {
  check_graph(lowered);
  const Graph optimised = optimise(lowered, options);
  check_graph(optimised);
  const Plan plan = make_plan(optimised);
  const std::string text = print(plan);
  const Plan again = parse_plan(text, "printed.rx");
  REQUIRE(again == plan);
  REQUIRE(print(again) == text);
}

void check_network(const Network& network) {
  check_stages(lower_train_epoch(network));
  check_stages(lower_evaluate_epoch(network));
  PassOptions none;
  none.selection = PassSelection::parse("none");
  check_stages(lower_train_epoch(network), none);
}

TEST_CASE("every stage of random networks survives print and parse", "[differential][text]") {
  const std::uint64_t networks = std::getenv("RELAXON_LONG") != nullptr ? 1000 : 100;
  for (std::uint64_t seed = 0; seed < networks; ++seed) {
    INFO("seed " << seed);
    const Network network = testing::random_network(seed);
    check_network(network);
    LowerOptions probes;
    probes.probes = true;
    check_stages(lower_train_step(network, probes));
  }
}

TEST_CASE("every stage of the published networks survives print and parse", "[differential][text]") {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RELAXON_NETWORKS_DIR)) {
    if (entry.path().extension() != ".toml") continue;
    INFO(entry.path());
    ++files;
    check_network(load_network_file(entry.path()).network);
  }
  CHECK(files > 0);
}

}  // namespace
}  // namespace relaxon
