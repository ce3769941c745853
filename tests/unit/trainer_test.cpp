#include "runtime/trainer.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <numeric>

#include "core/file.hpp"
#include "runtime/peak_memory.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using testing::error_of;
using testing::TemporaryFolder;
using testing::write_bytes;

constexpr std::int64_t inputs = 6;
constexpr std::int64_t classes = 3;
constexpr std::int64_t train_images = 20;
constexpr std::int64_t steps = 7;  // of 3 images, the last of 2
constexpr std::int64_t test_images = 11;

/// Dense, sparse, recurrent and frozen edges.
Network small_network(Optimizer optimizer = Optimizer::sgd(1)) {
  Network network;
  network.map = LayerMap({inputs, 8, classes});
  network.map
      .add(1, 0, SparseFullyConnected{.strength = 2, .threshold = 1, .sparsity = 0.3, .weight_decay = 0.1})
      .add(1, 1, SparseRecurrentDiscrete{.j_d = 0.5, .threshold = 1, .sparsity = 0.4})
      .add(1, 2, FrozenFullyConnected{.strength = 1, .threshold = 0})
      .add(2, 1, FullyConnected{.strength = 1, .threshold = 2})
      .add(2, 2, OutputLayer{});
  network.schedule = Schedule::dynamical(1, 2, 2, 2);
  network.optimizer = std::move(optimizer);
  network.input = Values::ternary();
  network.label = label_values(LabelMode::pm1, classes);
  network.seed = 5;
  return network;
}

Split random_split(std::uint64_t seed, std::int64_t images) {
  constexpr RngLayout layout = RngLayout::partitionable;
  Split split{.x = Tensor(DType::i8, {images, inputs}), .classes = Tensor(DType::i32, {images})};
  const auto signs = bernoulli(key_of(seed), images * inputs, 0.5, layout);
  std::transform(signs.begin(), signs.end(), split.x.data<std::int8_t>().begin(),
                 [](std::uint8_t sign) { return static_cast<std::int8_t>(2 * sign - 1); });
  const auto draws = bits(key_of(seed + 1), images, layout);
  std::transform(draws.begin(), draws.end(), split.classes.data<std::int32_t>().begin(),
                 [](std::uint32_t draw) { return static_cast<std::int32_t>(draw % classes); });
  return split;
}

Dataset small_data(std::int64_t validation_images = 0) {
  return {.train = random_split(1, train_images),
          .test = random_split(3, test_images),
          .validation = random_split(5, validation_images),
          .classes = classes,
          .code = label_code(LabelMode::pm1, classes),
          .x_values = Values::ternary(),
          .y_values = label_values(LabelMode::pm1, classes),
          .shuffle_key = key_of(7)};
}

DataOptions data_options(Recipe recipe = Recipe::epochs, bool shuffle = true) {
  DataOptions options;
  options.batch_size = 3;
  options.recipe = recipe;
  options.shuffle = shuffle;
  return options;
}

/// Options of a training that may be stopped between any two batches.
TrainerOptions trainer_options(std::int64_t epochs) {
  TrainerOptions options;
  options.epochs = epochs;
  options.progress_seconds = 0;
  options.network = "[network]\n";
  return options;
}

/// An observer that stops at its n-th question, 0 for the first.
TrainingObserver stop_at(std::int64_t n) {
  return {.should_stop = [n]() mutable { return n-- == 0; }};
}

/// What a history says about the network, without the times.
std::vector<std::array<double, 4>> results(const History& history) {
  std::vector<std::array<double, 4>> results;
  for (const EpochRecord& record : history) {
    results.push_back({static_cast<double>(record.steps), record.train_accuracy, record.test_accuracy,
                       record.validation_accuracy.value_or(-1)});
  }
  return results;
}

/// What a training leaves.
struct Outcome {
  std::string digest;
  std::vector<std::array<double, 4>> results;
  bool operator==(const Outcome&) const = default;
};

/// One network and data set, trained by one session after another.
struct Case {
  Network network = small_network();
  Dataset data = small_data();
  DataOptions options = data_options();

