#include "runtime/executor/pace.hpp"

#include <algorithm>

namespace relaxon::executor {

Pace::Stretch Pace::next(std::int32_t left) const {
  // One at a time, so that a slow one ends the trial.
  if (trial_ != Trial::none) return {1, trial_ == Trial::alone};
  return {std::min(left, stay_ - stayed_), chosen_alone_};
}

void Pace::took(Stretch stretch, double seconds) {
  if (trial_ == Trial::none) {
    stayed_ += stretch.iterations;
    if (stayed_ < stay_) return;
    trial_ = Trial::team;
    tried_ = 0;
    return;
  }
  // The fastest counts: the first iterations also fill caches.
  double& best = stretch.alone ? alone_ : team_;
  best = tried_ == 0 ? seconds : std::min(best, seconds);
  ++tried_;
  const bool hopeless = trial_ == Trial::team && alone_ > 0 && seconds > 4 * alone_;
  if (tried_ < trial && !hopeless) return;
  tried_ = 0;
  if (trial_ == Trial::team) {
    trial_ = Trial::alone;
    return;
  }
  const bool alone = alone_ < team_;
  stay_ = alone == chosen_alone_ ? std::min(2 * stay_, longest) : shortest;
  chosen_alone_ = alone;
  stayed_ = 0;
  trial_ = Trial::none;
}

}  // namespace relaxon::executor
