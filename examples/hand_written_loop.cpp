// Training written by hand: clamp a batch to a state, relax it, look at it, and learn from where it came to
// rest. Network, data and schedule are those of examples/networks/hand_written_loop.toml, and after as many
// batches `relaxon train` has the same digest.
//
//     build/release/examples/hand_written_loop [BATCHES]     (1000 unless given; 3375 are an epoch)
//
// prints
//     batch    0:  0.8 % of the units move when the labels go
//     batch  500:  0.2 % of the units move when the labels go
//     couplings: norm 22.502, asymmetry 0.572
//     test accuracy 0.6961, digest 2b21b33a6da65da5
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "frontends/cpp/relaxon.hpp"

using namespace relaxon;

namespace {

constexpr std::int64_t batch_size = 16, iterations = 10;

/// Rows of a matrix of T, in the order of `rows`.
template <class T>
Tensor take(const Tensor& from, std::span<const std::int32_t> rows) {
  Tensor taken(from.dtype(), {static_cast<std::int64_t>(rows.size()), from.shape()[1]});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    taken.matrix<T>().row(static_cast<Eigen::Index>(i)) = from.matrix<T>().row(rows[i]);
  }
  return taken;
}

DataOptions data_options() {
  return {.seed = 59,
          .key_path = {SplitStep{.count = 2, .index = 1}},
          .batch_size = batch_size,
          .linear_projection = 100,
          .num_images_per_class = 5400,
          .recipe = Recipe::once};
}

Network declare(const Dataset& data) {
  LayerMap map({100, 300, 10});
  map.add(1, 0, FullyConnected{.strength = 5, .threshold = 1});
  map.add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1});
  map.add(1, 2, FrozenFullyConnected{.strength = 0.5, .threshold = 0});
  map.add(2, 1, FullyConnected{.strength = 1, .threshold = 1});
  map.add(2, 2, OutputLayer{});
  return {.map = map,
          .schedule = Schedule::two_phase(iterations),
          .optimizer = Optimizer::adam(2e-3),
          .input = data.x_values,
          .label = data.y_values,
          .seed = 44};
}

/// With the labels clamped, then without; returns the share of units that move when the labels go.
double train_batch(Session& session, const Tensor& x, const Tensor& y) {
  State state = session.init(x, y);
  for (int t = 0; t < iterations; ++t) session.step(state);
  const RowMajor<std::int8_t> clamped = state.matrix<std::int8_t>(1);
  for (int t = 0; t < iterations; ++t) session.step_inference(state);
  const auto moved = (state.matrix<std::int8_t>(1).array() != clamped.array()).count();
  session.apply(session.backward(state));
  return static_cast<double>(moved) / static_cast<double>(clamped.size());
}

/// The class with the largest score for each image.
std::vector<std::int32_t> classify(Session& session, const Tensor& x) {
  State state = session.init(x);
  session.sweep(state, Filter::inference, 2 * iterations);
  session.predict(state);
  std::vector<std::int32_t> classes(static_cast<std::size_t>(state.batch()));
  for (Eigen::Index i = 0; i < state.batch(); ++i) {
    state.matrix<float>(2).row(i).maxCoeff(&classes[static_cast<std::size_t>(i)]);
  }
  return classes;
}

/// The couplings as Eigen sees them, and how well the network classifies the test images.
void report(Session& session, const Dataset& data) {
  const auto couplings = session.weight({1, 1}).values.matrix<float>();  // Eigen, without a copy
  fmt::print("couplings: norm {:.3f}, asymmetry {:.3f}\n", couplings.norm(),
             (couplings - couplings.transpose()).norm() / (2 * couplings.norm()));
  const std::vector<std::int32_t> found = classify(session, data.test.x);
  const auto truth = data.test.classes.data<std::int32_t>();
  const auto hits =
      std::inner_product(found.begin(), found.end(), truth.begin(), 0, std::plus<>(), std::equal_to<>());
  fmt::print("test accuracy {:.4f}, digest {}\n",
             static_cast<double>(hits) / static_cast<double>(found.size()), session.digest());
}

void train(std::int64_t batches) {
  const DataOptions options = data_options();
  const Dataset data = load_dataset(options, RngLayout::partitionable);
  Session session(declare(data));
  const std::vector<std::int32_t> order = EpochOrder(options, data, RngLayout::partitionable).next();
  batches = std::min(batches, static_cast<std::int64_t>(order.size()) / batch_size);

  for (std::int64_t batch = 0; batch < batches; ++batch) {
    const auto images = std::span(order).subspan(static_cast<std::size_t>(batch * batch_size), batch_size);
    std::vector<std::int32_t> classes;
    for (const std::int32_t image : images) classes.push_back(data.train.classes.data<std::int32_t>()[image]);
    const double moved =
        train_batch(session, take<std::int8_t>(data.train.x, images), take<float>(data.code, classes));
    if (batch % 500 == 0)
      fmt::print("batch {:4}: {:4.1f} % of the units move when the labels go\n", batch, 100 * moved);
  }
  report(session, data);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    train(argc > 1 ? std::stoll(argv[1]) : 1000);
  } catch (const std::exception& error) {
    fmt::print(stderr, "hand_written_loop: {}\n", error.what());
    return 1;
  }
}
