// Whether a team is faster than one thread.
#pragma once

#include <cstdint>

namespace relaxon::executor {

/// Chooses, stretch by stretch, between a team and its first thread alone: tries both on a few iterations,
/// stays with the faster one for a while, then tries again. On a machine with other work to do a team waits
/// for threads that aren't running. Both ways give the same bits.
class Pace {
 public:
  struct Stretch {
    std::int32_t iterations = 1;
    bool alone = false;
  };

  /// The next stretch, of `left` > 0 iterations at most.
  Stretch next(std::int32_t left) const;
  /// How long it took.
  void took(Stretch stretch, double seconds);

 private:
  enum class Trial : std::uint8_t { team, alone, none };

  static constexpr std::int32_t trial = 16, shortest = 256, longest = 4096;

  Trial trial_ = Trial::team;
  std::int32_t tried_ = 0;  // iterations of the trial
  double team_ = 0, alone_ = 0;
  bool chosen_alone_ = false;
  std::int32_t stay_ = shortest, stayed_ = 0;
};

}  // namespace relaxon::executor
