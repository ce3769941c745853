// How long the steps of plans take.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace relaxon {

/// Filled by programs as they run, not by two at once. Times are those of the first thread, waiting for the
/// others included; of batches that threads share out it runs its share.
struct Profile {
  struct StepTime {
    std::int64_t runs = 0;
    double seconds = 0;  // bodies included
  };
  /// By the plan's name: its steps in the order they are printed, those of bodies included.
  std::map<std::string, std::vector<StepTime>> plans;

  /// Forgets times, keeps the steps.
  void reset() {
    for (auto& [name, steps] : plans) steps.assign(steps.size(), {});
  }
};

}  // namespace relaxon
