// Which samples of a real-valued message have moved.
#pragma once

#include <vector>

#include "runtime/executor/step.hpp"

namespace relaxon::executor {

/// Runs a `real` step (passes/plan/followed_samples.hpp): of all samples, or of those whose senders differ
/// from the ones that the message in its slot is of.
class FollowedSamples {
 public:
  explicit FollowedSamples(const Step& step);

  /// Whether the step keeps the senders of its message.
  bool follows() const { return seen_.index >= 0; }

  /// Calls compute(numbers, panels, messages) for the samples that must be computed, if there are any, on
  /// every thread of a team, and leaves them in step.
  template <class Compute>
  void run(Context& c, ThreadPart part, Compute compute) {
    if (part.first()) prepare(c);
    if (part.count > 1) c.barrier(part);
    if (all_) {
      compute(c.place(x_).as<const float>(), c.frame.panels, c.place(h_).as<float>());
    } else if (!moved_.empty()) {
      if (rows_) {
        compute_rows(c, part);
      } else {
        compute(static_cast<const float*>(senders_.data()), panels_of(count()), messages_.data());
      }
      unpack(c, part);
    }
    if (part.count > 1) c.barrier(part);
  }

 private:
  std::int64_t count() const { return static_cast<std::int64_t>(moved_.size()); }
  void prepare(Context& c);
  bool is_known(const Context& c) const;
  void find_moved(const Context& c);
  void pack(Context& c);
  void compute_rows(Context& c, ThreadPart part);
  void unpack(Context& c, ThreadPart part);

  SlotId x_, w_, h_, seen_;
  bool rows_ = false;  // the weight is dense: samples that moved are computed by sample, not as panels
  bool all_ = true;
  std::vector<std::int64_t> moved_;        // samples
  std::vector<float> senders_, messages_;  // theirs
  // What the message in its slot is of.
  std::uint64_t run_ = 0, version_ = 0;
  std::int64_t panels_ = 0;
};

}  // namespace relaxon::executor
