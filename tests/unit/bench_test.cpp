#include "frontends/bench/bench.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/init.hpp"
#include "frontends/bench/naive.hpp"
#include "frontends/bench/peak.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using bench::Form;
using bench::Forms;
using bench::NaiveNetwork;

constexpr std::int64_t inputs = 12;
constexpr std::int64_t classes = 3;
constexpr std::int64_t images = 96;
constexpr std::int64_t batch = 5;  // the last batch is smaller

/// Two hidden rows with a skip, feedback and every kind of edge.
Network network_with(Schedule schedule, OptimizerMap optimizer) {
  Network network;
  network.map = LayerMap({inputs, 20, 9, classes});
  network.map
      .add(1, 0, SparseFullyConnected{.strength = 2, .threshold = 1, .sparsity = 0.3, .weight_decay = 0.1})
      .add(1, 1, SparseRecurrentDiscrete{.j_d = 0.5, .threshold = 1, .sparsity = 0.6, .weight_decay = 0.01})
      .add(1, 2, FullyConnected{.strength = 0.3, .threshold = 0.5, .weight_decay = 0.05})
      .add(1, 3, FrozenRescaledFullyConnected{.strength = 1, .threshold = 0})
      .add(2, 0, FrozenFullyConnected{.strength = 0.5, .threshold = 0})
      .add(2, 1, FullyConnected{.strength = 2, .threshold = 1})
      .add(2, 2, RecurrentDiscrete{.j_d = 0.4, .threshold = 1, .weight_decay = 0.02})
      .add(2, 3, FullyConnected{.strength = 1, .threshold = 0.5})
      .add(3, 2, FullyConnected{.strength = 1, .threshold = 2})
      .add(3, 3, OutputLayer{});
  network.schedule = std::move(schedule);
  network.optimizer = std::move(optimizer);
  network.label = label_values(LabelMode::c_rescale, classes);
  network.seed = 5;
  return network;
}

Split random_split(std::uint64_t seed) {
  constexpr RngLayout layout = RngLayout::partitionable;
  const auto draws = bits(key_of(seed), images, layout);
  Split split{.x = Tensor::of<float>({images, inputs}, normal(key_of(seed + 1), images * inputs, layout)),
              .classes = Tensor(DType::i32, {images})};
  std::transform(draws.begin(), draws.end(), split.classes.data<std::int32_t>().begin(),
                 [](std::uint32_t draw) { return static_cast<std::int32_t>(draw % classes); });
  return split;
}

Dataset random_data() {
  return {.train = random_split(1),
          .test = random_split(3),
          .validation = {},
          .classes = classes,
          .code = label_code(LabelMode::c_rescale, classes),
          .x_values = Values::real(),
          .y_values = label_values(LabelMode::c_rescale, classes),
          .shuffle_key = key_of(7)};
}

LabelledData labelled(const Split& split, const Tensor& code) {
  const auto own = [](const Tensor& tensor) { return std::make_shared<const Tensor>(tensor); };
  return {.inputs = own(split.x), .classes = own(split.classes), .code = own(code)};
}

/// The largest difference between two weights, relative to the largest entry.
double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0, scale = 0;
  for (std::size_t i = 0; i < a.data<float>().size(); ++i) {
    largest = std::max<double>(largest, std::fabs(a.data<float>()[i] - b.data<float>()[i]));
    scale = std::max<double>(scale, std::fabs(a.data<float>()[i]));
  }
  return largest / scale;
}

Schedule schedule_with_updates_between() {
  Schedule schedule = Schedule::two_phase(2);
  schedule.steps = {Phase{Filter::all, 2}, UpdatePoint{{{2, 1}, {3, 2}}}, Phase{Filter::backward, 2},
                    UpdatePoint{}};
  return schedule;
}

void check_same_learning(const Network& network) {
  const Dataset data = random_data();
  const LabelledData train = labelled(data.train, data.code);
  const LabelledData test = labelled(data.test, data.code);
  std::vector<std::int32_t> order(images);
  std::iota(order.begin(), order.end(), 0);
  constexpr Form dense = Form::dense, sparse = Form::sparse;
  for (const Forms forms : {Forms{dense, dense}, {sparse, sparse}, {dense, sparse}, {sparse, dense}}) {
    for (const Isa isa : {Isa::x86_64, Isa::avx2, Isa::avx512}) {
      if (!has_isa(isa)) continue;
      const auto name = [](Form form) { return form == dense ? "dense " : "sparse "; };
      INFO("messages " << name(forms.message) << "updates " << name(forms.update) << name_of(isa));
      Session session(network);
      session.train(train, order, batch);
      // Goes on from a session: moments and clocks are taken over too.
      NaiveNetwork naive(network, session.edges(), forms, isa);
      session.train(train, order, batch);
      naive.train(train, order, batch);
      for (const auto& [id, state] : session.edges()) {
        INFO("edge " << to_string(id));
        CHECK(difference(to_dense(state.weight), naive.edge(id).weight()) < 1e-3);
      }
      CHECK(std::abs(session.hits(test, images, batch) - naive.hits(test, images, batch)) <= 2);
    }
  }
}

}  // namespace

