// The scalars of one optimizer step (semantics: section 11): the one function that rounds them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/module.hpp"
#include "core/optimizer.hpp"

namespace relaxon {

/// How far an edge's optimizer has come: steps done, and b1^t, b2^t as running products in double.
struct OptimizerClock {
  std::int64_t t = 0;
  double p1 = 1, p2 = 1;

  void advance(const Optimizer& optimizer);
  /// The clock after t steps.
  static OptimizerClock at(const Optimizer& optimizer, std::int64_t t);
  bool operator==(const OptimizerClock&) const = default;
};

/// Each rounded once to float32 from a product in double, left to right.
struct StepScalars {
  float alpha = 0, k = 0;          // plain sgd
  float beta = 0, delta = 0;       // all others
  float mu = 0, eta = 0;           // momentum
  float b1 = 0, c1 = 0, b2 = 0, c2 = 0, a = 0, r = 0, eps = 0;  // adam
  float decay = 0;                 // adamw: f32(eta weight_decay)
};

/// What the scalars depend on beside module, optimizer and step.
struct UpdateSetting {
  std::int64_t batch = 1;    // B, the batch's own size
  std::int64_t senders = 1;  // d, in_features or features, for sparse edges too
  float input_scale = 1;     // s: the scale of a byte buffer, else 1
  float gate = 1;            // a scalar gate
};

/// The scalars of the step that follows `clock` (its t is the index of the learning rate; Adam's powers are
/// those of t + 1).
StepScalars step_scalars(const Module& module, const Optimizer& optimizer, const OptimizerClock& clock,
                         const UpdateSetting& setting);

/// kappa and wd of section 11, unrounded.
double kappa_of(const UpdateSetting& setting);
double decay_of(const Module& module, std::int64_t senders);
/// lr of section 5: float32 setting times its scaling, in double.
double effective_lr(const Module& module);

}  // namespace relaxon
