#include "runtime/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <system_error>
#include <utility>

#include "core/error.hpp"
#include "core/file.hpp"

namespace relaxon {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// How many steps to do in one go, given how long the last ones took, so that it takes `wanted` seconds.
std::int64_t next_chunk(std::int64_t steps, double seconds, double wanted) {
  constexpr double largest_growth = 4;  // the first steps of a program may be unlike the others
  const double factor = std::min(largest_growth, wanted / std::max(seconds, 1e-9));
  return std::max<std::int64_t>(1, std::llround(static_cast<double>(steps) * factor));
}

/// A tensor of someone who outlives the pointer.
TensorPtr borrowed(const Tensor& tensor) { return {TensorPtr(), &tensor}; }

bool should_stop(const TrainingObserver& observer) { return observer.should_stop && observer.should_stop(); }

void validate(const TrainerOptions& options, const Dataset& data) {
  const auto at_least = [](const char* name, std::int64_t smallest, std::int64_t value) {
    if (value < smallest) fail("{}: expected at least {}, found {}", name, smallest, value);
  };
  at_least("train.epochs", 0, options.epochs);
  at_least("steps", 1, options.steps.value_or(1));
  at_least("train.train_eval", 1, options.train_eval.value_or(1));
  at_least("number of train images", 1, data.train.images());
  at_least("number of test images", 1, data.test.images());
}

bool same_folder(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code ignored;  // folders that can't be looked at are told apart by their names
  return a == b || std::filesystem::equivalent(a, b, ignored);
}

std::string describe(const TrainingData& data) {
  return fmt::format("{} images in batches of {}", data.images, data.batch_size);
}

void check_same_data(const TrainingData& before, const TrainingData& now, const std::string& file) {
  if (before.images != now.images || before.batch_size != now.batch_size) {
    fail("{}: the checkpoint is of a training on {}, this one is on {}", file, describe(before),
         describe(now));
  }
  if (before.shuffle != now.shuffle) {
    fail("{}: the checkpoint is of a training with another seed, key path or recipe of the data", file);
  }
}

}  // namespace

Trainer::Trainer(Session& session, const Dataset& data, const DataOptions& data_options,
                 TrainerOptions options)
    : session_(session),
      data_(data),
      options_(std::move(options)),
      order_(data_options, data, session.network().rng) {
  relaxon::validate(data_options);
  validate(options_, data);
  training_.data = {
      .images = data.train.images(), .batch_size = data_options.batch_size, .shuffle = data.shuffle_key};
  training_.position.shuffle = data.shuffle_key;
  if (options_.out.empty()) options_.out = options_.resume;
  std::optional<Checkpoint> checkpoint;
  if (!options_.resume.empty()) checkpoint = resumed_checkpoint();
  if (!options_.out.empty()) prepare_out();
  if (checkpoint) {
    training_ = checkpoint->training;
    restore(session_, std::move(*checkpoint), options_.resume / checkpoint_file);
  }
  if (!options_.network.empty()) training_.network = options_.network;
}

Checkpoint Trainer::resumed_checkpoint() const {
  const auto path = options_.resume / checkpoint_file;
  Checkpoint checkpoint = load_checkpoint(path);
  check_same_data(checkpoint.training.data, training_.data, path.string());
  return checkpoint;
}

void Trainer::prepare_out() const {
  const bool continues = !options_.resume.empty() && same_folder(options_.out, options_.resume);
  for (const std::string_view name : {checkpoint_file, history_file}) {
    const auto path = options_.out / name;
    std::error_code ignored;  // shows up when the folder is made
    if (continues || !std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) continue;
    fail("{}: there are results of another training; go on with --resume {} or remove them", path.string(),
         options_.out.string());
  }
  if (!continues) {
    std::error_code error;
    std::filesystem::create_directories(options_.out, error);
    if (error) fail("{}: cannot make the folder: {}", options_.out.string(), error.message());
  }
  // Opened and given up again: better to know now than after an epoch.
  for (const std::string_view name : {checkpoint_file, history_file}) AtomicFile(options_.out / name);
}

