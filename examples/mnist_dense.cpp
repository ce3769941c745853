// A dense recurrent network declared in C++ and trained on Fashion-MNIST by the Trainer; the network file
// examples/networks/mnist_dense.toml declares the same, and both end with the same digest.
//
//     build/release/examples/mnist_dense [EPOCHS]      (2 epochs unless given)
//
// prints
//     epoch 1  train 0.8221  test 0.7085
//     epoch 2  train 0.7927  test 0.7145
//     digest abb112ac671f6b0e
#include <fmt/format.h>

#include <cstdint>
#include <exception>
#include <string>

#include "frontends/cpp/relaxon.hpp"

using namespace relaxon;

namespace {

/// The second child of key(59) makes the projection and one order for all epochs.
DataOptions data_options() {
  return {.seed = 59,
          .key_path = {SplitStep{.count = 2, .index = 1}},
          .batch_size = 16,
          .linear_projection = 100,
          .num_images_per_class = 5400,
          .label_mode = LabelMode::c_rescale,
          .x_transform = Transform::sign,
          .recipe = Recipe::once};
}

/// 100 signs -> 300 recurrent units -> 10 classes, with frozen feedback of the labels to the units.
Network declare(const Dataset& data) {
  LayerMap map({100, 300, 10});
  map.add(1, 0, FullyConnected{.strength = 5, .threshold = 1});
  map.add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1});
  map.add(1, 2, FrozenFullyConnected{.strength = 0.5, .threshold = 0});
  map.add(2, 1, FullyConnected{.strength = 1, .threshold = 1});
  map.add(2, 2, OutputLayer{});
  return {.map = map,
          .schedule = Schedule::dynamical(/*warmup=*/1, /*clamped=*/7, /*free=*/7, /*evaluate=*/14),
          .optimizer = Optimizer::adam(2e-3),
          .input = data.x_values,
          .label = data.y_values,
          .seed = 44};
}

void train(std::int64_t epochs) {
  const DataOptions options = data_options();
  const Dataset data = load_dataset(options, RngLayout::partitionable);
  Session session(declare(data));
  Trainer trainer(session, data, options, {.epochs = epochs});
  trainer.run({.on_epoch = [](const EpochRecord& record) {
    fmt::print("epoch {}  train {:.4f}  test {:.4f}\n", record.epoch, record.train_accuracy,
               record.test_accuracy);
  }});
  fmt::print("digest {}\n", session.digest());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    train(argc > 1 ? std::stoll(argv[1]) : 2);
  } catch (const std::exception& error) {
    fmt::print(stderr, "mnist_dense: {}\n", error.what());
    return 1;
  }
}
