// Two correlations of exact counts as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/kernels/kernels.hpp"

namespace relaxon::executor {

/// S of `from` less S of `less`, as one S over the samples of both: the errors of `less` count with the other
/// sign. For counts that float32 holds, for which rounding before or after the difference is the same.
class JoinedPhases {
 public:
  /// Whether S of such sides and so many samples is such a count.
  static bool joins(Sender::Kind u, Errors::Kind v, std::int64_t batch);

  /// Both have `batch` samples. `same_senders`: `from` and `less` have one array of senders.
  void join(const CorrelationSides& from, const CorrelationSides& less, bool same_senders,
            std::int64_t senders, std::int64_t receivers, std::int64_t batch);

  /// Of the last call of join(). Each plane of bits is followed by its other one.
  const CorrelationSides& sides() const { return sides_; }
  std::int64_t panels() const { return panels_; }

 private:
  SignsIn join(SignsIn from, SignsIn less, std::int64_t units, std::vector<Mask>& to) const;
  void drop_equal(std::int64_t receivers);

  std::vector<Mask> u_, v_;
  std::vector<std::uint8_t> bytes_;
  CorrelationSides sides_{};
  std::int64_t own_panels_ = 0, panels_ = 0;  // of a phase, of both
  int shift_ = 0;                             // of the lanes of `less` where both share panels, else 0
};

}  // namespace relaxon::executor
