// How long the stages of making a program take.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace relaxon {

struct StageTime {
  std::string stage;  // lower, a pass, plan, generate, codegen, link, load ..
  double milliseconds = 0;
};

/// Times stages that follow one another.
class StageClock {
 public:
  /// Ends a stage: milliseconds since the last one ended, or since this was made.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(now - std::exchange(start_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace relaxon