  /// Trains in a new session; whether it came to its end.
  bool train(const TrainerOptions& training, const TrainingObserver& observer, Outcome& outcome) const {
    Session session(network);
    Trainer trainer(session, data, options, training);
    const bool finished = trainer.run(observer);
    outcome = {session.digest(), results(trainer.history())};
    return finished;
  }

  Outcome in_one_go(std::int64_t epochs) const {
    Outcome outcome;
    REQUIRE(train(trainer_options(epochs), {}, outcome));
    return outcome;
  }

  /// Stops at the n-th opportunity, then goes on in a new session; nothing when there is no such opportunity.
  std::optional<Outcome> interrupted(std::int64_t epochs, std::int64_t n) const {
    const TemporaryFolder folder;
    TrainerOptions training = trainer_options(epochs);
    training.out = folder / "run";
    Outcome outcome;
    if (train(training, stop_at(n), outcome)) return std::nullopt;
    training.resume = training.out;
    REQUIRE(train(training, {}, outcome));
    return outcome;
  }
};

TEST_CASE("a training stopped anywhere and resumed ends as in one go", "[trainer]") {
  constexpr std::int64_t epochs = 2;
  constexpr std::int64_t evaluations = 2;
  Case setting;
  SECTION("sgd") {}
  SECTION("momentum, adam and adamw") {
    OptimizerMap& optimizer = setting.network.optimizer;
    optimizer = Optimizer::adamw(0.05, 0.1);
    optimizer.edges[{1, 0}] = Optimizer::sgd(0.5, 0.9, true);
    optimizer.edges[{1, 1}] =
        Optimizer::adam(RateSchedule{.from = 0.1, .to = 0.01, .steps = 10, .warmup = 2});
  }
  const Outcome expected = setting.in_one_go(epochs);
  std::int64_t n = 0;
  while (const auto outcome = setting.interrupted(epochs, n)) {
    INFO("stopped at opportunity " << n);
    CHECK(*outcome == expected);
    ++n;
  }
  CHECK(n == epochs * (steps + evaluations));
}

TEST_CASE("a resumed training goes on with the order of its epoch", "[trainer]") {
  const auto options =
      GENERATE(data_options(Recipe::epochs), data_options(Recipe::once), data_options(Recipe::epochs, false));
  const Case setting{.network = small_network(), .data = small_data(), .options = options};
  constexpr std::int64_t in_the_third_epoch = 2 * (steps + 2) + 4;
  CHECK(setting.interrupted(3, in_the_third_epoch) == setting.in_one_go(3));
}

TEST_CASE("a training stopped after every batch ends as in one go", "[trainer]") {
  const TemporaryFolder folder;
  const Case setting{
      .network = small_network(Optimizer::adam(0.1)), .data = small_data(4), .options = data_options()};
  TrainerOptions training = trainer_options(3);
  training.out = folder / "run";
  Outcome outcome;
  int sessions = 0;
  bool finished = false;
  while (!finished && sessions < 100) {
    bool trained = false;
    const TrainingObserver observer{.on_progress = [&](const TrainingProgress&) { trained = true; },
                                    .should_stop = [&] { return trained; }};
    finished = setting.train(training, observer, outcome);
    training.resume = training.out;
    ++sessions;
  }
  CHECK(sessions == 3 * steps + 1);
  CHECK(outcome == setting.in_one_go(3));
}

TEST_CASE("results don't depend on how often the observer is asked", "[trainer]") {
  const Case setting;
  TrainerOptions training = trainer_options(2);
  training.progress_seconds = 1000;
  Outcome outcome;
  REQUIRE(setting.train(training, {}, outcome));
  CHECK(outcome == setting.in_one_go(2));
}

TEST_CASE("a trained network differs from an untrained one", "[trainer]") {
  const Case setting;
  CHECK(setting.in_one_go(0).digest == Session(setting.network).digest());
  CHECK(setting.in_one_go(1).digest != setting.in_one_go(0).digest);
  CHECK(setting.in_one_go(2).digest != setting.in_one_go(1).digest);
}

