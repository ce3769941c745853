#include <catch2/catch.hpp>

#include "core/error.hpp"
#include "ir/text.hpp"
#include "ir/verify.hpp"
#include "tests/support/files.hpp"
#include "tests/support/random_graph.hpp"

using namespace relaxon;

TEST_CASE("damaged texts give a graph that holds or one line of error", "[ir][fuzz]") {
  std::uint64_t state = 20;
  int refused = 0, accepted = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::string text = print(testing::random_graph(seed));
    for (int damage = 0; damage < 40; ++damage) {
      const std::string damaged = testing::mutated(text, state);
      INFO("seed " << seed << ", damage " << damage << ":\n" << damaged);
      try {
        const Graph graph = parse(damaged, "damaged.rx");
        verify(graph);
        CHECK(equal(graph, parse(print(graph), "printed.rx")));
        ++accepted;
      } catch (const Error& error) {
        CHECK(std::string_view(error.what()).find('\n') == std::string_view::npos);
        CHECK(std::string_view(error.what()).substr(0, 11) == "damaged.rx:");
        ++refused;
      }
    }
  }
  CHECK(refused > 0);
  CHECK(accepted > 0);
}

TEST_CASE("every prefix of a text is refused", "[ir][fuzz]") {
  const std::string text = print(testing::random_graph(3));
  const std::size_t end = text.rfind("return");
  for (std::size_t length = 0; length < end; length += 3) {
    INFO("length " << length);
    CHECK_THROWS_AS(parse(text.substr(0, length), "prefix.rx"), Error);
  }
}