bool Trainer::run(const TrainingObserver& observer) {
  // A history may have lost its last line, or have one too many, where the process died between two files.
  if (!options_.resume.empty()) save();
  while (training_.position.epochs < options_.epochs) {
    if (!run_epoch(observer)) {
      save();
      return false;
    }
  }
  return true;
}

bool Trainer::run_epoch(const TrainingObserver& observer) {
  order_.restore(training_.position.shuffle);
  const std::vector<std::int32_t> order = order_.next();
  if (!train_steps(order, observer)) return false;
  const std::optional<EpochRecord> record = evaluate_epoch(observer);
  if (!record) return false;
  training_.history.push_back(*record);
  training_.position = {.epochs = record->epoch, .steps = 0, .seconds = 0, .shuffle = order_.key()};
  save();
  if (observer.on_epoch) observer.on_epoch(*record);
  return true;
}

bool Trainer::train_steps(std::span<const std::int32_t> order, const TrainingObserver& observer) {
  TrainingPosition& position = training_.position;
  const std::int64_t all = training_.data.batches();
  const std::int64_t steps = std::min(all, options_.steps.value_or(all));
  const std::int64_t batch = training_.data.batch_size;
  const LabelledData data = labelled(data_.train);
  while (position.steps < steps) {
    if (should_stop(observer)) return false;
    const std::int64_t chunk = std::min(chunk_, steps - position.steps);
    const auto begin = static_cast<std::size_t>(position.steps * batch);
    const auto length = std::min(static_cast<std::size_t>(chunk * batch), order.size() - begin);
    const Stopwatch watch;
    session_.train(data, order.subspan(begin, length), batch);
    const double seconds = watch.seconds();
    position.steps += chunk;
    position.seconds += seconds;
    chunk_ = next_chunk(chunk, seconds, options_.progress_seconds);
    if (observer.on_progress)
      observer.on_progress({position.epochs + 1, position.steps, steps, position.seconds});
  }
  return true;
}

std::optional<EpochRecord> Trainer::evaluate_epoch(const TrainingObserver& observer) {
  const TrainingPosition& position = training_.position;
  const Stopwatch watch;
  EpochRecord record;
  record.epoch = position.epochs + 1;
  record.steps = position.steps;
  if (should_stop(observer)) return std::nullopt;
  record.test_accuracy = evaluate();
  if (should_stop(observer)) return std::nullopt;
  const std::int64_t train_images = options_.train_eval.value_or(data_.test.images());
  record.train_accuracy = accuracy(data_.train, std::min(train_images, data_.train.images()));
  if (data_.validation.images() > 0) {
    if (should_stop(observer)) return std::nullopt;
    record.validation_accuracy = accuracy(data_.validation, data_.validation.images());
  }
  record.eval_seconds = watch.seconds();
  const std::int64_t images = std::min(position.steps * training_.data.batch_size, training_.data.images);
  record.seconds = position.seconds;
  if (record.seconds > 0) record.images_per_second = static_cast<double>(images) / record.seconds;
  if (record.steps > 0) record.train_step_us = record.seconds * 1e6 / static_cast<double>(record.steps);
  return record;
}

double Trainer::evaluate() { return accuracy(data_.test, data_.test.images()); }

double Trainer::accuracy(const Split& split, std::int64_t images) {
  const std::int64_t hits = session_.hits(labelled(split), images, session_.evaluation_batch(images));
  return static_cast<double>(hits) / static_cast<double>(images);
}

LabelledData Trainer::labelled(const Split& split) const {
  return {.inputs = borrowed(split.x), .classes = borrowed(split.classes), .code = borrowed(data_.code)};
}

void Trainer::save() const {
  if (options_.out.empty()) return;
  save_checkpoint(options_.out / checkpoint_file, session_.edges(), training_);
  save_history(options_.out / history_file, training_.history);
}

}  // namespace relaxon