TEST_CASE("training is that of the session on the orders of the epochs", "[trainer]") {
  const Case setting;
  Session session(setting.network);
  EpochOrder order(setting.options, setting.data, setting.network.rng);
  const auto pointer = [](const Tensor& tensor) { return std::make_shared<const Tensor>(tensor); };
  const LabelledData data{.inputs = pointer(setting.data.train.x),
                          .classes = pointer(setting.data.train.classes),
                          .code = pointer(setting.data.code)};
  for (int epoch = 0; epoch < 2; ++epoch) session.train(data, order.next(), setting.options.batch_size);
  CHECK(session.digest() == setting.in_one_go(2).digest);
}

TEST_CASE("an epoch can be limited to some steps", "[trainer]") {
  const Case setting;
  TrainerOptions training = trainer_options(1);
  training.steps = 2;
  Outcome outcome;
  REQUIRE(setting.train(training, {}, outcome));
  CHECK(outcome.results.at(0)[0] == 2);
  Session session(setting.network);
  EpochOrder order(setting.options, setting.data, setting.network.rng);
  const auto pointer = [](const Tensor& tensor) { return std::make_shared<const Tensor>(tensor); };
  auto images = order.next();
  images.resize(6);
  session.train({.inputs = pointer(setting.data.train.x),
                 .classes = pointer(setting.data.train.classes),
                 .code = pointer(setting.data.code)},
                images, 3);
  CHECK(session.digest() == outcome.digest);
}

/// The share of the first `images` images that the session's scores classify correctly.
double accuracy_of(Session& session, const Split& split, std::int64_t images) {
  const Tensor scores = session.evaluate(split.x);
  std::int64_t hits = 0;
  for (Eigen::Index i = 0; i < images; ++i) {
    Eigen::Index best = 0;
    scores.matrix<float>().row(i).maxCoeff(&best);
    hits += best == split.classes.data<std::int32_t>()[static_cast<std::size_t>(i)] ? 1 : 0;
  }
  return static_cast<double>(hits) / static_cast<double>(images);
}

TEST_CASE("accuracies are those of the session's scores", "[trainer]") {
  const Case setting{.network = small_network(), .data = small_data(9), .options = data_options()};
  const auto [option, images] = GENERATE(table<std::optional<std::int64_t>, std::int64_t>(
      {{std::nullopt, test_images}, {5, 5}, {train_images, train_images}, {all_train_images, train_images}}));
  Session session(setting.network);
  TrainerOptions training = trainer_options(1);
  training.train_eval = option;
  Trainer trainer(session, setting.data, setting.options, training);
  REQUIRE(trainer.run());
  const EpochRecord& record = trainer.history().at(0);
  CHECK(record.train_accuracy == accuracy_of(session, setting.data.train, images));
  CHECK(record.test_accuracy == accuracy_of(session, setting.data.test, test_images));
  CHECK(record.validation_accuracy == accuracy_of(session, setting.data.validation, 9));
  CHECK(trainer.evaluate() == record.test_accuracy);
}

