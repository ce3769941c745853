// Fields are int32 where a bound says that they fit, else int64; no bit depends on it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/data/dataset.hpp"
#include "core/rng.hpp"
#include "runtime/session.hpp"
#include "tests/support/random_network.hpp"
#include "tests/support/run_graph.hpp"

namespace relaxon {
namespace {

constexpr std::int64_t images = 48, inputs = 20;

/// Signs, bytes, or numbers of magnitude 1 and less.
Tensor random_images(const Values& input, const std::vector<std::uint32_t>& draws) {
  const Shape shape{images, inputs};
  const auto filled = [&]<class T>(DType dtype, T, auto value) {
    Tensor x(dtype, shape);
    for (std::size_t i = 0; i < draws.size(); ++i) x.data<T>()[i] = static_cast<T>(value(draws[i]));
    return x;
  };
  if (input.kind == Values::Kind::bytes)
    return filled(DType::u8, std::uint8_t{}, [](std::uint32_t draw) { return draw % 256; });
  if (input.kind == Values::Kind::real)
    return filled(DType::f32, float{},
                  [](std::uint32_t draw) { return static_cast<float>(draw % 2001) / 1000 - 1; });
  return filled(DType::i8, std::int8_t{}, [](std::uint32_t draw) { return draw % 2 == 0 ? 1 : -1; });
}

/// A training of `batches` batches of 16 random images; what was counted, after comparing with the
/// interpreter.
RunStatistics trained(const Network& network, int batches, std::string_view passes = "default") {
  const auto draws = bits(key_of(3), images * inputs, RngLayout::partitionable);
  Tensor classes(DType::i32, {images});
  for (std::size_t i = 0; i < static_cast<std::size_t>(images); ++i)
    classes.data<std::int32_t>()[i] = static_cast<std::int32_t>(draws[i] / 2 % 3);
  const LabelledData data{std::make_shared<const Tensor>(random_images(network.input, draws)),
                          std::make_shared<const Tensor>(classes),
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

/// Nothing is large but what the input adds: on average 3.6 times `strength` in magnitude over a unit's 20
/// weights, half as much over those of one sign. int32 ends at 16.
Network driven_network(Values input, Module first, float threshold = 0) {
  Network network;
  network.map = LayerMap({inputs, 30, 3});
  network.map.add(1, 0, first)
      .add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = threshold, .strength = 0.01f})
      .add(2, 1, FullyConnected{.strength = 0.1f, .threshold = threshold})
      .add(2, 2, OutputLayer{});
  network.schedule = Schedule::dynamical(1, 2, 2, 2);
  network.optimizer = Optimizer::sgd(0.01);
  network.input = input;
  network.label = label_values(LabelMode::pm1, 3);
  network.fixed_bits = 26;
  network.seed = 5;
  return network;
}

TEST_CASE("a message is bounded by the numbers of its input", "[differential]") {
  const auto wide = [](const Network& network) { return trained(network, 4).wide_batches; };
  const FrozenFullyConnected strong{.strength = 5, .threshold = 0};
  CHECK(wide(driven_network(Values::ternary(), strong)) == 4);
  // Pixels aren't below 0: weights of one sign are what can add up.
  CHECK(wide(driven_network(Values::bytes(1.0f / 255), strong)) == 0);
  CHECK(wide(driven_network(Values::bytes(1.0f / 127), strong)) == 4);
  CHECK(wide(driven_network(Values::real(), strong)) == 4);
  CHECK(wide(driven_network(Values::real(), FrozenFullyConnected{.strength = 2, .threshold = 0})) == 0);
}

TEST_CASE("numbers that are made of an input are bounded, too", "[differential]") {
  const auto wide = [](const Network& network) { return trained(network, 4).wide_batches; };
  for (const Values input : {Values::real(), Values::bytes(1.0f / 255)}) {
    INFO(static_cast<int>(input.kind));
    CHECK(wide(driven_network(input, FrozenRescaledFullyConnected{.strength = 1.5f, .threshold = 0})) == 0);
    CHECK(wide(driven_network(input, FrozenRescaledFullyConnected{.strength = 4.5f, .threshold = 0})) == 4);
  }
}

TEST_CASE("fields of messages of unknown size are int64", "[differential]") {
  const auto check = [](const std::string& ops) {
    INFO(ops);
    const std::string graph = R"(graph "g" fixed 20
%n = input "n" : i32[]
%r = input "r" : f32[B,3]
%a = input "a" : f32[]
%D = param "D" : f32[3,3]
%one = const 1 : f32[]
%zero = const 0 : f32[]
)" + ops + R"(%h = to_fix %m
%s = threshold %h {sign}
return "h" %h, "s" %s
)";
    const testing::Bound bound{{"n", Tensor::scalar(std::int32_t{2})},
                               {"a", Tensor::scalar(100.0f)},
                               {"r", testing::reals({2, 3}, {1, -0.5, 0.75, 0.25, 1, -1})},
                               {"D", testing::reals({3, 3}, {10, -20, 3, 4, 50, -60, 7, 8, 9})}};
    const std::vector<TensorPtr> expected = testing::interpret(graph, bound);
    const auto fields = expected[0]->data<std::int64_t>();
    REQUIRE(
        std::any_of(fields.begin(), fields.end(), [](std::int64_t h) { return std::abs(h) > INT32_MAX; }));
    const std::vector<TensorPtr> given = testing::run(Backend::kernels, graph, bound);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(*given[i] == *expected[i]);
  };
  // The second message's input is the first one: nothing tells how large its numbers are.
  check("%l = message %r, %D {dense} %m = message %l, %D {dense}\n");
  // Only what it starts with is an input.
  check("%c = scan %n (%x = %r) { %y = message %x, %D {dense} yield %y } %m = message %c, %D {dense}\n");
  const auto carried = [](const std::string& sender) {
    return "%c, %m = scan %n (%x = %r, %o = %r) { " + sender + ", %D {dense} yield %y, %y }\n";
  };
  check(carried("%y = message %x"));
  check(carried("%k = affine %x, %one, %zero %y = message %k"));
  // A factor that is bound is no constant.
  check("%k = affine %r, %a, %zero %m = message %k, %D {dense}\n");
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
