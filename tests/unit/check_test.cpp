#include "frontends/check/check.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/support/files.hpp"
#include "tests/support/random_network.hpp"
#include "tests/support/small_data.hpp"

namespace relaxon {
namespace {

using testing::error_of;

NetworkFile small_file() {
  NetworkFile file;
  LayerMap map({4, 5, 3});
  map.add(1, 0, FullyConnected{.strength = 1, .threshold = 1});
  map.add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1});
  map.add(2, 1, FullyConnected{.strength = 1, .threshold = 1});
  map.add(2, 2, OutputLayer{});
  file.network = {.map = map,
                  .schedule = Schedule::two_phase(2),
                  .optimizer = Optimizer::adam(0.1),
                  .input = Values::ternary(),
                  .label = Values::ternary(),
                  .seed = 7};
  file.data.batch_size = 4;
  file.data.shuffle = false;
  return file;
}

SessionOptions on(Backend backend) {
  SessionOptions options;
  options.backend = backend;
  return options;
}

/// Checks kernels against the interpreter, after `damage` has been done to the kernels' session.
template <class Damage>
CheckResult checked(Damage&& damage, std::int64_t steps = 3) {
  const NetworkFile file = small_file();
  const Dataset data = testing::small_data();
  Session kernels(file.network, on(Backend::kernels)), interpreter(file.network, on(Backend::interpreter));
  damage(kernels);
  BatchStream stream(file, data, 4);
  return check(kernels, interpreter, data, stream, 4, steps);
}

}  // namespace

TEST_CASE("backends agree in every value", "[check]") {
  const CheckResult result = checked([](Session&) {});
  CHECK_FALSE(result.difference);
  CHECK(result.steps == 3);
  // A step: 2 phases of 2 iterations with s1, h1, h2; after each s1, h1, h2; f1, f2; error, S, weight of 3
  // edges. The evaluation: 4 iterations with s1, h1, h2; after them s1, h1, h2; scores.
  CHECK(result.values == 3 * (2 * 2 * 3 + 2 * 3 + 2 + 3 * 3) + 4 * 3 + 3 + 1);
}

TEST_CASE("an injected fault is found where it first shows", "[check]") {
  // A weight of edge 1-0 with another sign: the first field that it enters differs.
  const CheckResult result = checked([](Session& s) {
    Tensor w = s.weight({1, 0}).values;
    w.data<float>()[2 * 5 + 3] += 1.0f;
    s.set_weight({1, 0}, w);
  });
  REQUIRE(result.difference);
  CHECK(result.difference->probe == "h1@0:every");
  CHECK(result.difference->step == 0);
  CHECK(result.difference->iteration == 0);
  CHECK(result.difference->index == std::vector<std::int64_t>{0, 3});
  CHECK(result.steps == 0);
  CHECK(result.values == 0);
}

TEST_CASE("a fault of one unit in the last place of a moment shows in the weight", "[check]") {
  const CheckResult result = checked([](Session& s) {
    std::map<EdgeId, EdgeState> edges = s.edges();
    edges.at({2, 1}).moments[0].data<float>()[7] = 0.5f;
    s.restore(edges);
  });
  REQUIRE(result.difference);
  CHECK(result.difference->probe == "weight/2-1");
  CHECK(result.difference->step == 0);
  CHECK_FALSE(result.difference->iteration);
  CHECK(result.difference->index == std::vector<std::int64_t>{2, 1});
  CHECK(to_string(*result.difference, "a", "b") == fmt::format("step 0, weight/2-1, [2, 1]: {} on a, {} on b",
                                                               result.difference->first,
                                                               result.difference->second));
}

TEST_CASE("without steps the evaluation is checked", "[check]") {
  const CheckResult result = checked(
      [](Session& s) {
        Tensor w = s.weight({2, 1}).values;
        w.data<float>()[0] += 0.25f;
        s.set_weight({2, 1}, w);
      },
      0);
  REQUIRE(result.difference);
  CHECK(result.difference->probe == "h2@0:every");
  CHECK(result.difference->evaluation);
  const std::string text = to_string(*result.difference, "a", "b");
  CHECK(text.starts_with("evaluation after step 0, h2@0:every, iteration 0, [0, 0]: "));
  CHECK(text.find(" 2^-20 (") != std::string::npos);
}

TEST_CASE("sessions of different networks are not compared", "[check]") {
  NetworkFile file = small_file();
  const Dataset data = testing::small_data();
  Session a(file.network);
  file.network.seed = 8;
  Session b(file.network);
  BatchStream stream(file, data, 4);
  CHECK(error_of([&] { check(a, b, data, stream, 4, 1); }) ==
        "check: the sessions are of different networks");
}

}  // namespace relaxon
