#include "runtime/history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/file.hpp"

namespace relaxon {

std::string to_csv(const History& history) {
  const bool validated = std::any_of(history.begin(), history.end(), [](const EpochRecord& record) {
    return record.validation_accuracy.has_value();
  });
  std::string text = fmt::format(
      "epoch,steps,train_accuracy,test_accuracy,{}seconds,eval_seconds,images_per_second,train_step_us\n",
      validated ? "validation_accuracy," : "");
  auto out = std::back_inserter(text);
  for (const EpochRecord& record : history) {
    fmt::format_to(out, "{},{},{},{},", record.epoch, record.steps, record.train_accuracy,
                   record.test_accuracy);
    // An epoch without a validation split leaves its column empty.
    if (record.validation_accuracy) fmt::format_to(out, "{}", *record.validation_accuracy);
    if (validated) fmt::format_to(out, ",");
    fmt::format_to(out, "{:.3f},{:.3f},{:.1f},{:.1f}\n", record.seconds, record.eval_seconds,
                   record.images_per_second, record.train_step_us);
  }
  return text;
}

void save_history(const std::filesystem::path& path, const History& history) {
  write_file_atomically(path, to_csv(history));
}

}  // namespace relaxon
