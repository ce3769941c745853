// How long the steps of a plan take on a target. Planning chooses by it, explain prints it.
//
// A step takes what its arithmetic takes in registers, at the target's clock, adds and fmas, and what its
// operands take to arrive: a weight from the smallest cache that holds all that a batch touches, anything
// else from the smallest one that holds itself. The constants are cycles per register, measured on Zen 4;
// where vector operations are what takes time, there are fewer of them on a core that does more additions a
// cycle, by as much as Zen 5 takes fewer.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/target.hpp"
#include "passes/plan/cost.hpp"
#include "passes/plan/plan.hpp"

namespace relaxon {

/// What the data decide about one step of a plan.
struct StepRates {
  double runs = 1;           // in a batch
  double iterations = 1;     // scan, loop: of one run
  double whole = 0;          // follow: the share of runs that compute the whole message
  double changed = 0;        // advance, the other runs of follow: the share of a sample's senders that differ
  double panel_changed = 0;  // of a panel's senders: that differ in some sample
  double erring = 0.5;       // update: the share of receivers with an error in the batch
  double moving = 1;         // real, where it follows samples: the share of them whose senders differ
};

/// Rates of a network that has learned for some time, by the steps in the order they are printed. The first
/// scan of a batch settles in 6 iterations, the second in 5, later ones in 3, or as many as there are; the
/// first follow of a message whose state starts from 0 is whole; then 1.7 % of the senders flip, 0.05 % from
/// the third scan on; 60, 40, then 10 % of the samples move in an iteration. `iterations`: what the counts of
/// scans are bound to, by the binding's name, where it is known.
std::vector<StepRates> default_rates(const Plan& plan,
                                     const std::map<std::string, std::int64_t>& iterations = {});

class CostModel {
 public:
  CostModel(const Plan& plan, PlanSizes sizes, Target target);

  /// Microseconds of one run on one thread: a mean over the runs that the rates describe. Scans and loops
  /// without their bodies.
  double run_us(const Step& step, const StepRates& rates) const;
  /// The same where a team shares the step by columns, the barrier after it included.
  double shared_us(const Step& step, const StepRates& rates, int threads) const;

  /// Looking in a `real` step for samples whose senders differ from those of the message before.
  double comparison_us(const Step& step) const;

  /// The two ways of a follow.
  struct Follow {
    double whole_us;   // the whole message
    double change_us;  // the change of a state in which nothing changed
    double sender_us;  // and what each changed sender adds: of a sample (dense), of a panel (sparse)
    double scale;      // samples or panels of a batch
    double senders;    // at most
    std::int64_t whole_from() const;  // Step::whole_from
  };
  Follow follow(const Step& step) const;

 private:
  friend class StepTime;
  const Plan& plan_;
  PlanSizes sizes_;
  Target target_;
  double working_set_ = 0;  // bytes that a batch touches
  bool shuffled_ = false;   // whether a batch takes its rows in no order: the plan learns
};

/// Microseconds of a batch on one thread, at the default rates.
double batch_us(const Plan& plan, const PlanSizes& sizes, const Target& target);

}  // namespace relaxon
