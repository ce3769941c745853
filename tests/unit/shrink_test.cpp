// A failing network is shown at its smallest, as a file that says the same.
#include "tests/support/shrink.hpp"

#include <catch2/catch.hpp>

#include "core/error.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon::testing {
namespace {

TEST_CASE("shrinking keeps what makes a network fail and nothing else", "[support]") {
  const Network network = random_network(7, 11);
  const EdgeId culprit{network.map.output(), network.map.output() - 1};
  const Network smallest = shrunk(network, [&](const Network& n) { return n.map.edges().contains(culprit); });
  // Layers can't be taken away; of the adapters one is left.
  CHECK(smallest.map.edges().size() == static_cast<std::size_t>(smallest.map.output()) + 1);
  CHECK(smallest.map.edges().contains(culprit));
  CHECK(smallest.optimizer.edges.empty());
}

TEST_CASE("a network that throws counts as failing", "[support]") {
  const Network network = random_network(3, 11);
  const Network smallest = shrunk(network, [](const Network&) -> bool { fail("always"); });
  CHECK(smallest.schedule.steps.size() <= network.schedule.steps.size());
  CHECK(smallest.map.edges().size() == static_cast<std::size_t>(smallest.map.output()));
}

TEST_CASE("a network's text names its edges, phases and optimizers", "[support]") {
  const Network network = random_network(7, 11);
  const std::string text = network_text(network);
  for (const auto& [id, edge] : network.map.edges()) {
    CHECK(text.find(fmt::format("receiver = {}\nsender = {}\nmodule = \"{}\"", id.receiver, id.sender,
                                name_of(edge.module))) != std::string::npos);
  }
  CHECK(text.find("[optimizer]\nname = ") != std::string::npos);
}

}  // namespace
}  // namespace relaxon::testing
