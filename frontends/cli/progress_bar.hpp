// A line on the terminal that shows how far an epoch is.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/trainer.hpp"

namespace relaxon::cli {

/// The line for `progress` in at most `width` columns:
/// "epoch 2/5 [=======>      ] 1234/3375  5840 images/s  0:06 left".
std::string progress_line(const TrainingProgress& progress, std::int64_t epochs, std::int64_t batch_size,
                          int width);

/// Draws the line on standard error if that is a terminal, else does nothing.
class ProgressBar {
 public:
  ProgressBar(std::int64_t epochs, std::int64_t batch_size);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(const TrainingProgress& progress);
  /// Takes the line away, so that something else can be printed.
  void clear();

 private:
  std::int64_t epochs_, batch_size_;
  bool terminal_;
  std::string shown_;
};

}  // namespace relaxon::cli
