// What happened in each epoch of a training, and the table a run leaves of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace relaxon {

/// One epoch. Accuracies are shares of images, 0 .. 1.
struct EpochRecord {
  std::int64_t epoch = 0;  // 1 for the first
  std::int64_t steps = 0;  // batches trained
  double train_accuracy = 0;
  double test_accuracy = 0;
  std::optional<double> validation_accuracy = {};  // where there is such a split
  double seconds = 0;                              // of training alone, pieces before a resume included
  double eval_seconds = 0;
  double images_per_second = 0;  // trained images over `seconds`
  double train_step_us = 0;      // `seconds` over steps
  bool operator==(const EpochRecord&) const = default;
};

using History = std::vector<EpochRecord>;

/// A header line, then one line an epoch. The column validation_accuracy is there if an epoch has one.
std::string to_csv(const History& history);

/// Writes to_csv atomically. Throws Error naming the file.
void save_history(const std::filesystem::path& path, const History& history);

}  // namespace relaxon
