// A sparse recurrent network trained on the pixels of Fashion-MNIST (as examples/networks/mnist_sparse.toml),
// and its weights as Eigen sees them: a sparse map is stored, sent and updated entry by entry.
//
//     build/release/examples/mnist_sparse [EPOCHS]     (1 epoch unless given)
//
// prints
//     epoch 1  train 0.7869  test 0.7670
//     edge 1-0: 157207 of 1568000 connections, norm 168.32
//     edge 1-1: 42062 of 4000000 connections, norm 63.31
#include <fmt/format.h>

#include <cstdint>
#include <exception>
#include <string>

#include "frontends/cpp/relaxon.hpp"

using namespace relaxon;

namespace {

DataOptions data_options() {
  return {.seed = 0,
          .key_path = {SplitStep{.count = 2, .index = 1}},
          .batch_size = 16,
          .label_mode = LabelMode::pm1,
          .x_transform = Transform::identity};
}

/// 784 bytes -> 2000 recurrent units -> 10 classes. Each edge has its own learning rate and decay, so that
/// the optimizer's rate is 1.
Network declare(const Dataset& data) {
  LayerMap map({784, 2000, 10});
  map.add(1, 0,
          SparseFullyConnected{
              .strength = 5, .threshold = 1.78, .sparsity = 0.9, .lr = 0.50280215, .weight_decay = 0.01});
  map.add(1, 1,
          SparseRecurrentDiscrete{
              .j_d = 0.95, .threshold = 1.78, .sparsity = 0.99, .lr = 0.58, .weight_decay = 0.00006});
  map.add(1, 2, FrozenRescaledFullyConnected{.strength = 1.3, .threshold = 0});
  map.add(2, 1, FullyConnected{.strength = 1, .threshold = 7, .lr = 0.17, .weight_decay = 0.02});
  map.add(2, 2, OutputLayer{});
  return {.map = map,
          .schedule = Schedule::dynamical(/*warmup=*/1, /*clamped=*/5, /*free=*/5, /*evaluate=*/5),
          .optimizer = Optimizer::sgd(1.0),
          .input = data.x_values,
          .label = data.y_values,
          .seed = 44};
}

void show(const Session& session, EdgeId edge) {
  const SparseMap weight = sparse_map(session.weight(edge));  // no copy
  fmt::print("edge {}: {} of {} connections, norm {:.2f}\n", to_string(edge), weight.nonZeros(),
             weight.size(), weight.norm());
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
  show(session, {1, 0});
  show(session, {1, 1});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    train(argc > 1 ? std::stoll(argv[1]) : 1);
  } catch (const std::exception& error) {
    fmt::print(stderr, "mnist_sparse: {}\n", error.what());
    return 1;
  }
}
