// Trains a network on a data set, epoch by epoch, so that it can be stopped and resumed at any batch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/dataset.hpp"
#include "core/data/options.hpp"
#include "runtime/checkpoint.hpp"
#include "runtime/history.hpp"
#include "runtime/session.hpp"

namespace relaxon {

/// Files of an output folder.
inline constexpr std::string_view checkpoint_file = "checkpoint.safetensors";
inline constexpr std::string_view history_file = "history.csv";

/// For TrainerOptions::train_eval.
inline constexpr std::int64_t all_train_images = std::numeric_limits<std::int64_t>::max();

struct TrainerOptions {
  std::int64_t epochs = 0;                 // in all, those before a resume included
  std::optional<std::int64_t> steps = {};  // at most this many batches an epoch
  /// How many train images, in the split's order, the train accuracy is measured on; more than there are
  /// means all. Default: as many as there are test images.
  std::optional<std::int64_t> train_eval = {};
  /// About how often the observer hears of progress; 0: after every batch.
  double progress_seconds = 0.1;
  /// Folder for checkpoint and history; made if it isn't there. Empty: the one resumed, else nothing is
  /// saved.
  std::filesystem::path out = {};
  /// Folder whose checkpoint training goes on from.
  std::filesystem::path resume = {};
  /// Text of the network file, kept in checkpoints; empty: that of the checkpoint resumed.
  std::string network = {};
};

/// Where training stands after some batches.
struct TrainingProgress {
  std::int64_t epoch = 1;  // the current one, 1 for the first
  std::int64_t step = 0;   // batches done of `steps`
  std::int64_t steps = 0;
  double seconds = 0;  // spent on them
};

/// Who wants to know, all on the thread that runs the training; each may be empty.
struct TrainingObserver {
  std::function<void(const TrainingProgress&)> on_progress = {};  // as often as progress_seconds says
  std::function<void(const EpochRecord&)> on_epoch = {};          // after the epoch is saved
  std::function<bool()> should_stop = {};                         // asked whenever training could stop
};

/// Trains a session, which with the data outlives it. Between two calls the session stands at position().
class Trainer {
 public:
  /// Checks the options, loads and restores what is resumed, and sees to it that `out` can be written. A
  /// folder that holds another training's results is refused: nothing is overwritten. Throws Error; then the
  /// session is as it was.
  Trainer(Session& session, const Dataset& data, const DataOptions& data_options, TrainerOptions options);

  /// Trains to the last epoch; false if the observer stopped it before. Saves after each epoch and when it is
  /// stopped. The weights don't depend on where it was stopped and resumed.
  bool run(const TrainingObserver& observer = {});

  /// The share of the test images that the network, as it stands, classifies correctly.
  double evaluate();

  const TrainingPosition& position() const { return training_.position; }
  const History& history() const { return training_.history; }

 private:
  Checkpoint resumed_checkpoint() const;
  void prepare_out() const;
  bool run_epoch(const TrainingObserver& observer);
  bool train_steps(std::span<const std::int32_t> order, const TrainingObserver& observer);
  std::optional<EpochRecord> evaluate_epoch(const TrainingObserver& observer);
  double accuracy(const Split& split, std::int64_t images);
  LabelledData labelled(const Split& split) const;
  void save() const;

  Session& session_;
  const Dataset& data_;
  TrainerOptions options_;
  EpochOrder order_;
  TrainingRecord training_;
  std::int64_t chunk_ = 1;  // steps between two looks at the observer
};

}  // namespace relaxon