TEST_CASE("the observer hears of every batch and epoch", "[trainer]") {
  const Case setting;
  std::vector<std::array<std::int64_t, 3>> progress;
  std::vector<std::int64_t> epochs;
  const TrainingObserver observer{
      .on_progress =
          [&](const TrainingProgress& p) {
            progress.push_back({p.epoch, p.step, p.steps});
          },
      .on_epoch = [&](const EpochRecord& record) { epochs.push_back(record.epoch); }};
  Outcome outcome;
  REQUIRE(setting.train(trainer_options(2), observer, outcome));
  std::vector<std::array<std::int64_t, 3>> expected;
  for (std::int64_t epoch = 1; epoch <= 2; ++epoch) {
    for (std::int64_t step = 1; step <= steps; ++step) expected.push_back({epoch, step, steps});
  }
  CHECK(progress == expected);
  CHECK(epochs == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("an epoch is saved before the observer hears of it", "[trainer]") {
  const TemporaryFolder folder;
  const Case setting;
  TrainerOptions training = trainer_options(2);
  training.out = folder / "deep/run";
  const TrainingObserver observer{.on_epoch = [&](const EpochRecord& record) {
    const auto saved = load_checkpoint(training.out / checkpoint_file).training;
    CHECK(saved.position.epochs == record.epoch);
    CHECK(saved.position.steps == 0);
    CHECK(saved.history.back() == record);
    CHECK(saved.network == "[network]\n");
    CHECK(read_file(training.out / history_file) == to_csv(saved.history));
  }};
  Outcome outcome;
  REQUIRE(setting.train(training, observer, outcome));
  CHECK(std::distance(std::filesystem::directory_iterator(training.out), {}) == 2);
}

TEST_CASE("a resumed training's history follows its checkpoint", "[trainer]") {
  const TemporaryFolder folder;
  const Case setting;
  TrainerOptions training = trainer_options(1);
  training.out = folder / "run";
  Outcome outcome;
  REQUIRE(setting.train(training, {}, outcome));
  const std::string history = read_file(training.out / history_file);
  write_bytes(training.out / history_file, history + "2,7,0.9,0.9,1.000,1.000,1.0,1.0\n");
  training.resume = training.out;

  SECTION("in the same folder, with nothing left to do") {
    REQUIRE(setting.train(training, {}, outcome));
    CHECK(read_file(training.out / history_file) == history);
  }
  SECTION("in the folder resumed, without another") {
    training.out.clear();
    REQUIRE(setting.train(training, {}, outcome));
    CHECK(read_file(training.resume / history_file) == history);
  }
  SECTION("in another folder") {
    const std::string before = read_file(training.resume / checkpoint_file);
    training.out = folder / "other";
    training.network.clear();
    training.epochs = 2;
    REQUIRE(setting.train(training, {}, outcome));
    CHECK(outcome == setting.in_one_go(2));
    CHECK(read_file(training.out / history_file).starts_with(history));
    CHECK(load_checkpoint(training.out / checkpoint_file).training.network == "[network]\n");
    CHECK(read_file(training.resume / checkpoint_file) == before);
  }
}

/// The error of a training that can't start; the session must not have changed.
std::string refusal(const Case& setting, const TrainerOptions& training) {
  Session session(setting.network);
  const std::string digest = session.digest();
  std::string error = error_of([&] { Trainer(session, setting.data, setting.options, training); });
  CHECK(session.digest() == digest);
  return error;
}

TEST_CASE("results of another training are never overwritten", "[trainer]") {
  const TemporaryFolder folder;
  const Case setting;
  TrainerOptions training = trainer_options(1);
  training.out = folder.path() / "run";
  Outcome outcome;
  REQUIRE(setting.train(training, {}, outcome));
  const std::string run = folder / "run";
  CHECK(refusal(setting, training) ==
        run + "/checkpoint.safetensors: there are results of another training; go on with --resume " + run +
            " or remove them");
  std::filesystem::copy(run, folder / "copy");
  training.resume = folder / "copy";
  CHECK(refusal(setting, training).starts_with(run + "/checkpoint.safetensors: there are results"));
  training.resume.clear();
  std::filesystem::remove(training.out / checkpoint_file);
  CHECK(refusal(setting, training) ==
        run + "/history.csv: there are results of another training; go on with --resume " + run +
            " or remove them");
}

TEST_CASE("a folder that can't be written is refused before training", "[trainer]") {
  const TemporaryFolder folder;
  const Case setting;
  write_bytes(folder / "file", "");
  TrainerOptions training = trainer_options(1);
  training.out = folder / "file";
  CHECK(refusal(setting, training) == folder / "file" + ": cannot make the folder: Not a directory");
  training.out = folder / "run";
  std::filesystem::create_directories(training.out / checkpoint_file);
  training.resume = training.out;
  CHECK(refusal(setting, training) ==
        folder / "run" + "/checkpoint.safetensors: expected a file, found a directory");
  std::filesystem::remove(training.out / checkpoint_file);
  training.resume.clear();
  Outcome outcome;
  REQUIRE(setting.train(training, {}, outcome));
  training.resume = training.out;
  std::filesystem::remove(training.out / history_file);
  std::filesystem::create_directory(training.out / history_file);
  CHECK(refusal(setting, training) ==
        folder / "run" + "/history.csv: cannot write: expected a file, found a directory");
  CHECK(folder.names() == std::vector<std::string>{"file", "run"});
}

TEST_CASE("only the same training can be resumed", "[trainer]") {
  const TemporaryFolder folder;
  const Case setting;
  TrainerOptions training = trainer_options(1);
  training.out = folder / "run";
  const std::string checkpoint = folder / "run" + "/checkpoint.safetensors";
  Outcome outcome;
  REQUIRE_FALSE(setting.train(training, stop_at(3), outcome));
  training.resume = training.out;
  Case other;
  SECTION("nothing there") {
    training.resume = folder / "none";
    training.out.clear();
    CHECK(refusal(setting, training) == folder / "none" + "/checkpoint.safetensors: no such file");
  }
  SECTION("another batch size") {
    other.options.batch_size = 4;
    CHECK(refusal(other, training) ==
          checkpoint +
              ": the checkpoint is of a training on 20 images in batches of 3, this one is on 20 images in "
              "batches of 4");
  }
  SECTION("other images") {
    other.data.train = random_split(1, 30);
    CHECK(refusal(other, training) ==
          checkpoint +
              ": the checkpoint is of a training on 20 images in batches of 3, this one is on 30 images in "
              "batches of 3");
  }
  SECTION("another seed") {
    other.data.shuffle_key = key_of(8);
    CHECK(refusal(other, training) ==
          checkpoint + ": the checkpoint is of a training with another seed, key path or recipe of the data");
  }
  SECTION("another optimizer") {
    other.network = small_network(Optimizer::adam(0.1));
    CHECK(refusal(other, training) ==
          checkpoint + ": edge 1-0: the network's optimizer keeps 2 moments, the checkpoint has 0");
  }
  SECTION("a damaged file") {
    std::string bytes = read_file(checkpoint);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_bytes(checkpoint, bytes);
    CHECK(refusal(setting, training) ==
          checkpoint + ": the checkpoint is corrupt: its checksum doesn't match its contents");
  }
}

TEST_CASE("options and data out of range are refused", "[trainer]") {
  Case setting;
  TrainerOptions training = trainer_options(1);
  SECTION("epochs") {
    training.epochs = -1;
    CHECK(refusal(setting, training) == "train.epochs: expected at least 0, found -1");
  }
  SECTION("steps") {
    training.steps = 0;
    CHECK(refusal(setting, training) == "steps: expected at least 1, found 0");
  }
  SECTION("train_eval") {
    training.train_eval = 0;
    CHECK(refusal(setting, training) == "train.train_eval: expected at least 1, found 0");
  }
  SECTION("batch size") {
    setting.options.batch_size = 0;
    CHECK(refusal(setting, training).starts_with("data.batch_size: "));
  }
  SECTION("train images") {
    setting.data.train = {};
    CHECK(refusal(setting, training) == "number of train images: expected at least 1, found 0");
  }
  SECTION("test images") {
    setting.data.test = {};
    CHECK(refusal(setting, training) == "number of test images: expected at least 1, found 0");
  }
}

TEST_CASE("the peak of the memory grows with what is used", "[trainer]") {
  const std::int64_t before = peak_memory_bytes();
  constexpr std::int64_t more = 1 << 20;
  std::vector<char> used(static_cast<std::size_t>(before + more), 1);
  CHECK(std::accumulate(used.begin(), used.end(), std::int64_t{0}) == before + more);
  CHECK(peak_memory_bytes() >= before + more);
}

}  // namespace
}  // namespace relaxon
