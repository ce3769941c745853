// The network set for Fashion-MNIST (as examples/networks/fashion_sparse.toml): 4000 units that each see 8
// pixels, a learning rate that falls to 0 over the training, and results that a later run can go on with.
//
//     build/release/examples/fashion_sparse OUT [EPOCHS]     (20 epochs unless given)
//
// leaves checkpoint and history in the new folder OUT and prints
//     epoch 1  test 0.8460  21241 images/s
//     ...
//     epoch 20  test 0.8793  21188 images/s
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include "frontends/cpp/relaxon.hpp"

using namespace relaxon;

namespace {

constexpr std::int64_t steps_per_epoch = 60'000 / 16;
constexpr std::int64_t planned_epochs = 20;

DataOptions data_options() {
  return {.seed = 0,
          .key_path = {SplitStep{.count = 2, .index = 1}},
          .batch_size = 16,
          .label_mode = LabelMode::pm1,
          .x_transform = Transform::identity};
}

/// No clamped iterations: labels must not reach the states that the read-out learns from.
Network declare(const Dataset& data) {
  LayerMap map({784, 4000, 10});
  map.add(1, 0, SparseFullyConnected{.strength = 5, .threshold = 0.1, .sparsity = 0.99, .lr = 0.003});
  map.add(
      1, 1,
      SparseRecurrentDiscrete{.j_d = 0.5, .threshold = 0.1, .sparsity = 0.99, .strength = 0.3, .lr = 0.003});
  map.add(1, 2, FrozenRescaledFullyConnected{.strength = 1.3, .threshold = 0});
  map.add(2, 1, FullyConnected{.strength = 1, .threshold = 1, .lr = 0.1, .weight_decay = 0.03});
  map.add(2, 2, OutputLayer{});
  const RateSchedule falling{
      .kind = RateSchedule::Kind::linear, .from = 1, .to = 0, .steps = planned_epochs * steps_per_epoch};
  return {.map = map,
          .schedule = Schedule::dynamical(/*warmup=*/4, /*clamped=*/0, /*free=*/0, /*evaluate=*/0),
          .optimizer = Optimizer::sgd(falling),
          .input = data.x_values,
          .label = data.y_values,
          .seed = 44};
}

void train(const std::string& out, std::int64_t epochs) {
  const DataOptions options = data_options();
  const Dataset data = load_dataset(options, RngLayout::partitionable);
  Session session(declare(data));
  Trainer trainer(session, data, options, {.epochs = epochs, .out = out});
  const TrainingObserver observer{.on_progress =
                                      [](const TrainingProgress& at) {
                                        fmt::print(stderr, "\repoch {}: step {} of {}", at.epoch, at.step,
                                                   at.steps);
                                      },
                                  .on_epoch =
                                      [](const EpochRecord& record) {
                                        fmt::print(stderr, "\r");
                                        fmt::print("epoch {}  test {:.4f}  {:.0f} images/s\n", record.epoch,
                                                   record.test_accuracy, record.images_per_second);
                                        std::fflush(stdout);
                                      }};
  trainer.run(observer);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: fashion_sparse OUT [EPOCHS]\n");
    return 2;
  }
  try {
    train(argv[1], argc > 2 ? std::stoll(argv[2]) : planned_epochs);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fashion_sparse: {}\n", error.what());
    return 1;
  }
}