TEST_CASE("the naive baseline learns what the session learns", "[bench]") {
  SECTION("dynamical, sgd") {
    check_same_learning(network_with(Schedule::dynamical(1, 2, 2, 3), Optimizer::sgd(1)));
  }
  SECTION("alternate, synchronous, momentum") {
    Network network = network_with(Schedule::alternate(2, 3, 3), Optimizer::sgd(0.1, 0.9));
    network.schedule.sweep = Sweep::synchronous;
    check_same_learning(network);
  }
  SECTION("contrastive, nesterov, adam") {
    OptimizerMap optimizer = Optimizer::sgd(0.1, 0.8, true);
    optimizer.edges[{1, 1}] = Optimizer::adam(0.01);
    check_same_learning(network_with(Schedule::contrastive(2, 2, 3), optimizer));
  }
  SECTION("updates between phases, adamw with a changing rate") {
    const Optimizer optimizer =
        Optimizer::adamw(RateSchedule{.from = 0.02, .to = 0.001, .steps = 30, .warmup = 3}, 0.1);
    check_same_learning(network_with(schedule_with_updates_between(), optimizer));
  }
}

TEST_CASE("the dense algorithm's operations are counted", "[bench]") {
  Network network;
  network.map = LayerMap({4, 6, 2});
  network.map.add(1, 0, SparseFullyConnected{.strength = 1, .threshold = 1, .sparsity = 0.5})
      .add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1})
      .add(1, 2, FrozenFullyConnected{.strength = 1, .threshold = 0})
      .add(2, 1, FullyConnected{.strength = 1, .threshold = 1})
      .add(2, 2, OutputLayer{});
  network.optimizer = Optimizer::sgd(1);
  constexpr double input = 24, recurrent = 36, feedback = 12, output = 12;
  // Messages of the phases, those of the fields of the update, and the update.
  network.schedule = Schedule::dynamical(1, 5, 3, 7);
  CHECK(bench::train_flops(network, 16) ==
        2 * 16 * ((1 + 5 + 3 + 1 + 1) * (input + recurrent) + 5 * feedback + 2 * output));
  CHECK(bench::evaluate_flops(network, 16) == 2 * 16 * (8 * (input + recurrent) + output));
  network.schedule = Schedule::contrastive(3, 5, 7);
  CHECK(bench::train_flops(network, 16) ==
        2 * 16 * ((3 + 5 + 2 + 2) * (input + recurrent) + 5 * feedback + 4 * output));
}

TEST_CASE("bench fills in what is asked for", "[bench]") {
  NetworkFile file;
  file.network = network_with(Schedule::dynamical(1, 1, 1, 2), Optimizer::sgd(1));
  file.data.batch_size = 8;
  bench::BenchOptions options;
  options.after_steps = 3;
  options.rounds = 1;
  options.chunk_seconds = 0;
  SECTION("all baselines") {
    options.naive = options.peak = true;
    options.backends = {Backend::interpreter};
    options.probes = {parse_probe("s1")};
    const bench::BenchResult result = bench::run(file, random_data(), options);
    const nlohmann::ordered_json json = to_json(result);
    for (const auto& [key, value] : json.items()) {
      INFO(key);
      CHECK_FALSE(value.is_null());
    }
    REQUIRE(result.baselines.size() == 4);
    CHECK(json["interpreter_train_step_us"] == result.baselines[0].second.times.train_us);
    CHECK(json["probed_train_ratio"] == result.baselines[1].second.train_ratio);
    CHECK(json["naive_eval_step_us"] == result.baselines[2].second.times.evaluate_us);
    CHECK(json["peak_train_step_us"] == result.baselines[3].second.times.train_us);
  }
  SECTION("none") {
    const nlohmann::ordered_json json = to_json(bench::run(file, random_data(), options));
    CHECK(json["naive_train_step_us"].is_null());
    CHECK(json["peak_eval_step_us"].is_null());
    CHECK(json["backend"] == "kernels");
    CHECK(json["isa"] == std::string(name_of(best_isa())));
  }
  SECTION("a limit below nothing") {
    options.seconds = -1;
    CHECK(testing::error_of([&] { bench::run(file, random_data(), options); }) ==
          "seconds: expected at least 0, found -1");
  }
  SECTION("without images") {
    Dataset data = random_data();
    data.test.classes = Tensor(DType::i32, {0});
    CHECK(testing::error_of([&] { bench::run(file, data, options); }) ==
          "number of test images: expected at least 1, found 0");
  }
}

}  // namespace relaxon
